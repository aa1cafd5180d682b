"""A challenger meets the champion on the same rows, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tiltyard.data import Dataset
from tiltyard.data.content import content_keys
from tiltyard.errors import DataError
from tiltyard.evaluation import Comparison, compare, get_metric, judged
from tiltyard.ledger import Event, Ledger
from tiltyard.pipeline.steps import Answers, answer, evaluate_answers
from tiltyard.project import Project
from tiltyard.registry import Package, Registry, Verdict, VersionInfo, judge, read_package
from tiltyard.registry.signing import NO_KEYS, KeyRing, Signer

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


@dataclass(frozen=True)
class Stage:
    """Where promotions happen: the registry, the ledger, and what of this host they need.

    Attributes:
        registry: where versions are registered.
        ledger: where decisions are written down.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        actor: who acts, for the record.
        trusted_keys: the keys by which this host judges signatures.
        signer: the key that signs new versions; None where this host does not sign.
    """

    registry: Registry
    ledger: Ledger
    cache: Path
    trusted_types: tuple[str, ...]
    actor: str
    trusted_keys: KeyRing = NO_KEYS
    signer: Signer | None = None

    def load(self, info: VersionInfo) -> Package:
        """Fetch and verify a version."""
        folder = self.registry.fetch(info, self.cache)
        return read_package(folder, self.trusted_types, trusted_keys=self.trusted_keys)


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
    verdict = _judge(stage, project, champion, answers, test)
    if verdict.promoted:
        if champion is not None:
            stage.registry.set_alias(info.name, PREVIOUS, champion.version)
        stage.registry.set_alias(info.name, CHAMPION, info.version)
    stage.ledger.append(
        Event(
            kind="promoted" if verdict.promoted else "refused",
            subject=f"{info.name}/{info.version}",
            at=datetime.now(UTC),
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
            at=datetime.now(UTC),
            actor=stage.actor,
            reason=reason,
            evidence={"alias": alias, "before": before},
        )
    )
    return before


def _compare(metric: str, rows: Dataset, theirs: Answers, mine: Answers, project: Project) -> Comparison:
    truth = rows.labels.to_numpy(dtype=str)
    classes = tuple(sorted({*theirs.classes, *mine.classes}))
    champion, challenger = (
        judged(truth, answers.labels, answers.widened(classes), classes, project.data.positive)
        for answers in (theirs, mine)
    )
    return compare(get_metric(metric), champion, challenger, seed=project.training.random_state)


def _judge(stage: Stage, project: Project, champion: VersionInfo | None, answers: Answers, test: Dataset) -> Verdict:
    metric = project.training.metric
    if champion is None:
        evaluation = evaluate_answers(answers, test, project)
        return judge(project.promotion, evaluation, None, None, metric=metric)
    package = stage.load(champion)
    # Rows that the champion was trained on say nothing about it; by the content split there are none, but the
    # split of the project file may have changed since.
    common = ~np.isin(content_keys(test.inputs), package.training_keys)
    if not common.any():
        raise DataError(
            f"The champion, version {champion.version}, was trained on every one of the {len(test):,} test rows.",
            next_step="Set the split back to what it was, add new rows, or set the alias by hand: tiltyard set-alias",
            code="promotion.no-common-rows",
        )
    rows = test.take(common)
    mine = answers.take(common)
    theirs = answer(package.pipeline, rows.inputs)
    return judge(
        project.promotion,
        evaluate_answers(mine, rows, project),
        evaluate_answers(theirs, rows, project),
        _compare(metric, rows, theirs, mine, project),
        metric=metric,
    )
