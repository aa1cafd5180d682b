"""Analysis of a version: slices, fairness, calibration, and what it goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltyard.charts.panel import Picture
from tiltyard.data import Dataset
from tiltyard.errors import NotFoundError
from tiltyard.evaluation import (
    CalibrationReport,
    EvaluatedRows,
    FairnessReport,
    Grouping,
    Importance,
    ImportanceChange,
    NumberPredictions,
    SliceReport,
    check_fairlearn,
    compare_importance,
    evaluate_calibration,
    evaluate_fairness,
    evaluate_slices,
    get_metric,
    group_columns,
    label_predictions,
    pair_numbers,
    permutation_importance,
    plot_calibration,
    plot_fairness,
    plot_importance,
    plot_slices,
    select_columns,
    term_importance,
)
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.project import Project
from tiltyard.promotion.gates.task_part import TaskPromotion
from tiltyard.registry import ExperimentTracker, Registry

IMPORTANCE_FILE = "importance.json"

# The importance of retrainings is computed on fewer rows than that of the version: it only has to tell their spread.
MOST_RETRAINED_ROWS = 1_000
MOST_RETRAINED_PREDICTED = 20_000


@dataclass(frozen=True)
class ModelAnalysis:
    """What the analysis of the predictions for the test rows has found.

    Attributes:
        slices: how they did by the values of ``data.slices`` and, for texts, by length; None where there is neither.
        fairness: how they treat the groups of ``data.sensitive``; None where none is named.
        calibration: how far the probabilities can be believed; None for a model that gives none.
        importance: what the model goes by; None where that is not known (texts and no linear model).
        change: how that differs from what the champion goes by; None where there is no champion to compare with.
    """

    slices: SliceReport | None
    fairness: FairnessReport | None
    calibration: CalibrationReport | None
    importance: Importance | None
    change: ImportanceChange | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of a run: ``slice.…``, ``fairness.…``, ``calibration.…`` and ``importance.…``."""
        found: dict[str, float] = {}
        for part in (self.slices, self.fairness, self.calibration, self.importance):
            found.update(part.metrics if part is not None else {})
        if self.change is not None and self.change.rank_correlation is not None:
            found["importance_rank_correlation"] = self.change.rank_correlation
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; None for what there is not."""
        return {
            "slices": self.slices and to_json_object(self.slices),
            "fairness": self.fairness and self.fairness.to_dict(),
            "reliability": self.calibration and to_json_object(self.calibration),
            "importance": self.importance and to_json_object(self.importance),
            "importance_change": self.change and to_json_object(self.change),
        }

    def pictures(self) -> dict[str, Picture]:
        """Pictures of what there is, by name."""
        found: dict[str, Picture] = {}
        if self.slices is not None:
            found["slices"] = plot_slices(self.slices)
        if self.fairness is not None:
            found["fairness"] = plot_fairness(self.fairness)
        if self.calibration is not None:
            found["calibration"] = plot_calibration(self.calibration)
        if self.importance is not None and self.importance.features:
            found["importance"] = plot_importance(self.importance)
        return found


def check_analysis(dataset: Dataset, project: Project) -> None:
    """Make sure, before any work, that these rows can be examined as the project file says.

    Raises:
        DataError: a column that it names is not there.
        MissingExtraError: it names sensitive columns, and fairlearn is not installed.
    """
    select_columns(dataset.frame, project.data.slices, "data.slices")
    select_columns(dataset.frame, project.data.sensitive, "data.sensitive")
    if project.data.sensitive and TaskPromotion.find_for(project.task).compares_rates:
        check_fairlearn()


def analyse_model(
    pipeline: Any,
    facts: EvaluatedRows,
    test: Dataset,
    project: Project,
    champion: Importance | None = None,
    retrain: Callable[[], Iterable[Any]] = tuple,
) -> ModelAnalysis:
    """Analyse a fitted pipeline's predictions.

    Args:
        pipeline: the fitted pipeline.
        facts: its predictions for the test rows, and the truth.
        test: these rows.
        project: names the slices, the sensitive columns, the metric and the seed.
        champion: what the champion goes by, where there is one.
        retrain: fits the pipeline again on other rows of the same kind, a few times: called where the importance of
            columns is compared, to learn what is chance.

    Raises:
        DataError: a column that the project names is not there.
        MissingExtraError: it names sensitive columns, and fairlearn is not installed.
    """
    check_analysis(test, project)
    metric, seed = get_metric(project.training.metric), project.training.random_state
    slices = slice_groups(test, project)
    sensitive = sensitive_groups(test, project)
    importance = _importance(pipeline, facts, test, project)
    change = None
    if champion is not None and importance is not None:
        retrained = _retrained_importance(retrain, facts, test, project) if importance.kind == "permutation" else []
        change = compare_importance(champion, importance, retrained)
    return ModelAnalysis(
        slices=evaluate_slices(facts, slices, metric, seed=seed) if slices else None,
        fairness=None if isinstance(facts, NumberPredictions) or not sensitive else evaluate_fairness(facts, sensitive),
        calibration=None if isinstance(facts, NumberPredictions) else evaluate_calibration(facts),
        importance=importance,
        change=change,
    )


def slice_groups(dataset: Dataset, project: Project) -> list[Grouping]:
    """The ways in which the project slices rows: its columns and, for texts, their length.

    Where numbers are predicted, the groups of the sensitive columns too: how large their errors are is what can be
    unfair, and no rate of a label is there to be compared.
    """
    names = project.data.slices
    if not TaskPromotion.find_for(project.task).compares_rates:
        names = tuple(dict.fromkeys((*names, *project.data.sensitive)))
    columns = select_columns(dataset.frame, names, "data.slices")
    texts = dataset.inputs if isinstance(dataset.inputs, pd.Series) else None
    return group_columns(columns, dataset.table_schema, texts)


def sensitive_groups(dataset: Dataset, project: Project) -> list[Grouping]:
    """The groups of people that the project names."""
    columns = select_columns(dataset.frame, project.data.sensitive, "data.sensitive")
    return group_columns(columns, dataset.table_schema)


def log_analysis(tracker: ExperimentTracker, examination: ModelAnalysis) -> None:
    """Write an examination into the current run: metrics, a JSON file for each of its parts, and pictures."""
    tracker.log_metrics(examination.metrics)
    for name, content in examination.to_dict().items():
        if content is not None:
            tracker.log_dict(content, f"{name}.json")
    for name, picture in examination.pictures().items():
        tracker.log_text(picture.svg, f"plots/{name}.svg")


def champion_importance(registry: Registry, tracker: ExperimentTracker, project: Project) -> Importance | None:
    """What the champion goes by, as its training wrote it down; None where there is none, or it did not.

    Raises:
        UnavailableError: the registry or the store of its run is away.
    """
    champion = registry.champion(project.model_name)
    if champion is None or champion.run_id is None:
        return None
    try:
        content = tracker.load_dict(champion.run_id, IMPORTANCE_FILE)
        return from_jsonable(Importance, content) if content else None
    except (NotFoundError, KeyError, TypeError, ValueError):
        # The run is gone, or the file is none of ours: there is nothing to compare with, and training continues.
        return None


def _importance(pipeline: Any, facts: EvaluatedRows, test: Dataset, project: Project) -> Importance | None:
    metric, seed = get_metric(project.training.metric), project.training.random_state
    if isinstance(test.inputs, pd.Series):
        return None if isinstance(facts, NumberPredictions) else term_importance(pipeline, test.inputs, seed=seed)
    # Many small batches: on several OpenMP threads a boosted model mostly waits for them.
    with threadpool_limits(1, user_api="openmp"):
        predict = _predictor(pipeline, facts)
        return permutation_importance(predict, test.inputs, facts, metric, seed=seed)


def _retrained_importance(
    retrain: Callable[[], Iterable[Any]], facts: EvaluatedRows, test: Dataset, project: Project
) -> list[Importance]:
    """The importance of the columns in other trainings, each on its own choice of test rows."""
    metric, seed = get_metric(project.training.metric), project.training.random_state
    inputs = test.inputs
    assert isinstance(inputs, pd.DataFrame)  # noqa: S101 - texts have no columns to shuffle
    found = []
    with threadpool_limits(1, user_api="openmp"):
        for number, pipeline in enumerate(retrain()):
            predict = _predictor(pipeline, facts)
            chosen = np.random.default_rng(seed + 1 + number).permutation(len(test))[:MOST_RETRAINED_ROWS]
            rows = inputs.iloc[chosen].reset_index(drop=True)
            labelled = _pair_again(facts, chosen, predict(rows))
            one = permutation_importance(
                predict, rows, labelled, metric, seed=seed + 1 + number, most_predicted=MOST_RETRAINED_PREDICTED
            )
            if one is not None:
                found.append(one)
    return found


def _pair_again(facts: EvaluatedRows, chosen: NDArray[np.intp], found: NDArray[np.float64]) -> EvaluatedRows:
    """Other predictions for some of the rows, with their truth."""
    if isinstance(facts, NumberPredictions):
        return pair_numbers(facts.truth[chosen], found, target=facts.target)
    return label_predictions(
        facts.labels[chosen],
        facts.decide(found),
        found,
        facts.classes,
        facts.positive,
        rule=facts.rule,
        prices=facts.prices,
        target=facts.target,
    )


def _predictor(pipeline: Any, facts: EvaluatedRows) -> Any:
    """From rows to numbers, or to probabilities with a column a class; one that the model does not know has 0."""
    if isinstance(facts, NumberPredictions):
        return lambda rows: np.asarray(pipeline.predict(rows), dtype=np.float64).ravel()
    classes = facts.classes
    places = [classes.index(str(label)) for label in pipeline.classes_]

    def predict(rows: pd.DataFrame) -> NDArray[np.float64]:
        found = np.zeros((len(rows), len(classes)))
        found[:, places] = pipeline.predict_proba(rows)
        return found

    return predict
