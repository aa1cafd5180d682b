"""From rows to a profile: a frame, a series of texts, or inputs as callers sent them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.monitoring.profiles.categories import CategoryCounts
from tiltyard.monitoring.profiles.layout import CONFIDENCE, LABEL, PREDICTION, RESIDUAL, SPREAD, Layout
from tiltyard.monitoring.profiles.numbers import NumberCounts
from tiltyard.monitoring.profiles.profile import Profile
from tiltyard.monitoring.profiles.texts import MEASURES, TermCounts, encode_texts, read_texts

Inputs = pd.DataFrame | pd.Series

CHUNK = 1 << 16
"""Rows that are worked on at once, so that memory does not grow with their number."""


@dataclass(frozen=True)
class Rows:
    """n rows and what was said about them.

    Attributes:
        inputs: a frame of n rows, or a series of n texts, which then are its column ``text``.
        predictions: n predicted labels, if they are known.
        confidences: n probabilities of the predicted labels, if they are known.
        labels: true labels of some of the rows, if any are known.
    """

    inputs: Inputs
    predictions: NDArray[Any] | None = None
    confidences: NDArray[np.float64] | None = None
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.inputs)


def frame_of(inputs: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Inputs as callers sent them, as a frame of the named columns; what was not sent is missing."""
    rows = list(inputs)
    data = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns}
    return pd.DataFrame(data, columns=list(columns))


def profile_rows(layout: Layout, rows: Rows | Inputs) -> Profile:
    """The profile of rows. Columns that the layout does not know are passed over; absent ones are missing.

    Memory: a few megabytes beside the rows themselves, however many they are.
    """
    given = rows if isinstance(rows, Rows) else Rows(rows)
    total = Profile.empty(layout)
    for start in range(0, len(given), CHUNK):
        total = total + _profile_chunk(layout, given, slice(start, start + CHUNK))
    if given.labels is not None and LABEL in layout.categories:
        labels = {LABEL: CategoryCounts.of(layout.categories[LABEL], np.asarray(given.labels, object))}
        known = Profile(total.layout, 0, total.numbers, {**total.categories, **labels}, total.terms)
        total = total.with_parts(known, [LABEL])
    return total


def numeric(values: pd.Series) -> tuple[NDArray[np.float64], int]:
    """A column as float64, and how many of its values are neither numbers nor missing (they are NaN)."""
    if values.dtype == np.float64:
        return np.ascontiguousarray(values.to_numpy()), 0
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb":
        return values.to_numpy(np.float64), 0
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return numbers, int(np.isnan(numbers).sum() - values.isna().sum())


def _profile_chunk(layout: Layout, rows: Rows, part: slice) -> Profile:
    inputs = rows.inputs.iloc[part]
    count = len(inputs)
    numbers: dict[str, NumberCounts] = {}
    categories: dict[str, CategoryCounts] = {}
    terms: dict[str, TermCounts] = {}
    values: dict[str, NDArray[np.float64]] = {}
    for name, text in layout.texts.items():
        encoded = encode_texts(_column(inputs, name))
        measured, terms[name] = read_texts(text, encoded)
        for measure, found in zip(MEASURES, measured, strict=True):
            values[f"{name}.{measure}"] = found
    for name, known in layout.numbers.items():
        invalid = 0
        if name in layout.measures:
            found = values[name]
        elif name == CONFIDENCE:
            found = np.zeros(0) if rows.confidences is None else np.asarray(rows.confidences[part], np.float64)
        elif name in (RESIDUAL, SPREAD):
            continue
        else:
            found, invalid = numeric(_column(inputs, name))
            values[name] = found
        numbers[name] = NumberCounts.of(known, found, invalid)
    numbers.update(_joint(layout, values))
    for name, kinds in layout.categories.items():
        if name == LABEL:
            categories[name] = CategoryCounts.empty(kinds)
        elif name == PREDICTION:
            said = () if rows.predictions is None else rows.predictions[part]
            categories[name] = CategoryCounts.of(kinds, np.asarray(said, object))
        else:
            categories[name] = CategoryCounts.of(kinds, _column(inputs, name))
    in_order = {name: numbers[name] for name in layout.numbers}
    return Profile(layout.digest, count, in_order, categories, terms)


def _joint(layout: Layout, values: Mapping[str, NDArray[np.float64]]) -> dict[str, NumberCounts]:
    if layout.joint is None:
        return {}
    measured = layout.joint.measure(np.stack([values[name] for name in layout.joint.names]))
    return {
        name: NumberCounts.of(layout.numbers[name], found)
        for name, found in zip((RESIDUAL, SPREAD), measured, strict=True)
        if name in layout.numbers
    }


def _column(inputs: Inputs, name: str) -> pd.Series:
    if isinstance(inputs, pd.Series):
        return inputs
    if name in inputs.columns:
        return inputs[name]
    return pd.Series([None] * len(inputs), index=inputs.index, dtype=object)
