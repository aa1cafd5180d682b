"""Drift: whether rows still look like those that a model learnt from."""

from tiltyard.drift.api import DriftRequest, detect_data_drift, detect_drift, drift_report
from tiltyard.drift.detectors.domain_classifier import DomainClassifier
from tiltyard.drift.findings import VERDICT, DriftJudgement, judge_drift, no_reference
from tiltyard.drift.from_ledger import PredictionSource, find_drift, window_profile
from tiltyard.drift.options import DriftOptions

__all__ = [
    "VERDICT",
    "DomainClassifier",
    "DriftJudgement",
    "DriftOptions",
    "DriftRequest",
    "PredictionSource",
    "detect_data_drift",
    "detect_drift",
    "drift_report",
    "find_drift",
    "judge_drift",
    "no_reference",
    "window_profile",
]
