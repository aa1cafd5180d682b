"""Champion against challenger on the labels that came in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test import (
    LiveVerdict,
    UnitRows,
)
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event, ShadowOutcome, SplitOutcome
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import CALLER
from tiltyard.project import Project
from tiltyard.project.serving import ChallengerOptions
from tiltyard.promotion.gates.task_part import LiveTest, TaskPromotion
from tiltyard.registry.alias_history import read_alias_history
from tiltyard.registry.ports import Registry, VersionInfo

CHALLENGED = "challenged"


@dataclass(frozen=True)
class AbTestResult:
    """What the labels say of the present challenger.

    Attributes:
        champion: version that serves.
        challenger: version that predicts next to it.
        verdict: what may be decided, with the evidence.
    """

    champion: str
    challenger: str
    verdict: LiveVerdict

    def to_dict(self) -> dict[str, object]:
        """JSON-ready form."""
        return {
            **to_json_object(self.verdict),
            "champion_version": self.champion,
            "challenger_version": self.challenger,
        }


def evaluate_ab_test(project: Project, registry: Registry, ledger: Ledger, actor: str) -> AbTestResult:
    """Evaluate the challenger by an anytime-valid test, and record a decision once there is one.

    A verdict other than ``go on`` becomes the event ``challenged`` of the challenger's version, with its evidence: it
    is there for the promotion. The same verdict on the same champion is written once.

    Raises:
        UsageError: the project has no live test.
        NotFoundError: there is no champion or no challenger.
        UsageError: numbers are predicted, and the champion's error on its test rows is not known.
    """
    options = project.serving.challenger
    if options is None:
        raise UsageError(
            "No challenger predicts in this project.",
            next_step='Write [serving] challenger = { mode = "shadow" } into the project file, and serve.',
        )
    name = project.model_name
    champion = registry.get_version(name, alias="champion")
    challenger = registry.get_version(name, alias="challenger")
    verdict = _evaluate_labels(project, options, ledger, champion, challenger.version)
    challenge = AbTestResult(champion.version, challenger.version, verdict)
    if verdict.decision != "go on":
        _record_verdict(challenge, name, ledger, actor)
    return challenge


def live_comparison(project: Project, ledger: Ledger, champion: VersionInfo, challenger: str) -> LiveVerdict | None:
    """What the live challenge of these very two says: what was decided last, or else what the labels say so far.

    Nothing is recorded. None where the two did not predict side by side, or no label came.

    Args:
        project: says how a challenger takes part.
        ledger: the decisions, and the labelled predictions.
        champion: the champion.
        challenger: the challenger's version.

    Raises:
        UnavailableError: the ledger is away.
        UsageError: numbers are predicted, and the champion's error on its test rows is not known.
    """
    for event in reversed(list(ledger.events(subject=f"{project.model_name}/{challenger}", kind=CHALLENGED))):
        if event.evidence.get("champion_version") == champion.version:
            known = LiveVerdict.__dataclass_fields__
            return LiveVerdict(**{name: value for name, value in event.evidence.items() if name in known})
    if project.serving.challenger is None:
        return None
    verdict = _evaluate_labels(project, project.serving.challenger, ledger, champion, challenger)
    return verdict if verdict.challenger_rows else None


def _evaluate_labels(
    project: Project, options: ChallengerOptions, ledger: Ledger, champion: VersionInfo, challenger: str
) -> LiveVerdict:
    since = _champion_since(ledger, project.model_name, champion.version)
    test = LiveTest(project, options, ledger, champion, challenger, since)
    return TaskPromotion.find_for(project.task).weigh_labels(test)


def list_drawn_rows(rows: Sequence[SplitOutcome]) -> list[SplitOutcome]:
    """The rows whose side was drawn: while all or no traffic was the challenger's, none was."""
    return [row for row in rows if 0 < row.share < 1]


def name_outcome_units(rows: Sequence[ShadowOutcome] | Sequence[SplitOutcome]) -> UnitRows:
    """The units of outcomes: what is predicted in one request, for one caller, or of one group."""
    return UnitRows.from_names([row.unit for row in rows], [row.rows for row in rows], CALLER)


def _champion_since(ledger: Ledger, name: str, champion: str) -> datetime | None:
    """Since when this version is champion: earlier requests say nothing about it."""
    period = read_alias_history(ledger.events(subject=name), name).champion
    return period.since if period is not None and period.version == champion else None


def _record_verdict(challenge: AbTestResult, name: str, ledger: Ledger, actor: str) -> None:
    subject = f"{name}/{challenge.challenger}"
    decided = (challenge.champion, challenge.verdict.decision)
    for event in ledger.events(subject=subject, kind=CHALLENGED):
        if (event.evidence.get("champion_version"), event.evidence.get("decision")) == decided:
            return
    ledger.append(
        Event(
            kind=CHALLENGED,
            subject=subject,
            at=datetime.now(UTC),
            actor=actor,
            reason=challenge.verdict.summary,
            evidence=challenge.to_dict(),
        )
    )
