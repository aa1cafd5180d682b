"""The compiled loops from decision values to probabilities, one a link; each row by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel

SIGMOID, SOFTMAX, SHARES, CALIBRATED = 0, 1, 2, 3


@compile_inline
def _expit(value: Any) -> Any:
    # The exponential of a positive number overflows for large ones; this way it vanishes.
    if value >= 0:
        return 1.0 / (1.0 + np.exp(-value))
    power = np.exp(value)
    return power / (1.0 + power)


@compile_inline
def _log_expit(value: Any) -> Any:
    return min(value, 0.0) - np.log1p(np.exp(-abs(value)))


@compile_inline
def _softmax(row: Any, out: Any) -> Any:
    highest = row[0]
    for k in range(1, row.size):
        highest = max(highest, row[k])
    total = 0.0
    for k in range(row.size):
        out[k] = np.exp(row[k] - highest)
        total += out[k]
    for k in range(row.size):
        out[k] /= total


@compile_inline
def _calibrate(row: Any, sigmoids: Any, out: Any) -> Any:
    """The mean over the members of an ensemble of their sigmoids, divided by their sum where they are several."""
    classes = out.size
    each = 1 if classes == 2 else classes
    members = row.size // each
    for k in range(classes):
        out[k] = 0.0
    part = np.empty(classes, np.float64)
    for member in range(members):
        total = 0.0
        for k in range(each):
            position = member * each + k
            part[k] = _expit(-(sigmoids[position, 0] * row[position] + sigmoids[position, 1]))
            total += part[k]
        if classes == 2:
            out[0] += 1.0 - part[0]
            out[1] += part[0]
        else:
            for k in range(classes):
                out[k] += part[k] / total if total != 0.0 else 1.0 / classes
    for k in range(classes):
        out[k] /= members


@compile_kernel
def _apply_sigmoid(decisions: Any, _sigmoids: Any, out: Any) -> Any:
    for number in range(out.shape[0]):
        probability = _expit(decisions[number, 0])
        out[number, 0] = 1.0 - probability
        out[number, 1] = probability


@compile_kernel
def _apply_softmax(decisions: Any, _sigmoids: Any, out: Any) -> Any:
    for number in range(out.shape[0]):
        _softmax(decisions[number], out[number])


@compile_kernel
def _apply_shares(decisions: Any, _sigmoids: Any, out: Any) -> Any:
    logs = np.empty(decisions.shape[1], np.float64)
    for number in range(out.shape[0]):
        for k in range(logs.size):
            logs[k] = _log_expit(decisions[number, k])
        _softmax(logs, out[number])


@compile_kernel
def _apply_calibrated(decisions: Any, sigmoids: Any, out: Any) -> Any:
    for number in range(out.shape[0]):
        _calibrate(decisions[number], sigmoids, out[number])


_KERNELS = {SIGMOID: _apply_sigmoid, SOFTMAX: _apply_softmax, SHARES: _apply_shares, CALIBRATED: _apply_calibrated}


def apply_link(decisions: Any, link: int, sigmoids: Any, out: Any) -> None:
    """Turn decision values into probabilities; each link has its own loop, so that a model compiles one.

    Args:
        decisions: float64 (rows, outputs).
        link: SIGMOID (one output, two classes), SOFTMAX, SHARES (each output's sigmoid, divided by their sum) or
            CALIBRATED (each output's own sigmoid, the mean over the members of an ensemble).
        sigmoids: float64 (outputs, 2), slope and offset of each for CALIBRATED, else of size 0.
        out: float64 (rows, classes).
    """
    _KERNELS[link](decisions, sigmoids, out)
