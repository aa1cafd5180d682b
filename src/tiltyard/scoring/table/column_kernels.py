"""The compiled loops over a column of a table: the same cells and features as ``table_kernels`` makes of a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_loops
from tiltyard.scoring.table.table_kernels import INFINITE, NOT_A_NUMBER, NUMBER, TOO_LARGE, UNUSUAL, make_feature


@compile_loops
def flag_cells(raw: Any, low: Any, high: Any, state: Any) -> Any:
    """Add to the states of n rows whether their cells of a column are unusual, and whether they are infinite.

    Args:
        raw: float64 (n,), the encoded cells.
        low, high: the lowest and the highest value of the column that training knew.
        state: int64 (n,), added to; see ``prepare_features``.
    """
    found = 0
    for row in range(raw.size):
        found |= (raw[row] < low) | (raw[row] > high) | np.isinf(raw[row])
    if found:
        for row in range(raw.size):
            value = raw[row]
            state[row] |= UNUSUAL if value < low or value > high else 0
            state[row] |= INFINITE if np.isinf(value) else 0


@compile_loops
def make_features(raw: Any, feature: Any, values: Any, limits: Any, out: Any, state: Any) -> Any:
    """Make one feature of n rows of the encoded cells of its column.

    Args:
        raw: float64 (n,), the encoded cells.
        feature: (kind, fill, mean, scale, offset); see ``Preparation``.
        values: float64, the tables of the preparation.
        limits: (whether NaN is accepted, whether infinity is, whether single precision has to hold the value).
        out: float64 (n,), written.
        state: int64 (n,), added to: NOT_A_NUMBER and TOO_LARGE where the model does not accept the feature.
    """
    kind, fill, mean, scale, _ = feature
    takes_nan, takes_infinity, single = limits
    if kind == NUMBER and not single:
        for row in range(raw.size):  # several at once
            value = raw[row]
            out[row] = ((fill if np.isnan(value) else value) - mean) / scale
    else:
        for row in range(raw.size):
            out[row] = make_feature(raw[row], feature, values, single)
    endless = 0
    for row in range(raw.size):
        endless |= not np.isfinite(out[row])
    if endless:
        for row in range(raw.size):
            state[row] |= NOT_A_NUMBER if np.isnan(out[row]) and not takes_nan else 0
            state[row] |= TOO_LARGE if np.isinf(out[row]) and not takes_infinity else 0
