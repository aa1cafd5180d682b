"""Findings: what a check or a monitor found, as values that can be stored, compared and shown.

There is one type for all of them: checks of data, drift, performance, service, registry. "Nothing is wrong" and "could
not be evaluated" are findings too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tiltyard.jsonable import from_jsonable, to_json_object

Severity = Literal["info", "warning", "error"]
Status = Literal["found", "clear", "could_not_judge"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From the least to the gravest."""

STATUSES: tuple[Status, ...] = ("found", "clear", "could_not_judge")

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, or that could not be evaluated.

    Attributes:
        code: stable dotted name for programs and documentation (``text.garbage``, ``drift.verdict``).
        severity: ``info`` (worth knowing), ``warning`` (check it), ``error`` (a limit is broken: act on it).
        subject: what it is about: a column, a feature, a metric, a slice, or the name of the whole.
        title: a few words, the same for every finding of the code; empty where the code says enough.
        message: one or two sentences with the figures.
        score: the measured value, where there is one.
        limit: the value that the score was compared with, where there is one.
        evidence: what lets a reader check it: counts, rows, examples.
        next_step: what to do about it, as one imperative sentence.
        status: ``found``; ``clear`` where the check ran and nothing is wrong; ``could_not_judge``.
        since: begin of the time that was evaluated, UTC; None where the finding is not about a time.
        until: its end.
    """

    code: str
    severity: Severity
    subject: str
    title: str = ""
    message: str = ""
    score: float | None = None
    limit: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""
    status: Status = "found"
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"finding code {self.code!r} is not a dotted lower-case name such as 'data.missing'")
        if self.severity not in SEVERITIES:
            raise ValueError(f"finding severity {self.severity!r} is none of {', '.join(SEVERITIES)}")
        if self.status not in STATUSES:
            raise ValueError(f"finding status {self.status!r} is none of {', '.join(STATUSES)}")

    @property
    def is_found(self) -> bool:
        """Whether something was found: neither clear nor ``could_not_judge``."""
        return self.status == "found"

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data; see ``to_jsonable``."""
        return to_json_object(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """The finding that `to_dict` wrote down; keys that are not its own are passed over."""
        return from_jsonable(cls, dict(data))

    def named_by(self, patterns: Iterable[str]) -> bool:
        """Whether one of the patterns names it: ``code`` (any subject) or ``code:subject``."""
        return any(pattern in (self.code, f"{self.code}:{self.subject}") for pattern in patterns)


def could_not_judge(  # noqa: PLR0913 - the fields of a finding
    code: str,
    subject: str,
    why: str,
    next_step: str = "",
    *,
    title: str = "",
    evidence: Mapping[str, Any] | None = None,
    window: tuple[datetime | None, datetime | None] = (None, None),
) -> Finding:
    """The result of a check that had too little to work on: an ``info`` finding that says why.

    ``window`` is the begin and end of what was to be evaluated.
    """
    return Finding(
        code,
        "info",
        subject,
        title,
        why,
        evidence=evidence or {},
        next_step=next_step,
        status="could_not_judge",
        since=window[0],
        until=window[1],
    )


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then the rest, what could not be evaluated last; otherwise in their order."""
    return tuple(sorted(findings, key=lambda found: (-SEVERITIES.index(found.severity), not found.is_found)))


def worst_severity(findings: Iterable[Finding]) -> Severity | None:
    """The gravest severity among what was found; None where nothing was."""
    return max((found.severity for found in findings if found.is_found), key=SEVERITIES.index, default=None)
