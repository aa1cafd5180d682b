"""Whole numbers that a float does not hold exactly: kept as they are, and said where a model would round them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tiltyard.data.conform.cells import EXACT
from tiltyard.findings import Finding
from tiltyard.formatting import format_count

_FIRST = 1000
_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?", re.ASCII)


def holds_whole_numbers(column: pd.Series) -> bool:
    """Whether a column of numbers holds only whole ones, next to gaps or not."""
    if column.dtype != np.float64:
        return bool(pd.api.types.is_integer_dtype(column.dtype))
    return bool(np.isfinite(column.to_numpy()).any()) and _are_whole(column)


def is_rounded(column: pd.Series) -> bool:
    """Whether a column of floats may hold whole numbers that were rounded to fit."""
    if column.dtype != np.float64:
        return False
    if not _are_whole(column):
        return False
    numbers = column.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    return bool(len(finite) and np.abs(finite).max() >= EXACT)


def _are_whole(column: pd.Series) -> bool:
    """Whether all finite numbers of a column are whole; most columns that hold others show it by their first cells."""
    numbers = column.to_numpy()
    for part in (numbers[:_FIRST], numbers):
        finite = part[np.isfinite(part)]
        if not (finite == np.floor(finite)).all():
            return False
    return True


def make_integers(cells: Iterable[object]) -> pd.Series | None:
    """n whole numbers or gaps, exactly; None where a cell is neither, or needs more than 64 bits.

    Args:
        cells: numbers, their texts, and None or NaN for gaps.
    """
    whole: list[int | None] = []
    for cell in cells:
        if cell is None or cell is pd.NA or cell != cell:  # noqa: PLR0124 - NaN
            whole.append(None)
        elif isinstance(cell, int | np.integer) and not isinstance(cell, bool):
            whole.append(int(cell))
        elif isinstance(cell, str) and _INTEGER.fullmatch(cell.strip()):
            whole.append(int(cell.strip().partition(".")[0]))
        else:
            return None
    try:
        return pd.Series(pd.array(whole, dtype="Int64"))
    except (OverflowError, TypeError, ValueError):
        return None


def describe_big_integers(features: pd.DataFrame) -> list[Finding]:
    """A finding for each feature with whole numbers of 2^53 and more: a model computes with floats."""
    found = []
    for name in features.columns:
        column = features[name]
        if not pd.api.types.is_integer_dtype(column.dtype):
            continue
        rows = int(((column >= EXACT) | (column <= -EXACT)).sum())
        if rows:
            found.append(
                Finding(
                    "data.big-integers",
                    "warning",
                    str(name),
                    "Whole numbers beyond a float",
                    f"Column '{name}' holds whole numbers of 2^53 and more in {format_count(rows, 'row')}; a model "
                    "reads them rounded, so that neighbours may become one. Everywhere else they stay exact.",
                    score=float(rows),
                    limit=float(EXACT),
                    evidence={"rows": rows},
                    next_step=f'If they only identify rows, leave them out: data.ignore = ["{name}"].',
                )
            )
    return found
