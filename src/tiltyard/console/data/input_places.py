"""Where the cells of an input lie among the training rows of the version that predicted it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.drift.profiles import FILE, Reference
from tiltyard.drift.profiles.categories import CategoryCounts, CategoryLayout, category_hash, count_categories
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.rows import read_floats
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_number, format_percent
from tiltyard.monitoring.monitored_version import MonitoredVersion


@dataclass(frozen=True)
class CellPlace:
    """A cell among the training rows.

    Attributes:
        words: where it lies.
        below: share of the training values that are less, 0 to 1; None of a category and of a missing cell.
        share: share of the training rows with the same value, or in the same bin of the profile; None where that is
            not known.
        is_new: whether training had no such value, or none so small or so great.
    """

    words: str
    below: float | None = None
    share: float | None = None
    is_new: bool = False


@dataclass(frozen=True)
class InputPlaces:
    """The cells of an input, by the names of their columns; ``reason`` says why there are none."""

    cells: Mapping[str, CellPlace]
    reason: str = ""


def find_input_places(
    find_version: Callable[[str], MonitoredVersion | None], version: str, given: Mapping[str, Any]
) -> InputPlaces:
    """Where the numbers and categories of an input lie among the training rows of a version; free text has no place.

    Args:
        find_version: the files of a version by its number.
        version: the version that predicted it.
        given: the input, by column.
    """
    try:
        found = find_version(version)
        content = None if found is None else found.attachment(FILE)
        if content is None:
            return InputPlaces({}, f"Nothing is kept of the training rows of version {version}.")
        reference = Reference.from_bytes(content)
    except TiltyardError as error:
        return InputPlaces({}, f"The training rows of version {version} cannot be read: {error.message}")
    layout, profile = reference.layout, reference.profile
    cells = {}
    for name, cell in given.items():
        if name in layout.numbers:
            cells[name] = _place_number(layout.numbers[name], profile.numbers[name], cell)
        elif name in layout.categories:
            cells[name] = _place_category(layout.categories[name], profile.categories[name], cell)
    return InputPlaces(cells)


def _place_number(layout: NumberLayout, counts: NumberCounts, cell: Any) -> CellPlace:
    values, invalid = read_floats(pd.Series([cell], dtype=object))
    value = float(values[0])
    if invalid:
        return CellPlace("not a number, as training had", is_new=True)
    if np.isnan(value):
        return _place_gap(counts.missing + counts.invalid, counts.rows)
    if not counts.present:
        return CellPlace("training had no value at all", is_new=True)
    if value < counts.low:
        return CellPlace(f"below all of training, the least is {format_number(counts.low)}", 0.0, 0.0, is_new=True)
    if value > counts.high:
        return CellPlace(f"above all of training, the greatest is {format_number(counts.high)}", 1.0, 0.0, is_new=True)
    place = int(np.searchsorted(layout.edges, value, side="right"))
    share = float(counts.bins[place] / counts.present)
    below = float(counts.reached[place] / counts.present) - share
    # Of the values in the same bin it is not known on which side they are: both shares leave them out, and are exact.
    above = 1.0 - float(counts.reached[place] / counts.present)
    return CellPlace(f"above {format_percent(below)} of training, below {format_percent(above)}", below, share)


def _place_category(layout: CategoryLayout, counts: CategoryCounts, cell: Any) -> CellPlace:
    rows = counts.present + counts.missing
    named = next(iter(count_categories(pd.Series([cell], dtype=object))), None)
    if named is None:
        return _place_gap(counts.missing, rows)
    place = layout.places.get(named)
    if place is not None:
        share = float(counts.counts[place] / counts.present) if counts.present else 0.0
        return CellPlace(f"as in {format_percent(share)} of training", None, share)
    if layout.complete and category_hash(named) not in layout.remembered:
        return CellPlace("new: training did not have it", None, 0.0, is_new=True)
    return CellPlace("rare in training, or new" if not layout.complete else "rare in training")


def _place_gap(missing: int, rows: int) -> CellPlace:
    if not missing:
        return CellPlace("missing, as never in training", None, 0.0, is_new=True)
    share = missing / rows
    return CellPlace(f"missing, as in {format_percent(share)} of training", None, share)
