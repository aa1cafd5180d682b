"""Carrying a response out, step by step, so that it can be resumed wherever it was interrupted.

Events record that a step begins, before it runs, and that it is done, afterwards. A step must be idempotent: one that
was cut off between its effect and that word is run again, and finds its effect there. A step that is done is not run
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Event, Ledger, new_id
from tiltyard.ledger.leases import LeaseLostError
from tiltyard.pipeline.remediation.history import (
    FINISHED,
    PLANNED,
    STEP_BEGUN,
    STEP_DONE,
    STEP_POSTPONED,
    Action,
    ActionKind,
    Ending,
)

MOST_BEGINNINGS = 3
"""A step that was begun so often and never done has taken the process with it each time."""

LONGEST = timedelta(hours=24)
"""How long a service that a response needs may be away before the response is given up."""


@dataclass(frozen=True)
class Step:
    """A part of a response.

    Attributes:
        name: stable name.
        run: does it, and returns what came of it as JSON values; None where it has to be run again later. Must be
            idempotent.
        waits: whether it may return None; such a step has no effect.
    """

    name: str
    run: Callable[[Action], Mapping[str, Any] | None]
    waits: bool = False


def _undo_nothing(action: Action) -> None:
    """Nothing is left half done."""
    del action


@dataclass(frozen=True)
class StepPlan:
    """How actions of a kind are carried out.

    Attributes:
        steps: in order.
        summary: what came of it, in a sentence, once all steps are done.
        undo: takes back what a failed action would leave half done; must be idempotent.
    """

    steps: tuple[Step, ...]
    summary: Callable[[Action], str]
    undo: Callable[[Action], None] = _undo_nothing


def _now() -> datetime:
    return datetime.now(UTC)


class StepJournal:
    """Writes a model's responses into the ledger.

    Args:
        ledger: the ledger.
        model: the registered model.
        actor: who acts.
        clock: the present, UTC.
        on_step: called after each event that was appended: ``retrain/planned``, ``retrain/train-version/begun`` …
        guard: called before each word; raises if this process may not continue.
    """

    def __init__(
        self,
        ledger: Ledger,
        model: str,
        actor: str,
        clock: Callable[[], datetime] = _now,
        on_step: Callable[[str], None] | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        self._ledger, self._model, self._actor = ledger, model, actor
        self.clock, self._on_step, self._guard = clock, on_step, guard

    def plan(self, kind: ActionKind, reason: str, plan: Mapping[str, Any]) -> Action:
        """Decide on a response; from here on it is carried out, whatever happens to this process."""
        action = Action(new_id(), kind, self.clock(), reason, dict(plan))
        action.sequence = self._write(PLANNED, action, reason, {"kind": kind, "plan": dict(plan)}, "planned")
        return action

    def carry_out(self, action: Action, recipe: StepPlan) -> Action:
        """Run the steps that are not done yet. The action comes back finished, or open where it has to wait.

        Args:
            action: what was decided on, with what is done of it.
            recipe: how actions of its kind are carried out.
        """
        for step in recipe.steps:
            if step.name in action.outcomes:
                continue
            if action.begun[step.name] >= MOST_BEGINNINGS:
                why = f"The step {step.name} was begun {MOST_BEGINNINGS} times and never came to its end."
                return self._give_up(action, recipe, why)
            try:
                if not self._run(action, step):
                    return action
            except LeaseLostError:
                raise
            except UnavailableError as error:
                if self.clock() - action.planned_at > LONGEST:
                    return self._give_up(action, recipe, f"{step.name}: {error.message}")
                self._postpone(action, step, error.message)
                return action
            except TiltyardError as error:
                return self._give_up(action, recipe, f"{step.name}: {error.message}")
            except Exception as error:  # noqa: BLE001 - one response that fails must not end the loop
                return self._give_up(action, recipe, f"{step.name}: {type(error).__name__}: {error}")
        return self._finish(action, "done", recipe.summary(action))

    def _run(self, action: Action, step: Step) -> bool:
        if not step.waits:
            self._write(STEP_BEGUN, action, "", {"step": step.name}, f"{step.name}/begun")
            action.begun[step.name] += 1
        outcome = step.run(action)
        if outcome is None:
            return False
        self._write(STEP_DONE, action, "", {"step": step.name, "outcome": dict(outcome)}, f"{step.name}/done")
        action.outcomes[step.name] = dict(outcome)
        return True

    def _postpone(self, action: Action, step: Step, reason: str) -> None:
        if not step.waits:
            self._write(STEP_POSTPONED, action, reason, {"step": step.name}, f"{step.name}/postponed")
            action.begun[step.name] -= 1

    def _give_up(self, action: Action, recipe: StepPlan, why: str) -> Action:
        try:
            recipe.undo(action)
        except UnavailableError:
            return action  # nothing is left half done: it is given up once that can be undone
        return self._finish(action, "failed", why)

    def _finish(self, action: Action, ending: Ending, summary: str) -> Action:
        self._write(FINISHED, action, summary, {"ending": ending}, "finished")
        action.finished_at, action.ending, action.summary = self.clock(), ending, summary
        return action

    def _write(self, kind: str, action: Action, reason: str, evidence: Mapping[str, Any], word: str) -> int:
        if self._guard is not None:
            self._guard()
        content = {"action": action.id, **evidence}
        appended = self._ledger.append(Event(kind, self._model, self.clock(), self._actor, reason, content))
        if self._on_step is not None:
            self._on_step(f"{action.kind}/{word}")
        return appended.sequence
