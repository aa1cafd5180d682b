"""The whole loop from Python, for people who bring their own data frames and estimators."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tiltyard.aliases import CHAMPION, alias_of_stage
from tiltyard.arguments import (
    OPTIONAL_TEXT,
    allow_none,
    check_arguments,
    require_flag,
    require_mapping,
    require_string,
    require_version,
    require_words,
)
from tiltyard.closing import ClosedByWith
from tiltyard.data import Dataset
from tiltyard.data.loading import read_dataset
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.evaluation import NumberEvaluation
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Ledger
from tiltyard.pipeline.data_report import report_data
from tiltyard.pipeline.mlops_results import DataValidationResult, ProductionReport, StageChange, TrackedTraining
from tiltyard.pipeline.production_report import report_production
from tiltyard.pipeline.training.data_checks import DataCheck, validate_data
from tiltyard.pipeline.training.dataframes import (
    LABEL,
    Side,
    choose_label_name,
    join_sides,
    make_split,
    make_test_rows,
    plain_name,
)
from tiltyard.pipeline.training.keep_rows import keep_rows
from tiltyard.pipeline.training.preflight import check_host
from tiltyard.pipeline.training.registration import register_version
from tiltyard.pipeline.training.reproduce import load_kept_project
from tiltyard.pipeline.training.run_logging import LoggedRun, log_run
from tiltyard.pipeline.training.steps import EvaluatedModel, evaluate_model
from tiltyard.pipeline.training.user_estimators import find_model_target, prepare_estimator
from tiltyard.project import Project, find_project_of
from tiltyard.promotion.context import NO_DESTINATIONS, Workspace, build_workspace
from tiltyard.promotion.manual_change import is_decided, point_alias
from tiltyard.promotion.model_registry import ModelRegistry
from tiltyard.promotion.offline_predictions import find_unseen_rows
from tiltyard.promotion.rollback import promote_version
from tiltyard.registry import ExperimentTracker, Package, VersionInfo
from tiltyard.result_display import show_as
from tiltyard.settings import Settings
from tiltyard.tasks import Task, find_task, reads_text
from tiltyard.validation import DataValidator
from tiltyard.wiring import open_ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _StageRequest:
    """The parameters of ``promote_model``; ``test_rows`` are inputs and labels, None each where none were given."""

    version: str
    stage: str
    reason: str
    test_rows: tuple[Any, Any]
    force: bool


class MLOpsPipeline(ClosedByWith):
    """Validates, trains, tracks, registers, promotes and monitors, through the same parts as the command line.

    Args:
        experiment_name: the MLflow experiment of its runs.
        model_name: the registered model.
        project: a project whose limits and gates count; default: the project around the working folder, if it is about
            this model, else the defaults of the project file.
        settings: where things live; default: the environment, and ``.tiltyard`` in the working folder.

    Use it in a ``with`` block, or close it, when it is not kept for the life of the process.
    """

    @check_arguments(experiment_name=require_words, model_name=require_words)
    def __init__(
        self, experiment_name: str, model_name: str, *, project: Project | None = None, settings: Settings | None = None
    ) -> None:
        self.experiment_name, self.model_name = experiment_name, model_name
        self._settings = settings or Settings.load()
        self._given = project if project is not None else find_project_of(model_name)
        self._settings.make_state()
        of = self._settings
        self.tracker = ExperimentTracker(
            experiment_name, tracking_uri=of.tracking_uri, artifact_location=of.artifact_location
        )
        self.registry = ModelRegistry(
            tracking_uri=of.tracking_uri, registry_uri=of.registry_uri, settings=of, project=project
        )
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger of this host, opened when it is first needed."""
        if self._ledger is None:
            self._ledger = open_ledger(self._settings)
        return self._ledger

    @check_arguments(label=OPTIONAL_TEXT, text=OPTIONAL_TEXT)
    def validate_and_track_data(
        self, train_data: pd.DataFrame, test_data: pd.DataFrame, *, label: str | None = None, text: str | None = None
    ) -> DataValidationResult:
        """Check both sides and their split, and keep what was found as an MLflow run.

        Args:
            train_data: labelled training rows.
            test_data: labelled test rows, with the same columns.
            label: the label's column; default: guessed from names and values.
            text: the column of texts; default: guessed.

        Returns:
            ``train`` and ``test`` (the reports of `DataValidator.validate_dataset`), ``split`` (the report of the
            split), ``quality_score`` (of the worse side, 0 to 100), ``passed``, ``findings`` (as dictionaries, gravest
            first) and ``run_id``.

        Raises:
            DataError: no column looks like a label, or the sides have different columns.
        """
        limits = self._given.validation if self._given else None
        found = report_data(self.tracker, limits, (train_data, test_data), label, text)
        return show_as("Checked data", found)

    @check_arguments(model_params=allow_none(require_mapping), register_model=require_flag, force=require_flag)
    def train_and_track_model(  # noqa: PLR0913 - the requirements' own
        self,
        model: Any,
        X_train: Any,
        y_train: Any,
        X_test: Any,
        y_test: Any,
        model_params: Mapping[str, Any] | None = None,
        *,
        register_model: bool = True,
        force: bool = False,
    ) -> TrackedTraining:
        """Fit a copy of an estimator, evaluate it, and track all of it as one MLflow run; register it as a version.

        Args:
            model: a scikit-learn classifier, regressor or pipeline; it is not changed. A single estimator gets its
                columns prepared as the built-in candidates do (words, gaps, dates; texts become TF-IDF weights); a
                pipeline is taken as it stands. A classifier without probabilities is calibrated. A regressor predicts
                numbers: its task is a regression, and its labels are numbers.
            X_train: n rows of a table (a data frame of pandas or polars, an Arrow table, a matrix, a list of rows by
                column), or n texts (a list or Series of str, or a table with one such column).
            y_train: the n labels (of a regressor n numbers); rows without one are set aside, which the findings say.
            X_test: test rows, with the same columns.
            y_test: their labels.
            model_params: parameters to be logged; those that the model has are set as well, of a pipeline also those of
                its last step.
            register_model: whether the version is registered.
            force: train even where the data breaks the limits; the findings are recorded either way.

        Returns:
            ``run_id``, ``metrics``, ``model`` (the fitted pipeline), ``model_uri``, ``model_version`` (None where it
            was not registered), ``classification_report`` and ``confusion_matrix`` (of a regressor
            ``regression_report``), ``findings``.

        Raises:
            UsageError: the model is neither a classifier nor a regressor, or cannot be fitted, a parameter is misspelt,
                or inputs and labels differ in number.
            DataError: a side has no row, the sides have different columns, there is one label only, or the data breaks
                the limits.
        """
        sides = Side(X_train, y_train, "train"), Side(X_test, y_test, "test")
        inputs = sides[0].read_inputs()
        project = self._project(_task_of(inputs, model), choose_label_name(sides[0], inputs))
        estimator = prepare_estimator(model, model_params or {}, inputs, project.task)
        split = make_split(project, *sides)
        candidate = estimator.as_candidate(project.task)
        validation = validate_data(join_sides(split), split, project)
        if not force:
            validation.refuse("pass force=True to train all the same")
        workspace = self._workspace()
        check_host([candidate], split.train, project, self.tracker, workspace.trusted_types)
        trial = evaluate_model(estimator.train(candidate, split.train), split, project)
        recorded = log_run(
            self.tracker,
            project,
            trial,
            validation,
            kept=keep_rows(join_sides(split), project.data, workspace.snapshots),
            trusted_types=workspace.trusted_types,
            signer=workspace.signer,
        )
        if model_params:
            self.tracker.log_params({f"model_params.{key}": model_params[key] for key in model_params}, recorded.run_id)
        info = register_version(workspace, project, trial, recorded, validation, {}) if register_model else None
        return show_as(f"Training of {self.model_name}", _describe_training(trial, recorded, validation, info))

    @check_arguments(model_version=require_version, stage=require_words, reason=require_string, force=require_flag)
    def promote_model(
        self,
        model_version: str | int = "1",
        stage: str = "Production",
        *,
        reason: str = "",
        X_test: Any = None,
        y_test: Any = None,
        force: bool = False,
    ) -> StageChange:
        """Move a version to a stage: Production is the champion, Staging the challenger.

        To become champion it must pass the gates against the present one: on the test rows given, else on those of its
        training, which are kept with it. Where neither is to be had (a model that was fitted elsewhere), the alias is
        set without the gates, and the record and the log say so.

        Args:
            model_version: the version's number.
            stage: ``Production`` or ``Staging``.
            reason: why; kept with a decision that is made without the gates.
            force: set the alias without the gates, which needs a reason.
            X_test: test rows for the gates.
            y_test: their labels.

        Returns:
            ``model_version``, ``stage``, ``alias``, ``promoted``, ``status``; with gates also ``verdict``.

        Raises:
            UsageError: there is no such stage, or the gates are to be left out without a reason.
            NotFoundError: there is no such version.
            ArtifactError: its files are damaged or unsafe; the alias stays.
        """
        if force and not reason.strip():
            raise UsageError(
                "The gates are left out (force=True), and no reason is given.",
                next_step='Say why: reason="…"; it is kept with the decision.',
                code="decision.no-reason",
            )
        workspace = self._workspace()
        change = _StageRequest(str(model_version), stage, reason, (X_test, y_test), force)
        return show_as(f"Stage of {self.model_name}", self._change_stage(workspace, change))

    def monitor_production_model(self, prediction_data: Any, reference_data: Any) -> ProductionReport:
        """Compare what production saw with a reference, and its predictions with the truth where that is known.

        Args:
            prediction_data: rows with predictions; with a column ``prediction`` and one of the truth (``actual``),
                the performance is measured too.
            reference_data: rows as they should be, such as the training data.

        Returns:
            ``drift_detected``, ``data_drift`` (the report of `DataValidator.validate_drift`), ``performance`` (metrics
            on the rows whose truth is known; None without), ``predictions`` and ``labelled`` (numbers of rows),
            ``findings``, ``run_id``.

        Raises:
            DataError: the reference has no column of inputs.
            UsageError: one of the two has no rows.
        """
        task = self._given.task if self._given else None
        found = report_production(self.tracker, self._validator(), (prediction_data, reference_data), task)
        return show_as(f"Production of {self.model_name}", found)

    def close(self) -> None:
        """Close the ledger, if it was opened; closing twice is a no-op."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _change_stage(self, workspace: Workspace, request: _StageRequest) -> StageChange:
        version, alias = request.version, alias_of_stage(request.stage)
        result: StageChange = {
            "model_version": version,
            "stage": request.stage,
            "alias": alias,
            "promoted": True,
            "status": f"Version {version} is {alias} already.",
        }
        present = self.registry.get_version(self.model_name, version=version)
        if alias in present.aliases and is_decided(workspace, self.model_name, alias, present.version):
            return result
        package = workspace.load(present)  # the gates may be left out, the check of its files may not
        known = None
        if alias == CHAMPION and alias not in present.aliases and not request.force:
            known = self._find_test_rows(package, present, workspace, request.test_rows)
        if known is not None:
            project, test = known
            outcome = promote_version(workspace, project, version, test)
            verdict = show_as(f"Verdict on version {version}", to_json_object(outcome.verdict))
            return {**result, "promoted": outcome.promoted, "status": outcome.status, "verdict": verdict}
        why = request.reason or f"promoted to {request.stage} from Python, without test rows for the gates"
        if alias == CHAMPION and not request.force:
            logger.warning("Version %s becomes %s without the gates: its test rows are not known.", version, alias)
        point_alias(workspace, self.model_name, version=version, alias=alias, reason=why)
        return {**result, "status": f"Version {version} is {alias} now: {why}."}

    def _validator(self) -> DataValidator:
        return DataValidator(limits=self._given.validation if self._given else None)

    def _workspace(self) -> Workspace:
        alerts = self._given.alerts if self._given is not None else NO_DESTINATIONS
        return build_workspace(self._settings, self.ledger, alerts)

    def _project(self, task: Task, label: str) -> Project:
        if self._given is not None:
            return self._given
        return Project.model_validate(
            {
                "project": {"name": plain_name(self.experiment_name), "task": task, "model": self.model_name},
                "data": {"source": "memory", "label": label, "text": "text" if reads_text(task) else None},
            }
        )

    def _find_test_rows(
        self, package: Package, info: VersionInfo, workspace: Workspace, given: tuple[Any, Any]
    ) -> tuple[Project, Dataset] | None:
        """The rows for the gates: those that the caller gives, else those that the training kept; None without."""
        task = package.manifest.task
        if given[0] is not None:
            side = Side(*given, "test")
            project = self._project(task, choose_label_name(side, side.read_inputs()))
            return project, make_test_rows(project, side, package.manifest.table_schema)
        try:
            _, project = load_kept_project(self._project(task, LABEL), info, self.tracker, workspace)
        except (NotFoundError, DataError) as error:
            logger.info("The rows of version %s are not to be had: %s", info.version, error.message)
            return None
        rows = read_dataset(project)
        return project, rows.take(find_unseen_rows(package, info, rows))


def _describe_training(
    trial: EvaluatedModel, recorded: LoggedRun, validation: DataCheck, info: VersionInfo | None
) -> TrackedTraining:
    evaluation = trial.evaluation
    described: TrackedTraining = {
        "run_id": recorded.run_id,
        "metrics": dict(trial.evaluation.metrics),
        "model": trial.model.pipeline,
        "model_uri": recorded.model_uri,
        "model_version": info.version if info else None,
        "findings": [found.to_dict() for found in validation.findings],
    }
    if isinstance(evaluation, NumberEvaluation):
        return {**described, "regression_report": evaluation.report}
    matrix = [list(row) for row in evaluation.confusion_matrix]
    return {**described, "classification_report": evaluation.classification_report, "confusion_matrix": matrix}


def _task_of(inputs: pd.Series | pd.DataFrame, model: Any) -> Task:
    return find_task("text" if isinstance(inputs, pd.Series) else "table", find_model_target(model))
