"""The responses: how a retraining and a rollback are carried out, in steps that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from tiltyard.aliases import CHALLENGER
from tiltyard.data import Dataset
from tiltyard.errors import NotFoundError
from tiltyard.ledger import Event
from tiltyard.pipeline.remediation.durable_steps import Step, StepPlan
from tiltyard.pipeline.remediation.history import Action
from tiltyard.project import Project
from tiltyard.promotion.alias_change import recover_alias_changes
from tiltyard.promotion.challenge import APPROVAL_REQUESTED, REFUSED, awaiting_approval
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import point_alias, remove_alias
from tiltyard.promotion.rollback import promote_version, roll_back
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import PROMOTED, ROLLED_BACK

ACTION_TAG = "tiltyard.action"


class Trainer(Protocol):
    """Trains versions of a project from its base data and the labelled predictions of production."""

    def train(self, tags: Mapping[str, str]) -> VersionInfo:
        """Train and register a version that carries the tags."""

    def test_rows(self) -> Dataset:
        """The test side of the same data."""


class AbTestEvaluator(Protocol):
    """Evaluates a challenger by its predictions next to the champion's."""

    def verdict(self, champion: str, challenger: str, since: datetime) -> Mapping[str, Any] | None:
        """``{"winner": "challenger" | "champion" | "nobody", "reason": …}``, with evidence; None while it is open.

        Args:
            champion: the champion's version.
            challenger: the challenger's version.
            since: when the challenger began to predict.
        """


@dataclass(frozen=True)
class ActionContext:
    """What responses work with.

    Attributes:
        project: the project.
        workspace: registry, ledger and host.
        trainer: trains versions.
        live: evaluates a challenger by live predictions; None where it goes to the gates at once.
    """

    project: Project
    workspace: Workspace
    trainer: Trainer
    live: AbTestEvaluator | None = None

    def recipe(self, action: Action) -> StepPlan:
        """How an action is carried out."""
        if action.kind == "retrain":
            return self._retraining()
        if action.kind == "roll-back":
            steps = (Step("verify-target", self._verify), Step("roll-back", self._roll_back))
            return StepPlan(steps, _summarise_rollback)
        return StepPlan((), lambda done: summarise_label_request(done.reason))

    def _retraining(self) -> StepPlan:
        watching = (Step("watch-challenger", self._watch, waits=True),) if self.live else ()
        steps = (
            Step("train-version", self._train),
            Step("set-challenger", self._set_challenger),
            *watching,
            Step("meet-champion", self._meet),
            Step("unset-challenger", self._unset_challenger),
        )
        return StepPlan(steps, _summarise_retraining, undo=self._take_back)

    def _train(self, action: Action) -> dict[str, Any]:
        """Train a version, unless one that carries this action's tag was registered before it was cut off."""
        name = self.project.model_name
        mine = [one for one in self.workspace.registry.list_versions(name) if one.tags.get(ACTION_TAG) == action.id]
        info = mine[0] if mine else self.trainer.train({ACTION_TAG: action.id})
        if self._decision(action, f"{name}/{info.version}", "registered") is None:
            self._append(
                "registered", info.version, "trained by the loop", {"run_id": info.run_id, "action": action.id}
            )
        return {"version": info.version, "run_id": info.run_id, "metrics": dict(info.metrics)}

    def _set_challenger(self, action: Action) -> dict[str, Any]:
        version = str(action.outcomes["train-version"]["version"])
        name = self.project.model_name
        recover_alias_changes(self.workspace, name)
        if self._decision(action, f"{name}/{version}", "alias-set") is None:
            evidence = {"action": action.id}
            point_alias(
                self.workspace, name, version=version, alias=CHALLENGER, reason=action.reason, evidence=evidence
            )
        return {"version": version}

    def _watch(self, action: Action) -> Mapping[str, Any] | None:
        """Let the challenger predict next to the champion until the live test has decided."""
        champion = self.workspace.registry.champion(self.project.model_name)
        version = str(action.outcomes["train-version"]["version"])
        if champion is None or champion.version == version or self.live is None:
            return {"winner": "challenger", "reason": "There is no champion to meet."}
        return self.live.verdict(champion.version, version, action.planned_at)

    def _meet(self, action: Action) -> dict[str, Any]:
        """Send the challenger through the gates, unless that was decided before this action was cut off."""
        name, version = self.project.model_name, str(action.outcomes["train-version"]["version"])
        live = action.outcomes.get("watch-challenger", {})
        if live.get("winner") == "champion":
            return {"promoted": False, "status": f"the champion held live: {live.get('reason', '')}"}
        # A change that was interrupted between alias and event is recovered first.
        recover_alias_changes(self.workspace, name)
        decision = self._decision(action, f"{name}/{version}", PROMOTED, REFUSED, APPROVAL_REQUESTED)
        if decision is not None:
            pending = decision.kind == APPROVAL_REQUESTED
            status = awaiting_approval(version) if pending else decision.reason
            return {"promoted": decision.kind == PROMOTED, "status": status, "pending": pending}
        outcome = promote_version(self.workspace, self.project, version, self.trainer.test_rows())
        return {
            "promoted": outcome.promoted,
            "status": outcome.verdict.summary if outcome.promoted else outcome.status,
            "pending": outcome.pending,
        }

    def _unset_challenger(self, action: Action) -> dict[str, Any]:
        name = self.project.model_name
        recover_alias_changes(self.workspace, name)
        if self._find_version(CHALLENGER) == action.outcomes["train-version"]["version"]:
            remove_alias(
                self.workspace, name, alias=CHALLENGER, reason="its trial is over", evidence={"action": action.id}
            )
        return {}

    def _take_back(self, action: Action) -> None:
        """A version that was trained stays for the record; it only is nobody's challenger any more."""
        if "train-version" in action.outcomes:
            self._unset_challenger(action)

    def _verify(self, action: Action) -> dict[str, Any]:
        target = str(action.plan["target"])
        package = self.workspace.load(self.workspace.registry.get_version(self.project.model_name, version=target))
        return {"version": target, "candidate": package.manifest.candidate}

    def _roll_back(self, action: Action) -> dict[str, Any]:
        name, target = self.project.model_name, str(action.plan["target"])
        recover_alias_changes(self.workspace, name)
        if self._decision(action, f"{name}/{target}", ROLLED_BACK) is None:
            roll_back(self.workspace, name, to=target, reason=action.reason)
        return {"champion": target, "before": action.plan.get("champion")}

    def _find_version(self, alias: str) -> str | None:
        try:
            return self.workspace.registry.get_version(self.project.model_name, alias=alias).version
        except NotFoundError:
            return None

    def _decision(self, action: Action, subject: str, *kinds: str) -> Event | None:
        """The first decision of these kinds about a version since the action began."""
        for event in self.workspace.ledger.events(subject=subject):
            # A server that refuses to load a version decides nothing about it: that has no verdict.
            by_gates = event.kind != REFUSED or "verdict" in event.evidence
            if event.sequence > action.sequence and event.kind in kinds and by_gates:
                return event
        return None

    def _append(self, kind: str, version: str, reason: str, evidence: Mapping[str, Any]) -> None:
        subject = f"{self.project.model_name}/{version}"
        self.workspace.ledger.append(Event(kind, subject, datetime.now(UTC), self.workspace.actor, reason, evidence))


def _summarise_retraining(action: Action) -> str:
    version, met = action.outcomes["train-version"]["version"], action.outcomes["meet-champion"]
    if met["promoted"]:
        return f"Version {version} was trained with the labels of production and is champion now: {met['status']}"
    if met.get("pending"):
        return f"Version {version} was trained with the labels of production. {met['status']}"
    return f"Version {version} was trained with the labels of production and does not take over: {met['status']}"


def _summarise_rollback(action: Action) -> str:
    done = action.outcomes["roll-back"]
    return f"Version {done['champion']} is champion again, in place of version {done['before']}."


def summarise_label_request(reason: str) -> str:
    """The request for labels, and why."""
    return f"Labels are requested: {reason} tiltyard label queue chooses the predictions most worth labelling."
