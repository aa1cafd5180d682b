"""What a finding is about, as far as a response is concerned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tiltyard.findings import Severity
from tiltyard.ledger import FindingRecord

IncidentKind = Literal["champion", "performance", "estimate", "drift", "service", "aliases", "parts", "approval"]

# In the order of weight: what is known comes before what is presumed.
INCIDENT_KINDS: tuple[IncidentKind, ...] = (
    "champion",
    "performance",
    "estimate",
    "drift",
    "service",
    "aliases",
    "parts",
    "approval",
)

TITLES: Mapping[IncidentKind, str] = {
    "champion": "The new champion does badly",
    "performance": "The champion got worse on labels",
    "estimate": "The estimated performance fell",
    "drift": "The data drifted",
    "service": "The service does not run as it should",
    "aliases": "The champion was changed outside Tiltyard",
    "parts": "A program had to be started again",
    "approval": "A version waits for approval",
}

# By code, or by the first word of the code.
_KIND_OF_CODE: Mapping[str, IncidentKind] = {
    "champion": "champion",
    "champion.unexplained": "aliases",
    "champion.missing": "aliases",
    "performance": "performance",
    "performance.estimate": "estimate",
    "performance.contradiction": "estimate",
    "drift": "drift",
    "operations": "service",
    "parts": "parts",
    "approval": "approval",
}
# An overall verdict has weighed its parts: where there is one of these codes, it decides.
_OVERALL_CODES = frozenset({"drift.verdict"})
_WEIGHT: Mapping[Severity, int] = {"info": 0, "warning": 1, "error": 2}


@dataclass(frozen=True)
class Incident:
    """The findings of a monitoring run about one kind of incident.

    Attributes:
        kind: the kind of incident.
        evaluated: whether it could be evaluated at all.
        found: what speaks for it, gravest first; empty where nothing is wrong.
        over: earlier findings that this run closed.
    """

    kind: IncidentKind
    evaluated: bool
    found: tuple[FindingRecord, ...]
    over: tuple[FindingRecord, ...] = ()

    @property
    def severity(self) -> Severity:
        """The gravest severity of what was found; ``info`` where nothing was."""
        return self.found[0].severity if self.found else "info"


def incident_kind(finding: FindingRecord) -> IncidentKind | None:
    """What a finding is about; None where no response is meant for it."""
    return _KIND_OF_CODE.get(finding.code) or _KIND_OF_CODE.get(finding.code.partition(".")[0])


def group_incidents(findings: Iterable[FindingRecord]) -> dict[IncidentKind, Incident]:
    """The findings of one monitoring run, by the kind of incident that it evaluated or tried to evaluate."""
    by_kind: dict[IncidentKind, list[FindingRecord]] = {}
    for finding in findings:
        kind = incident_kind(finding)
        if kind is not None:
            by_kind.setdefault(kind, []).append(finding)
    return {kind: _make_incident(kind, by_kind[kind]) for kind in INCIDENT_KINDS if kind in by_kind}


def _make_incident(kind: IncidentKind, findings: Sequence[FindingRecord]) -> Incident:
    wholes = [finding for finding in findings if finding.code in _OVERALL_CODES]
    deciding = wholes or findings
    wrong = any(finding.status == "found" and finding.severity != "info" for finding in deciding)
    found = [finding for finding in findings if finding.status == "found" and finding.severity != "info"]
    found.sort(key=lambda finding: (-_WEIGHT[finding.severity], finding.code not in _OVERALL_CODES))
    return Incident(
        kind,
        evaluated=any(finding.status != "could_not_judge" for finding in deciding),
        found=tuple(found) if wrong else (),
        over=tuple(finding for finding in findings if finding.evidence.get("closed")),
    )
