"""The durable record of predictions, labels and decisions."""

from tiltyard.ledger.export import ExportFormat, export_predictions, to_log_line
from tiltyard.ledger.leases import Lease, Leases
from tiltyard.ledger.outbox_records import Notice, Outbox, OutboxItem, ParcelState
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
    Event,
    FindingRecord,
    HourCount,
    HourProfile,
    Label,
    LabelReceipt,
    Prediction,
    PredictionStats,
    ShadowOutcomes,
    SplitOutcome,
    new_id,
)
from tiltyard.ledger.sql.store import SqlLedger

__all__ = [
    "SHADOW",
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
    "Leases",
    "Ledger",
    "LiveOutcomes",
    "Notice",
    "Outbox",
    "OutboxItem",
    "ParcelState",
    "Prediction",
    "PredictionFilter",
    "PredictionStats",
    "Retention",
    "ShadowOutcomes",
    "SplitOutcome",
    "SqlLedger",
    "export_predictions",
    "new_id",
    "to_log_line",
]
