"""From measures to findings: cheap, so that measures once taken can be judged by any limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tiltyard.findings import SEVERITIES, Finding, by_severity
from tiltyard.formatting import counted
from tiltyard.project import ValidationSection
from tiltyard.validation.table.class_balance import judge_classes
from tiltyard.validation.table.duplicates import judge_duplicates
from tiltyard.validation.table.leakage import judge_leakage
from tiltyard.validation.table.missing import judge_missing
from tiltyard.validation.table.outliers import judge_outliers
from tiltyard.validation.table.schema import judge_schema
from tiltyard.validation.table.type_findings import judge_types
from tiltyard.validation.text.findings import judge_texts


def judge_measures(sections: Mapping[str, Any], rows: int, limits: ValidationSection) -> tuple[Finding, ...]:
    """All findings about a dataset, the gravest first, without those that the limits say to ignore."""
    found = [
        *_too_few(rows, limits.min_rows),
        *judge_schema(sections["schema"]),
        *judge_missing(sections["missing_data"], rows, limits),
        *judge_types(sections["data_types"]),
        *judge_duplicates(sections["duplicates"], rows, limits),
        *judge_outliers(sections["outliers"], limits),
        *judge_classes(sections["class_balance"], limits),
        *judge_leakage(sections["leakage"], limits),
        *judge_texts(sections["text"], limits),
    ]
    return by_severity(finding for finding in found if not finding.named_by(limits.ignore))


def acceptable(findings: Iterable[Finding], limits: ValidationSection) -> bool:
    """Whether no finding is as grave as ``fail_on`` or graver."""
    if limits.fail_on == "never":
        return True
    grave = SEVERITIES.index(limits.fail_on)
    return all(SEVERITIES.index(finding.severity) < grave for finding in findings)


def _too_few(rows: int, least: int) -> list[Finding]:
    if rows >= max(1, least):
        return []
    return [
        Finding(
            "data.too-few-rows",
            "error",
            "rows",
            "Too few rows",
            f"The data has {counted(rows, 'row')}; at least {max(1, least):,} are asked for.",
            score=float(rows),
            limit=float(max(1, least)),
            next_step="Collect more rows, or lower validation.min_rows.",
        )
    ]
