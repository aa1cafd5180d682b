"""The JSON forms of the overview."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tiltyard.console.api.schemas import BatchRunState, ChampionState, EventState, IncidentState
from tiltyard.ledger import FindingRecord
from tiltyard.promotion.approval import ApprovalRequest
from tiltyard.serving.http.schemas import ResponseModel


class ApprovalState(ResponseModel):
    """A version that waits for approval."""

    version: str
    champion: str | None = Field(description="The champion that it beat; null where there was none.")
    requested_by: str
    at: datetime
    summary: str = Field(description="What the gates said.")

    @classmethod
    def describe(cls, request: ApprovalRequest) -> ApprovalState:
        """The form of a request."""
        event = request.event
        return cls(
            version=request.version,
            champion=request.champion,
            requested_by=event.actor,
            at=event.at,
            summary=request.verdict.summary,
        )


class TrafficState(ResponseModel):
    """The predictions of a period."""

    predictions: int
    predictions_before: int | None = Field(description="In the period of the same length before.")
    requests_by_outcome: dict[str, int] = Field(description="As monitoring runs read them from a server; else empty.")
    by_label: dict[str, int]
    by_version: dict[str, int]
    mean_confidence: float | None
    mean_latency_ms: float | None


class FindingState(ResponseModel):
    """What the monitoring found wrong."""

    code: str
    subject: str
    severity: str
    version: str | None
    at: datetime
    message: str
    next_step: str
    score: float | None
    limit: float | None

    @classmethod
    def describe(cls, finding: FindingRecord) -> FindingState:
        """The form of a finding."""
        return cls(
            code=finding.code,
            subject=finding.subject,
            severity=finding.severity,
            version=finding.version,
            at=finding.at,
            message=finding.message,
            next_step=finding.next_step,
            score=finding.score,
            limit=finding.limit,
        )


class MeasuredState(ResponseModel):
    """A metric as one monitoring run found it."""

    at: datetime
    value: float
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None


class PerformanceState(ResponseModel):
    """Performance in the period, as monitoring runs found it, the oldest first."""

    metric: str
    at_training: float | None = Field(description="The metric of the champion at its training.")
    measured: list[MeasuredState] = Field(description="With labels.")
    estimated_metric: str
    estimated: list[MeasuredState] = Field(description="Without labels.")


class OverviewState(ResponseModel):
    """What needs a person now, and what happened in a period."""

    model: str
    since: datetime
    until: datetime
    champion: ChampionState | None = Field(description="The champion now; null for none.")
    incidents: list[IncidentState] = Field(description="Open now, the newest first.")
    approvals: list[ApprovalState] = Field(description="Versions that wait for approval now.")
    labels_waiting: int = Field(description="Predictions whose label was requested and has not come.")
    traffic: TrafficState
    performance: PerformanceState
    monitored_at: datetime | None = Field(description="When the monitoring ran last.")
    findings: list[FindingState] = Field(description="The latest of each check that found something in the period.")
    ended: list[IncidentState] = Field(description="Incidents that ended in the period.")
    decisions: list[EventState] = Field(description="Decisions of the period, the newest first.")
    batches: list[BatchRunState] = Field(description="Batch runs that began in the period.")
