"""From rows to a profile: a frame, a series of texts, or inputs as callers sent them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.drift.profiles.categories import CategoryCounts, CategoryLayout
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.profile import Profile
from tiltyard.drift.profiles.schema import CONFIDENCE, LABEL, PREDICTION, RESIDUAL, SPREAD, Layout
from tiltyard.drift.profiles.texts import MEASURES, TermCounts, encode_texts, read_texts

Inputs = pd.DataFrame | pd.Series

CHUNK = 1 << 16
"""Rows whose numbers are worked on at once, so that memory does not grow with their number."""

CATEGORIES_AT_ONCE = 1 << 18
"""Values of a category that are counted at once."""


@dataclass(frozen=True)
class RowOrder:
    """How n rows belong together, as far as it is known.

    Attributes:
        groups: by the column that names them, n keys, equal for rows of one group.
        times: n times, in hours or in numbers that grow with time; NaN where one is not known.
        time_column: the column of the times.
        clock: whether the times are hours.
    """

    groups: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    times: NDArray[np.float64] | None = None
    time_column: str = ""
    clock: bool = False


@dataclass(frozen=True)
class Rows:
    """n rows with their predictions and labels.

    Attributes:
        inputs: a frame of n rows, or a series of n texts, which then are its column ``text``; names of columns become
            text.
        predictions: n predicted labels, if they are known, also as categories; of a model of numbers these, in a layout
            of numbers also as text.
        confidences: n probabilities of the predicted labels, if they are known.
        labels: true labels of some of the rows, if any are known; of a model of numbers these.
        order: the groups and times of the n rows.
    """

    inputs: Inputs
    predictions: NDArray[Any] | pd.Categorical | None = None
    confidences: NDArray[np.float64] | None = None
    labels: NDArray[Any] | None = None
    order: RowOrder = RowOrder()

    def __post_init__(self) -> None:
        if isinstance(self.inputs, pd.DataFrame) and not all(isinstance(name, str) for name in self.inputs.columns):
            object.__setattr__(self, "inputs", self.inputs.rename(columns=str))

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: NDArray[np.intp]) -> Rows:
        """The rows at these places, without their order."""
        predictions, confidences, labels = self.predictions, self.confidences, self.labels
        return Rows(
            self.inputs.iloc[places],
            None if predictions is None else predictions[places],
            None if confidences is None else confidences[places],
            None if labels is None else labels[places],
        )


def rows_frame(inputs: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Inputs as callers sent them, as a frame of the named columns; what was not sent is missing.

    Names of columns are text: a key 0 is the column "0".
    """
    rows = [row if all(isinstance(name, str) for name in row) else _name_keys(row) for row in inputs]
    names = list(map(str, columns))
    data = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    return pd.DataFrame(data, columns=names, index=range(len(rows)))


def profile_rows(layout: Layout, rows: Rows | Inputs) -> Profile:
    """The profile of rows. Columns that the layout does not know are passed over; absent ones are missing.

    Memory: a few megabytes more than the rows themselves, however many they are.
    """
    rows_and_labels = rows if isinstance(rows, Rows) else Rows(rows)
    columns = {name: _find_column(rows_and_labels.inputs, name) for name in layout.columns}
    numbers = {name: NumberCounts.empty(known) for name, known in layout.numbers.items()}
    terms = {name: TermCounts.empty() for name in layout.texts}
    for part in _slice_rows(len(rows_and_labels), CHUNK):
        values, invalid = _read_numbers(layout, columns, rows_and_labels, part)
        values |= _measure_texts(layout, columns, part, terms)
        values |= _measure_joint(layout, values)
        for name, known in layout.numbers.items():
            if name in values:
                numbers[name] += NumberCounts.from_values(known, values[name], invalid.get(name, 0))
    for name in {PREDICTION, LABEL} & {*layout.numbers}:
        numbers[name] += _count_targets(layout.numbers[name], rows_and_labels, name)
    categories = {
        name: _count_category(known, columns, rows_and_labels, name) for name, known in layout.categories.items()
    }
    return Profile(layout.digest, len(rows_and_labels), numbers, categories, terms)


def has_numbers(targets: NDArray[Any] | pd.Categorical | None) -> bool:
    """Whether predictions or labels are numbers, not classes."""
    return targets is not None and np.asarray(targets).dtype.kind == "f"


def as_numbers(targets: NDArray[Any] | pd.Categorical) -> NDArray[np.float64]:
    """Predicted or true numbers, however they are written; what is none becomes NaN."""
    return read_floats(pd.Series(np.asarray(targets)))[0]


def _count_targets(layout: NumberLayout, rows: Rows, name: str) -> NumberCounts:
    targets = rows.predictions if name == PREDICTION else rows.labels
    values = as_numbers(np.zeros(0) if targets is None else targets)
    total = NumberCounts.empty(layout)
    for part in _slice_rows(len(values), CHUNK):
        total += NumberCounts.from_values(layout, values[part], 0)
    return total


def read_floats(values: pd.Series, part: slice = slice(None)) -> tuple[NDArray[np.float64], int]:
    """Some rows of a column as float64, and how many of them are neither numbers nor missing (they are NaN)."""
    if values.dtype == np.float64:
        return np.ascontiguousarray(values.to_numpy()[part]), 0
    values = values.iloc[part]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb":
        return values.to_numpy(np.float64), 0
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return numbers, int(np.isnan(numbers).sum() - values.isna().sum())


def _name_keys(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _slice_rows(rows: int, at_once: int) -> Iterator[slice]:
    return (slice(start, min(start + at_once, rows)) for start in range(0, rows, at_once))


def _read_numbers(
    layout: Layout, columns: Mapping[str, pd.Series], rows: Rows, part: slice
) -> tuple[dict[str, NDArray[np.float64]], dict[str, int]]:
    """The numbers of some rows by name, and how many of each column are not numbers."""
    values: dict[str, NDArray[np.float64]] = {}
    invalid: dict[str, int] = {}
    for name in layout.numbers:
        if name in columns:
            values[name], invalid[name] = read_floats(columns[name], part)
    if CONFIDENCE in layout.numbers and rows.confidences is not None:
        values[CONFIDENCE] = np.ascontiguousarray(rows.confidences[part], np.float64)
    return values, invalid


def _measure_texts(
    layout: Layout, columns: Mapping[str, pd.Series], part: slice, terms: dict[str, TermCounts]
) -> dict[str, NDArray[np.float64]]:
    """The measures of some texts by name; their terms are added up."""
    values: dict[str, NDArray[np.float64]] = {}
    for name, text in layout.texts.items():
        measured, counted = read_texts(text, encode_texts(columns[name].iloc[part]))
        terms[name] += counted
        values |= {f"{name}.{measure}": found for measure, found in zip(MEASURES, measured, strict=True)}
    return values


def _measure_joint(layout: Layout, values: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    if layout.joint is None:
        return {}
    return dict(
        zip((RESIDUAL, SPREAD), layout.joint.measure([values[name] for name in layout.joint.names]), strict=True)
    )


def _count_category(layout: CategoryLayout, columns: Mapping[str, pd.Series], rows: Rows, name: str) -> CategoryCounts:
    column = columns.get(name)
    if column is None:
        labels = rows.predictions if name == PREDICTION else rows.labels
        if isinstance(labels, pd.Categorical):
            column = pd.Series(labels)
        else:
            column = pd.Series(() if labels is None else np.asarray(labels, object), dtype=object)
    total = CategoryCounts.empty(layout)
    for part in _slice_rows(len(column), CATEGORIES_AT_ONCE):
        total += CategoryCounts.from_values(layout, column.iloc[part])
    return total


def _find_column(inputs: Inputs, name: str) -> pd.Series:
    if isinstance(inputs, pd.Series):
        return inputs
    if name in inputs.columns:
        return inputs[name]
    return pd.Series([None] * len(inputs), index=inputs.index, dtype=object)
