"""Champion against challenger on the labels that came in production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test import (
    CAP_ERRORS,
    ErrorPairs,
    LiveVerdict,
    PairedRows,
    UnitRows,
    evaluate_number_shadow,
    evaluate_number_split,
    evaluate_shadow,
    evaluate_shadow_units,
    evaluate_split,
)
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event, ShadowOutcome, SplitOutcome
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import CALLER
from tiltyard.monitoring.prediction_window import find_group_key
from tiltyard.project import Project
from tiltyard.project.serving import ChallengerOptions
from tiltyard.registry.alias_history import read_alias_history
from tiltyard.registry.ports import Registry, VersionInfo
from tiltyard.tasks import predicts_numbers

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
    if predicts_numbers(project.task):
        return _evaluate_numbers(project, options, ledger, challenger, since, _find_cap(champion))
    name, alpha = project.model_name, project.promotion.alpha
    became = read_rare_classes(ledger, name).became
    if options.mode == "shadow":
        pairs = ledger.outcomes.list_shadow_units(
            name, challenger, since=since, became=became, group_key=find_group_key(project)
        )
        found = ledger.outcomes.count_shadow(name, challenger, since=since, became=became)
        counts = (found.both_right, found.only_champion_right, found.only_challenger_right, found.both_wrong)
        if not pairs:
            return replace(evaluate_shadow(*counts, alpha=alpha), left_out=found.unknown)
        lead = np.array([pair.challenger_right - pair.champion_right for pair in pairs], dtype=np.int64)
        verdict = evaluate_shadow_units(counts, PairedRows(lead, _read_units(pairs)), alpha=alpha)
        return replace(verdict, left_out=found.unknown)
    rows = _list_drawn(ledger.outcomes.list_split(name, challenger, since=since, became=became))
    return evaluate_split(
        np.array([row.of_challenger for row in rows], dtype=bool),
        np.array([row.right for row in rows], dtype=bool),
        share=np.array([row.share for row in rows]) if rows else options.share_or_default,
        units=_read_units(rows),
        alpha=alpha,
    )


def _evaluate_numbers(
    project: Project,
    options: ChallengerOptions,
    ledger: Ledger,
    challenger: str,
    since: datetime | None,
    cap: float,
) -> LiveVerdict:
    name, alpha = project.model_name, project.promotion.alpha
    if options.mode == "shadow":
        pairs = ledger.outcomes.list_shadow_units(
            name, challenger, since=since, group_key=find_group_key(project), error_cap=cap
        )
        errors = [[(1 - right) * cap for right in (pair.champion_right, pair.challenger_right)] for pair in pairs]
        both = np.array(errors, dtype=np.float64).reshape(-1, 2)
        return evaluate_number_shadow(ErrorPairs(both[:, 0], both[:, 1], _read_units(pairs)), cap, alpha=alpha)
    rows = _list_drawn(ledger.outcomes.list_split(name, challenger, since=since, error_cap=cap))
    return evaluate_number_split(
        np.array([row.of_challenger for row in rows], dtype=bool),
        np.array([(1 - row.right) * cap for row in rows], dtype=np.float64),
        cap,
        share=np.array([row.share for row in rows]) if rows else options.share_or_default,
        units=_read_units(rows),
        alpha=alpha,
    )


def _list_drawn(rows: Sequence[SplitOutcome]) -> list[SplitOutcome]:
    """The rows whose side was drawn: while all or no traffic was the challenger's, none was."""
    return [row for row in rows if 0 < row.share < 1]


def _find_cap(champion: VersionInfo) -> float:
    """The largest error that counts: it does not change while the two are compared."""
    error = champion.metrics.get("mae", 0.0)
    if not (np.isfinite(error) and error > 0):
        raise UsageError(
            f"Champion {champion.version} has no mean absolute error above 0 on its test rows (metric mae: {error:g}), "
            "and live errors are compared in its measure.",
            next_step="Train a champion whose errors are known: tiltyard train --champion",
        )
    return CAP_ERRORS * error


def _read_units(rows: Sequence[ShadowOutcome] | Sequence[SplitOutcome]) -> UnitRows:
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
