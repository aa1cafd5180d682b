"""A challenger meets the champion on the same rows, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tiltyard.data import Dataset
from tiltyard.ledger import Event
from tiltyard.pipeline.meeting import hold_meeting
from tiltyard.pipeline.stage import Stage
from tiltyard.pipeline.steps import Answers
from tiltyard.project import Project
from tiltyard.registry import Verdict, VersionInfo
from tiltyard.registry.gates import VERDICT_TAG, verdict_tag

CHAMPION = "champion"
PREVIOUS = "previous"


@dataclass(frozen=True)
class Promotion:
    """How a version's attempt to become champion went.

    Attributes:
        version: the challenger.
        champion: who was champion before, or None.
        verdict: what the gates said.
    """

    version: VersionInfo
    champion: VersionInfo | None
    verdict: Verdict

    @property
    def status(self) -> str:
        """One line for people."""
        return (
            "Set as champion"
            if self.verdict.promoted
            else f"Not promoted ({self.verdict.reason}): {self.verdict.summary}"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "version": self.version.version,
            "champion_before": self.champion.version if self.champion else None,
            "status": self.status,
            **self.verdict.to_dict(),
        }


def challenge(stage: Stage, project: Project, info: VersionInfo, answers: Answers, test: Dataset) -> Promotion:
    """Judge a version against the champion on rows that neither was trained on, and promote it if it wins.

    Args:
        stage: registry, ledger and host.
        project: the project.
        info: the challenger.
        answers: what the challenger said about the test rows.
        test: the test rows.

    Returns:
        The verdict and who was champion before. The decision is in the ledger either way.
    """
    champion = stage.registry.champion(info.name)
    if champion is not None and champion.version == info.version:
        champion = None
    verdict = hold_meeting(stage, project, info, champion, answers, test)
    if verdict.promoted:
        if champion is not None:
            stage.registry.set_alias(info.name, PREVIOUS, champion.version)
        stage.registry.set_alias(info.name, CHAMPION, info.version)
    stage.registry.set_tag(info.name, info.version, VERDICT_TAG, verdict_tag(verdict, at=_now().isoformat()))
    stage.ledger.append(
        Event(
            kind="promoted" if verdict.promoted else "refused",
            subject=f"{info.name}/{info.version}",
            at=_now(),
            actor=stage.actor,
            reason=verdict.summary,
            evidence={"champion": champion.version if champion else None, "verdict": verdict.to_dict()},
        )
    )
    return Promotion(info, champion, verdict)


def point_alias(stage: Stage, name: str, *, version: str, alias: str, reason: str) -> str | None:
    """Point an alias at a version by hand and write the decision down; the version it named before, or None.

    A champion that is replaced by hand stays reachable as ``previous``, as with a promotion.

    Raises:
        NotFoundError: the version does not exist.
    """
    stage.registry.get_version(name, version=version)
    before = next((info.version for info in stage.registry.list_versions(name) if alias in info.aliases), None)
    if alias == CHAMPION and before not in (None, version):
        stage.registry.set_alias(name, PREVIOUS, str(before))
    stage.registry.set_alias(name, alias, version)
    stage.ledger.append(
        Event(
            kind="alias-set",
            subject=f"{name}/{version}",
            at=_now(),
            actor=stage.actor,
            reason=reason,
            evidence={"alias": alias, "before": before},
        )
    )
    return before


def _now() -> datetime:
    return datetime.now(UTC)
