"""From measures to findings: cheap, so that measures can be compared with any limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tiltyard.findings import SEVERITIES, Finding, by_severity
from tiltyard.formatting import format_count
from tiltyard.project import ValidationSection
from tiltyard.validation.table.class_balance import evaluate_classes
from tiltyard.validation.table.duplicates import evaluate_duplicates
from tiltyard.validation.table.leakage import evaluate_leakage
from tiltyard.validation.table.missing import evaluate_missing
from tiltyard.validation.table.outliers import evaluate_outliers
from tiltyard.validation.table.schema import evaluate_schema
from tiltyard.validation.table.type_findings import evaluate_types
from tiltyard.validation.text.findings import evaluate_texts


def evaluate_measures(sections: Mapping[str, Any], rows: int, limits: ValidationSection) -> tuple[Finding, ...]:
    """All findings about a dataset, the gravest first, without those that the limits say to ignore."""
    found = [
        *_evaluate_size(rows, limits.min_rows),
        *evaluate_schema(sections["schema"]),
        *evaluate_missing(sections["missing_data"], rows, limits),
        *evaluate_types(sections["data_types"]),
        *evaluate_duplicates(sections["duplicates"], rows, limits),
        *evaluate_outliers(sections["outliers"], limits),
        *evaluate_classes(sections["class_balance"], limits),
        *evaluate_leakage(sections["leakage"], limits),
        *evaluate_texts(sections["text"], limits),
    ]
    return by_severity(finding for finding in found if not finding.named_by(limits.ignore))


def is_acceptable(findings: Iterable[Finding], limits: ValidationSection) -> bool:
    """Whether no finding is as grave as ``fail_on`` or graver."""
    if limits.fail_on == "never":
        return True
    grave = SEVERITIES.index(limits.fail_on)
    return all(SEVERITIES.index(finding.severity) < grave for finding in findings)


def _evaluate_size(rows: int, least: int) -> list[Finding]:
    if rows >= max(1, least):
        return []
    return [
        Finding(
            "data.too-few-rows",
            "error",
            "rows",
            "Too few rows",
            f"The data has {format_count(rows, 'row')}; at least {max(1, least):,} are needed.",
            score=float(rows),
            limit=float(max(1, least)),
            next_step="Collect more rows, or lower validation.min_rows.",
        )
    ]
