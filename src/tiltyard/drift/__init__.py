"""Drift: whether rows still look like those that a model learnt from."""

from tiltyard.drift.api import DriftRequest, as_dict, detect_data_drift, detect_drift
from tiltyard.drift.detectors.domain_classifier import DomainClassifier
from tiltyard.drift.findings import VERDICT, DriftJudgement, judge_drift, no_reference
from tiltyard.drift.from_ledger import Answering, find_drift, window_profile
from tiltyard.drift.options import DriftOptions

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
