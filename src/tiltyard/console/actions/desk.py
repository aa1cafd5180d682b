"""The desk: lists the actions, says which fit, and takes them for a person who may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiltyard.console.actions.action import ActionOutcome, ConsoleAction, OfferedAction, Subject
from tiltyard.console.actions.job_runner import JobRunner
from tiltyard.console.actions.jobs import ActionJob
from tiltyard.console.actions.offers import Offers
from tiltyard.console.actions.perform import PERFORMERS, Task
from tiltyard.console.actions.table import ACTIONS
from tiltyard.console.actions.values import Values, read_values, write_command, write_words
from tiltyard.console.session import Session
from tiltyard.errors import NotFoundError
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.suggest import nearest


class ActionDesk:
    """Takes actions. Safe to use from several threads.

    Args:
        project: the project.
        workspace: its registry and ledger, and this host; who acts is each session's.
        options: the options by which commands find the project from where the console runs, such as ``--project``.
        folder: where commands run; default: the project's.
    """

    def __init__(
        self, project: Project, workspace: Workspace, options: Sequence[str] = (), folder: Path | None = None
    ) -> None:
        self.workspace = workspace
        self._project, self._options = project, tuple(options)
        self._offers = Offers(project, workspace.registry, workspace.ledger)
        self._runner = JobRunner(workspace.ledger, project.model_name, folder or project.root)

    def offer(self, about: Subject, subject: str | None, session: Session) -> list[OfferedAction]:
        """The actions that fit a version, an incident, a prediction, or the model, with what is known of their values.

        Args:
            about: what they are about.
            subject: the version, the id of the alert or of the prediction; None for the model.
            session: who asks; what they may not do is offered with the reason.

        Raises:
            NotFoundError: there is no such version, or no such open incident.
            UnavailableError: the registry or the ledger is away.
        """
        return list(self._list_offered(self._offers.find(about, subject), session))

    def list_actions(self, session: Session) -> list[OfferedAction]:
        """All actions, without values; what the session may not do has the reason."""
        return list(self._list_offered(((name, {}, "") for name in ACTIONS), session))

    def write_command(self, name: str, values: Mapping[str, Any]) -> str:
        """The command that does the same, as a person types it.

        Raises:
            NotFoundError: there is no such action.
            RequestError: a value is wrong.
        """
        action = find_action(name)
        return write_command(self._add_options(write_words(action, read_values(action, values))))

    def perform(self, name: str, values: Mapping[str, Any], session: Session) -> ActionOutcome:
        """Take an action.

        Args:
            name: its name.
            values: its values.
            session: who takes it; the record names them.

        Raises:
            NotFoundError: there is no such action, or what it is about is not there.
            RequestError: 403 where the role does not suffice, 422 where a value is wrong.
            UsageError: it cannot be done now; the message says why.
            UnavailableError: the registry or the ledger is away, or too many long actions run.
        """
        action = find_action(name)
        session.require(action.role)
        read = read_values(action, values)
        if read.get("force"):
            session.require("admin")
        words = self._add_options(write_words(action, read))
        command = write_command(words)
        if action.is_long:
            job = self._runner.start(name, [*words, "--json"], command, actor=session.actor, values=read)
            return ActionOutcome(name, f"{action.title}: it runs.", command, job=job)
        workspace = replace(self.workspace, actor=session.actor, alerts=self._project.alerts)
        summary, result = PERFORMERS[name](Task(self._project, workspace, read, session))
        return ActionOutcome(name, summary, command, result)

    def list_jobs(self) -> list[ActionJob]:
        """The jobs of long actions, the newest first.

        Raises:
            UnavailableError: the ledger is away.
        """
        return self._runner.jobs.select()

    def find_job(self, job_id: str) -> ActionJob:
        """A job, and how far it is.

        Raises:
            NotFoundError: there is no such job.
            UnavailableError: the ledger is away.
        """
        return self._runner.jobs.find(job_id)

    def close(self) -> None:
        """End the jobs that run here, in order."""
        self._runner.stop()

    def _list_offered(
        self, offers: Iterator[tuple[str, Mapping[str, Any], str]], session: Session
    ) -> Iterator[OfferedAction]:
        for name, values, refused in offers:
            action = ACTIONS[name]
            yield OfferedAction(action, values, session.refusal(action.role) or refused, self._sketch(action, values))

    def _sketch(self, action: ConsoleAction, values: Values) -> str:
        """The command with what is known, and capitals for what is not."""
        missing = {one.name: one.name.upper() for one in action.fields if one.required and one.name not in values}
        return write_command(self._add_options(write_words(action, {**values, **missing})))

    def _add_options(self, words: list[str]) -> list[str]:
        """The options of the project, in front of arguments that stand behind ``--``."""
        place = words.index("--") if "--" in words else len(words)
        return [*words[:place], *self._options, *words[place:]]


def find_action(name: str) -> ConsoleAction:
    """The action of a name.

    Raises:
        NotFoundError: there is none.
    """
    action = ACTIONS.get(name)
    if action is None:
        raise NotFoundError(
            f"There is no action '{name}'.{nearest(name, ACTIONS)}",
            next_step="List them: GET /api/v1/actions",
            code="action.unknown",
        )
    return action
