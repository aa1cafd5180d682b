"""The overview: what needs a person now, and what happened in a period."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from tiltyard.console.api.data import ApiData, read_moment
from tiltyard.console.api.overview_forms import (
    ApprovalState,
    FindingState,
    MeasuredState,
    OverviewState,
    PerformanceState,
    TrafficState,
)
from tiltyard.console.api.schemas import BatchRunState, EventState, IncidentState, describe_champion
from tiltyard.console.data.overview import OverviewView, PerformanceTrack, overview_view
from tiltyard.console.data.period import choose_range
from tiltyard.notifications.alerts import read_alerts
from tiltyard.pipeline.remediation.history import STEPS
from tiltyard.promotion.approval import pending_approvals
from tiltyard.registry.alias_history import read_alias_history
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.problem_details import FieldProblem, invalid_fields

USUAL_PERIOD = timedelta(days=1)
MOST_LISTED = 100


def overview_routes(data: ApiData) -> APIRouter:
    """The route of the overview."""
    router = APIRouter(tags=["overview"])
    name = data.model_name

    @router.get("/overview", responses=problem_responses(401, 403, 422, 503), summary="What happened, and what to do")
    def overview(
        since: Annotated[
            str | None,
            Query(max_length=64, description="Begin of the period (ISO 8601); default: a day before its end."),
        ] = None,
        until: Annotated[str | None, Query(max_length=64, description="End of the period; default: now.")] = None,
    ) -> OverviewState:
        """What needs a person now (open incidents, versions that wait for approval, requested labels), and what
        happened in a period: traffic, findings, incidents that ended, decisions, batch runs."""
        now = data.now()
        end = read_moment("until", until) or now
        begin = read_moment("since", since) or end - USUAL_PERIOD
        if begin >= end:
            raise invalid_fields([FieldProblem("since", "has to be before 'until'")])
        events = data.events.read()
        alerts = read_alerts(events)
        ended = [one for one in alerts if one.cleared_at is not None and begin <= one.cleared_at < end]
        decisions = [one for one in events if begin <= one.at < end and not one.kind.startswith(STEPS)]
        latest = data.ledger.findings.latest(project=name, since=begin, until=end)
        found = [one for one in latest if one.status == "found" and one.severity != "info"]
        batches = data.ledger.batch_runs.select(model_name=name, limit=MOST_LISTED)
        view = overview_view(data.ledger, data.project, choose_range(begin, end), now)
        return OverviewState(
            model=name,
            since=begin,
            until=end,
            champion=describe_champion(read_alias_history(events, name).champion),
            incidents=[IncidentState.describe(one, now) for one in reversed(alerts) if one.state == "open"],
            approvals=[ApprovalState.describe(one) for one in pending_approvals(events, name)],
            labels_waiting=view.labels_waiting,
            traffic=_describe_traffic(view),
            performance=_describe_performance(view.performance),
            monitored_at=view.monitored_at,
            findings=[FindingState.describe(one) for one in found[:MOST_LISTED]],
            ended=[IncidentState.describe(one, now) for one in reversed(ended)],
            decisions=[EventState.describe(one) for one in reversed(decisions[-MOST_LISTED:])],
            batches=[BatchRunState.describe(run) for run in batches if begin <= run.started < end],
        )

    return router


def _describe_performance(track: PerformanceTrack) -> PerformanceState:
    return PerformanceState(
        metric=track.metric,
        at_training=track.baseline,
        measured=[MeasuredState(at=one.at, value=one.value, low=one.low, high=one.high) for one in track.measured],
        estimated_metric=track.estimate_metric,
        estimated=[MeasuredState(at=one.at, value=one.value, low=one.low, high=one.high) for one in track.estimated],
    )


def _describe_traffic(view: OverviewView) -> TrafficState:
    stats = view.stats
    return TrafficState(
        predictions=stats.total,
        predictions_before=view.before,
        requests_by_outcome=dict(view.outcomes),
        by_label=dict(stats.by_label),
        by_version=dict(stats.by_version),
        mean_confidence=stats.mean_confidence,
        mean_latency_ms=stats.mean_latency_ms,
    )
