"""Which actions fit a version, an incident, a prediction or the model now, and why one cannot be taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tiltyard.aliases import CHALLENGER, CHAMPION, PREVIOUS
from tiltyard.console.actions.action import Subject
from tiltyard.errors import NotFoundError
from tiltyard.ledger import Ledger
from tiltyard.ledger.model_events import SharedModelEvents
from tiltyard.notifications.alert_notes import find_open_alert
from tiltyard.notifications.alerts import Alert, read_alerts
from tiltyard.project import Project
from tiltyard.promotion.approval import pending_approvals
from tiltyard.registry import Registry, VersionInfo
from tiltyard.registry.alias_history import read_alias_history
from tiltyard.registry.ports import ARCHIVED_TAG

Offer = tuple[str, Mapping[str, Any], str]
"""Name of the action, what is known of its values, and why it cannot be taken (empty: it can)."""

QUEUE_IN_BROWSER = 20
"""Predictions that a person is offered to have chosen at a time."""
_NO_PREVIOUS = "There is no previous version to go back to."
_HAS_CHAMPION = "It is champion: users get its predictions."


class Offers:
    """The actions that fit.

    Args:
        project: the project.
        registry: its versions.
        ledger: its events.
    """

    def __init__(self, project: Project, registry: Registry, ledger: Ledger) -> None:
        self._project, self._registry, self._ledger = project, registry, ledger
        self._name = project.model_name
        self._events = SharedModelEvents(ledger, project.model_name)

    def find(self, about: Subject, subject: str | None) -> Iterator[Offer]:
        """The actions that fit a subject now.

        Raises:
            NotFoundError: there is no such version, or no such open incident.
            UnavailableError: the registry or the ledger is away.
        """
        if about == "version" and subject is not None:
            return self._find_for_version(self._registry.get_version(self._name, version=subject))
        if about == "incident" and subject is not None:
            alerts = read_alerts(self._events.read())
            return self._find_for_incident(find_open_alert(alerts, subject))
        if about == "prediction" and subject is not None:
            return self._find_for_prediction(subject)
        return self._find_for_model()

    def _find_for_version(self, info: VersionInfo) -> Iterator[Offer]:
        named = {"version": info.version}
        is_champion = CHAMPION in info.aliases
        waiting = [one.version for one in pending_approvals(self._events.read(), self._name)]
        if info.version in waiting:
            yield "approve", named, ""
            yield "reject", named, ""
        yield "promote", named, _HAS_CHAMPION if is_champion else ""
        if not is_champion and self._was_champion(info.version):
            yield "roll-back", named, ""
        yield "set-alias", named, ""
        if CHALLENGER in info.aliases:
            yield "challenge", {}, self._live_test_refusal()
        if ARCHIVED_TAG in info.tags:
            yield "unarchive", named, ""
        else:
            yield "archive", named, _HAS_CHAMPION if is_champion else ""

    def _find_for_incident(self, alert: Alert) -> Iterator[Offer]:
        named = {"incident": alert.id}
        reason = {"reason": alert.title}
        yield "acknowledge", named, ""
        if alert.snoozed is None:
            yield "snooze", {**named, "for": "12h"}, ""
        else:
            yield "wake", named, ""
        remedies: Mapping[str, tuple[str, ...]] = {
            "champion": ("roll-back",),
            "performance": ("retrain", "roll-back"),
            "estimate": ("fill-queue", "retrain"),
            "drift": ("retrain", "fill-queue"),
            "aliases": ("set-alias", "roll-back"),
        }
        for name in remedies.get(alert.incident, ()):
            yield from self._find_remedy(name, reason)
        if alert.incident == "approval":
            for one in pending_approvals(self._events.read(), self._name):
                yield "approve", {"version": one.version}, ""
                yield "reject", {"version": one.version}, ""

    def _find_remedy(self, name: str, reason: Mapping[str, Any]) -> Iterator[Offer]:
        if name == "roll-back":
            previous = self._find_previous()
            known = reason if previous is None else {"version": previous, **reason}
            yield name, known, _NO_PREVIOUS if previous is None else ""
        elif name == "set-alias":
            history = read_alias_history(self._events.read(), self._name)
            record = history.aliases.get(CHAMPION)
            if record is not None and record.version is not None:
                yield name, {"version": record.version, "alias": CHAMPION, **reason}, ""
        elif name == "fill-queue":
            yield name, {"size": QUEUE_IN_BROWSER}, ""
        else:
            yield name, reason, ""

    def _find_for_prediction(self, prediction_id: str) -> Iterator[Offer]:
        named = {"prediction": prediction_id}
        yield "label", named, ""
        label = next(iter(self._ledger.labels(model_name=self._name, prediction_id=prediction_id)), None)
        if label is not None:
            yield "undo-label", named, ""

    def _find_for_model(self) -> Iterator[Offer]:
        yield "retrain", {}, ""
        previous = self._find_previous()
        yield "roll-back", {} if previous is None else {"version": previous}, _NO_PREVIOUS if previous is None else ""
        yield "challenge", {}, self._live_test_refusal()
        yield "fill-queue", {"size": QUEUE_IN_BROWSER}, ""

    def _live_test_refusal(self) -> str:
        if self._project.serving.challenger is None:
            return "No challenger predicts in this project ([serving] challenger)."
        return ""

    def _find_previous(self) -> str | None:
        try:
            return self._registry.get_version(self._name, alias=PREVIOUS).version
        except NotFoundError:
            return None

    def _was_champion(self, version: str) -> bool:
        history = read_alias_history(self._events.read(), self._name)
        return any(period.version == version for period in history.champions)
