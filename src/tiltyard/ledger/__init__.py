"""The durable record of predictions, labels and decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.ledger.arrivals import is_redacted
    from tiltyard.ledger.batch_runs import BATCH, BatchFragment, BatchRun, BatchRuns
    from tiltyard.ledger.export import ExportFormat, export_predictions, to_log_line
    from tiltyard.ledger.lease_guard import LeaseGuard, hold_lease
    from tiltyard.ledger.leases import Lease, LeaseLostError, Leases, Note, Notes
    from tiltyard.ledger.model_events import ModelEvents
    from tiltyard.ledger.outbox_records import DeliveryState, Notice, Outbox, OutboxItem
    from tiltyard.ledger.ports import (
        FindingFilter,
        FindingLog,
        LabelRequests,
        Ledger,
        LiveOutcomes,
        PredictionFilter,
        Retention,
    )
    from tiltyard.ledger.prediction_stats import HourProfiles
    from tiltyard.ledger.records import (
        ORGANIC,
        RANDOM,
        SHADOW,
        Assignment,
        Event,
        FindingRecord,
        HourCount,
        HourProfile,
        Label,
        LabelReceipt,
        LabelRequest,
        NamedPrediction,
        Prediction,
        PredictionStats,
        ShadowOutcome,
        ShadowOutcomes,
        SplitOutcome,
        finding_record,
        make_unit,
        new_id,
    )
    from tiltyard.ledger.sql.store import SqlLedger

__all__ = [
    "BATCH",
    "ORGANIC",
    "RANDOM",
    "SHADOW",
    "Assignment",
    "BatchFragment",
    "BatchRun",
    "BatchRuns",
    "DeliveryState",
    "Event",
    "ExportFormat",
    "FindingFilter",
    "FindingLog",
    "FindingRecord",
    "HourCount",
    "HourProfile",
    "HourProfiles",
    "Label",
    "LabelReceipt",
    "LabelRequest",
    "LabelRequests",
    "Lease",
    "LeaseGuard",
    "LeaseLostError",
    "Leases",
    "Ledger",
    "LiveOutcomes",
    "ModelEvents",
    "NamedPrediction",
    "Note",
    "Notes",
    "Notice",
    "Outbox",
    "OutboxItem",
    "Prediction",
    "PredictionFilter",
    "PredictionStats",
    "Retention",
    "ShadowOutcome",
    "ShadowOutcomes",
    "SplitOutcome",
    "SqlLedger",
    "export_predictions",
    "finding_record",
    "hold_lease",
    "is_redacted",
    "make_unit",
    "new_id",
    "to_log_line",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "arrivals": ("is_redacted",),
            "batch_runs": ("BATCH", "BatchFragment", "BatchRun", "BatchRuns"),
            "export": ("ExportFormat", "export_predictions", "to_log_line"),
            "lease_guard": ("LeaseGuard", "hold_lease"),
            "leases": ("Lease", "LeaseLostError", "Leases", "Note", "Notes"),
            "model_events": ("ModelEvents",),
            "outbox_records": ("DeliveryState", "Notice", "Outbox", "OutboxItem"),
            "ports": (
                "FindingFilter",
                "FindingLog",
                "LabelRequests",
                "Ledger",
                "LiveOutcomes",
                "PredictionFilter",
                "Retention",
            ),
            "prediction_stats": ("HourProfiles",),
            "records": (
                "ORGANIC",
                "RANDOM",
                "SHADOW",
                "Assignment",
                "Event",
                "FindingRecord",
                "HourCount",
                "HourProfile",
                "Label",
                "LabelReceipt",
                "LabelRequest",
                "NamedPrediction",
                "Prediction",
                "PredictionStats",
                "ShadowOutcome",
                "ShadowOutcomes",
                "SplitOutcome",
                "finding_record",
                "make_unit",
                "new_id",
            ),
            "sql.store": ("SqlLedger",),
        },
    )
