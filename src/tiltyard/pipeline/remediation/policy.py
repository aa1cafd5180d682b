"""From findings to what is done about them: a pure function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.jsonable import json_form
from tiltyard.ledger import FindingRecord
from tiltyard.pipeline.remediation.history import ActionKind, History
from tiltyard.pipeline.remediation.incidents import TITLES, Incident, IncidentKind, group_incidents
from tiltyard.project import ResponseSection

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Situation:
    """What a decision rests on, besides the findings and the history.

    Attributes:
        now: the present.
        champion: the version that serves; None where none does.
        previous: the version that a rollback would go to; None where there is none.
        new_labels: labels reported since the last retraining that brought a version began, or ever.
    """

    now: datetime
    champion: str | None
    previous: str | None
    new_labels: int


@json_form(
    also=("cause_ids",),
    without=("causes",),
    names={"kind": "action", "incident_kind": "matter", "cause_ids": "causes"},
)
@dataclass(frozen=True)
class Decision:
    """What is to be done, or why nothing is.

    Attributes:
        kind: the action; None for none.
        reason: why this and nothing else, in a sentence.
        incident_kind: the kind of incident that it is about; None where nothing was found.
        target: the version that a rollback goes to.
        causes: the findings that speak for it.
    """

    kind: ActionKind | None
    reason: str
    incident_kind: IncidentKind | None = None
    target: str | None = None
    causes: tuple[FindingRecord, ...] = ()

    @property
    def cause_ids(self) -> list[dict[str, str]]:
        """The causes, as they are written down: their codes, subjects and ids."""
        return [{"code": cause.code, "subject": cause.subject, "id": cause.id} for cause in self.causes]


def decide(
    findings: Iterable[FindingRecord], situation: Situation, history: History, policy: ResponseSection
) -> Decision:
    """Decide on the findings of a monitoring run.

    One thing at a time: while a response is open nothing else begins. The gravest incident for which the policy
    has an action decides. An action that the limits forbid (cooldown, actions a day, going back and forth, too few
    labels) does not happen, and the reason says which. The same arguments always give the same decision.

    Args:
        findings: of one monitoring run.
        situation: the present.
        history: what was done so far.
        policy: the project's ``[response]``.
    """
    found = [incident for incident in group_incidents(findings).values() if incident.found]
    if not found:
        return Decision(None, "Nothing was found that asks for a response.")
    if history.open is not None:
        return Decision(None, f"A response is under way ({history.open.kind}).", found[0].kind)
    refusals: list[Decision] = []
    for incident in found:
        wanted = _policy_action(incident.kind, policy)
        decision = _decide_incident(incident, wanted, situation, history, policy)
        if decision.kind is not None:
            return decision
        refusals.append(decision)
    return refusals[0]


def _policy_action(incident_kind: IncidentKind, policy: ResponseSection) -> str:
    actions: dict[IncidentKind, str] = {
        "champion": policy.on_bad_champion,
        "performance": policy.on_decay,
        "estimate": policy.on_estimate,
        "drift": policy.on_drift,
        "service": "alert",
        "aliases": "alert",
        "parts": "alert",
        "approval": "alert",
    }
    return actions[incident_kind]


def _decide_incident(
    incident: Incident, wanted: str, situation: Situation, history: History, policy: ResponseSection
) -> Decision:
    incident_kind, why = incident.kind, f"{TITLES[incident.kind]}: {_first_message(incident)}"
    if wanted not in ("retrain", "rollback"):
        return Decision(None, f"The project asks for no action here ([response]: {wanted}).", incident_kind)
    if situation.champion is None:
        return Decision(None, "There is no champion to act on.", incident_kind)
    if wanted == "rollback":
        refusal = _rollback_refusal(situation, history, incident_kind) or _limit_refusal(
            situation, history, policy, urgent=incident_kind == "champion"
        )
        if refusal:
            return Decision(None, refusal, incident_kind)
        return Decision("roll-back", why, incident_kind, target=situation.previous, causes=incident.found)
    if situation.new_labels < policy.min_new_labels:
        return _ask_for_labels(incident, situation, history, policy)
    refusal = _limit_refusal(situation, history, policy)
    if refusal:
        return Decision(None, refusal, incident_kind)
    return Decision("retrain", why, incident_kind, causes=incident.found)


def _first_message(incident: Incident) -> str:
    return incident.found[0].message or f"{incident.found[0].code} ({incident.found[0].subject})"


def _limit_refusal(situation: Situation, history: History, policy: ResponseSection, *, urgent: bool = False) -> str:
    """Why the limits forbid an action now; empty where they do not.

    A new champion that does badly does not wait for the cooldown: it was the last action that brought it. An action of
    more than a day from now on was recorded while a clock was ahead; when it was is unknown, and it limits nothing.
    """
    today = history.counted_between(situation.now - DAY, situation.now + DAY)
    if len(today) >= policy.max_actions_a_day:
        return f"The daily limit is reached: {len(today)} of {policy.max_actions_a_day} actions in 24 hours."
    last = history.last("retrain", "roll-back")
    if last is not None and not urgent:
        since = situation.now - (last.finished_at or last.planned_at)
        left = timedelta(minutes=policy.cooldown_minutes) - since
        if left > timedelta() and since > -DAY:
            minutes = left.total_seconds() / 60
            return f"The last action ({last.kind}) is too recent: {minutes:.0f} minutes of cooldown left."
    return ""


def _rollback_refusal(situation: Situation, history: History, incident_kind: IncidentKind) -> str:
    """Why there is no going back; empty where there is a way."""
    if situation.previous is None or situation.previous == situation.champion:
        return "There is no previous version to go back to."
    if situation.previous in history.aliases.rolled_back:
        return f"Version {situation.previous} was rolled back from once: going back and forth helps nobody."
    if incident_kind == "performance" and situation.previous in history.retrained_away:
        return f"Version {situation.previous} got worse on labels itself: a retraining replaced it for that."
    if history.champion == situation.champion and history.champion_by == "rolled-back":
        return f"Version {situation.champion} is champion by a rollback: going back further is for a person to decide."
    return ""


def _ask_for_labels(incident: Incident, situation: Situation, history: History, policy: ResponseSection) -> Decision:
    have = f"{situation.new_labels} new labels, and a retraining needs {policy.min_new_labels}"
    request = history.last("ask-labels")
    if request is not None and abs(situation.now - request.planned_at) < DAY:
        return Decision(None, f"Labels were requested already: there are {have}.", incident.kind)
    return Decision(
        "ask-labels", f"{TITLES[incident.kind]}, but there are {have}.", incident.kind, causes=incident.found
    )
