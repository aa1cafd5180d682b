"""Actions and their jobs: what can be done, and doing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from tiltyard.console.actions import ACTIONS, ActionDesk, ConsoleAction, find_action
from tiltyard.console.actions.action import ActionField, Subject
from tiltyard.console.api.action_forms import (
    ActionDescription,
    ActionList,
    CommandText,
    JobDescription,
    JobList,
    OutcomeState,
)
from tiltyard.console.api.data import ApiData
from tiltyard.console.api.schemas import SessionState
from tiltyard.console.session import current_session
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.problem_details import RequestError

_ACCEPTED = 202
_JSON_TYPES = {"flag": "boolean", "number": "integer"}
_EXAMPLES: dict[str, Any] = {
    "version": "3",
    "reason": "complaints from the shop",
    "alias": "challenger",
    "incident": "drift",
    "for": "12h",
    "prediction": "0199a5e8-1d35-7c51-a9c4-5d8a9a0f3c11",
    "label": "positive",
    "size": 20,
}
Values = Annotated[dict[str, Any], Body(description="The values of the action, by name.")]


def action_routes(data: ApiData) -> APIRouter:
    """The routes of actions."""
    router = APIRouter(tags=["actions"])

    @router.get("/session", responses=problem_responses(401, 403), summary="Who asks")
    def session() -> SessionState:
        """The name that decisions are recorded under, and the role."""
        found = current_session()
        return SessionState(actor=found.actor, role=found.role, signed_in=found.signed_in, model=data.model_name)

    @router.get("/actions", responses=problem_responses(401, 403, 404, 422, 503), summary="The actions that fit")
    def actions(
        about: Annotated[
            Subject | None, Query(description="What they are about; without it, all actions are listed.")
        ] = None,
        subject: Annotated[
            str | None, Query(max_length=256, description="The version, or the id of the incident or prediction.")
        ] = None,
    ) -> ActionList:
        """The actions that fit a subject now, with what is known of their values, the command that does the same, and
        why one cannot be taken."""
        desk, caller = _require_desk(data), current_session()
        offered = desk.list_actions(caller) if about is None else desk.offer(about, subject, caller)
        return ActionList(actions=[ActionDescription.describe(one) for one in offered])

    @router.post(
        "/actions/{name}/command",
        responses=problem_responses(401, 403, 404, 422),
        summary="The command that does the same",
    )
    def command(name: str, values: Values) -> CommandText:
        """The command that does the same as an action with these values; nothing is done."""
        return CommandText(command=_require_desk(data).write_command(name, values))

    for action in ACTIONS.values():
        _add_action(router, data, action)

    @router.post("/actions/{name}", include_in_schema=False)
    def unknown_action(name: str) -> None:
        """The error of an action that does not exist."""
        find_action(name)

    @router.get("/jobs", responses=problem_responses(401, 403, 503), summary="The jobs of long actions")
    def jobs() -> JobList:
        """The jobs of long actions, the newest first, with their progress."""
        return JobList(jobs=[JobDescription.describe(job) for job in _require_desk(data).list_jobs()])

    @router.get("/jobs/{job_id}", responses=problem_responses(401, 403, 404, 503), summary="A job")
    def job(job_id: str) -> JobDescription:
        """A job: how far it is, and how it ended."""
        return JobDescription.describe(_require_desk(data).find_job(job_id))

    return router


def _add_action(router: APIRouter, data: ApiData, action: ConsoleAction) -> None:
    words = " ".join(action.words)
    about = f"{action.help}\n\nIt needs the role {action.role}. On the command line: `tiltyard {words}`."
    accepted: dict[int | str, dict[str, Any]] = {}
    if action.is_long:
        accepted[_ACCEPTED] = {"description": "The job has begun.", "model": OutcomeState}
    router.add_api_route(
        f"/actions/{action.name}",
        _make_endpoint(data, action.name),
        methods=["POST"],
        summary=action.title,
        description=about,
        operation_id=f"action-{action.name}",
        response_model=OutcomeState,
        responses={**problem_responses(400, 401, 403, 404, 409, 415, 422, 503), **accepted},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _describe_body(action)}}},
    )


def _make_endpoint(data: ApiData, name: str) -> Callable[..., OutcomeState]:
    def perform(request: Request, response: Response, values: Values) -> OutcomeState:
        _check_json(request)
        outcome = _require_desk(data).perform(name, values, current_session())
        if outcome.job is not None:
            response.status_code = _ACCEPTED
        return OutcomeState.describe(outcome)

    return perform


def _check_json(request: Request) -> None:
    """Refuse a body that says it is something else: a form of another site can send no JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise RequestError(
            f"The body is {media or 'of no named type'}, and has to be application/json.",
            status=415,
            code="request.media-type",
            next_step="Send the values as JSON, with Content-Type: application/json.",
        )


def _describe_body(action: ConsoleAction) -> dict[str, Any]:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in action.fields if one.required],
        "properties": {one.name: _describe_field(one) for one in action.fields},
    }
    example = {one.name: _EXAMPLES[one.name] for one in action.fields if one.name in _EXAMPLES and one.required}
    return {"schema": schema, "example": example}


def _describe_field(one: ActionField) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _JSON_TYPES.get(one.kind, "string"), "description": one.help or one.title}
    if one.kind == "time":
        described["format"] = "date-time"
    return described | ({"enum": list(one.choices)} if one.choices else {})


def _require_desk(data: ApiData) -> ActionDesk:
    if data.desk is None:
        raise RequestError(
            "This console only reads: it takes no actions.",
            status=403,
            code="console.read-only",
            next_step="Start it with: tiltyard console",
        )
    return data.desk
