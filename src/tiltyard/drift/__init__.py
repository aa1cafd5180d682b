"""Drift: whether rows still look like those that a model learnt from."""

from tiltyard.drift.api import DriftRequest, describe_drift, detect_data_drift, detect_drift
from tiltyard.drift.detectors.domain_classifier import DomainClassifier
from tiltyard.drift.findings import VERDICT, DriftEvaluation, evaluate_drift, evaluate_without_reference
from tiltyard.drift.from_ledger import PredictionSource, find_drift, window_profile
from tiltyard.drift.options import DriftOptions

__all__ = [
    "VERDICT",
    "DomainClassifier",
    "DriftEvaluation",
    "DriftOptions",
    "DriftRequest",
    "PredictionSource",
    "describe_drift",
    "detect_data_drift",
    "detect_drift",
    "evaluate_drift",
    "evaluate_without_reference",
    "find_drift",
    "window_profile",
]
