"""Drift: whether rows still look like those that a model learnt from."""

from tiltyard.monitoring.drift.judging import VERDICT, DriftJudgement, judge_drift, no_reference
from tiltyard.monitoring.drift.options import DriftOptions
from tiltyard.monitoring.drift.watching import find_drift, window_profile

__all__ = [
    "VERDICT",
    "DriftJudgement",
    "DriftOptions",
    "find_drift",
    "judge_drift",
    "no_reference",
    "window_profile",
]
