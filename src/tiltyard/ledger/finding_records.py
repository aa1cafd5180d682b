"""Findings as the ledger keeps them."""

from __future__ import annotations

from datetime import datetime

from tiltyard.findings import Finding
from tiltyard.jsonable import to_json_object
from tiltyard.ledger.records import FindingRecord, new_id


def finding_record(finding: Finding, *, project: str, at: datetime, version: str | None = None) -> FindingRecord:
    """The record of a finding, made at a time, about a version of a project."""
    return FindingRecord(
        id=new_id(),
        at=at,
        project=project,
        version=version,
        code=finding.code,
        severity=finding.severity,
        subject=finding.subject,
        status=finding.status,
        score=None if finding.score is None else float(finding.score),
        limit=None if finding.limit is None else float(finding.limit),
        since=finding.since,
        until=finding.until,
        message=finding.message,
        evidence=to_json_object(finding.evidence),
        next_step=finding.next_step,
    )
