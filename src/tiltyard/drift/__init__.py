"""Drift: whether rows still look like those that a model learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "api": (
                "DriftRequest",
                "describe_drift",
                "detect_data_drift",
                "detect_drift",
            ),
            "detectors.domain_classifier": ("DomainClassifier",),
            "findings": (
                "DriftEvaluation",
                "VERDICT",
                "evaluate_drift",
                "evaluate_without_reference",
            ),
            "from_ledger": (
                "PredictionSource",
                "find_drift",
                "window_profile",
            ),
            "options": ("DriftOptions",),
        },
    )
