"""Rows that repeat, and rows that agree in everything but the label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.columns import Column, Mask, Table
from tiltyard.data.content_hash import Hashes
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import choose_form, first_rows, format_count, format_percent, join_names, join_rows
from tiltyard.project import ValidationSection

# Where chance alone makes this share of rows repeat, repeats say nothing.
_COARSE = 0.05
_TELL = 0.01


def measure_duplicates(table: Table) -> dict[str, Any]:
    """Count repeats over the inputs and what is predicted, columns that merely name rows left out.

    Equal inputs contradict each other by their classes alone: numbers differ where nothing is wrong.
    """
    compared = [column for column in table.features if not column.identifier]
    left_out = [column.name for column in table.features if column.identifier]
    keys = row_keys(compared, table.rows)
    label, predicted = table.label, table.predicted
    whole = keys if predicted is None else with_column(keys, predicted)
    expected = expected_repeats(compared, keys)
    repeats = pd.Series(whole).duplicated().to_numpy() if compared else np.zeros(table.rows, dtype=bool)
    contrary = find_contradictions(keys, label) if compared and label is not None else None
    return {
        "judged": expected <= _COARSE,
        "of": "texts" if compared and all(column.kind == "text" for column in compared) else "rows",
        "count": int(repeats.sum()),
        "share": float(repeats.mean()) if table.rows else 0.0,
        "rows": first_rows(repeats),
        "columns": len(compared),
        "left_out": left_out,
        "expected_share": expected,
        "contradictory": None
        if contrary is None
        else {
            "count": int(contrary.sum()),
            "share": float(contrary.mean()) if table.rows else 0.0,
            "groups": len(np.unique(keys[contrary])),
            "rows": first_rows(contrary),
        },
    }


def row_keys(columns: Iterable[Column], rows: int) -> Hashes:
    """A 64-bit key of each row over some columns: equal rows of this table share it."""
    keys = np.zeros(rows, dtype=np.uint64)
    for column in columns:
        keys = with_column(keys, column)
    return keys


def with_column(keys: Hashes, column: Column) -> Hashes:
    """The keys of the same rows over one column more."""
    cells = column.digests ^ (column.digests >> np.uint64(32))
    # The upper bits of a round number's float hold all it says; multiplying alone would never bring them down.
    cells *= np.uint64(0xBF58476D1CE4E5B9)
    cells ^= cells >> np.uint64(29)
    cells += keys * np.uint64(0x94D049BB133111EB)
    return cells


def find_contradictions(keys: Hashes, label: Column) -> Mask:
    """Rows that share their key with a row of another label; rows without a label are passed over."""
    labelled = np.flatnonzero(~label.gaps)
    order = labelled[np.argsort(keys[labelled], kind="stable")]
    found = np.zeros(len(keys), dtype=bool)
    if not len(order):
        return found
    ordered, codes = keys[order], label.codes[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    differ = np.minimum.reduceat(codes, starts) != np.maximum.reduceat(codes, starts)
    found[order] = np.repeat(differ, np.diff(np.append(starts, len(order))))
    return found


def expected_repeats(columns: Sequence[Column], keys: Hashes) -> float:
    """The share of rows that would repeat another one by chance if the columns were independent.

    Of all pairs of rows, the share Π Σ c (c − 1) / (m (m − 1)) would agree, c being how often each value of a column
    occurs among the m different rows; (n − 1) / 2 times that, at most 1, is the share of the n rows. A text is never
    repeated by chance.
    """
    first = ~pd.Series(keys).duplicated().to_numpy()
    rows, different = len(keys), int(first.sum())
    if rows == different or any(column.kind == "text" for column in columns):
        return 0.0
    agreeing = 1.0
    for column in columns if different > 1 else ():
        counts = np.unique(column.digests[first], return_counts=True)[1].astype(np.float64)
        agreeing *= float((counts * (counts - 1)).sum()) / (different * (different - 1.0))
    return min(1.0, (rows - 1) / 2 * agreeing)


def evaluate_duplicates(measured: dict[str, Any], rows: int, limits: ValidationSection) -> list[Finding]:
    """Findings about repeats and contradictions."""
    if not rows or not measured["columns"]:
        return []
    if not measured["judged"]:
        return [_too_coarse_finding(measured)]
    found = []
    if measured["count"]:
        found.append(_repeats_finding(measured, limits.max_duplicates))
    contradictory = measured["contradictory"]
    if contradictory and contradictory["count"]:
        found.append(_contradictions_finding(contradictory, measured["of"]))
    return found


def _too_coarse_finding(measured: dict[str, Any]) -> Finding:
    return could_not_judge(
        "data.duplicate-rows",
        "rows",
        f"The columns have so few values that {format_percent(measured['expected_share'])} of the rows would "
        "repeat another "
        "one by chance; repeats say nothing here.",
        title="Repeated rows",
    )


def _repeats_finding(measured: dict[str, Any], limit: float) -> Finding:
    noun, share, count = measured["of"], measured["share"], measured["count"]
    over = f", {join_names(measured['left_out'])} left out" if measured["left_out"] else ""
    noticed = _TELL if noun == "texts" else 5 * _TELL
    return Finding(
        "data.duplicate-rows",
        "error" if share > limit else "warning" if share >= noticed else "info",
        noun,
        f"Repeated {noun}",
        f"{format_count(count, noun[:-1])} ({format_percent(share)}) {choose_form(count, 'repeats', 'repeat')} an "
        "earlier one, label "
        f"included{over} ({join_rows(measured['rows'], count)}).",
        score=share,
        limit=limit,
        evidence={"rows": measured["rows"], "count": measured["count"]},
        next_step="Find out whether they are copies or true repetitions; a split by content keeps copies on one side.",
    )


def _contradictions_finding(measured: dict[str, Any], noun: str) -> Finding:
    share, count = measured["share"], measured["count"]
    return Finding(
        "label.contradictory",
        "warning" if share >= _TELL else "info",
        noun,
        "Equal inputs, different labels",
        f"{format_count(count, noun[:-1])} ({format_percent(share)}) in "
        f"{format_count(measured['groups'], 'group')} have equal inputs "
        f"and different labels ({join_rows(measured['rows'], count)}).",
        score=share,
        evidence={"rows": measured["rows"], "count": count, "groups": measured["groups"]},
        next_step="Settle their labels; no model can have more than one of them right.",
    )
