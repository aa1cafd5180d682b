"""Findings of monitors: what was seen at a look, that nothing is wrong, or that it could not be judged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tiltyard.findings import json_ready
from tiltyard.ledger import FindingRecord, FindingSeverity, FindingStatus, new_id

SEVERITIES: tuple[FindingSeverity, ...] = ("info", "warning", "error")

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a monitor saw.

    Attributes:
        code: stable dotted name for programs and documentation (``drift.verdict``, ``performance.accuracy``).
        subject: what it is about: a feature, a metric, a slice, or the name of the whole.
        severity: ``info`` (worth knowing), ``warning`` (look at it), ``error`` (act on it).
        score: the measured value, where there is one.
        limit: the value that the score was held against, where there is one.
        message: one or two sentences with the figures.
        evidence: what lets a reader check it; JSON-ready once passed through ``to_dict``.
        since: begin of the time that was judged, UTC.
        until: its end.
        status: ``found``; ``clear`` where the look was taken and nothing is wrong; ``could_not_judge``.
        next_step: what to do about it, as one imperative sentence.
    """

    code: str
    subject: str
    severity: FindingSeverity = "warning"
    score: float | None = None
    limit: float | None = None
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    status: FindingStatus = "found"
    next_step: str = ""

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"finding code {self.code!r} is not a dotted lower-case name such as 'drift.verdict'")
        if self.severity not in SEVERITIES:
            raise ValueError(f"finding severity {self.severity!r} is none of {', '.join(SEVERITIES)}")

    @property
    def is_found(self) -> bool:
        """Whether something is wrong: neither clear nor unjudged."""
        return self.status == "found"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data: no numpy values, no NaN, times as ISO 8601."""
        return {name: json_ready(getattr(self, name)) for name in self.__dataclass_fields__}

    def to_record(self, *, project: str, at: datetime, version: str | None = None) -> FindingRecord:
        """The finding as the ledger keeps it, seen at a time, about a version of a project."""
        return FindingRecord(
            id=new_id(),
            at=at,
            project=project,
            version=version,
            code=self.code,
            severity=self.severity,
            subject=self.subject,
            status=self.status,
            score=None if self.score is None else float(self.score),
            limit=None if self.limit is None else float(self.limit),
            since=self.since,
            until=self.until,
            message=self.message,
            evidence=json_ready(self.evidence),
            next_step=self.next_step,
        )


def could_not_judge(
    code: str,
    subject: str,
    why: str,
    next_step: str,
    *,
    evidence: Mapping[str, Any] | None = None,
    window: tuple[datetime | None, datetime | None] = (None, None),
) -> Finding:
    """The answer of a monitor that had too little to go by: an ``info`` finding that says why.

    The window is the begin and end of what was to be judged.
    """
    return Finding(
        code,
        subject,
        "info",
        message=why,
        evidence=evidence or {},
        since=window[0],
        until=window[1],
        status="could_not_judge",
        next_step=next_step,
    )


def worst(findings: Iterable[Finding]) -> FindingSeverity | None:
    """The gravest severity among what was found; None where nothing was."""
    return max((found.severity for found in findings if found.is_found), key=SEVERITIES.index, default=None)
