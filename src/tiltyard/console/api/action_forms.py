"""The JSON forms of actions and their jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from tiltyard.choices import Role
from tiltyard.console.actions import ActionJob, ActionOutcome, ConsoleAction, OfferedAction
from tiltyard.console.actions.action import FieldKind, Subject
from tiltyard.console.actions.jobs import JobState
from tiltyard.serving.http.schemas import ResponseModel


class FieldDescription(ResponseModel):
    """A value that an action takes."""

    name: str
    title: str
    kind: FieldKind
    required: bool
    help: str
    choices: list[str] = Field(description="What it may be; empty where that is open.")


class ActionDescription(ResponseModel):
    """An action, as it is offered."""

    name: str
    title: str
    about: Subject
    role: Role = Field(description="The least role that may take it.")
    help: str
    needs_reason: bool
    is_long: bool = Field(description="Whether it runs as a job.")
    is_grave: bool = Field(description="Whether it changes what users get.")
    fields: list[FieldDescription]
    values: dict[str, Any] = Field(description="What is known of its values.")
    refused: str = Field(description="Why it cannot be taken now; empty where it can.")
    command: str = Field(description="The command that does the same.")

    @classmethod
    def describe(cls, offered: OfferedAction) -> ActionDescription:
        """The form of an offered action."""
        action: ConsoleAction = offered.action
        fields = [
            FieldDescription(
                name=one.name,
                title=one.title,
                kind=one.kind,
                required=one.required,
                help=one.help,
                choices=list(one.choices),
            )
            for one in action.fields
        ]
        return cls(
            name=action.name,
            title=action.title,
            about=action.about,
            role=action.role,
            help=action.help,
            needs_reason=action.needs_reason,
            is_long=action.is_long,
            is_grave=action.is_grave,
            fields=fields,
            values=dict(offered.values),
            refused=offered.refused,
            command=offered.command,
        )


class ActionList(ResponseModel):
    """Actions."""

    actions: list[ActionDescription]


class CommandText(ResponseModel):
    """The command that does the same."""

    command: str


class JobDescription(ResponseModel):
    """A long action, and how far it is."""

    id: str
    action: str
    command: str
    actor: str = Field(description="Who started it.")
    values: dict[str, Any]
    state: JobState = Field(
        description="refused: it ran with a negative result, such as a gate that refused. stopped: its console "
        "ended before it did."
    )
    started_at: datetime
    finished_at: datetime | None
    progress: list[str] = Field(description="Its latest lines, the oldest first.")
    summary: str = Field(description="What came of it; empty while it runs.")
    result: dict[str, Any] | None = Field(description="What the command printed.")
    error: dict[str, Any] | None = Field(description="Why it failed: code, message and next step.")

    @classmethod
    def describe(cls, job: ActionJob) -> JobDescription:
        """The form of a job."""
        return cls(
            id=job.id,
            action=job.action,
            command=job.command,
            actor=job.actor,
            values=dict(job.values),
            state=job.state,
            started_at=job.started_at,
            finished_at=job.finished_at,
            progress=list(job.progress),
            summary=job.summary,
            result=None if job.result is None else dict(job.result),
            error=None if job.error is None else dict(job.error),
        )


class JobList(ResponseModel):
    """Jobs of long actions."""

    jobs: list[JobDescription] = Field(description="The newest first.")


class OutcomeState(ResponseModel):
    """What came of an action."""

    action: str
    summary: str
    command: str
    result: dict[str, Any] = Field(description="What the command prints with --json; empty of a job.")
    job: JobDescription | None = Field(description="The job of a long action; null of the others.")

    @classmethod
    def describe(cls, outcome: ActionOutcome) -> OutcomeState:
        """The form of an outcome."""
        return cls(
            action=outcome.action,
            summary=outcome.summary,
            command=outcome.command,
            result=dict(outcome.result),
            job=None if outcome.job is None else JobDescription.describe(outcome.job),
        )
