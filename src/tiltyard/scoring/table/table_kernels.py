"""The compiled loops over rows of a table: prepare the features, then a linear model.

Each row is worked on by itself, in the arithmetic and the order of scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel

NUMBER, INDICATOR, TABLE = 0, 1, 2
YEAR, MONTH, WEEKDAY, DAYS = 3, 4, 5, 6
MICROS_A_DAY = 86_400_000_000
FINE, NOT_A_NUMBER, TOO_LARGE, UNUSUAL, INFINITE = 0, 1, 2, 4, 8


@compile_inline
def _is_infinite(values: Any) -> Any:
    for column in range(values.size):  # noqa: SIM110 - compiled
        if np.isinf(values[column]):
            return True
    return False


@compile_inline
def _is_unusual(values: Any, lows: Any, highs: Any) -> Any:
    for column in range(values.size):  # noqa: SIM110 - compiled
        if values[column] < lows[column] or values[column] > highs[column]:
            return True
    return False


@compile_inline
def _part_of_date(part: Any, micros: Any, last: Any) -> Any:
    """A part of the date that is so many microseconds after 1970 began.

    The calendar is computed in 400 years of 146,097 days that begin in March (Richards, in the Explanatory Supplement
    to the Astronomical Almanac, 2013, section 15.11).
    """
    if part == DAYS:
        return (micros - last) / MICROS_A_DAY
    day = np.int64(micros) // MICROS_A_DAY
    if part == WEEKDAY:
        return np.float64((day + 3) % 7)
    day += 719_468
    era = day // 146_097
    of_era = day - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    if part == MONTH:
        return np.float64(month + 3 if month < 10 else month - 9)
    return np.float64(year + era * 400 + (1 if month >= 10 else 0))


@compile_inline
def _fill_gap(kind: Any, value: Any, fill: Any) -> Any:
    if kind == INDICATOR:
        return 1.0 if np.isnan(value) else 0.0
    return fill if np.isnan(value) else value


@compile_inline
def make_feature(value: Any, feature: Any, values: Any, single: Any) -> Any:
    """A feature (kind, fill, mean, scale, offset) of an encoded cell, as ``Preparation`` describes it."""
    kind, fill, mean, scale, offset = feature
    if kind == TABLE:
        value = values[offset + np.int64(value)]
    else:
        if kind >= YEAR and not np.isnan(value):
            value = _part_of_date(kind, value, values[offset])
        value = (_fill_gap(kind, value, fill) - mean) / scale
    return np.float64(np.float32(value)) if single else value


@compile_inline
def prepare_row(raw: Any, preparation: Any, limits: Any, bounds: Any, out: Any) -> Any:
    """Make the features of one encoded row; its state, see ``prepare_features``."""
    source, kind, fill, mean, scale, offset, values = preparation
    takes_nan, takes_infinity, single = limits
    lows, highs = bounds
    state = FINE
    for k in range(source.size):
        value = make_feature(raw[source[k]], (kind[k], fill[k], mean[k], scale[k], offset[k]), values, single)
        if np.isnan(value) and not takes_nan:
            state = NOT_A_NUMBER
        elif np.isinf(value) and not takes_infinity and state == FINE:
            state = TOO_LARGE
        out[k] = value
    if _is_unusual(raw, lows, highs):
        state |= UNUSUAL
    if _is_infinite(raw):
        state |= INFINITE
    return state


@compile_kernel
def prepare_features(raw: Any, preparation: Any, limits: Any, bounds: Any, out: Any, state: Any) -> Any:
    """Make the features of encoded rows, and check that the model accepts them and that training knew their values.

    Args:
        raw: float64 (rows, columns), as Encoding makes it.
        preparation: the Preparation.
        limits: (whether NaN is accepted, whether infinity is, whether single precision has to hold the value).
        bounds: two float64 (columns,): the lowest and the highest value of each column that training knew.
        out: float64 (rows, features).
        state: int64 (rows,), out: FINE, NOT_A_NUMBER or TOO_LARGE; plus UNUSUAL where a value is out of bounds, and
            INFINITE where one is infinite.

    Returns:
        All bits of all states.
    """
    found = 0
    for row in range(raw.shape[0]):
        state[row] = prepare_row(raw[row], preparation, limits, bounds, out[row])
        found |= state[row]
    return found


@compile_kernel
def linear_decision(features: Any, weights: Any, intercept: Any, out: Any) -> Any:
    """Decision values of a linear model, float64 (rows, outputs); weights (features, outputs)."""
    for row in range(features.shape[0]):
        for output in range(intercept.size):
            total = 0.0
            for k in range(features.shape[1]):
                total += features[row, k] * weights[k, output]
            out[row, output] = total + intercept[output]
