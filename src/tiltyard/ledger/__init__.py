"""The durable record of predictions, labels and decisions."""

from tiltyard.ledger.export import ExportFormat, export_predictions, to_log_line
from tiltyard.ledger.lease_guard import LeaseGuard, LeaseLostError, hold_lease
from tiltyard.ledger.leases import Lease, Leases
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.ledger.outbox_records import DeliveryState, Notice, Outbox, OutboxItem
from tiltyard.ledger.ports import (
    FindingFilter,
    FindingLog,
    HourProfiles,
    Ledger,
    LiveOutcomes,
    PredictionFilter,
    Retention,
)
from tiltyard.ledger.records import (
    SHADOW,
    Assignment,
    Event,
    FindingRecord,
    HourCount,
    HourProfile,
    Label,
    LabelReceipt,
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
from tiltyard.ledger.sql.retention import is_redacted
from tiltyard.ledger.sql.store import SqlLedger

__all__ = [
    "SHADOW",
    "Assignment",
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
    "Lease",
    "LeaseGuard",
    "LeaseLostError",
    "Leases",
    "Ledger",
    "LiveOutcomes",
    "ModelEvents",
    "NamedPrediction",
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
