"""One response of the loop: resume what was interrupted, decide on the findings, act, and notify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tiltyard.aliases import PREVIOUS
from tiltyard.errors import NotFoundError
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import FindingRecord
from tiltyard.ledger.lease_guard import LeaseGuard, hold_lease
from tiltyard.ledger.leases import LeaseLostError
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import Alert, IncidentUpdate, note_action, update_alerts
from tiltyard.pipeline.remediation.actions import ActionContext, summarise_label_request
from tiltyard.pipeline.remediation.durable_steps import StepJournal
from tiltyard.pipeline.remediation.history import Action, ActionKind, History, read_history
from tiltyard.pipeline.remediation.incidents import INCIDENT_KINDS, TITLES, Incident, IncidentKind, group_incidents
from tiltyard.pipeline.remediation.policy import DAY, Decision, Situation, decide
from tiltyard.pipeline.training.production_data import count_new_labels
from tiltyard.registry.outside_changes import record_outside_changes

_WORDS: Mapping[ActionKind, str] = {"retrain": "a retraining", "roll-back": "a rollback", "ask-labels": "labels"}

Outcome = Literal["nothing", "acted", "waiting", "busy"]


@dataclass(frozen=True)
class Remediation:
    """What a pass came to.

    Attributes:
        outcome: ``nothing`` was required; something was ``acted`` on to its end; a response is ``waiting`` for
            something (labels of a live test, a service that is away); another process is ``busy`` with this model.
        decision: what was decided on the findings; None where a pass was for something else.
        actions: the responses that this pass worked on, resumed ones first.
        alerts: the alerts that it raised, changed or cleared.
    """

    outcome: Outcome
    decision: Decision | None = None
    actions: tuple[Action, ...] = ()
    alerts: tuple[Alert, ...] = ()


def _now() -> datetime:
    return datetime.now(UTC)


class Responder:
    """Responds to the findings of monitoring runs. Any number of processes may; one at a time works on a model.

    Args:
        context: what responses work with.
        clock: the present, UTC.
        on_step: called after each step's event was appended.

    Attributes:
        context: as given.
    """

    def __init__(
        self,
        context: ActionContext,
        clock: Callable[[], datetime] = _now,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.context, self._clock, self._on_step = context, clock, on_step
        self._project, self._workspace = context.project, context.workspace
        self._model = context.project.model_name

    def respond(self, findings: Sequence[FindingRecord], events: ModelEvents | None = None) -> Remediation:
        """Resume what was interrupted, then decide on the findings of a monitoring run, act, and raise or clear alerts.

        Args:
            findings: of the monitoring run.
            events: the model's events, as far as the caller has read them and compared them with the registry.

        Raises:
            UnavailableError: the ledger or the registry is away; the next pass resumes what was begun.
        """
        with hold_lease(self._workspace.ledger.leases, f"response/{self._model}") as holding:
            if holding is None:
                return Remediation("busy")
            try:
                return self._respond(findings, self._journal(holding), events or self.read_events())
            except LeaseLostError:
                return Remediation("busy")

    def retrain(self, reason: str) -> Remediation:
        """Retrain on request: without the limits of the policy, and never while another response runs.

        A response that was interrupted is resumed and finished first; if it was a retraining, no other one begins.
        """
        with hold_lease(self._workspace.ledger.leases, f"response/{self._model}") as holding:
            if holding is None:
                return Remediation("busy")
            journal = self._journal(holding)
            resumed = self._resume(journal, ModelEvents(self._workspace.ledger, self._model))
            if resumed and (resumed[-1].finished_at is None or resumed[-1].kind == "retrain"):
                return Remediation("acted" if resumed[-1].finished_at else "waiting", None, resumed)
            action = self._carry_out(journal, journal.plan("retrain", reason, {"by_hand": True}))
            return Remediation("acted" if action.finished_at else "waiting", None, (*resumed, action))

    def read_events(self) -> ModelEvents:
        """The model's events, after changes of its aliases outside Tiltyard were recorded among them.

        Raises:
            UnavailableError: the ledger or the registry is away.
        """
        workspace = self._workspace
        events = ModelEvents(workspace.ledger, self._model)
        record_outside_changes(workspace.registry, workspace.ledger, self._model, "loop", events)
        return events

    def _respond(self, findings: Sequence[FindingRecord], journal: StepJournal, events: ModelEvents) -> Remediation:
        resumed = self._resume(journal, events)
        history = self.history(events)
        situation = self._situation(history)
        # A finding about a version that is no longer champion needs no response; that it is over ends its alert.
        findings = [
            finding
            for finding in findings
            if finding.version in (None, situation.champion) or finding.evidence.get("closed")
        ]
        decision = decide(findings, situation, history, self._project.response)
        # People are notified before anything is done, and again afterwards: neither is lost with the process.
        alerts = self._raise_alerts(findings, history, decision, events)
        actions = list(resumed)
        if decision.kind is not None:
            plan = {**to_json_object(decision), "champion": history.champion}
            actions.append(self._carry_out(journal, journal.plan(decision.kind, decision.reason, plan)))
            history = self.history(events)
        alerts += self._report_results(history, events)
        if history.open is not None:
            return Remediation("waiting", decision, tuple(actions), tuple(alerts))
        return Remediation("acted" if actions else "nothing", decision, tuple(actions), tuple(alerts))

    def history(self, events: ModelEvents | None = None) -> History:
        """What was done about the model so far."""
        return read_history((events or ModelEvents(self._workspace.ledger, self._model)).read(), self._model)

    def _journal(self, holding: LeaseGuard) -> StepJournal:
        workspace = self._workspace
        return StepJournal(workspace.ledger, self._model, workspace.actor, self._clock, self._on_step, holding.check)

    def _resume(self, journal: StepJournal, events: ModelEvents) -> tuple[Action, ...]:
        open_ = self.history(events).open
        return () if open_ is None else (self._carry_out(journal, open_),)

    def _carry_out(self, journal: StepJournal, action: Action) -> Action:
        return journal.carry_out(action, self.context.recipe(action))

    def _situation(self, history: History) -> Situation:
        champion = self._workspace.registry.champion(self._model)
        taught = [action for action in history.actions if "train-version" in action.outcomes]
        since = taught[-1].planned_at if taught else None
        return Situation(
            now=self._clock(),
            champion=champion.version if champion else None,
            previous=self._previous(),
            new_labels=count_new_labels(self._workspace.ledger, self._project, since),
        )

    def _previous(self) -> str | None:
        try:
            return self._workspace.registry.get_version(self._model, alias=PREVIOUS).version
        except NotFoundError:
            return None

    def _raise_alerts(
        self, findings: Sequence[FindingRecord], history: History, decision: Decision, events: ModelEvents
    ) -> list[Alert]:
        now = self._clock()
        sightings = [
            IncidentUpdate(
                kind,
                TITLES[kind],
                incident.evaluated,
                incident.found,
                _describe_response(incident, history, decision, now),
            )
            for kind, incident in group_incidents(findings).items()
        ]
        alerts = self._project.alerts
        return update_alerts(events, sightings, now, alerts, actor=self._workspace.actor)

    def _report_results(self, history: History, events: ModelEvents) -> list[Alert]:
        now = self._clock()
        endings: dict[str, str] = {
            kind: text for kind in INCIDENT_KINDS if (text := _describe_latest(kind, history, now))
        }
        alerts = self._project.alerts
        return note_action(events, endings, now, alerts, actor=self._workspace.actor)


def _describe_response(incident: Incident, history: History, decision: Decision, now: datetime) -> str:
    """What is done about an incident, in a sentence: decided just now, done of late, or why nothing is."""
    kind = incident.kind
    if incident.over and not incident.found:
        return " ".join(dict.fromkeys(str(one.evidence.get("reason", "")) for one in incident.over))
    if kind == "parts":
        return "It was started again."
    if kind == "aliases":
        return "Nothing: a person decides." if incident.found else "The champion is the one that the decisions name."
    if kind == "approval":
        waiting = ", ".join(finding.subject for finding in incident.found)
        return f"Nothing: a person decides about {waiting}." if waiting else "Somebody decided."
    if decision.incident_kind == kind and decision.kind is not None:
        return (
            summarise_label_request(decision.reason)
            if decision.kind == "ask-labels"
            else f"Under way: {_WORDS[decision.kind]}."
        )
    text = _describe_latest(kind, history, now)
    if text:
        return text
    if decision.incident_kind == kind:
        return f"Nothing. {decision.reason}"
    return "Nothing; the project asks for no action here, or something else comes first."


def _describe_latest(kind: IncidentKind, history: History, now: datetime) -> str:
    """What came of the latest response to a kind of incident; empty where there was none of late."""
    for action in reversed(history.actions):
        if action.plan.get("matter") == kind and now - action.planned_at < DAY:
            if action.finished_at is None:
                return f"Under way: {_WORDS[action.kind]}."
            return f"Failed: {action.summary}" if action.ending == "failed" else action.summary
    return ""
