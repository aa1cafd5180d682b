"""What was done so far, as a fold over the ledger's events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from tiltyard.jsonable import json_form
from tiltyard.ledger import Event
from tiltyard.registry.alias_history import AliasHistory, read_alias_history

ActionKind = Literal["retrain", "roll-back", "ask-labels"]
Ending = Literal["done", "failed"]

STEPS = "response-"
PLANNED = "response-planned"
STEP_BEGUN = "response-step-begun"
STEP_DONE = "response-step-done"
STEP_POSTPONED = "response-step-postponed"
FINISHED = "response-finished"

COUNTED: frozenset[ActionKind] = frozenset({"retrain", "roll-back"})
"""Actions that change the champion; the cooldown and the daily limit hold for them."""


@json_form(without=("begun", "sequence"))
@dataclass
class Action:
    """A response, and how far it is.

    Attributes:
        id: names it in every event, tag and notice that it leaves.
        kind: what it is.
        planned_at: when it was decided on.
        reason: why.
        plan: its parameters, fixed when it was decided on.
        outcomes: the result of each finished step, by step.
        begun: how often each step was begun.
        finished_at: when it ended; None while it is open.
        ending: how it ended.
        summary: what came of it, in a sentence.
        sequence: of the event by which it was decided on; what it did has greater ones.
    """

    id: str
    kind: ActionKind
    planned_at: datetime
    reason: str
    plan: Mapping[str, Any]
    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    finished_at: datetime | None = None
    ending: Ending | None = None
    summary: str = ""
    sequence: int = 0


@dataclass
class History:
    """What was done about a model.

    Attributes:
        actions: all responses, in the order in which they were decided on.
        aliases: who was champion when, and what the aliases name.
    """

    actions: list[Action] = field(default_factory=list)
    aliases: AliasHistory = field(default_factory=AliasHistory)

    @property
    def champion(self) -> str | None:
        """The champion's version; None where there is none."""
        return self.aliases.champion.version if self.aliases.champion else None

    @property
    def champion_by(self) -> str:
        """The kind of the latest event that made it champion; empty where there is none."""
        return self.aliases.champion.event.kind if self.aliases.champion else ""

    @property
    def open(self) -> Action | None:
        """The response that has begun and not ended; there is at most one."""
        return next((action for action in reversed(self.actions) if action.finished_at is None), None)

    def counted_between(self, since: datetime, until: datetime) -> list[Action]:
        """The responses decided on from a moment to another one, both included, for which the limits hold."""
        return [action for action in self.actions if action.kind in COUNTED and since <= action.planned_at <= until]

    def last(self, *kinds: ActionKind) -> Action | None:
        """The latest response of these kinds."""
        return next((action for action in reversed(self.actions) if action.kind in kinds), None)

    @property
    def rollback_target(self) -> str | None:
        """The latest earlier champion that a rollback may go to; None where there is none.

        Not one that was itself rolled back, and not one that got worse on labels and was retrained away for it.
        """
        bad = self.aliases.rolled_back | self.retrained_away | {self.champion}
        earlier = (period.version for period in reversed(self.aliases.champions))
        return next((version for version in earlier if version is not None and version not in bad), None)

    @property
    def retrained_away(self) -> frozenset[str]:
        """Champions that a retraining replaced because they had got worse on labels."""
        return frozenset(
            str(action.plan["champion"])
            for action in self.actions
            if action.kind == "retrain"
            and action.plan.get("matter") == "performance"
            and action.plan.get("champion") is not None
            and action.outcomes.get("meet-champion", {}).get("promoted")
        )


def advise_rollback(history: History) -> str:
    """How to go back, as a sentence that names the version; where no version is left to go to, it says so."""
    target = history.rollback_target
    if target is None:
        return "No earlier version is left to go back to; retrain, or name one: tiltyard rollback --to VERSION"
    return f"Go back with: tiltyard rollback --to {target} --reason REASON"


def read_history(events: Sequence[Event], name: str) -> History:
    """What was done about a model, by its events in order."""
    history = History(aliases=read_alias_history(events, name))
    by_id: dict[str, Action] = {}
    for event in events:
        if event.kind.startswith(STEPS):
            _apply_event(history, by_id, event)
    return history


def _apply_event(history: History, by_id: dict[str, Action], event: Event) -> None:
    evidence = event.evidence
    if event.kind == PLANNED:
        kind = cast(ActionKind, evidence["kind"])
        action = Action(evidence["action"], kind, event.at, event.reason, evidence["plan"], sequence=event.sequence)
        by_id[action.id] = action
        history.actions.append(action)
        return
    known = by_id.get(evidence.get("action", ""))
    if known is None:
        return
    if event.kind == STEP_BEGUN:
        known.begun[evidence["step"]] += 1
    elif event.kind == STEP_POSTPONED:
        known.begun[evidence["step"]] -= 1
    elif event.kind == STEP_DONE:
        known.outcomes[evidence["step"]] = evidence["outcome"]
    elif event.kind == FINISHED:
        known.finished_at, known.summary = event.at, event.reason
        known.ending = cast(Ending, evidence["ending"])
