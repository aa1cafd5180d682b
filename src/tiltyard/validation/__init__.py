"""Whether data can be trusted: measures, findings, limits, and a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "tiltyard.project": (
                "ColumnSchema",
                "ValidationSection",
            ),
            "drift_findings": ("DriftReport",),
            "report": (
                "render_validation_html",
                "rows_for_table",
            ),
            "results": (
                "SplitReport",
                "ValidationReport",
            ),
            "table.schema": ("infer_required_schema",),
            "validator": ("DataValidator",),
        },
    )
