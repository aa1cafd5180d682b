"""Whether data can be trusted: measures, findings, limits, and a score."""

from tiltyard.project import ColumnSchema, ValidationSection
from tiltyard.validation.drift_findings import DriftReport
from tiltyard.validation.report import render_validation_html, rows_for_table
from tiltyard.validation.results import SplitReport, ValidationReport
from tiltyard.validation.table.schema import infer_required_schema
from tiltyard.validation.validator import DataValidator

__all__ = [
    "ColumnSchema",
    "DataValidator",
    "DriftReport",
    "SplitReport",
    "ValidationReport",
    "ValidationSection",
    "infer_required_schema",
    "render_validation_html",
    "rows_for_table",
]
