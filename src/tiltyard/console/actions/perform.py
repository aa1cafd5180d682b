"""What the actions do: each calls the use case that its command calls, under the name of who takes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.aliases import CHAMPION
from tiltyard.console.actions.values import Values, restore_instant
from tiltyard.console.session import Session
from tiltyard.errors import UsageError
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.monitoring.labels.labeling_queue import QueueOptions, mix_reasons, select_predictions_to_label
from tiltyard.monitoring.labels.manual_labels import label_prediction, undo_label
from tiltyard.notifications.alert_notes import acknowledge_alert, snooze_alert, wake_alert
from tiltyard.notifications.alerts import Alert
from tiltyard.project import Project
from tiltyard.promotion.approval import approve_version, decline_version
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import archive_version, point_alias, unarchive_version
from tiltyard.promotion.rollback import roll_back
from tiltyard.serving.problem_details import FieldProblem, invalid_fields
from tiltyard.tasks import TASKS

USUAL_QUEUE = 100
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Task:
    """An action that is taken.

    Attributes:
        project: the project.
        workspace: registry, ledger and host; its actor is who takes it.
        values: the values, checked.
        session: who takes it.
    """

    project: Project
    workspace: Workspace
    values: Values
    session: Session

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self.workspace.ledger

    @property
    def model_name(self) -> str:
        """The registered model."""
        return self.project.model_name

    @property
    def reason(self) -> str:
        """Why it is taken."""
        return str(self.values.get("reason", ""))


Done = tuple[str, Mapping[str, Any]]
"""A sentence for people, and what the command prints."""


def _approve(task: Task) -> Done:
    _check_person(task)
    outcome = approve_version(task.workspace, task.project, task.values["version"], reason=task.reason)
    now, before = outcome.version.version, outcome.champion.version if outcome.champion else None
    result = {"model": task.model_name, "version": now, "approved": True, "champion": now, "before": before}
    return f"Version {now} is champion{_describe_before(before)}.", result


def _reject(task: Task) -> Done:
    request = decline_version(task.workspace, task.project, task.values["version"], reason=task.reason)
    result = {
        "model": task.model_name,
        "version": request.version,
        "approved": False,
        "champion": request.champion,
    }
    return f"Version {request.version} was declined; the champion stays.", result


def _set_alias(task: Task) -> Done:
    alias = str(task.values["alias"])
    if alias == CHAMPION:
        # No gate says anything about it: this overrules them all.
        task.session.require("admin")
    version = task.workspace.registry.get_version(task.model_name, version=task.values["version"]).version
    before = point_alias(task.workspace, task.model_name, version=version, alias=alias, reason=task.reason)
    result = {"model": task.model_name, "alias": alias, "version": version, "before": before}
    return f"{alias} is now version {version}{f' (was {before})' if before else ''}.", result


def _roll_back(task: Task) -> Done:
    now, before = roll_back(task.workspace, task.model_name, to=task.values.get("version"), reason=task.reason)
    was = before.version if before else None
    result = {"model": now.name, "champion": now.version, "before": was}
    return f"Version {now.version} is champion again{_describe_before(was)}.", result


def _archive(task: Task) -> Done:
    info = archive_version(task.workspace, task.model_name, task.values["version"], reason=task.reason)
    return f"Version {info.version} is archived.", _describe_archived(task, info.version, archived=True)


def _unarchive(task: Task) -> Done:
    info = unarchive_version(task.workspace, task.model_name, task.values["version"], reason=task.reason)
    return f"Version {info.version} is not archived any more.", _describe_archived(task, info.version, archived=False)


def _acknowledge(task: Task) -> Done:
    alert = acknowledge_alert(_read_events(task), task.values["incident"], reason=task.reason, actor=task.session.actor)
    return f"{alert.title}: acknowledged.", to_json_object(alert)


def _snooze(task: Task) -> Done:
    until = _read_end(task.values)
    alert = snooze_alert(
        _read_events(task), task.values["incident"], until=until, reason=task.reason, actor=task.session.actor
    )
    return f"{alert.title}: snoozed until {until:%Y-%m-%d %H:%M} UTC.", to_json_object(alert)


def _wake(task: Task) -> Done:
    alert: Alert = wake_alert(_read_events(task), task.values["incident"], reason=task.reason, actor=task.session.actor)
    return f"{alert.title}: not snoozed any more.", to_json_object(alert)


def _label(task: Task) -> Done:
    given = label_prediction(
        task.ledger,
        task.model_name,
        task.values["prediction"],
        task.values["label"],
        source=task.session.actor,
        target=TASKS[task.project.task].target,
    )
    was = f" (was '{given.before}')" if given.before not in (None, given.label) else ""
    return f"The label is '{given.label}'{was}. {given.note}".rstrip(), to_json_object(given)


def _undo_label(task: Task) -> Done:
    label = undo_label(task.ledger, task.model_name, task.values["prediction"], source=task.session.actor)
    result = {"prediction_id": label.prediction_id, "withdrawn": label.label, "at": label.at.isoformat()}
    return f"The label '{label.label}' is taken back.", result


def _fill_queue(task: Task) -> Done:
    # The inputs of the training are read by the command alone: here no prediction is chosen as unfamiliar.
    mix = mix_reasons(task.project.labels.random_share, 1.0, 0.0)
    options = QueueOptions(task.values.get("size", USUAL_QUEUE), mix)
    chosen = select_predictions_to_label(task.ledger, task.model_name, options)
    task.ledger.label_requests.record(chosen.requests)
    rows = [one.to_row(task.project.data.text) for one in chosen.candidates]
    count = format_count(len(rows), "prediction")
    return f"{count} {'waits' if len(rows) == 1 else 'wait'} for a label.", {"queue": rows}


PERFORMERS: Mapping[str, Callable[[Task], Done]] = {
    "approve": _approve,
    "reject": _reject,
    "set-alias": _set_alias,
    "roll-back": _roll_back,
    "archive": _archive,
    "unarchive": _unarchive,
    "acknowledge": _acknowledge,
    "snooze": _snooze,
    "wake": _wake,
    "label": _label,
    "undo-label": _undo_label,
    "fill-queue": _fill_queue,
}
"""By the name of the action; the long ones run as commands."""


def _check_person(task: Task) -> None:
    """Refuse an approval by an unproved name where people may not approve what they trained."""
    if not task.project.promotion.self_approval and not task.session.signed_in:
        raise UsageError(
            "People may not approve their own versions (promotion.self_approval is false), and this console does not "
            "know who you are.",
            next_step="Make keys for people, and sign in: tiltyard keys api new --role operator --name NAME",
            code="approval.unproved",
        )


def _read_events(task: Task) -> ModelEvents:
    return ModelEvents(task.ledger, task.model_name)


def _read_end(values: Values) -> datetime:
    """When a snooze ends: one of ``for`` and ``until``."""
    length, until = values.get("for"), values.get("until")
    if (length is None) == (until is None):
        raise invalid_fields([FieldProblem("for", "or 'until' has to be given, one of them", "Give 'for': 12h.")])
    if until is not None:
        return restore_instant(until)
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", str(length))
    if found is None:
        raise invalid_fields([FieldProblem("for", "has to be a time such as 12h, 3d or 2w")])
    return datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})


def _describe_before(before: str | None) -> str:
    return f" (was {before}, which is now previous)" if before else ""


def _describe_archived(task: Task, version: str, *, archived: bool) -> dict[str, Any]:
    return {"model": task.model_name, "version": version, "archived": archived}
