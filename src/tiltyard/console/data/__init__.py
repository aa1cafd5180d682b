"""What the pages show, as plain values from the registry and the ledger. Nothing here knows of Dash."""

from tiltyard.console.data.decisions import DecisionsView, Gate, decisions_view, gates_of
from tiltyard.console.data.predictions import (
    WINDOWS,
    PredictionPeriod,
    PredictionQuery,
    PredictionsView,
    predictions_stamp,
    predictions_view,
    shown_input,
)
from tiltyard.console.data.versions import VersionsView, metric_history, versions_view

__all__ = [
    "WINDOWS",
    "DecisionsView",
    "Gate",
    "PredictionPeriod",
    "PredictionQuery",
    "PredictionsView",
    "VersionsView",
    "decisions_view",
    "gates_of",
    "metric_history",
    "predictions_stamp",
    "predictions_view",
    "shown_input",
    "versions_view",
]
