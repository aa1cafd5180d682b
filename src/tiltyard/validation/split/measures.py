"""What two sides of a split have in common that they should not, and what they lack in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tiltyard.errors import UsageError
from tiltyard.formatting import excerpt, rows_where
from tiltyard.validation.columns import Column, Mask, Roles, Table, read_table
from tiltyard.validation.split.adversarial import adversarial_auc
from tiltyard.validation.table.duplicates import measure_duplicates, row_keys, with_column
from tiltyard.validation.text.near_duplicates import near_copies
from tiltyard.validation.two_sample_tests import Shift, false_discovery_adjusted, shift_of_counts, shift_of_numbers

LABEL = "label"
_CATEGORIES = 50


def measure_split(
    train: tuple[pd.DataFrame, pd.Series], test: tuple[pd.DataFrame, pd.Series], adversarial: bool
) -> dict[str, Any]:
    """Measures between two sides, each of inputs and labels; see `as_frame` and `as_labels`."""
    names = [[str(name) for name in side[0].columns] for side in (train, test)]
    shared = [name for name in names[0] if name in names[1]]
    table, judged = _table(train, test, shared)
    label = table.columns[-1]
    return {
        "sizes": _sizes(label, judged),
        "columns": {
            "only_train": [name for name in names[0] if name not in names[1]],
            "only_test": [name for name in names[1] if name not in names[0]],
        },
        "duplicates": _duplicates(table, judged),
        "near_duplicates": _near_duplicates(table, judged),
        "label_shift": label_shift(label, judged),
        "feature_shift": feature_shift(table, judged),
        "adversarial": adversarial_auc(table, judged) if adversarial else {"judged": False},
    }


def as_frame(inputs: Any, side: str) -> pd.DataFrame:
    """Inputs as a frame: a DataFrame as it is, texts as one column, a matrix with columns x0, x1, …

    Raises:
        UsageError: they are neither.
    """
    if isinstance(inputs, pd.DataFrame):
        return inputs.rename(columns=str)
    if isinstance(inputs, pd.Series):
        return pd.DataFrame({str(inputs.name or "text"): inputs})
    if isinstance(inputs, list | tuple):
        inputs = np.array(inputs, dtype=object) if inputs and isinstance(inputs[0], str) else np.asarray(inputs)
    if isinstance(inputs, np.ndarray) and inputs.ndim == 1:
        return pd.DataFrame({"text": pd.Series(inputs, dtype=object if inputs.dtype.kind in "OU" else None)})
    if isinstance(inputs, np.ndarray) and inputs.ndim == 2:
        return pd.DataFrame(inputs, columns=[f"x{place}" for place in range(inputs.shape[1])])
    raise UsageError(
        f"The inputs of the {side} side are a {type(inputs).__name__}, which is no table and no texts.",
        next_step="Pass a DataFrame, a Series or list of texts, or a two-dimensional array.",
    )


def as_labels(labels: Any, rows: int, side: str) -> pd.Series:
    """Labels as a Series.

    Raises:
        UsageError: there are not as many as inputs.
    """
    series = pd.Series(np.asarray(labels, dtype=object).ravel())
    if len(series) != rows:
        raise UsageError(
            f"The {side} side has {rows} inputs and {len(series)} labels.",
            next_step="Pass one label for each input, in the same order.",
        )
    return series


def _table(
    train: tuple[pd.DataFrame, pd.Series], test: tuple[pd.DataFrame, pd.Series], shared: list[str]
) -> tuple[Table, Mask]:
    """Both sides as one table, so that equal values have equal codes; and which rows judge."""
    label = LABEL
    while label in shared:
        label += "_"
    columns = {name: pd.concat([train[0][name], test[0][name]], ignore_index=True) for name in shared}
    columns[label] = pd.concat([train[1], test[1]], ignore_index=True)
    frame = pd.DataFrame(columns)
    judged = np.arange(len(frame)) >= len(train[1])
    return read_table(frame, "split", Roles(label=label)), judged


def _sizes(label: Column, judged: Mask) -> dict[str, Any]:
    counts = {side: _counts(label, mask) for side, mask in (("train", ~judged), ("test", judged))}
    names = [str(value) for value in label.distinct]
    return {
        "train": int(np.count_nonzero(~judged)),
        "test": int(np.count_nonzero(judged)),
        "test_share": float(judged.mean()) if len(judged) else 0.0,
        "train_labels": dict(zip(names, counts["train"].tolist(), strict=True)),
        "test_labels": dict(zip(names, counts["test"].tolist(), strict=True)),
    }


def _counts(column: Column, mask: Mask) -> Any:
    codes = column.codes[mask]
    return np.bincount(codes[codes >= 0], minlength=len(column.distinct))


def _duplicates(table: Table, judged: Mask) -> dict[str, Any]:
    """Test rows whose inputs stand among the training rows, and those of them with another label there."""
    compared = [column for column in table.features if not column.identifier]
    whole = measure_duplicates(table)
    keys = row_keys(compared, table.rows)
    known = np.zeros(table.rows, dtype=bool)
    same = known.copy()
    if compared and table.label is not None:
        with_label = with_column(keys, table.label)
        known[judged] = np.isin(keys[judged], keys[~judged])
        same[judged] = np.isin(with_label[judged], with_label[~judged])
    size = max(1, int(judged.sum()))
    return {
        "judged": whole["judged"],
        "expected_share": whole["expected_share"],
        "of": whole["of"],
        "count": int(known.sum()),
        "share": float(known.sum() / size),
        "other_label": int((known & ~same).sum()),
        "rows": rows_where(known[judged]),
    }


def _near_duplicates(table: Table, judged: Mask) -> dict[str, Any]:
    """Test texts that are near copies of a training text without being equal to one."""
    result: dict[str, Any] = {"judged": False, "count": 0, "share": 0.0, "rows": [], "examples": []}
    cells = np.zeros(table.rows, dtype=bool)
    for column in table.features:
        if column.kind != "text":
            continue
        taught = _counts(column, ~judged) > 0
        # Training texts first: a kind that occurs there is then represented by one of them.
        order = np.argsort(~taught, kind="stable")
        pairs = [
            (order[place], order[first])
            for place, first, _ in near_copies([str(column.distinct[place]) for place in order])
            if taught[order[first]] and not taught[order[place]]
        ]
        near = np.zeros(len(column.distinct) + 1, dtype=bool)
        near[[place for place, _ in pairs]] = True
        cells |= near[column.codes] & judged
        result["judged"] = True
        result["examples"] += [
            [excerpt(column.distinct[first], 80), excerpt(column.distinct[place], 80)] for place, first in pairs[:3]
        ]
    result.update(
        count=int(cells.sum()), share=float(cells.sum() / max(1, judged.sum())), rows=rows_where(cells[judged])
    )
    return result


def label_shift(label: Column, judged: Mask) -> dict[str, Any]:
    """The labels' shift between the rows that do not judge and those that do, with the shares of both."""
    counts = _counts(label, ~judged), _counts(label, judged)
    if not counts[0].sum() or not counts[1].sum():
        return {"judged": False}
    shift = shift_of_counts(*counts)
    names = [str(value) for value in label.distinct]
    return {
        "judged": True,
        "test": shift.test,
        "distance": shift.distance,
        "p_value": shift.p_value,
        "train_shares": dict(zip(names, (counts[0] / counts[0].sum()).tolist(), strict=True)),
        "test_shares": dict(zip(names, (counts[1] / counts[1].sum()).tolist(), strict=True)),
    }


def feature_shift(table: Table, judged: Mask) -> dict[str, Any]:
    """Each column's shift between the sides, with p-values adjusted for the number of columns."""
    shifts: dict[str, Shift] = {}
    for column in table.features:
        shift = None if column.identifier else _column_shift(column, judged)
        if shift is not None:
            shifts[column.name] = shift
    adjusted = false_discovery_adjusted(np.array([shift.p_value for shift in shifts.values()]))
    return {
        name: {
            "test": shift.test,
            "distance": shift.distance,
            "p_value": shift.p_value,
            "adjusted_p_value": float(value),
        }
        for (name, shift), value in zip(shifts.items(), adjusted, strict=True)
    }


def _column_shift(column: Column, judged: Mask) -> Shift | None:
    numbers = column.numbers
    if column.kind == "text":
        lengths = np.array([len(str(value)) for value in column.distinct] + [0], dtype=np.float64)
        numbers = lengths[column.codes]
    if column.kind in ("number", "text"):
        known = np.isfinite(numbers)
        first, second = np.sort(numbers[known & ~judged]), np.sort(numbers[known & judged])
        return shift_of_numbers(first, second) if len(first) and len(second) else None
    # Times differ between sides by design where the newest rows judge.
    if not column.coded or column.kind not in ("category", "boolean"):
        return None
    counts = np.array([_counts(column, ~judged), _counts(column, judged)])
    order = np.argsort(-counts.sum(axis=0), kind="stable")
    counts = np.column_stack([counts[:, order[:_CATEGORIES]], counts[:, order[_CATEGORIES:]].sum(axis=1)])
    return shift_of_counts(*counts) if counts.sum(axis=1).all() else None
