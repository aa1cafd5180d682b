"""Cells without a value: by column, by row, and in the label."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.data.columns import Column, Table
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, first_rows, format_count, format_percent, join_rows
from tiltyard.project import ValidationSection

_TELL = 0.05
_WARN = 0.2


def measure_missing(table: Table) -> dict[str, Any]:
    """Count missing and blank cells; a blank cell holds white space only."""
    features = [column for column in table.features if column.role == "feature"]
    per_row = np.zeros(table.rows, dtype=np.int64)
    for column in features:
        per_row += column.gaps
    cells = table.rows * len(features)
    return {
        "cells": cells,
        "missing_cells": int(per_row.sum()),
        "share": float(per_row.sum() / cells) if cells else 0.0,
        "columns": {column.name: _measure_column(column, table.rows) for column in table.columns},
        "rows": {
            "columns": len(features),
            "complete": int(np.count_nonzero(per_row == 0)),
            "over_half": int(np.count_nonzero(per_row * 2 > len(features))),
            "over_half_rows": first_rows(per_row * 2 > len(features)),
            "empty": int(np.count_nonzero(per_row == len(features))) if features else 0,
            "empty_rows": first_rows(per_row == len(features)) if features else [],
        },
    }


def evaluate_missing(measured: dict[str, Any], rows: int, limits: ValidationSection) -> list[Finding]:
    """Findings about missing cells."""
    found, few = [], {}
    for name, column in measured["columns"].items():
        if column["role"] in ("label", "target"):
            found += _evaluate_label(name, column)
        elif column["role"] == "feature" and column["share"] > 0:
            if column["share"] >= min(_TELL, limits.max_missing) or column["share"] > limits.max_missing:
                found.append(_evaluate_column(name, column, rows, limits.max_missing))
            elif column["missing"] or not column["numbers_as_text"]:
                few[name] = column["share"]
    if few:
        found.append(_are_few(few, measured))
    return found + _evaluate_rows(measured["rows"], rows)


def _measure_column(column: Column, rows: int) -> dict[str, Any]:
    gaps = int(column.gaps.sum())
    return {
        "role": column.role,
        "missing": int(column.missing.sum()),
        "blank": int(column.blank.sum()),
        "share": gaps / rows if rows else 0.0,
        "rows": first_rows(column.gaps),
        "numbers_as_text": column.as_words,
    }


def _evaluate_label(name: str, column: dict[str, Any]) -> list[Finding]:
    gaps = column["missing"] + column["blank"]
    if not gaps:
        return []
    where = join_rows(column["rows"], gaps)
    message = (
        f"{format_count(gaps, 'row')} ({format_percent(column['share'])}) {choose_form(gaps, 'has', 'have')} no label "
        f"({where})."
    )
    return [
        Finding(
            "label.missing",
            "error",
            name,
            "Rows without a label",
            message,
            score=column["share"],
            limit=0.0,
            evidence={"rows": column["rows"], "count": gaps},
            next_step="Label these rows or remove them.",
        )
    ]


def _evaluate_column(name: str, column: dict[str, Any], rows: int, limit: float) -> Finding:
    gaps = column["missing"] + column["blank"]
    broken = column["share"] > limit
    evidence = {key: column[key] for key in ("missing", "blank", "rows")}
    if gaps == rows:
        return Finding(
            "data.empty-column",
            "error" if broken else "warning",
            name,
            "Column without any value",
            f"Every cell of '{name}' is missing ({format_count(rows, 'row')}).",
            score=1.0,
            limit=limit,
            evidence=evidence,
            next_step=f"Find out why '{name}' is empty (a renamed column, a failed join?), or leave it out.",
        )
    return Finding(
        "data.missing-values",
        "error" if broken else "warning" if column["share"] >= _WARN else "info",
        name,
        "Missing values",
        f"{gaps:,} of {format_count(rows, 'cell')} of '{name}' ({format_percent(column['share'])}) "
        f"{choose_form(gaps, 'is', 'are')} missing.",
        score=column["share"],
        limit=limit,
        evidence=evidence,
        next_step="See whether what is missing hangs on the label or on time; fill the cells or leave the column out.",
    )


def _are_few(few: dict[str, float], measured: dict[str, Any]) -> Finding:
    names = sorted(few, key=lambda name: -few[name])
    total = sum(measured["columns"][name]["missing"] + measured["columns"][name]["blank"] for name in names)
    incomplete = measured["cells"] // max(1, measured["rows"]["columns"]) - measured["rows"]["complete"]
    return Finding(
        "data.missing-values",
        "info",
        "columns",
        "Missing values",
        f"{format_count(total, 'cell')} of {format_count(len(names), 'column')} {choose_form(total, 'is', 'are')} "
        "missing, at most "
        f"{format_percent(few[names[0]])} of one column ('{names[0]}'); {format_count(incomplete, 'row')} "
        f"{choose_form(incomplete, 'is', 'are')} incomplete.",
        score=few[names[0]],
        evidence={"columns": few, "incomplete_rows": incomplete},
    )


def _evaluate_rows(measured: dict[str, Any], rows: int) -> list[Finding]:
    if not rows or measured["columns"] < 2:
        return []
    found = []
    half = measured["over_half"]
    if measured["empty"]:
        where = join_rows(measured["empty_rows"], measured["empty"])
        found.append(
            Finding(
                "data.empty-rows",
                "warning",
                "rows",
                "Rows without any value",
                f"All feature columns are empty in {format_count(measured['empty'], 'row')} ({where}).",
                score=measured["empty"] / rows,
                evidence={"rows": measured["empty_rows"]},
                next_step="Remove these rows.",
            )
        )
    elif half >= 0.01 * rows:
        where = join_rows(measured["over_half_rows"], half)
        found.append(
            Finding(
                "data.missing-rows",
                "warning" if half >= _TELL * rows else "info",
                "rows",
                "Rows that are mostly gaps",
                f"More than half of the values are missing in {format_count(half, 'row')} "
                f"({format_percent(half / rows)}; {where}).",
                score=half / rows,
                evidence={"rows": measured["over_half_rows"]},
                next_step="Find out where these rows come from, and remove them if they say too little.",
            )
        )
    return found
