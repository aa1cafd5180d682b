"""The choice of the scorer of a version: a compiled one where it is exact, else scikit-learn itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import TiltyardError
from tiltyard.registry.package.manifest import Manifest, Samples, ScorerChoice
from tiltyard.scoring.class_order import decide_labels, order_columns
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.scorer import NotCompilableError, Scorer
from tiltyard.scoring.sklearn_scorer import SklearnScorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.task_part import TaskScoring
from tiltyard.tasks import Task, reads_text

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.registry.package.packaging import Package

# Far above what the order of a sum can do (1e-13), far below what any other arithmetic does.
PARITY = 1e-9

log = logging.getLogger(__name__)


def compile_scorer(pipeline: Pipeline, task: Task, columns: InputColumns) -> Scorer:
    """The compiled scorer of a fitted pipeline.

    Args:
        pipeline: a fitted classifier or regressor; for text it takes a list of str, for tables a data frame.
        task: what is predicted from what.
        columns: for tables, the features in training order; ignored for text.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    if reads_text(task):
        return TaskScoring.find_for(task).compile_texts(pipeline)
    from tiltyard.scoring.trees.compile_booster import compile_booster_scorer  # noqa: PLC0415 - it takes seconds

    booster = compile_booster_scorer(pipeline, columns)
    return TaskScoring.find_for(task).compile_table(pipeline, columns) if booster is None else booster


def choose_scorer(pipeline: Pipeline, task: Task, columns: Mapping[str, str], samples: Samples) -> ScorerChoice:
    """Choose at packaging how a version is scored; the samples' columns are in the order of ``order_classes``.

    A compiled scorer is chosen where there is one and it reproduces the predictions of the sample rows, to ``PARITY``.
    """
    classes = TaskScoring.find_for(task).list_pipeline_classes(pipeline)
    return _choose(pipeline, task, InputColumns(columns), samples, classes)[1]


def compile_package(package: Package) -> Scorer:
    """The compiled scorer of a verified version, for ``write_scorer``; nothing is predicted with it yet.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    scorer = compile_scorer(package.pipeline, package.manifest.task, read_columns(package.manifest))
    return _add_intervals(scorer, package)


def accept_scorer(scorer: Scorer, manifest: Manifest) -> Scorer | None:
    """A scorer that ``compile_package`` made elsewhere, as ``make_scorer`` would give it.

    None where it does not reproduce the version's sample predictions on this host.
    """
    ordered = order_columns(scorer, manifest.classes)
    try:
        difference = _difference(ordered, manifest.samples)
    except TiltyardError as error:
        log.warning("The compiled form of a version of %s failed: %s", manifest.model_name, error.message)
        return None
    if difference is not None and not difference <= PARITY:
        return None
    decided = decide_labels(ordered, manifest.decision)
    _warm_up(decided, manifest.task, read_columns(manifest))
    return decided


def read_columns(manifest: Manifest) -> InputColumns:
    """The features of a version, in training order."""
    return InputColumns(manifest.columns, manifest.other_columns, manifest.table_schema)


def make_scorer(package: Package) -> Scorer:
    """The scorer of a verified version.

    The compiled one where the model has one and it reproduces the version's sample predictions on this host too; it
    holds no part of the pipeline that it does not need, and everything in it is compiled when this returns. Otherwise
    scikit-learn itself. ``Scorer.kind`` says which.

    Raises:
        ArtifactError: the version's model gives no probabilities.
    """
    manifest = package.manifest
    columns = read_columns(manifest)
    scorer, choice = _choose(package.pipeline, manifest.task, columns, manifest.samples, manifest.classes)
    if scorer is None:
        return TaskScoring.find_for(manifest.task).make_uncompiled(package, columns, choice.reason)
    decided = decide_labels(_add_intervals(scorer, package), manifest.decision)
    _warm_up(decided, manifest.task, columns)
    return decided


def _add_intervals(scorer: Scorer, package: Package) -> Scorer:
    """The scorer with the intervals of the version's numbers, where it predicts some."""
    from tiltyard.scoring.table.table_scorer import TableNumberScorer  # noqa: PLC0415 - as above

    if not isinstance(scorer, TableNumberScorer):
        return scorer
    return TableNumberScorer(scorer.columns, scorer.prepared, scorer.model, package.intervals)


def _warm_up(scorer: Scorer, task: Task, columns: InputColumns) -> None:
    """Compile what scores and explains, one row and several, so that no request waits for it."""
    usual: dict[str, Any] = {"number": 0, "boolean": False}
    row = {column.name: usual.get(column.kind) for column in columns}
    rows = [{"text": "Wärm up"} if reads_text(task) else row]
    scorer.score(rows)
    scorer.score(rows * 2)
    explain(scorer, rows)


def _choose(
    pipeline: Pipeline, task: Task, columns: InputColumns, samples: Samples, classes: Sequence[str]
) -> tuple[Scorer | None, ScorerChoice]:
    try:
        scorer = order_columns(compile_scorer(pipeline, task, columns), classes)
        difference = _difference(scorer, samples)
    except NotCompilableError as none:
        return None, ScorerChoice(name=SklearnScorer.kind, reason=none.reason)
    except TiltyardError as error:
        return None, ScorerChoice(name=SklearnScorer.kind, reason=f"the compiled form failed: {error.message}")
    if difference is not None and not difference <= PARITY:
        reason = f"the compiled form differs from scikit-learn by {difference:.3g} on the version's sample rows"
        return None, ScorerChoice(name=SklearnScorer.kind, reason=reason, largest_difference=difference)
    return scorer, ScorerChoice(name=scorer.kind, rows=len(samples.inputs), largest_difference=difference)


def _difference(scorer: Scorer, samples: Samples) -> float | None:
    """The largest difference from the predictions at training; None without rows.

    Of probabilities, or of numbers as a share of the largest of them.
    """
    if not samples.inputs:
        return None
    scores = scorer.score(samples.inputs)
    if scores.numbers is not None:
        numbers = np.asarray(samples.numbers, dtype=np.float64)
        unit = max(1.0, float(np.max(np.abs(numbers)))) if len(numbers) else 1.0
        return _largest(scores.numbers / unit, numbers / unit)
    return _largest(scores.probabilities, np.asarray(samples.probabilities, dtype=np.float64))


def _largest(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    return float(np.max(np.abs(found - expected))) if found.shape == expected.shape else float("inf")
