"""Watching a new champion: whether it fails, is slow, or is worse on labels than the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice, tee
from typing import Any

from tiltyard.errors import InputError, TiltyardError
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count
from tiltyard.ledger import Label, Prediction
from tiltyard.ledger.label_intake import read_recorded_labels
from tiltyard.ledger.sql.outcomes import name_unit
from tiltyard.monitoring.prediction_window import find_group_key
from tiltyard.pipeline.remediation.history import History, advise_rollback
from tiltyard.pipeline.remediation.service_checks import ERRORS, SLOW, check_errors, check_latency
from tiltyard.pipeline.remediation.service_tally import ServiceTally
from tiltyard.pipeline.task_part import TaskPipeline
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import ROLLED_BACK
from tiltyard.scoring.table.task_part import TaskScoring

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
    before, of_task = str(history.aliases.previous_champion), TaskPipeline.find_for(project.task)
    unknown = of_task.explain_incomparable(project, workspace, before)
    if unknown:
        return could_not_judge(WORSE, of_task.measured, *unknown, window=window)
    try:
        predictions = _predict_with_previous(project, workspace, before, pairs)
    except TiltyardError as error:
        why = f"Version {before} cannot predict: {error.message}"
        return could_not_judge(WORSE, of_task.measured, why, error.next_step, window=window)
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
    found = of_task.weigh_labels(compared, workspace, project, before)
    rows, units = len(compared), [unit for *_, unit in compared]
    evaluated, limit = units.count(None) + len({*units} - {None}), 1.0 / alpha
    worse = found.evidence >= limit
    return Finding(
        WORSE,
        "error" if worse else "info",
        of_task.measured,
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
    task = package.manifest.task
    scorer = TaskScoring.find_for(task).make_plain(package.pipeline, task, package.manifest.columns)
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
