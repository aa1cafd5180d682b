"""Watching a new champion: whether it fails, is slow, or is worse on labels than the one before."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, tee
from typing import Any, NamedTuple

import numpy as np

from tiltyard.data.conform.labels import match_labels
from tiltyard.errors import InputError, TiltyardError
from tiltyard.evaluation.sequential_test import (
    ErrorPairs,
    PairedRows,
    UnitRows,
    compute_number_shadow_evidence,
    compute_paired_evidence,
    compute_paired_unit_evidence,
    count_error_units_needed,
    count_paired_units_needed,
)
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count, format_number
from tiltyard.ledger import Label, Prediction
from tiltyard.ledger.label_intake import read_recorded_labels
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.ledger.records import CALLER, REQUEST
from tiltyard.ledger.sql.outcomes import name_unit
from tiltyard.monitoring.prediction_window import find_group_key
from tiltyard.pipeline.remediation.history import History, advise_rollback
from tiltyard.pipeline.remediation.service_checks import ERRORS, SLOW, check_errors, check_latency
from tiltyard.pipeline.remediation.service_tally import ServiceTally
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import ROLLED_BACK
from tiltyard.scoring import SklearnNumberScorer, SklearnScorer
from tiltyard.tasks import predicts_numbers

WORSE = "champion.worse"
WATCHED = (ERRORS, SLOW, WORSE)

MOST_PREDICTIONS = 2000
LOSS = 0.05
"""The loss of accuracy for which a finding names how much it takes to show it."""
WATCH_CAP_ERRORS = 10.0
"""An error counts up to so many times the previous champion's mean absolute error on its test rows."""


def check_new_champion(
    project: Project, workspace: Workspace, history: History, now: datetime, tally: ServiceTally | None = None
) -> list[Finding]:
    """Findings about a champion that is new: found, clear, or not evaluated. None about one that is not new.

    A champion about which something is found stays under watch for as long as it is.

    Args:
        project: names the limits.
        workspace: registry, ledger and host.
        history: who is champion, since when, and who was before.
        now: the present.
        tally: what the servers counted; None where nobody counts.

    Raises:
        UnavailableError: the ledger or the registry cannot be reached.
    """
    period, previous = history.aliases.champion, history.aliases.previous_champion
    if period is None or previous is None or history.champion_by == ROLLED_BACK:
        return []
    since = period.since
    is_new = now - since <= timedelta(hours=project.response.watch_hours)
    if not is_new and not _is_found(project, workspace, str(history.champion), since):
        return []
    advice = advise_rollback(history)
    findings = [_check_accuracy(project, workspace, history, since, now)]
    if tally is not None and (tally.version, tally.since) == (history.champion, since):
        findings.append(check_errors(project, tally, now, advice))
        findings.append(check_latency(project, tally, previous, now, advice))
    return findings


def _is_found(project: Project, workspace: Workspace, version: str, since: datetime) -> bool:
    """Whether the latest word on this champion is that it does badly."""
    latest = workspace.ledger.findings.latest(project=project.model_name, code="champion.", since=since)
    return any(one.code in WATCHED and one.version == version and one.status == "found" for one in latest)


def _check_accuracy(
    project: Project, workspace: Workspace, history: History, since: datetime, now: datetime
) -> Finding:
    """Whether the previous champion would have predicted better on the labelled inputs of the new one."""
    labelled = workspace.ledger.labelled_predictions(
        project=project.model_name, version=history.champion, since=since, shadow=False
    )
    # Where the champion is uncertain, another version as good as it is more often right: such rows do not count.
    chosen, sampled = tee(labelled)
    first = list(islice((pair for pair in sampled if pair[1].is_sample), MOST_PREDICTIONS))
    pairs = read_recorded_labels(workspace.ledger, project.model_name, first).pairs
    window = (since, now)
    if not pairs:
        return _explain_no_labels(sum(not label.is_sample for _, label in chosen), window)
    before, numbers = str(history.aliases.previous_champion), predicts_numbers(project.task)
    cap = _find_cap(project, workspace, before) if numbers else None
    if numbers and cap is None:
        why = f"Version {before} has no mean absolute error above 0 on its test rows, in whose measure errors count."
        return could_not_judge(WORSE, "error", why, "Train a champion whose errors are known.", window=window)
    try:
        predictions = _predict_with_previous(project, workspace, before, pairs)
    except TiltyardError as error:
        why = f"Version {before} cannot predict: {error.message}"
        return could_not_judge(WORSE, "error" if numbers else "accuracy", why, error.next_step, window=window)
    # As they came: a class that one version merged with others may be a class of the other version.
    came = {row.id: label.label for row, label in first}
    group_key = find_group_key(project)
    compared = [
        # Rows of one request that are of several groups are as many units: the project knows what belongs together.
        (row.label, theirs, came[row.id], name_unit(row.unit, row.input, project.model_name, group_key))
        for (row, _), theirs in zip(pairs, predictions, strict=True)
        if theirs
    ]
    alpha = project.promotion.alpha
    found = _compare_classes(compared, workspace, project) if cap is None else _compare_numbers(compared, cap, alpha)
    rows, units = len(compared), [unit for *_, unit in compared]
    evaluated, limit = units.count(None) + len({*units} - {None}), 1.0 / alpha
    worse = found.evidence >= limit
    return Finding(
        WORSE,
        "error" if worse else "info",
        "accuracy" if cap is None else "error",
        score=found.evidence,
        limit=limit,
        message=f"Of {format_count(rows, 'labelled prediction')}"
        + (f" of {evaluated:,} requests, callers or groups" if evaluated < rows else "")
        + f", version {before} {found.of_previous} and version {history.champion} {found.of_new}."
        + ("" if worse or found.needed is None else _describe_needed(evaluated, found.needed, found.loss)),
        evidence={
            "e_value": found.evidence,
            "rows": rows,
            "units": evaluated,
            "units_needed": found.needed,
            **found.figures,
        },
        since=since,
        until=now,
        status="found" if worse else "clear",
        next_step=advise_rollback(history) if worse else "",
    )


_Compared = Sequence[tuple[str, str, str, str | None]]
"""Of each row the new version's prediction, the previous one's, the label, and the unit."""


class _Weighed(NamedTuple):
    """What labelled rows say for the previous version, its part and the new one's in words, and what more takes."""

    evidence: float
    of_previous: str
    of_new: str
    figures: Mapping[str, float]
    loss: str
    needed: int | None


def _compare_classes(compared: _Compared, workspace: Workspace, project: Project) -> _Weighed:
    leads = _find_right(compared, workspace, project)
    only_new, only_before = leads.count(-1), leads.count(1)
    units = [unit for *_, unit in compared]
    return _Weighed(
        _weigh_evidence(leads, units),
        f"alone would have been right on {only_before:,}",
        f"alone was on {only_new:,}",
        {"only_previous": only_before, "only_champion": only_new},
        f"{LOSS:g}",
        _count_needed(leads, units, project.promotion.alpha) if compared else None,
    )


def _find_right(compared: _Compared, workspace: Workspace, project: Project) -> list[int]:
    """Of each row 1 where the previous version alone is right, -1 where the new one alone is, else 0."""
    labels = [label for _, _, label, _ in compared]
    became = read_rare_classes(workspace.ledger, project.model_name).became
    new = match_labels([mine for mine, _, _, _ in compared], labels, became)
    before = match_labels([theirs for _, theirs, _, _ in compared], labels, became)
    return [bool(theirs) - bool(mine) for mine, theirs in zip(new, before, strict=True)]


def _compare_numbers(compared: _Compared, cap: float, alpha: float) -> _Weighed:
    """Whose absolute errors are smaller, up to the cap, as the gates compare them but for the cap.

    Which of two is nearer does not say: one that is a little nearer on most rows and far off on some has larger errors.
    """
    numbers = [(float(mine), float(theirs), float(label)) for mine, theirs, label, _ in compared]
    new = np.array([abs(mine - label) for mine, _, label in numbers], dtype=np.float64)
    before = np.array([abs(theirs - label) for _, theirs, label in numbers], dtype=np.float64)
    pairs = ErrorPairs(new, before, _name_units([unit for *_, unit in compared]))
    means = [float(np.minimum(errors, cap).mean()) if compared else 0.0 for errors in (before, new)]
    return _Weighed(
        compute_number_shadow_evidence(pairs, cap),
        f"would have missed by {format_number(means[0])} on average",
        f"missed by {format_number(means[1])} (an error counts up to {format_number(cap)})",
        {"previous_error": means[0], "champion_error": means[1], "cap": cap},
        format_number(cap / 100),
        count_error_units_needed(pairs, cap, alpha=alpha) if compared else None,
    )


def _find_cap(project: Project, workspace: Workspace, version: str) -> float | None:
    """The largest error that counts, which was known before the first label; None where that version's is not known."""
    error = workspace.registry.get_version(project.model_name, version=version).metrics.get("mae", 0.0)
    return WATCH_CAP_ERRORS * error if math.isfinite(error) and error > 0 else None


def _weigh_evidence(leads: Sequence[int], units: Sequence[str | None]) -> float:
    """Evidence for the previous version: rows of one request or caller are one piece of it, not one each.

    Args:
        leads: of each row 1 where the previous version alone is right, -1 where the new one alone is, else 0.
        units: what the row shares with others; None: it is by itself.
    """
    single = [lead for lead, unit in zip(leads, units, strict=True) if unit is None]
    evidence = compute_paired_evidence(single.count(1), single.count(-1))
    shared = [(lead, unit) for lead, unit in zip(leads, units, strict=True) if unit is not None]
    if not shared:
        return evidence
    rows = _name_units([unit for _, unit in shared])
    together = compute_paired_unit_evidence(PairedRows(np.array([lead for lead, _ in shared], dtype=np.int64), rows))
    return min(evidence * together, sys.float_info.max)


def _count_needed(leads: Sequence[int], units: Sequence[str | None], alpha: float) -> int:
    """How many requests, callers or groups like these show a true loss of ``LOSS``."""
    rows = _name_units(units) if any(units) else None
    return count_paired_units_needed(np.array(leads, dtype=np.int64), rows, LOSS, alpha=alpha)


def _name_units(units: Sequence[str | None]) -> UnitRows:
    """The units of rows, of which those without a name are requests by themselves."""
    names = [f"{REQUEST}{place}" if unit is None else unit for place, unit in enumerate(units)]
    sizes = Counter(names)
    return UnitRows.from_names(names, [sizes[name] for name in names], CALLER)


def _describe_needed(evaluated: int, needed: int, loss: str) -> str:
    text = f" To show a true loss of {loss} takes about {needed:,} requests, callers or groups like these"
    return f"{text}: {needed - evaluated:,} more." if needed > evaluated else f"{text}, which there are."


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
    kind = SklearnNumberScorer if predicts_numbers(package.manifest.task) else SklearnScorer
    scorer = kind(package.pipeline, package.manifest.task, package.manifest.columns)
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
