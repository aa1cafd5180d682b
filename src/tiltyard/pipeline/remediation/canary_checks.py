"""Watching a new champion: whether it fails, is slow, or is worse on labels than the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, tee
from typing import Any

import numpy as np
from scipy.stats import binom

from tiltyard.data.conform.labels import match_labels
from tiltyard.errors import InputError, TiltyardError
from tiltyard.evaluation.sequential_test import compute_paired_evidence
from tiltyard.findings import Finding, could_not_judge
from tiltyard.ledger import Label, Prediction
from tiltyard.ledger.label_intake import read_recorded_labels
from tiltyard.ledger.rare_class_events import read_rare_classes
from tiltyard.pipeline.remediation.history import History
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import ROLLED_BACK
from tiltyard.scoring import SklearnScorer

ERRORS, SLOW, WORSE = "champion.errors", "champion.slow", "champion.worse"

FEWEST_PREDICTIONS = 50
MOST_PREDICTIONS = 2000
LEAST_MS = 2.0
"""A latency below this is never a finding, whatever it is a multiple of."""

_BACK = "Go back with: tiltyard rollback --reason REASON"


@dataclass(frozen=True)
class ServiceCounts:
    """The requests that a server processed since it serves a version.

    Attributes:
        version: the version.
        requests: how many requests there were.
        failures: how many of these ended in a server error.
    """

    version: str
    requests: int
    failures: int


def check_new_champion(
    project: Project, workspace: Workspace, history: History, now: datetime, counts: ServiceCounts | None = None
) -> list[Finding]:
    """Findings about a champion that is new: found, clear, or not evaluated. None about one that is not new.

    Args:
        project: names the limits.
        workspace: registry, ledger and host.
        history: who is champion, since when, and who was before.
        now: the present.
        counts: what the server counted; None where nobody counts.

    Raises:
        UnavailableError: the ledger or the registry cannot be reached.
    """
    period, previous = history.aliases.champion, history.aliases.previous_champion
    if period is None or previous is None or history.champion_by == ROLLED_BACK:
        return []
    since = period.since
    if now - since > timedelta(hours=project.response.watch_hours):
        return []
    findings = [
        _check_latency(project, workspace, history, since, now),
        _check_accuracy(project, workspace, history, since, now),
    ]
    if counts is not None and counts.version == history.champion:
        findings.append(_check_errors(project, counts, since, now))
    return findings


def _check_errors(project: Project, counts: ServiceCounts, since: datetime, now: datetime) -> Finding:
    limit, alpha = project.response.max_error_rate, project.promotion.alpha
    # How likely so many failures are if the rate were just the limit.
    chance = float(binom.sf(counts.failures - 1, counts.requests, limit)) if counts.failures else 1.0
    failing = counts.requests > 0 and counts.failures / counts.requests > limit and chance < alpha
    return Finding(
        ERRORS,
        "error" if failing else "info",
        "requests",
        score=counts.failures / counts.requests if counts.requests else 0.0,
        limit=limit,
        message=f"Of {counts.requests:,} requests since version {counts.version} is champion, "
        f"{counts.failures:,} failed.",
        evidence={"p_value": chance, "requests": counts.requests, "failures": counts.failures},
        since=since,
        until=now,
        status="found" if failing else "clear",
        next_step=_BACK if failing else "",
    )


def _check_latency(project: Project, workspace: Workspace, history: History, since: datetime, now: datetime) -> Finding:
    mine = _read_latencies(project, workspace, str(history.champion), since)
    theirs = _read_latencies(project, workspace, str(history.aliases.previous_champion), None)
    if min(len(mine), len(theirs)) < FEWEST_PREDICTIONS:
        why = f"There are {len(mine)} predictions of the new champion and {len(theirs)} of the previous one; it takes "
        return could_not_judge(
            SLOW, "p95", f"{why}{FEWEST_PREDICTIONS} of each.", "Wait for more predictions.", window=(since, now)
        )
    slower, before = float(np.quantile(mine, 0.95)), float(np.quantile(theirs, 0.95))
    limit = max(project.response.slow_factor * before, LEAST_MS)
    slow = slower > limit
    return Finding(
        SLOW,
        "error" if slow else "info",
        "p95",
        score=slower,
        limit=limit,
        message=f"95 % of the predictions of version {history.champion} took at most {slower:.1f} ms; of version "
        f"{history.aliases.previous_champion} {before:.1f} ms.",
        evidence={"rows": len(mine), "rows_before": len(theirs), "p95_before": before},
        since=since,
        until=now,
        status="found" if slow else "clear",
        next_step=_BACK if slow else "",
    )


def _read_latencies(project: Project, workspace: Workspace, version: str, since: datetime | None) -> list[float]:
    newest = workspace.ledger.predictions(
        project=project.model_name, version=version, since=since, newest_first=True, limit=MOST_PREDICTIONS
    )
    return [row.latency_ms for row in newest if row.route != "shadow" and row.latency_ms is not None]


def _check_accuracy(
    project: Project, workspace: Workspace, history: History, since: datetime, now: datetime
) -> Finding:
    """Whether the previous champion would have predicted better on the labelled inputs of the new one."""
    labelled = workspace.ledger.labelled_predictions(
        project=project.model_name, version=history.champion, since=since, shadow=False
    )
    # Where the champion is uncertain, another version as good as it is more often right: such rows do not count.
    chosen, sampled = tee(labelled)
    newest = list(islice((pair for pair in sampled if pair[1].is_sample), MOST_PREDICTIONS))
    pairs = read_recorded_labels(workspace.ledger, project.model_name, newest).pairs
    window = (since, now)
    if not pairs:
        return _explain_no_labels(sum(not label.is_sample for _, label in chosen), window)
    try:
        predictions = _predict_with_previous(project, workspace, str(history.aliases.previous_champion), pairs)
    except TiltyardError as error:
        why = f"Version {history.aliases.previous_champion} cannot predict: {error.message}"
        return could_not_judge(WORSE, "accuracy", why, error.next_step, window=window)
    # As they came: a class that one version merged with others may be a class of the other version.
    came = {row.id: label.label for row, label in newest}
    compared = [
        (row.label, theirs, came[row.id]) for (row, _), theirs in zip(pairs, predictions, strict=True) if theirs
    ]
    rows, labels = len(compared), [label for _, _, label in compared]
    became = read_rare_classes(workspace.ledger, project.model_name).became
    right_new = match_labels([mine for mine, _, _ in compared], labels, became)
    right_before = match_labels([theirs for _, theirs, _ in compared], labels, became)
    only_new = sum(bool(new) and not before for new, before in zip(right_new, right_before, strict=True))
    only_before = sum(bool(before) and not new for new, before in zip(right_new, right_before, strict=True))
    evidence = compute_paired_evidence(only_before, only_new)
    limit = 1.0 / project.promotion.alpha
    worse = evidence >= limit
    return Finding(
        WORSE,
        "error" if worse else "info",
        "accuracy",
        score=evidence,
        limit=limit,
        message=f"Of {rows:,} labelled predictions, version {history.aliases.previous_champion} alone would have been "
        f"right on {only_before:,} and version {history.champion} alone was on {only_new:,}.",
        evidence={"e_value": evidence, "rows": rows, "only_previous": only_before, "only_champion": only_new},
        since=since,
        until=now,
        status="found" if worse else "clear",
        next_step=_BACK if worse else "",
    )


def _explain_no_labels(chosen: int, window: tuple[datetime, datetime]) -> Finding:
    if not chosen:
        return could_not_judge(
            WORSE, "accuracy", "There are no labels of its predictions yet.", "Bring labels.", window=window
        )
    why = f"All {chosen:,} labels are of predictions that were chosen because they are uncertain or unfamiliar."
    step = "Label predictions that were drawn at random: tiltyard label queue --random 1"
    return could_not_judge(WORSE, "accuracy", why, step, window=window)


def _predict_with_previous(
    project: Project, workspace: Workspace, version: str, pairs: Sequence[tuple[Prediction, Label]]
) -> list[str | None]:
    """The predictions of a version for recorded inputs; None where it cannot read one."""
    package = workspace.load(workspace.registry.get_version(project.model_name, version=version))
    # scikit-learn itself: for some hundred rows it is not worth compiling anything.
    scorer = SklearnScorer(package.pipeline, package.manifest.task, package.manifest.columns)
    inputs: list[Any] = [row.input for row, _ in pairs]
    try:
        return list(scorer.score(inputs).labels)
    except InputError:
        return [_predict_one(scorer, one) for one in inputs]


def _predict_one(scorer: Any, one: Any) -> str | None:
    try:
        return str(scorer.score([one]).labels[0])
    except InputError:
        return None
