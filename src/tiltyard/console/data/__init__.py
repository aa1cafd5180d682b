"""The data of the pages, as plain values from the registry and the ledger. Nothing here depends on Dash."""

from tiltyard.console.data.decisions import DecisionsView, Gate, decisions_view, gates_of
from tiltyard.console.data.period import WINDOWS, PredictionPeriod
from tiltyard.console.data.predictions import (
    PredictionQuery,
    PredictionsView,
    format_input,
    predictions_stamp,
    predictions_view,
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
    "format_input",
    "gates_of",
    "metric_history",
    "predictions_stamp",
    "predictions_view",
    "versions_view",
]
