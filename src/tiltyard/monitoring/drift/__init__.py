"""Drift: whether rows still look like those that a model learnt from."""

from tiltyard.monitoring.drift.calls import DriftRequest, as_dict, detect_data_drift, detect_drift
from tiltyard.monitoring.drift.domain import DomainClassifier
from tiltyard.monitoring.drift.judging import VERDICT, DriftJudgement, judge_drift, no_reference
from tiltyard.monitoring.drift.options import DriftOptions
from tiltyard.monitoring.drift.watching import Answering, find_drift, window_profile

__all__ = [
    "VERDICT",
    "Answering",
    "DomainClassifier",
    "DriftJudgement",
    "DriftOptions",
    "DriftRequest",
    "as_dict",
    "detect_data_drift",
    "detect_drift",
    "find_drift",
    "judge_drift",
    "no_reference",
    "window_profile",
]
