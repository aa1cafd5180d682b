"""What columns a dataset must have, and where it differs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tiltyard.data.columns import Column, LabelRole, Roles, Table
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.read_table import read_table
from tiltyard.errors import UsageError
from tiltyard.findings import Finding
from tiltyard.formatting import (
    choose_form,
    first_rows,
    format_count,
    format_number,
    format_percent,
    join_names,
    join_rows,
    join_values,
)
from tiltyard.project import ColumnSchema, ColumnType

_MOST_VALUES = 100
_NEAR = 0.6
_FEW_WORDS = 3  # so many words among numbers may stand for missing cells


Schema = Mapping[str, ColumnSchema]


def infer_required_schema(
    frame: pd.DataFrame,
    *,
    label: str | None = None,
    text: str | None = None,
    rules: ReadingRules = USUAL_RULES,
    label_role: LabelRole = "label",
) -> dict[str, ColumnSchema]:
    """The schema that a frame keeps: types, known categories (up to 100), and no negative numbers where there are none.

    The label's categories are always written down (a target of numbers has none); ``missing`` is allowed
    where cells are missing, and in columns with few rows nothing else counts as a rule.
    """
    roles = Roles(label=label, text=text, features=tuple(map(str, frame.columns)), label_role=label_role)
    table = read_table(frame, "schema", roles, rules)
    return {column.name: _infer_column(column) for column in table.columns}


def as_schema(schema: Mapping[str, Any]) -> dict[str, ColumnSchema]:
    """A schema from its columns: a `ColumnSchema`, its fields, or just the type (``{"age": "integer"}``).

    Raises:
        UsageError: a column's entry cannot be meant.
    """
    columns = {}
    for name, entry in schema.items():
        fields = {"type": entry} if isinstance(entry, str) else entry
        try:
            columns[str(name)] = fields if isinstance(fields, ColumnSchema) else ColumnSchema.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UsageError(
                f"The schema of column '{name}' cannot be used: '{place}': {first['msg']}.",
                next_step='Write it like {"type": "number", "minimum": 0}.',
                column=name,
            ) from None
    return columns


def measure_schema(table: Table, schema: Schema, named_columns: Sequence[str] = ()) -> dict[str, Any]:
    """Where a table differs from its schema, and which of the columns that the caller named it lacks."""
    present = {column.name: column for column in table.columns}
    required = dict.fromkeys([*named_columns, *(name for name, rule in schema.items() if rule.required)])
    lacking = [name for name in required if name not in present]
    extra = [column.name for column in table.columns if column.name not in schema and column.name not in required]
    unlearned = {column.name for column in table.columns if column.role == "other"}
    return {
        "judged": bool(schema),
        "missing_columns": {name: _find_renamed(name, extra) for name in lacking},
        "extra_columns": [name for name in extra if name not in unlearned] if schema else [],
        "columns": {name: _differences(present[name], rule) for name, rule in schema.items() if name in present},
    }


def evaluate_schema(measured: dict[str, Any]) -> list[Finding]:
    """Findings about differences from the schema; none where there is no schema."""
    found = [_absent_finding(name, other) for name, other in measured["missing_columns"].items()]
    renamed = set(measured["missing_columns"].values())
    extra = [name for name in measured["extra_columns"] if name not in renamed]
    if extra:
        found.append(
            Finding(
                "schema.column-extra",
                "info",
                join_names(extra),
                "Columns that the schema does not know",
                f"The data has {format_count(len(extra), 'column')} more than the schema: {join_names(extra)}.",
                evidence={"columns": extra},
                next_step="Add them to the schema, or leave them out.",
            )
        )
    for name, differences in measured["columns"].items():
        found += [_difference_finding(name, kind, facts) for kind, facts in differences.items()]
    return found


def _infer_column(column: Column) -> ColumnSchema:
    kind: ColumnType = "category" if column.kind == "empty" else column.kind
    values, minimum = None, None
    if kind == "category" and column.kind != "empty" and (column.different <= _MOST_VALUES or column.role == "label"):
        values = tuple(sorted(str(value).strip() for value in column.distinct if str(value).strip()))
    if kind == "number" and len(column.ordered):
        minimum = 0.0 if column.ordered[0] >= 0 else None
        if bool((column.ordered == np.floor(column.ordered)).all()):
            kind = "integer"
    return ColumnSchema(type=kind, missing=bool(column.gaps.any()), values=values, minimum=minimum)


def _find_renamed(name: str, extra: list[str]) -> str | None:
    """The extra column that is likely to be the lacking one under another name."""
    plain = {_plain(other): other for other in extra}
    if _plain(name) in plain:
        return plain[_plain(name)]
    close = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=_NEAR)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _differences(column: Column, rule: ColumnSchema) -> dict[str, Any]:
    differences: dict[str, Any] = {}
    if column.gaps.any() and not rule.missing:
        differences["missing-values"] = {"count": int(column.gaps.sum()), "rows": first_rows(column.gaps)}
    if column.kind == "empty":
        return differences
    if rule.type in ("number", "integer"):
        differences.update(_number_differences(column, rule))
    elif not _fits(column, rule.type):
        differences["type"] = {"expected": rule.type, "found": column.kind}
    elif rule.values is not None and column.coded:
        known = {value.strip() for value in rule.values}
        # The schema may spell a label otherwise than the data: a class is known by what it means.
        codec = LabelCodec.from_classes(known if column.role == "label" else ())
        words = [str(value).strip() for value in column.distinct]
        new = np.array([bool(w) and w not in known and codec.find_class(w) is None for w in words] + [False])
        cells = new[column.codes]
        if cells.any():
            values = {str(column.distinct[place]): int(column.counts[place]) for place in np.flatnonzero(new)[:20]}
            differences["new-category"] = {
                "count": int(cells.sum()),
                "share": float(cells.mean()),
                "values": values,
                "rows": first_rows(cells),
                "label": column.role == "label",
            }
    return differences


def _fits(column: Column, kind: ColumnType) -> bool:
    if kind in ("category", "text"):
        # Any words will do; numbers will not, for they would be read as other categories than the known ones.
        return column.coded or (kind == "category" and column.kind in ("boolean", "category"))
    if kind == "boolean":
        return column.kind == "boolean" or (column.kind == "number" and set(column.ordered) <= {0.0, 1.0})
    return column.kind == kind


def _number_differences(column: Column, rule: ColumnSchema) -> dict[str, Any]:
    numbers = column.numbers if column.numeric else np.full(len(column.missing), np.nan)
    wrong = np.isnan(numbers) & ~column.gaps
    if rule.type == "integer":
        wrong |= np.isfinite(numbers) & (numbers != np.floor(np.where(np.isfinite(numbers), numbers, 0)))
    differences: dict[str, Any] = {}
    if wrong.any():
        if column.coded:
            values = [column.distinct[code] for code in column.codes[wrong][:20]]
        else:
            values = numbers[wrong][:20].tolist()
        differences["type"] = {
            "expected": rule.type,
            "found": column.kind,
            "count": int(wrong.sum()),
            "rows": first_rows(wrong),
            "values": list(dict.fromkeys(values)),
        }
    low = -np.inf if rule.minimum is None else rule.minimum
    high = np.inf if rule.maximum is None else rule.maximum
    outside = (numbers < low) | (numbers > high)
    if outside.any():
        differences["out-of-range"] = {
            "count": int(outside.sum()),
            "share": float(outside.mean()),
            "rows": first_rows(outside),
            "values": [float(value) for value in dict.fromkeys(numbers[outside][:20])],
            "minimum": rule.minimum,
            "maximum": rule.maximum,
        }
    return differences


def _absent_finding(name: str, other: str | None) -> Finding:
    if other is not None:
        return Finding(
            "schema.column-renamed",
            "error",
            name,
            "Column that seems renamed",
            f"The data has no column '{name}'; '{other}', which is not expected, may be the same under another name.",
            evidence={"column": name, "candidate": other},
            next_step=f"Rename '{other}' to '{name}', or expect '{other}' (in the project file or the schema).",
        )
    return Finding(
        "schema.column-missing",
        "error",
        name,
        "Missing column",
        f"The data has no column '{name}'.",
        evidence={"column": name},
        next_step="Bring the column back, or no longer expect it (in the project file or the schema).",
    )


def _difference_finding(name: str, kind: str, facts: dict[str, Any]) -> Finding:
    if kind == "type":
        return _find_wrong_type(name, facts)
    count = facts["count"]
    where = join_rows(facts["rows"], count)
    if kind == "missing-values":
        return Finding(
            "schema.missing-values",
            "error",
            name,
            "Missing values where none may be",
            f"{format_count(count, 'cell')} of '{name}' {choose_form(count, 'is', 'are')} missing ({where}).",
            score=float(count),
            limit=0.0,
            evidence=facts,
            next_step="Fill them, or allow it in the schema: missing = true.",
        )
    if kind == "new-category":
        return Finding(
            "schema.new-category",
            "error" if facts["label"] else "warning",
            name,
            "Unknown label" if facts["label"] else "New category",
            f"{format_count(count, 'cell')} of '{name}' ({format_percent(facts['share'])}) "
            f"{choose_form(count, 'holds', 'hold')} what "
            f"the schema does not know: {join_values(facts['values'])} ({where}).",
            score=facts["share"],
            evidence=facts,
            next_step="Correct them, or add them to the schema and train anew.",
        )
    low, high = facts["minimum"], facts["maximum"]
    bounds = " and ".join(
        f"{says} {format_number(bound)}" for says, bound in (("at least", low), ("at most", high)) if bound is not None
    )
    return Finding(
        "schema.out-of-range",
        "warning",
        name,
        "Number out of range",
        f"{format_count(count, 'cell')} of '{name}' {choose_form(count, 'is', 'are')} out of the range ({bounds}): "
        f"{', '.join(format_number(value) for value in facts['values'][:5])} ({where}).",
        score=facts["share"],
        evidence=facts,
        next_step="Correct them, or widen the range in the schema.",
    )


def _find_wrong_type(name: str, facts: dict[str, Any]) -> Finding:
    if facts.get("values"):
        count = facts["count"]
        where = f"{join_values(facts['values'])} ({join_rows(facts['rows'], count)})"
        message = (
            f"'{name}' must hold {_a(facts['expected'])} in every cell; {format_count(count, 'cell')} "
            f"{choose_form(count, 'does', 'do')} not: {where}."
        )
    else:
        message = f"'{name}' must hold {_a(facts['expected'])}, and holds {_a(facts['found'])}."
    return Finding(
        "schema.type-changed",
        "error",
        name,
        "Wrong type",
        message,
        evidence=facts,
        next_step=f"Correct the values where the data is made, {_explain_gaps(facts)}or change the schema.",
    )


def _explain_gaps(facts: Mapping[str, Any]) -> str:
    """How a few words that stand for missing cells are read as such; empty where other values are wrong."""
    words = [value for value in facts.get("values", ()) if isinstance(value, str)]
    if not 0 < len(words) <= _FEW_WORDS or facts["expected"] not in ("integer", "number"):
        return ""
    named = ", ".join(f'"{word}"' for word in words)
    options = " ".join(f"--gap '{word}'" for word in words)
    return f"read them as missing cells (data.gaps = [{named}]; tiltyard init FILE {options}), "


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
