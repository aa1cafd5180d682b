"""What two sides of a split have in common that they should not, and what they lack in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.columns import Column, Mask, Roles, Table
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.read_table import read_table
from tiltyard.drift import DriftOptions
from tiltyard.drift.tables import compare_rows
from tiltyard.errors import UsageError
from tiltyard.formatting import first_rows, format_count, quote_excerpt
from tiltyard.tasks import USUAL_TARGET, TaskTarget
from tiltyard.validation.drift import describe_feature_shift, describe_label_shift, describe_separation
from tiltyard.validation.table.duplicates import measure_duplicates, row_keys, with_column
from tiltyard.validation.text.near_duplicates import near_copies

LABEL = "label"
SHIFT = DriftOptions(false_alarm_rate=0.01, min_rows=30)
"""How a shift between the sides is decided: more strictly than drift, for every training asks."""


def measure_split(
    train: tuple[pd.DataFrame, pd.Series],
    test: tuple[pd.DataFrame, pd.Series],
    adversarial: bool,
    *,
    target: TaskTarget = USUAL_TARGET,
) -> dict[str, Any]:
    """Measures between two sides, each of inputs and labels; see `as_frame`, `as_labels`."""
    names = [[str(name) for name in side[0].columns] for side in (train, test)]
    shared = [name for name in names[0] if name in names[1]]
    table, is_test = _join_sides(train, test, shared, TaskData.find_for_target(target))
    label = table.label
    shifts = compare_rows(table, is_test, SHIFT, domain_classifier=adversarial)
    return {
        "sizes": _measure_sizes(label, is_test),
        "columns": {
            "only_train": [name for name in names[0] if name not in names[1]],
            "only_test": [name for name in names[1] if name not in names[0]],
        },
        "duplicates": _measure_duplicates(table, is_test),
        "near_duplicates": _measure_near_duplicates(table, is_test),
        "label_shift": describe_label_shift(
            shifts.evaluation.tests, None if label is None else (label.take(~is_test), label.take(is_test))
        ),
        "feature_shift": describe_feature_shift(
            shifts.evaluation.tests, (*table.features, *(() if table.target is None else (table.target,)))
        ),
        "adversarial": describe_separation(shifts),
    }


def as_frame(inputs: Any, side: str) -> pd.DataFrame:
    """Inputs as a frame: texts as one column, tables as ``read_table_like`` takes them.

    Raises:
        UsageError: they are neither.
    """
    if isinstance(inputs, pd.Series):
        return pd.DataFrame({str(inputs.name or "text"): inputs})
    if isinstance(inputs, list | tuple) and (not inputs or isinstance(inputs[0], str)):
        inputs = np.array(inputs, dtype=object)
    if isinstance(inputs, np.ndarray) and inputs.ndim == 1:
        return pd.DataFrame({"text": pd.Series(inputs, dtype=object if inputs.dtype.kind in "OU" else None)})
    return read_table_like(inputs, f"X_{side}")


def as_labels(labels: Any, rows: int, side: str) -> pd.Series:
    """Labels as a Series.

    Raises:
        UsageError: there are not as many as inputs.
    """
    series = pd.Series(np.asarray(labels, dtype=object).ravel())
    if len(series) != rows:
        raise UsageError(
            f"The {side} side has {format_count(rows, 'input')} and {format_count(len(series), 'label')}.",
            next_step="Pass one label for each input, in the same order.",
        )
    return series


def _join_sides(
    train: tuple[pd.DataFrame, pd.Series],
    test: tuple[pd.DataFrame, pd.Series],
    shared: list[str],
    of_target: TaskData,
) -> tuple[Table, Mask]:
    """Both sides as one table, so that equal values have equal codes; and which rows are the test side."""
    label = LABEL
    while label in shared:
        label += "_"
    columns = {name: pd.concat([train[0][name], test[0][name]], ignore_index=True) for name in shared}
    columns[label] = pd.concat([train[1], test[1]], ignore_index=True).astype(of_target.cell_type)
    frame = pd.DataFrame(columns)
    is_test = np.arange(len(frame)) >= len(train[1])
    return read_table(frame, "split", Roles(label=label, label_role=of_target.column_role)), is_test


def _measure_sizes(label: Column | None, is_test: Mask) -> dict[str, Any]:
    """Rows of each side, and of each label there; numbers have no rows each."""
    if label is None:
        counted: dict[str, Any] = {"train_labels": {}, "test_labels": {}}
    else:
        counted = _count_labels(label, is_test)
    return {
        "train": int(np.count_nonzero(~is_test)),
        "test": int(np.count_nonzero(is_test)),
        "test_share": float(is_test.mean()) if len(is_test) else 0.0,
        **counted,
    }


def _count_labels(label: Column, is_test: Mask) -> dict[str, Any]:
    counts = {side: _count_values(label, mask) for side, mask in (("train", ~is_test), ("test", is_test))}
    names = [str(value) for value in label.distinct]
    return {
        "train_labels": dict(zip(names, counts["train"].tolist(), strict=True)),
        "test_labels": dict(zip(names, counts["test"].tolist(), strict=True)),
    }


def _count_values(column: Column, mask: Mask) -> Any:
    codes = column.codes[mask]
    return np.bincount(codes[codes >= 0], minlength=len(column.distinct))


def _measure_duplicates(table: Table, is_test: Mask) -> dict[str, Any]:
    """Test rows whose inputs stand among the training rows, and those of them with another label there."""
    compared = [column for column in table.features if not column.identifier]
    whole = measure_duplicates(table)
    keys = row_keys(compared, table.rows)
    known = np.zeros(table.rows, dtype=bool)
    same = known.copy()
    if compared and table.predicted is not None:
        with_label = with_column(keys, table.predicted)
        known[is_test] = np.isin(keys[is_test], keys[~is_test])
        same[is_test] = np.isin(with_label[is_test], with_label[~is_test])
    size = max(1, int(is_test.sum()))
    return {
        "judged": whole["judged"],
        "expected_share": whole["expected_share"],
        "of": whole["of"],
        "count": int(known.sum()),
        "share": float(known.sum() / size),
        "other_label": int((known & ~same).sum()),
        "rows": first_rows(known[is_test]),
    }


def _measure_near_duplicates(table: Table, is_test: Mask) -> dict[str, Any]:
    """Test texts that are near copies of a training text without being equal to one."""
    result: dict[str, Any] = {"judged": False, "count": 0, "share": 0.0, "rows": [], "examples": []}
    cells = np.zeros(table.rows, dtype=bool)
    for column in table.features:
        if column.kind != "text":
            continue
        learnt = _count_values(column, ~is_test) > 0
        # Training texts first: a kind that occurs there is then represented by one of them.
        order = np.argsort(~learnt, kind="stable")
        pairs = [
            (order[place], order[first])
            for place, first, _ in near_copies([str(column.distinct[place]) for place in order])
            if learnt[order[first]] and not learnt[order[place]]
        ]
        near = np.zeros(len(column.distinct) + 1, dtype=bool)
        near[[place for place, _ in pairs]] = True
        cells |= near[column.codes] & is_test
        result["judged"] = True
        result["examples"] += [
            [quote_excerpt(column.distinct[first], 80), quote_excerpt(column.distinct[place], 80)]
            for place, first in pairs[:3]
        ]
    result.update(
        count=int(cells.sum()), share=float(cells.sum() / max(1, is_test.sum())), rows=first_rows(cells[is_test])
    )
    return result
