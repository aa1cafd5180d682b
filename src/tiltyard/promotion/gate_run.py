"""Champion and challenger meet on the same rows, and the gates speak."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from tiltyard.data import Dataset
from tiltyard.data.conform.labels import order_classes
from tiltyard.errors import DataError
from tiltyard.evaluation import (
    Comparison,
    EvaluatedRows,
    FairnessReport,
    LabelledPredictions,
    Metric,
    NumberPredictions,
    compare,
    compare_bootstrap,
    compare_slices,
    evaluate_rows,
    get_metric,
    get_task_metric,
    label_predictions,
)
from tiltyard.evaluation.labelled_predictions import Evaluated
from tiltyard.jsonable import from_jsonable
from tiltyard.models.selection.decision import find_prices
from tiltyard.project import Project
from tiltyard.promotion.ab_test import live_comparison
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import (
    CHALLENGERS,
    FIRST_CHAMPIONS,
    Allowance,
    Cost,
    DataFindings,
    GateInputs,
    PastDecision,
    Verdict,
    guess_gate,
    guess_gate_after,
    incomparable_gate,
    make_verdict,
    next_allowance,
    run_gates,
    standalone_gates,
)
from tiltyard.promotion.gates.task_part import TaskPromotion
from tiltyard.promotion.model_analysis import sensitive_groups, slice_groups
from tiltyard.promotion.offline_predictions import (
    Predicted,
    PredictedNumbers,
    PredictedRows,
    compare_with_labels,
    find_clusters,
    find_unseen_rows,
    predict_with_version,
)
from tiltyard.promotion.serving_cost import measure_cost
from tiltyard.registry import VersionInfo
from tiltyard.registry.ports import FINDINGS_TAG
from tiltyard.tasks import TASKS


def evaluate_gates(
    workspace: Workspace,
    project: Project,
    info: VersionInfo,
    champion: VersionInfo | None,
    predictions: Predicted,
    test: Dataset,
) -> Verdict:
    """Evaluate a challenger by all gates of the project.

    Args:
        workspace: where versions are fetched from.
        project: the project.
        info: the challenger.
        champion: whom it meets; None where there is nobody.
        predictions: the predictions of the challenger for the test rows.
        test: the test rows, none of which the challenger was trained on.

    Raises:
        DataError: the champion was trained on every one of the test rows, or does not say which rows those were.
        ArtifactError: the files of the champion (or, where its cost is required, of the challenger) are damaged or
            unsafe.
    """
    inspection = GateInputs(cost=_cost(workspace, project, info), findings=_findings(info))
    if champion is None:
        facts = compare_with_labels(predictions, test, project)
        inspection = _allow(workspace, project, (None, info.version, test.fingerprint), inspection)
        return run_gates(
            project.promotion,
            evaluate_rows(facts),
            None,
            None,
            metric=project.training.metric,
            inspection=replace(
                inspection,
                fairness=_measure_fairness(workspace, project, info, facts, test),
                guess=guess_gate(
                    project.promotion, project.training.metric, facts, project.training.random_state, inspection
                ),
            ),
        )
    if project.promotion.live != "off":
        inspection = replace(inspection, live=live_comparison(project, workspace.ledger, champion, info.version))
    return _evaluate_against_champion(workspace, project, (champion, info), predictions, test, inspection)


def _evaluate_against_champion(
    workspace: Workspace,
    project: Project,
    pair: tuple[VersionInfo, VersionInfo],
    predictions: Predicted,
    test: Dataset,
    inspection: GateInputs,
) -> Verdict:
    champion, challenger = pair
    package = workspace.load(champion)
    try:
        # By the content split there are no rows that it was trained on, but the split may have changed since.
        common = find_unseen_rows(package, champion, test)
    except DataError as error:
        if error.code == "promotion.training-rows-unknown":
            raise
        facts = compare_with_labels(predictions, test, project)
        inspection = replace(inspection, fairness=_measure_fairness(workspace, project, challenger, facts, test))
        return _refuse_comparison(project, champion, facts, inspection, error)
    if not common.any():
        raise DataError(
            f"The champion, version {champion.version}, was trained on every test row (of {len(test):,}).",
            next_step="Set the split back to what it was, add new rows, or set the alias by hand: tiltyard set-alias",
            code="promotion.no-common-rows",
        )
    rows = test.take(common)
    mine = predictions.take(common)
    facts = compare_with_labels(mine, rows, project)
    inspection = replace(inspection, fairness=_measure_fairness(workspace, project, challenger, facts, rows))
    try:
        theirs = predict_with_version(package, champion, rows)
    except DataError as error:
        return _refuse_comparison(project, champion, facts, inspection, error)
    inspection = _allow(workspace, project, (champion.version, challenger.version, rows.fingerprint), inspection)
    if isinstance(theirs, PredictedNumbers) or isinstance(mine, PredictedNumbers):
        first, second = _pair_numbers(theirs, mine, rows, project)
        comparison, inspection = _compare_versions(project, first, second, rows, inspection)
    else:
        before, after = _pair_predictions(theirs, mine, rows, project)
        comparison, inspection = _compare_versions(project, before, after, rows, inspection)
        inspection = replace(inspection, calibration=_calibration(project, before, after))
    champion_facts = compare_with_labels(theirs, rows, project)
    metric, seed = project.training.metric, project.training.random_state
    return run_gates(
        project.promotion,
        evaluate_rows(facts),
        evaluate_rows(champion_facts),
        comparison,
        metric=metric,
        inspection=replace(inspection, guess=guess_gate_after(project.promotion, metric, champion_facts, facts, seed)),
    )


def _compare_versions(
    project: Project, champion: Evaluated, challenger: Evaluated, rows: Dataset, inspection: GateInputs
) -> tuple[Comparison, GateInputs]:
    """The two on the same rows, and what the gates need to know of the difference."""
    metric = get_task_metric(project.training.metric, project.task)
    slices, small = None, 0
    if project.promotion.slices == "not-worse":
        groups = slice_groups(rows, project)
        slices, small = compare_slices(champion, challenger, groups) if groups else (None, 0)
    differing = _count_differing(metric, champion, challenger)
    return (
        compare(metric, champion, challenger, seed=project.training.random_state),
        replace(inspection, differing=differing, slices=slices, small_slices=small),
    )


def _pair_numbers(
    theirs: Predicted, mine: Predicted, rows: Dataset, project: Project
) -> tuple[NumberPredictions, NumberPredictions]:
    first, second = (compare_with_labels(predictions, rows, project) for predictions in (theirs, mine))
    if not isinstance(first, NumberPredictions) or not isinstance(second, NumberPredictions):
        raise DataError(
            "One of the two versions predicts numbers and the other one classes.",
            next_step="Train a version for the present task, and set the alias by hand: tiltyard set-alias --reason …",
            code="evaluation.other-task",
        )
    return first, second


def _allow(
    workspace: Workspace, project: Project, pair: tuple[str | None, str, str], inspection: GateInputs
) -> GateInputs:
    """With what this decision may use of alpha, after those that the ledger has of the model."""
    promotion = project.promotion
    if promotion.alpha_for == "decision":
        allowance = Allowance(promotion.alpha, promotion.alpha)
    else:
        gate, spending = ("gate.first", FIRST_CHAMPIONS) if pair[0] is None else ("gate.significant", CHALLENGERS)
        past = read_past_decisions(workspace, project.model_name, gate)
        allowance = next_allowance(promotion.alpha, past, pair, spending)
    return replace(inspection, allowance=allowance, rows_fingerprint=pair[2])


def read_past_decisions(workspace: Workspace, model_name: str, gate: str) -> list[PastDecision]:
    """The comparisons of a model by a gate, in order; one that was recorded twice counts once.

    Args:
        workspace: the ledger.
        model_name: the model.
        gate: ``gate.first`` or ``gate.significant``: each shares a separate alpha.

    Raises:
        UnavailableError: the ledger is away.
    """
    found: list[PastDecision] = []
    known: set[tuple[str | None, str, str]] = set()
    for event in workspace.ledger.events(subject=model_name):
        for result in (event.evidence.get("verdict") or {}).get("gates", ()):
            evidence = result.get("evidence", {})
            if result.get("code") != gate or "p_value" not in evidence:
                continue
            rows = evidence.get("rows_fingerprint")
            pair = (event.evidence.get("champion"), event.subject.rpartition("/")[2], rows) if rows else None
            level = float(evidence.get("level", evidence.get("alpha", 0.0)))
            if pair is None or pair not in known:
                known |= {pair} if pair else set()
                found.append(PastDecision(level, bool(result.get("passed")), pair, bool(evidence.get("spent", True))))
    return found


def _count_differing(metric: Metric, first: EvaluatedRows, second: EvaluatedRows) -> int:
    """Rows on which the two predict otherwise, as far as the metric sees it; no label is looked at.

    Of rows that belong together, the groups in which they do.
    """
    if isinstance(first, NumberPredictions) or isinstance(second, NumberPredictions):
        differ = np.asarray(first.predicted != second.predicted)
    else:
        differ = first.predicted_codes != second.predicted_codes
        both = first.probabilities, second.probabilities
        if metric.needs_probabilities and both[0] is not None and both[1] is not None:
            differ = differ | np.any(both[0] != both[1], axis=1)
    return int(np.count_nonzero(differ)) if first.clusters is None else len(np.unique(first.clusters[differ]))


def _refuse_comparison(
    project: Project, champion: VersionInfo, facts: EvaluatedRows, inspection: GateInputs, error: DataError
) -> Verdict:
    gates = standalone_gates(project.promotion, evaluate_rows(facts), inspection)
    return make_verdict([*gates, incomparable_gate(champion.version, error.message.rstrip("."))])


def _pair_predictions(
    theirs: PredictedRows, mine: PredictedRows, rows: Dataset, project: Project
) -> tuple[LabelledPredictions, LabelledPredictions]:
    """The predictions of both with the truth, over the labels that either knows."""
    truth = rows.labels.to_numpy(dtype=str)
    classes = order_classes({*theirs.classes, *mine.classes})
    clusters, prices = find_clusters(rows, project), find_prices(project.decision, classes)
    first, second = (
        label_predictions(
            truth,
            predictions.labels,
            predictions.expand_probabilities(classes),
            classes,
            project.data.positive,
            clusters=clusters,
            rule=predictions.rule,
            prices=prices,
            target=TASKS[project.task].target,
        )
        for predictions in (theirs, mine)
    )
    return first, second


def _calibration(project: Project, champion: LabelledPredictions, challenger: LabelledPredictions) -> Comparison | None:
    if project.promotion.calibration != "not-worse":
        return None
    try:
        return compare_bootstrap(
            get_metric("calibration_error"), champion, challenger, seed=project.training.random_state
        )
    except DataError:
        return None


def _measure_fairness(
    workspace: Workspace, project: Project, info: VersionInfo, facts: EvaluatedRows, rows: Dataset
) -> FairnessReport | None:
    if not project.promotion.fairness:
        return None
    groups = sensitive_groups(rows, project)
    return TaskPromotion.find_for(project.task).measure_fairness(facts, groups, lambda: workspace.load(info).intervals)


def _cost(workspace: Workspace, project: Project, info: VersionInfo) -> Cost | None:
    limits = project.promotion
    if limits.latency_ms is None and limits.size_mb is None:
        return None
    return measure_cost(workspace.load(info))


def _findings(info: VersionInfo) -> DataFindings | None:
    """What was found in the version's data, as its training wrote it down with it; None where it did not."""
    try:
        return from_jsonable(DataFindings, json.loads(info.tags[FINDINGS_TAG]))
    except (KeyError, ValueError):
        return None
