"""The compiled ends of what trees add up: from the sums of a row to its probabilities or its number."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline

IDENTITY, SIGMOID, SIGMOIDS, SOFTMAX, EXPONENTIAL, SIGNED_SQUARE, LOG1P_EXPONENTIAL = range(7)
TINY, SINGLE, SINGLE_FEATURES, DIVISOR, SCALE, LINK, STEEPNESS, ALL_WALK = range(8)  # of the settings


@compile_inline
def _expit(value: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-value))


@compile_inline
def _expit_single(value: Any) -> Any:
    power = np.exp(-max(np.float32(value), np.float32(-88.7)))
    return np.float64(np.float32(1.0) / (power + np.float32(1.0)))


@compile_inline
def _softmax(sums: Any, single: Any, out: Any) -> Any:
    highest = sums[0]
    for k in range(1, sums.size):
        highest = max(highest, sums[k])
    total = 0.0
    for k in range(sums.size):
        if single:
            out[k] = np.float64(np.exp(np.float32(sums[k] - highest)))
        else:
            out[k] = np.exp(sums[k] - highest)
        total += out[k]
    if single:
        total = np.float64(np.float32(total))
    for k in range(sums.size):
        out[k] = np.float64(np.float32(out[k] / total)) if single else out[k] / total


@compile_inline
def _link(sums: Any, settings: Any, out: Any) -> Any:
    """Turn the sums of a row into probabilities, of two classes both, or into numbers."""
    link, single = settings[LINK], settings[SINGLE] != 0
    if link == SIGMOID:
        value = _expit_single(sums[0]) if single else _expit(settings[STEEPNESS] * sums[0])
        if out.size == 1:
            out[0] = value
        else:
            out[0], out[1] = 1.0 - value, value
    elif link == SOFTMAX:
        _softmax(sums, single, out)
    else:
        for k in range(sums.size):
            value = sums[k]
            if link == SIGMOIDS:
                value = _expit(settings[STEEPNESS] * value)
            elif link == EXPONENTIAL:
                value = np.float64(np.exp(np.float32(value))) if single else np.exp(value)
            elif link == SIGNED_SQUARE:
                value = np.copysign(value * value, value)
            elif link == LOG1P_EXPONENTIAL:
                value = np.log1p(np.exp(value))
            out[k] = value


@compile_inline
def finish_row(sums: Any, settings: Any, ends: Any, out: Any) -> Any:
    """From the sums of a row to its probabilities or number."""
    divisor, scale = settings[DIVISOR], settings[SCALE]
    for k in range(sums.size):
        if divisor != 1.0:
            sums[k] /= divisor
        sums[k] = sums[k] * scale + ends[1, k]
    _link(sums, settings, out)
