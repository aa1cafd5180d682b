"""Whether rows of one request, caller or group are right and wrong together: then each of these is one observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNITS_DIFFER = 2.3263
"""Units differ where their errors come together by more than so many standard errors (one-sided, 1 %)."""


PARTS = 10
"""Parts of the stream, in each of which units are compared with each other; of ten units at least."""


@dataclass(frozen=True)
class ErrorStream:
    """Errors, of which each value is one observation.

    Attributes:
        values: of each row whether it was wrong (of numbers its share of the cap), or of each unit the mean.
        first: the first row of each, from 0.
        by_unit: whether the values are of units.
    """

    values: NDArray[np.float64]
    first: NDArray[np.intp]
    by_unit: bool


def arrange_stream(errors: NDArray[np.bool_] | NDArray[np.float64], units: Sequence[str | None]) -> ErrorStream:
    """Rows, or units where the errors of one unit come together.

    Two rows of a unit are wrong together as often as two others, if rows are independent: the sum over such pairs of
    the products of their distances from the mean has the mean 0, and for each pair the squared variance of a row
    (p (1 - p) where it is right or wrong).

    Args:
        errors: n booleans, or n numbers from 0 to 1, in the order of the predictions.
        units: what each row shares with others; None: it is by itself.
    """
    rows = np.arange(len(errors))
    names = np.array([f"row {row}" if unit is None else unit for row, unit in enumerate(units)], dtype=str)
    _, first, codes = np.unique(names, return_index=True, return_inverse=True)
    sizes = np.bincount(codes)
    if len(first) == len(errors):
        return ErrorStream(errors.astype(np.float64), rows, by_unit=False)
    # A change of the rate makes no unit unlike the others: each is compared with those of about the same time.
    part = np.argsort(np.argsort(first)) * min(PARTS, max(1, len(first) // 10)) // len(first)
    apart = errors - (np.bincount(part[codes], weights=errors) / np.bincount(part[codes]))[part[codes]]
    pairs = float(np.sum(np.bincount(codes, weights=apart) ** 2) - np.sum(apart**2)) / 2
    spread = float(errors.var()) * float(np.sqrt(np.sum(sizes * (sizes - 1)) / 2))
    if spread <= 0 or pairs <= UNITS_DIFFER * spread:
        return ErrorStream(errors.astype(np.float64), rows, by_unit=False)
    order = np.argsort(first)
    shares = np.bincount(codes, weights=errors) / sizes
    return ErrorStream(shares[order], first[order], by_unit=True)
