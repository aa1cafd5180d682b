"""Logging a training: one MLflow run with everything that explains the version."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.data import Dataset, Split
from tiltyard.data.conform.frames import narrow_schema
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.data.conform.schema import TableSchema
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.evaluation import (
    AnyEvaluation,
    Evaluation,
    LabelledPredictions,
    NumberPredictions,
    plot_confusion_matrix,
    plot_errors,
    plot_per_class,
    plot_predicted,
    plot_reliability,
    plot_residuals,
)
from tiltyard.evaluation.metrics.metric_names import make_class_metric_name
from tiltyard.jsonable import to_json_object
from tiltyard.monitoring.estimates.error_model import ERROR_MODEL
from tiltyard.pipeline.training.conformal_predictions import (
    learn_errors,
    make_prediction_intervals,
    make_prediction_sets,
    predict_held_out,
)
from tiltyard.pipeline.training.data_checks import DataCheck
from tiltyard.pipeline.training.keep_rows import KeptRows
from tiltyard.pipeline.training.reference_profile import build_reference_profile
from tiltyard.pipeline.training.reproduce import RECIPE, describe_recipe
from tiltyard.pipeline.training.steps import EvaluatedModel, TrainedModel
from tiltyard.project import Project
from tiltyard.promotion.model_analysis import log_analysis
from tiltyard.promotion.offline_predictions import Predicted, PredictedNumbers, PredictedRows
from tiltyard.registry import (
    HOLDOUT,
    ExperimentTracker,
    HoldoutPredictions,
    Samples,
    VersionCard,
    write_package,
)
from tiltyard.registry.package.holdout_predictions import HOLDOUT_NUMBERS, HoldoutNumbers
from tiltyard.registry.package.packaging import INTERVALS
from tiltyard.registry.package.signing import Signer
from tiltyard.registry.package.stored_evaluation import EVALUATION, StoredCoverage, StoredEvaluation
from tiltyard.scoring import choose_scorer
from tiltyard.tasks import PREDICTION_SETS

SAMPLE_ROWS = 50
MODEL_ARTIFACT = "model"


@dataclass(frozen=True)
class LoggedRun:
    """Where a training was logged.

    Attributes:
        run_id: the MLflow run.
        model_uri: the logged model, ready to be registered.
        card: the description that is stored with the version.
        evaluation: the evaluation that is; None where no row evaluates the version.
    """

    run_id: str
    model_uri: str
    card: VersionCard
    evaluation: StoredEvaluation | None = None


@dataclass(frozen=True)
class HeldOutFiles:
    """What a version keeps of the test rows.

    Attributes:
        files: their content by name.
        evaluation: the evaluation of the version, with the coverage of its intervals or prediction sets.
    """

    files: Mapping[str, bytes]
    evaluation: StoredEvaluation


def log_run(  # noqa: PLR0913  one argument for each thing that is logged
    tracker: ExperimentTracker,
    project: Project,
    trial: EvaluatedModel,
    validation: DataCheck,
    *,
    kept: KeptRows | None = None,
    trusted_types: tuple[str, ...] = (),
    signer: Signer | None = None,
) -> LoggedRun:
    """Log parameters, data and what was found in it, metrics, plots and the packaged model as one MLflow run.

    With the snapshot of the rows that was kept, what is logged is enough to train the version again. The package is
    signed if there is a signer.
    """
    split, model, predictions, evaluation = trial.split, trial.model, trial.predictions, trial.evaluation
    with tracker.start_run(run_name=model.candidate.name) as run:
        tracker.log_params({**run_params(project, split, model), **(kept.to_params() if kept else {})})
        tracker.log_dict(describe_recipe(project, model.candidate, kept), RECIPE)
        tracker.log_dataset(split.train, "training")
        tracker.log_dataset(split.test, "evaluation")
        guesses = {f"guess.{kind}.{trial.guess.metric}": value for kind, value in trial.guess.values.items()}
        quality = {"data_quality_score": validation.data.quality_score}
        tracker.log_metrics({**run_metrics(evaluation, model), **guesses, **quality})
        tracker.log_dict(
            {"data": validation.data.to_dict(), "split": validation.split.to_dict()}, "validation/findings.json"
        )
        tracker.log_text(validation.html(), "validation/report.html")
        tracker.log_dict(to_json_object(evaluation), "metrics.json")
        log_evaluation(tracker, trial)
        log_analysis(tracker, trial.examination)
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            package = Path(folder) / MODEL_ARTIFACT
            card = describe_version(project, trial)
            held_out = describe_held_out(trial, project, tracker)
            write_package(
                package,
                model.pipeline,
                card,
                training_keys=split.train.input_keys,
                attachments={
                    **held_out.files,
                    PROFILE: build_reference_profile(split, predictions, project).to_bytes(),
                },
                trusted_types=trusted_types,
                signer=signer,
            )
            model_uri = tracker.log_package(package, MODEL_ARTIFACT)
        _record_trials(tracker, run.run_id, model)
        return LoggedRun(run.run_id, model_uri, card, held_out.evaluation)


def log_evaluation(tracker: ExperimentTracker, trial: EvaluatedModel) -> None:
    """The figures as text and JSON, and pictures of them."""
    evaluation, predictions, facts = trial.evaluation, trial.predictions, trial.facts
    if isinstance(evaluation, Evaluation) and isinstance(predictions, PredictedRows):
        tracker.log_dict(
            {"classes": list(evaluation.classes), "matrix": [list(row) for row in evaluation.confusion_matrix]},
            "confusion_matrix.json",
        )
        tracker.log_text(evaluation.classification_report, "classification_report.txt")
        tracker.log_text(plot_confusion_matrix(evaluation).svg, "plots/confusion_matrix.svg")
        tracker.log_text(plot_per_class(evaluation).svg, "plots/per_class.svg")
        truth = trial.split.test.labels.to_numpy(dtype=str)
        reliability = plot_reliability(truth, predictions.labels, predictions.confidence)
        tracker.log_text(reliability.svg, "plots/reliability.svg")
    if isinstance(facts, NumberPredictions):
        tracker.log_text(evaluation.report, "regression_report.txt")
        tracker.log_text(plot_predicted(facts).svg, "plots/predicted.svg")
        tracker.log_text(plot_residuals(facts).svg, "plots/residuals.svg")
        tracker.log_text(plot_errors(facts).svg, "plots/errors.svg")


def describe_held_out(
    trial: EvaluatedModel, project: Project, tracker: ExperimentTracker, *, refit: bool = True
) -> HeldOutFiles:
    """The predictions for the test side as files of the version, its evaluation, and what makes its intervals or sets.

    Args:
        trial: the evaluated model.
        project: the project.
        tracker: whose run is written.
        refit: whether the recipe may be fitted again on folds of the train side; else the test side alone calibrates.
    """
    predictions, facts = trial.predictions, trial.facts
    if isinstance(predictions, PredictedRows) and isinstance(facts, LabelledPredictions):
        truth = trial.split.test.labels.to_numpy(dtype=str)
        held_out = HoldoutPredictions(truth, predictions.labels, predictions.probabilities).to_bytes()
        sets = make_prediction_sets(facts, predictions.classes, trial.split.test, project)
        if sets.measured:
            tracker.log_metrics({"set_coverage": sets.measured[0].share, "set_size": sets.measured[0].size})
            tracker.log_dict(
                {"level": sets.level, "measured": [one.model_dump() for one in sets.measured]}, "sets.json"
            )
        shares = [StoredCoverage(**one.model_dump()) for one in sets.measured]
        return _add_coverage(trial, sets.level, shares, {HOLDOUT: held_out, PREDICTION_SETS: sets.to_bytes()})
    if not isinstance(facts, NumberPredictions):
        raise TypeError("numbers were predicted, and are evaluated as classes")
    folds = predict_held_out(trial.model, trial.split, project) if refit else None
    intervals = make_prediction_intervals(folds, trial.split, facts, project)
    errors = learn_errors(folds, trial.split, facts, project)
    measured = intervals.measured[0]
    tracker.log_dict(to_json_object(intervals), "intervals.json")
    tracker.log_metrics({"interval_coverage": measured.share, "interval_width": measured.width or float("inf")})
    held_out = HoldoutNumbers(facts.truth, facts.predicted).to_bytes()
    learned = {} if errors is None else {ERROR_MODEL: errors.to_bytes()}
    shares = [
        StoredCoverage(one.title, one.rows, one.share, one.interval.low, one.interval.high, one.width)
        for one in intervals.measured
    ]
    files = {HOLDOUT_NUMBERS: held_out, INTERVALS: intervals.to_bytes(), **learned}
    return _add_coverage(trial, intervals.level, shares, files)


def _add_coverage(
    trial: EvaluatedModel, level: float, shares: Sequence[StoredCoverage], files: Mapping[str, bytes]
) -> HeldOutFiles:
    stored = replace(trial.to_stored(), stated=level if shares else None, coverage=tuple(shares))
    return HeldOutFiles({**files, EVALUATION: stored.to_bytes()}, stored)


def _record_trials(tracker: ExperimentTracker, parent: str, model: TrainedModel) -> None:
    """Each trial of a search as a separate run, nested in the training's."""
    for trial in model.trials:
        tags = {"mlflow.parentRunId": parent, **({"tiltyard.problem": trial.problem} if trial.problem else {})}
        with tracker.start_run(run_name=f"trial {trial.number}: {trial.candidate.name}", tags=tags):
            tracker.log_params({"candidate": trial.candidate.name, **trial.params})
            folds = {f"fold_{place}": score for place, score in enumerate(trial.scores)}
            mean = {"cv_mean": trial.mean} if trial.scores else {}
            tracker.log_metrics({**folds, **mean, "seconds": trial.seconds})


def run_params(project: Project, split: Split, model: TrainedModel) -> dict[str, Any]:
    """The parameters of a run: data, split, recipe and the recipe's own hyperparameters."""
    return {
        "dataset_size": len(split.train) + len(split.test),
        "train_size": len(split.train),
        "test_rows": len(split.test),
        "test_size": project.split.test,
        "split_by": project.split.by,
        **({} if project.split.group is None else {"split_group": project.split.group}),
        "num_features": model.num_features,
        "num_classes": len(model.classes),
        "model_type": type(model.pipeline[-1]).__name__,
        "candidate": model.candidate.name,
        "random_state": project.training.random_state,
        "selection_metric": project.training.metric,
        "mitigation": project.training.mitigation,
        **({} if model.decision is None else {"decision": model.decision.describe()}),
        "data_fingerprint": split.train.fingerprint,
        **_hyperparameters(model),
    }


def run_metrics(evaluation: AnyEvaluation, model: TrainedModel) -> dict[str, float]:
    """The metrics of a run: overall, per class (``positive.f1``), the time of fitting and the cross-validation."""
    metrics = {**evaluation.metrics, "fit_seconds": model.seconds}
    for label, values in evaluation.per_class.items() if isinstance(evaluation, Evaluation) else ():
        metrics.update({make_class_metric_name(label, name): value for name, value in values.items()})
    metrics.update({f"cv.{score.candidate.name}": score.mean for score in model.ranking})
    return metrics


def _hyperparameters(model: TrainedModel) -> Mapping[str, Any]:
    """Settings of the pipeline's steps that can be written as a parameter (``classifier__C``)."""
    simple = (str, int, float, bool, tuple, type(None))
    values = model.pipeline.get_params(deep=True)
    return {name: value for name, value in values.items() if "__" in name and isinstance(value, simple)}


def describe_version(project: Project, trial: EvaluatedModel) -> VersionCard:
    """What is stored with a version besides the model: labels, columns, metrics, fingerprint, sample rows."""
    samples = describe_samples(trial.split.test, trial.predictions)
    return describe_model_version(project, trial.model, trial.split.train, samples, trial.evaluation.metrics)


def describe_model_version(
    project: Project, model: TrainedModel, train: Dataset, samples: Samples, metrics: Mapping[str, float]
) -> VersionCard:
    """The same of a fitted model.

    Args:
        project: the project.
        model: the fitted model.
        train: the rows that decide the columns and their kinds.
        samples: rows with its predictions.
        metrics: on rows that it was not trained on.
    """
    columns = _columns(train.inputs)
    return VersionCard(
        model_name=project.model_name,
        task=project.task,
        candidate=model.candidate.name,
        classes=model.classes,
        decision=model.decision,
        positive=LabelCodec(model.classes).find_class(project.data.positive),
        columns=columns,
        table_schema=_describe_columns(train),
        split_schema=train.split_schema,
        other_columns=_other_columns(train),
        text_column=str(train.inputs.name) if isinstance(train.inputs, pd.Series) else "text",
        group_column=project.split.group if isinstance(train.inputs, pd.Series) else None,
        separator=project.data.separator or ",",
        metrics=dict(metrics),
        data_fingerprint=train.fingerprint,
        train_rows=len(train),
        created_at=datetime.now(UTC),
        samples=samples,
        scorer=choose_scorer(model.pipeline, project.task, columns, samples),
    )


def _describe_columns(train: Dataset) -> TableSchema | None:
    """The schema of the training rows: of the kinds that all rows decided, and knowing no more than these rows."""
    if train.schema is None or not isinstance(train.inputs, pd.DataFrame):
        return None
    return narrow_schema(train.schema, train.inputs)


def _columns(inputs: pd.Series | pd.DataFrame) -> dict[str, str]:
    if isinstance(inputs, pd.Series):
        return {"text": "str"}
    return {str(name): str(dtype) for name, dtype in inputs.dtypes.items()}


def _other_columns(train: Dataset) -> tuple[str, ...]:
    """The columns of the training file that the model does not read."""
    read = {train.inputs.name} if isinstance(train.inputs, pd.Series) else set(train.inputs.columns)
    return tuple(str(name) for name in train.frame.columns if name not in read)


def describe_samples(test: Dataset, predictions: Predicted) -> Samples:
    """The first rows of the test side, with the predictions of the training."""
    rows = test.inputs.head(SAMPLE_ROWS)
    if isinstance(rows, pd.Series):
        inputs: list[dict[str, Any]] = [{"text": text} for text in rows]
    else:
        # JSON knows no NaN; a gap is null, as a caller would send it.
        plain = rows.astype(object).where(rows.notna(), None).to_dict(orient="records")
        inputs = [{str(name): value for name, value in row.items()} for row in plain]
    if isinstance(predictions, PredictedNumbers):
        return Samples(inputs=tuple(inputs), numbers=tuple(map(float, predictions.values[: len(rows)])))
    return Samples(
        inputs=tuple(inputs),
        probabilities=tuple(tuple(map(float, row)) for row in predictions.probabilities[: len(rows)]),
    )
