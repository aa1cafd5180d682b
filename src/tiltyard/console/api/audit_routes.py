"""Incidents, and the chain of decisions."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from tiltyard.console.api.action_forms import ActionDescription
from tiltyard.console.api.data import ApiData, read_moment
from tiltyard.console.api.schemas import (
    AuditState,
    EventState,
    IncidentDetailsState,
    IncidentList,
    IncidentState,
    describe_champion,
)
from tiltyard.console.session import current_session
from tiltyard.errors import NotFoundError
from tiltyard.ledger import Event
from tiltyard.notifications.alerts import read_alerts
from tiltyard.registry.alias_history import champion_at
from tiltyard.registry.chain_anchors import check_chain, read_anchors
from tiltyard.serving.http.openapi import problem_responses

MOST_LISTED = 1000


def audit_routes(data: ApiData) -> APIRouter:
    """The routes of incidents and decisions."""
    router = APIRouter(tags=["incidents and decisions"])
    name = data.model_name

    @router.get("/incidents", responses=problem_responses(401, 403, 422, 503), summary="The incidents")
    def incidents(
        state: Annotated[
            Literal["open", "cleared", "all"], Query(description="Open ones, those that are over, or all.")
        ] = "open",
    ) -> IncidentList:
        """The incidents of the model, the newest first."""
        now = data.now()
        found = [alert for alert in read_alerts(data.events.read()) if state in ("all", alert.state)]
        return IncidentList(incidents=[IncidentState.describe(alert, now) for alert in reversed(found)])

    @router.get("/incidents/{incident_id}", responses=problem_responses(401, 403, 404, 503), summary="An incident")
    def incident(incident_id: str) -> IncidentDetailsState:
        """An incident, and the actions that fit it: acknowledge, snooze, and its remedies."""
        alerts = read_alerts(data.events.read())
        alert = next((one for one in alerts if one.id == incident_id), None)
        if alert is None:
            raise NotFoundError(
                f"There is no incident '{incident_id}'.",
                next_step="List them: GET /api/v1/incidents?state=all",
                code="alert.unknown",
            )
        acts = data.desk is not None and alert.state == "open"
        offered = data.desk.offer("incident", alert.id, current_session()) if data.desk and acts else []
        return IncidentDetailsState(
            incident=IncidentState.describe(alert, data.now()),
            actions=[ActionDescription.describe(one) for one in offered],
        )

    @router.get("/audit", responses=problem_responses(401, 403, 422, 503), summary="The chain of decisions")
    def audit(
        at: Annotated[str | None, Query(max_length=64, description="Also who served at this time (ISO 8601).")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most decisions to list.")] = 100,
    ) -> AuditState:
        """The chain of decisions verified, the latest decisions about the model, and who served at a time."""
        moment = read_moment("at", at)
        check = check_chain(data.ledger, name, read_anchors(data.registry.list_versions(name)))
        events = data.events.read()
        latest: deque[Event] = deque(events, maxlen=limit)
        return AuditState(
            whole=not check.broken,
            broken=list(check.broken),
            chain_events=check.events,
            anchors=check.noted,
            end=check.end,
            at=moment,
            champion=None if moment is None else describe_champion(champion_at(events, name, moment)),
            events=[EventState.describe(event) for event in reversed(latest)],
            total=len(events),
        )

    return router
