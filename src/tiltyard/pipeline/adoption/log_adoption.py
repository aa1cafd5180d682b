"""Logging an adoption: one MLflow run with everything that explains the version."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiltyard.data import Split
from tiltyard.data.conform.schema import TableSchema
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.jsonable import to_json_object
from tiltyard.pipeline.adoption.request import ModelOrigin
from tiltyard.pipeline.adoption.rows import AdoptedRows
from tiltyard.pipeline.training.keep_rows import KeptRows
from tiltyard.pipeline.training.reference_profile import build_reference_profile
from tiltyard.pipeline.training.reproduce import RECIPE, describe_recipe
from tiltyard.pipeline.training.run_logging import (
    MODEL_ARTIFACT,
    SAMPLE_ROWS,
    LoggedRun,
    describe_held_out,
    describe_model_version,
    describe_samples,
    log_evaluation,
    run_metrics,
    run_params,
)
from tiltyard.pipeline.training.steps import EvaluatedModel, TrainedModel
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.model_analysis import log_analysis
from tiltyard.promotion.offline_predictions import predict_rows
from tiltyard.registry import ExperimentTracker, VersionCard, write_package
from tiltyard.registry.package.manifest import NEW_KEYS
from tiltyard.registry.package.packaging import pack_keys
from tiltyard.validation import ValidationReport, render_validation_html


@dataclass(frozen=True)
class AdoptedModel:
    """An adopted model with all that is known of it before it is logged.

    Attributes:
        stored: the estimator as it is stored.
        model: it as a pipeline.
        rows: its rows.
        origin: where it comes from.
        trial: how it does on rows that it was not trained on; None where these are not known.
        report: what was found in the rows.
    """

    stored: Any
    model: TrainedModel
    rows: AdoptedRows
    origin: ModelOrigin
    trial: EvaluatedModel | None
    report: ValidationReport

    @property
    def split(self) -> Split:
        """The rows that count as normal, and those that were held out; the former twice where none are known."""
        return Split(self.rows.reference, self.rows.held_out or self.rows.reference)


def log_adoption(
    tracker: ExperimentTracker, project: Project, adopted: AdoptedModel, kept: KeptRows, workspace: Workspace
) -> LoggedRun:
    """Log an adopted model as one MLflow run: where it is from, its rows, how it does, and the packaged version.

    Raises:
        UsageError: the model holds a type that this host does not allow, or the signing key cannot be used.
        UnavailableError: MLflow cannot be reached.
    """
    trial, rows, model = adopted.trial, adopted.rows, adopted.model
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder, tracker.start_run(model.candidate.name) as run:
        attachments = {
            PROFILE: build_reference_profile(
                adopted.split, None if trial is None else trial.predictions, project
            ).to_bytes()
        }
        if rows.new_keys is not None:
            attachments[NEW_KEYS] = pack_keys(rows.new_keys)
        if trial is not None:
            # It is somebody's model: what was fitted again would be another one.
            attachments |= describe_held_out(trial, project, tracker, refit=False).files
        card = describe_adopted(project, adopted)
        package = Path(folder) / MODEL_ARTIFACT
        write_package(
            package,
            adopted.stored,
            card,
            training_keys=rows.training_keys,
            attachments=attachments,
            trusted_types=workspace.trusted_types,
            signer=workspace.signer,
        )
        _log_facts(tracker, project, adopted, kept)
        return LoggedRun(run.run_id, tracker.log_package(package, MODEL_ARTIFACT), card)


def describe_adopted(project: Project, adopted: AdoptedModel) -> VersionCard:
    """What is stored with an adopted version besides the model; its scorer has been compared with the model itself."""
    trial, rows, model = adopted.trial, adopted.rows, adopted.model
    shown = rows.reference.take(_first_rows(len(rows.reference))) if trial is None else trial.split.test
    predictions = predict_rows(model.pipeline, shown, model.decision) if trial is None else trial.predictions
    metrics = {} if trial is None else trial.evaluation.metrics
    card = describe_model_version(project, model, rows.reference, describe_samples(shown, predictions), metrics)
    known: dict[str, Any] = {"train_rows": rows.trained}
    if not rows.trained or rows.reference is rows.held_out:
        known["data_fingerprint"] = ""
    if card.table_schema is not None and rows.reference.schema is not None:
        known["table_schema"] = _keep_learnt(card.table_schema, rows.reference.schema)
    return card.model_copy(update=known)


def _first_rows(count: int) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.arange(count) < SAMPLE_ROWS


def _keep_learnt(narrowed: TableSchema, learnt: TableSchema) -> TableSchema:
    """The schema with the ranges of the rows and, where an encoder has learnt categories, with these."""
    columns = (
        known if known.categories is not None else seen
        for seen, known in zip(narrowed.columns, learnt.columns, strict=True)
    )
    return TableSchema(tuple(columns), narrowed.rules)


def _log_facts(tracker: ExperimentTracker, project: Project, adopted: AdoptedModel, kept: KeptRows) -> None:
    trial, rows, model = adopted.trial, adopted.rows, adopted.model
    params = run_params(project, adopted.split, model)
    known = {"train_size": rows.trained or "not known", "test_rows": 0 if trial is None else len(trial.split.test)}
    tracker.log_params({**params, **known, **kept.to_params(), **adopted.origin.to_params()})
    tracker.log_dict(describe_recipe(project, model.candidate, kept), RECIPE)
    tracker.log_dataset(rows.reference, "training" if rows.trained else "reference")
    tracker.log_metrics({"data_quality_score": adopted.report.quality_score})
    tracker.log_dict({"data": adopted.report.to_dict()}, "validation/findings.json")
    tracker.log_text(render_validation_html(adopted.report), "validation/report.html")
    if trial is None:
        return
    tracker.log_dataset(trial.split.test, "evaluation")
    guesses = {f"guess.{kind}.{trial.guess.metric}": value for kind, value in trial.guess.values.items()}
    found = {name: value for name, value in run_metrics(trial.evaluation, model).items() if name != "fit_seconds"}
    tracker.log_metrics({**found, **guesses})
    tracker.log_dict(to_json_object(trial.evaluation), "metrics.json")
    log_evaluation(tracker, trial)
    log_analysis(tracker, trial.examination)
