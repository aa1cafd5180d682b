"""Whether data can be trusted: measures, findings, limits, and a score."""

from tiltyard.data.validation.drift_findings import DriftReport
from tiltyard.data.validation.report import render_html, rows_for_table
from tiltyard.data.validation.results import SplitReport, ValidationReport
from tiltyard.data.validation.schema import infer_schema
from tiltyard.data.validation.validator import DataValidator
from tiltyard.project import ColumnSchema, ValidationSection

__all__ = [
    "ColumnSchema",
    "DataValidator",
    "DriftReport",
    "SplitReport",
    "ValidationReport",
    "ValidationSection",
    "infer_schema",
    "render_html",
    "rows_for_table",
]
