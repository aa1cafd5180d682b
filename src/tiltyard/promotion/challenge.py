"""A challenger is compared with the champion on the same rows, and promoted, refused or left for approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tiltyard.aliases import CHAMPION
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event, hold_lease
from tiltyard.project import Project
from tiltyard.promotion.alias_change import AliasChange, ChampionChangedError, move_alias
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import Verdict, verdict_tag
from tiltyard.promotion.notifications import decision_notices
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import PROMOTED
from tiltyard.registry.chain_anchors import write_anchor
from tiltyard.registry.ports import VERDICT_TAG
from tiltyard.result_display import ShownResult

if TYPE_CHECKING:
    from tiltyard.data import Dataset
    from tiltyard.promotion.offline_predictions import Predicted

APPROVAL_REQUESTED = "approval-requested"
REFUSED = "refused"
# How often a version is evaluated because the champion changed meanwhile.
ATTEMPTS = 3
# How long a decision waits for another one about the same model, whose rows and level it must know.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, repr=False)
class PromotionResult(ShownResult):
    """How a version's attempt to become champion went.

    Attributes:
        version: the challenger.
        champion: who was champion before, or None.
        verdict: what the gates said.
        pending: whether it passed the gates and waits for somebody's approval.
        forced: why it becomes champion though gates refused it; empty where nobody overruled them.
        request: why somebody sent it to the gates; empty where nobody said.
    """

    version: VersionInfo
    champion: VersionInfo | None
    verdict: Verdict
    pending: bool = False
    forced: str = ""
    request: str = ""

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, the status, and each gate with what it found."""
        return f"{self.version.name} version {self.version.version}", {
            "status": self.status,
            "next": self.next_step,
            **self.verdict.describe()[1],
        }

    @property
    def promoted(self) -> bool:
        """Whether it is champion now."""
        return (self.verdict.promoted or bool(self.forced)) and not self.pending

    @property
    def status(self) -> str:
        """One line for people."""
        if self.pending:
            return awaiting_approval(self.version.version)
        if self.forced:
            return f"Set as champion by force ({self.forced}), though {self.verdict.reason}: {self.verdict.summary}"
        return (
            "Set as champion"
            if self.verdict.promoted
            else f"Not promoted ({self.verdict.reason}): {self.verdict.summary}"
        )

    @property
    def next_step(self) -> str:
        """The command that follows from it."""
        return self.make_next_step()

    def make_next_step(self, model_name: str | None = None) -> str:
        """The command that follows from it.

        Args:
            model_name: the model, where a command needs its name; None where a project file has it.
        """
        version, named = self.version.version, "" if model_name is None else f" --model-name {model_name}"
        if self.promoted:
            return f"tiltyard serve{named}"
        if self.pending:
            return f"tiltyard approve {version}{named} --reason WHY"
        return (
            f"tiltyard model-info --version {version}{named} (each gate); "
            f"tiltyard promote {version}{named} --force --reason WHY (champion all the same)"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "version": self.version.version,
            "champion_before": self.champion.version if self.champion else None,
            "status": self.status,
            "next_step": self.next_step,
            **to_json_object(self.verdict),
            "promoted": self.promoted,
            "pending": self.pending,
            "forced": self.forced,
        }


def awaiting_approval(version: str) -> str:
    """What is said of a version that passed and waits for somebody's yes, with the next command."""
    return f"Passed the gates, and waits for approval: tiltyard approve {version} --reason …"


def challenge_champion(  # noqa: PLR0913 - what is compared, and the two reasons that the decision keeps
    workspace: Workspace,
    project: Project,
    info: VersionInfo,
    predictions: Predicted,
    test: Dataset,
    *,
    force: str = "",
    reason: str = "",
) -> PromotionResult:
    """Evaluate a version against the champion on rows that neither was trained on, and promote it if it wins.

    Where the champion changes meanwhile, the version is evaluated again, against the new one. Where the project
    requires approval, a version that passed waits for it. One decision about a model is taken at a time, so that each
    knows what those before it have used of alpha.

    Args:
        workspace: registry, ledger and host.
        project: the project.
        info: the challenger.
        predictions: the predictions of the challenger for the test rows.
        test: the test rows.
        force: why the version becomes champion even if gates refuse it; empty: it does not. The decision keeps this
            reason next to the verdict.
        reason: why it is sent to the gates; the decision keeps it as evidence, whatever they say.

    Returns:
        The verdict and who was champion before. The decision is in the ledger either way.

    Raises:
        UsageError: it is champion already, perhaps by somebody else's decision of the same moment.
        ChampionChangedError: the champion changed again and again.
        UnavailableError: the registry or the ledger is away, or another decision about the model takes too long.
    """
    workspace = replace(workspace, alerts=project.alerts)
    with hold_lease(workspace.ledger.leases, f"decision/{info.name}", patience_seconds=PATIENCE_SECONDS) as holding:
        if holding is None:
            raise UnavailableError(
                f"Another process has been comparing versions of {info.name} for {PATIENCE_SECONDS / 60:.0f} minutes.",
                next_step="Try again when it has ended: tiltyard history",
                code="promotion.decision-under-way",
            )
        return _decide(workspace, project, info, predictions, test, (force.strip(), reason.strip()))


def _decide(
    workspace: Workspace,
    project: Project,
    info: VersionInfo,
    predictions: Predicted,
    test: Dataset,
    reasons: tuple[str, str],
) -> PromotionResult:
    force, request = reasons
    for attempt in range(ATTEMPTS):
        champion = workspace.registry.champion(info.name)
        check_not_champion(info, champion)
        from tiltyard.promotion.gate_run import evaluate_gates  # noqa: PLC0415 - who lists decisions runs no gates

        verdict = evaluate_gates(workspace, project, info, champion, predictions, test)
        workspace.registry.set_tag(info.name, info.version, VERDICT_TAG, verdict_tag(verdict, at=_now().isoformat()))
        forced = "" if verdict.promoted else force
        wins = verdict.promoted or bool(forced)
        pending = wins and project.promotion.approval == "required"
        outcome = PromotionResult(info, champion, verdict, pending, forced, request)
        if not outcome.promoted:
            _record_outcome(workspace, outcome)
            return outcome
        try:
            move_alias(workspace, promotion_change(outcome, champion))
        except ChampionChangedError:
            if attempt + 1 == ATTEMPTS:
                raise
            continue
        return outcome
    raise AssertionError("every attempt returns or raises")


def check_not_champion(info: VersionInfo, champion: VersionInfo | None) -> None:
    """Refuse to compare the champion with itself.

    Raises:
        UsageError: it is the champion.
    """
    if champion is not None and champion.version == info.version:
        raise UsageError(
            f"Version {info.version} of {info.name} is champion already.",
            next_step="Name another version: tiltyard list-versions",
            code="promotion.already-champion",
        )


def promotion_change(outcome: PromotionResult, champion: VersionInfo | None, **evidence: Any) -> AliasChange:
    """The move that makes a version champion by a verdict; ``champion`` is who has the alias now."""
    return AliasChange(
        model_name=outcome.version.name,
        alias=CHAMPION,
        version=outcome.version.version,
        before=champion.version if champion else None,
        kind=PROMOTED,
        reason=_decision_reason(outcome),
        evidence={**_evidence(outcome), **evidence},
    )


def _record_outcome(workspace: Workspace, outcome: PromotionResult) -> None:
    info = outcome.version
    event = Event(
        kind=APPROVAL_REQUESTED if outcome.pending else REFUSED,
        subject=f"{info.name}/{info.version}",
        at=_now(),
        actor=workspace.actor,
        reason=_decision_reason(outcome),
        evidence=_evidence(outcome),
    )
    written = workspace.ledger.append(event, decision_notices(workspace.alerts, event))
    write_anchor(workspace.registry, workspace.ledger, info.name, info.version, written)


def _evidence(outcome: PromotionResult) -> dict[str, Any]:
    champion = outcome.champion
    said = {"forced": outcome.forced, "request": outcome.request}
    return {
        "champion": champion.version if champion else None,
        "verdict": to_json_object(outcome.verdict),
        **{name: text for name, text in said.items() if text},
    }


def _decision_reason(outcome: PromotionResult) -> str:
    summary = outcome.verdict.summary
    return f"by force: {outcome.forced} (the gates: {summary})" if outcome.forced else summary


def _now() -> datetime:
    return datetime.now(UTC)
