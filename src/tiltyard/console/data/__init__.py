"""What the pages show, as plain values from the registry and the ledger. Nothing here knows of Dash."""

from tiltyard.console.data.decisions import DecisionsView, Gate, decisions_view, gates_of
from tiltyard.console.data.predictions import (
    WINDOWS,
    PredictionQuery,
    PredictionsView,
    Window,
    input_text,
    predictions_stamp,
    predictions_view,
)
from tiltyard.console.data.versions import VersionsView, metric_history, versions_view

__all__ = [
    "WINDOWS",
    "DecisionsView",
    "Gate",
    "PredictionQuery",
    "PredictionsView",
    "VersionsView",
    "Window",
    "decisions_view",
    "gates_of",
    "input_text",
    "metric_history",
    "predictions_stamp",
    "predictions_view",
    "versions_view",
]
