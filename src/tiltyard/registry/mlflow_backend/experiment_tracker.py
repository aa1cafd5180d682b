"""Experiments and runs, over MLflow's tracking."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tiltyard import arguments
from tiltyard.arguments import OPTIONAL_TEXT, check_arguments, require_words
from tiltyard.data import Dataset
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.content_hash import content_keys, fingerprint
from tiltyard.errors import NotFoundError, UsageError
from tiltyard.evaluation import evaluate, plot_confusion_matrix
from tiltyard.evaluation.metrics.metric_names import make_metric_name
from tiltyard.redact import without_password
from tiltyard.registry.foreign.fitted_boosters import store_boosters
from tiltyard.registry.foreign.model_card import foreign_model_card, key_training_rows
from tiltyard.registry.foreign.searches import take_best_estimator
from tiltyard.registry.mlflow_backend.artifact_files import store_model_folder, store_run_folder
from tiltyard.registry.mlflow_backend.durable_writes import mlflow_writes, sync_artifacts
from tiltyard.registry.mlflow_backend.mlflow_auth import export_credentials
from tiltyard.registry.mlflow_backend.mlflow_client import open_client
from tiltyard.registry.mlflow_backend.run_table import name_figures, tabulate_runs
from tiltyard.registry.package.packaging import write_package
from tiltyard.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_PARAM = 6000  # MLflow's limit of a parameter's length
METRICS_AT_ONCE = 500  # MLflow takes a thousand in one call


@dataclass(frozen=True)
class ActiveRun:
    """The run that is being written.

    Attributes:
        run_id: MLflow's id.
        experiment_id: the experiment that it belongs to.
    """

    run_id: str
    experiment_id: str


class ExperimentTracker:
    """Writes runs of one experiment. Each thread has its own current run.

    Args:
        experiment_name: name of the experiment; it is made with its first run.
        tracking_uri: MLflow's tracking URI; default: this host's settings.
        artifact_location: where a new experiment keeps artifacts; default: the settings', or the server's choice.
    """

    @check_arguments(experiment_name=require_words, tracking_uri=OPTIONAL_TEXT, artifact_location=OPTIONAL_TEXT)
    def __init__(
        self, experiment_name: str, *, tracking_uri: str | None = None, artifact_location: str | None = None
    ) -> None:
        settings = Settings.load()
        export_credentials(settings)
        self.experiment_name = experiment_name
        self._tracking_uri = tracking_uri or settings.tracking_uri
        self._artifact_location = artifact_location or (None if tracking_uri else settings.artifact_location)
        self._active = threading.local()

    def check_experiment(self) -> None:
        """Make sure that runs can be written into the experiment, which need not exist yet.

        Raises:
            UsageError: it was deleted in MLflow, which keeps its name until it is restored or removed for good.
            UnavailableError: MLflow cannot be reached.
        """
        with self._errors():
            found = self._client.get_experiment_by_name(self.experiment_name)
        if found is not None and found.lifecycle_stage != "active":
            raise UsageError(
                f"The experiment '{self.experiment_name}' was deleted in MLflow, so no run can be recorded in it.",
                next_step=f"Restore it: mlflow experiments restore --experiment-id {found.experiment_id} (with "
                f"MLFLOW_TRACKING_URI={without_password(self._tracking_uri)}); or remove it for good with mlflow gc, "
                "or give the project another name.",
                code="experiment.deleted",
            )

    @check_arguments(run_name=OPTIONAL_TEXT, tags=arguments.OPTIONAL_MAPPING)
    @contextmanager
    def start_run(self, run_name: str | None = None, tags: Mapping[str, str] | None = None) -> Iterator[ActiveRun]:
        """A run that ends with the block: finished, or failed with the error as a tag if the block raises."""
        with self._errors():
            made = self._client.create_run(self._experiment_id, run_name=run_name, tags=dict(tags or {}))
        run = ActiveRun(made.info.run_id, made.info.experiment_id)
        outer = getattr(self._active, "run", None)
        self._active.run = run
        try:
            yield run
        except BaseException as error:
            with self._errors():
                self._client.set_tag(run.run_id, "tiltyard.error", f"{type(error).__name__}: {error}"[:MAX_PARAM])
                self._client.set_terminated(run.run_id, "FAILED")
            raise
        else:
            with self._errors():
                sync_artifacts(made.info.artifact_uri)
                self._client.set_terminated(run.run_id, "FINISHED")
        finally:
            self._active.run = outer

    @check_arguments(params=arguments.require_mapping, run_id=OPTIONAL_TEXT)
    def log_params(self, params: Mapping[str, Any], run_id: str | None = None) -> None:
        """Log parameters, of the current run or of one that has ended; a value is written as text."""
        from mlflow.entities import Param  # noqa: PLC0415

        with self._errors():
            self._client.log_batch(
                run_id or self._run.run_id, params=[Param(key, str(value)[:MAX_PARAM]) for key, value in params.items()]
            )

    @check_arguments(key=require_words)
    def log_param(self, key: str, value: Any) -> None:
        """Log one parameter of the current run."""
        self.log_params({key: value})

    @check_arguments(key=require_words, value=arguments.require_number)
    def log_metric(self, key: str, value: float, step: int = 0) -> None:
        """Log one metric of the current run, at a step where it is measured again and again."""
        self.log_metrics({key: value}, step)

    @check_arguments(tags=arguments.require_mapping)
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the current run; a value is written as text."""
        with self._errors():
            for key, value in tags.items():
                self._client.set_tag(self._run.run_id, key, str(value)[:MAX_PARAM])

    @check_arguments(path=arguments.require_path)
    def log_artifact(self, path: str | Path, artifact_path: str | None = None) -> None:
        """Log a file, or a folder with all that is in it, as artifacts of the current run.

        Args:
            path: the file or folder.
            artifact_path: the folder among the artifacts; default: the top, for a folder its name.

        Raises:
            UsageError: there is no such file (``artifact.missing``).
        """
        local = Path(path)
        if not local.exists():
            raise UsageError(
                f"There is no file {local} to log.",
                next_step="Write it first, or correct the path.",
                code="artifact.missing",
            )
        with self._errors():
            if local.is_dir():
                store_run_folder(self._client, self._run.run_id, local, artifact_path or local.name)
            else:
                self._client.log_artifact(self._run.run_id, str(local), artifact_path)

    @check_arguments(metrics=arguments.require_numbers, step=arguments.require_count)
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics; a name that MLflow does not accept is changed as ``make_metric_name`` says."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now = int(time.time() * 1000)
        named = [Metric(make_metric_name(key), float(value), now, step) for key, value in metrics.items()]
        with self._errors():
            for start in range(0, len(named), METRICS_AT_ONCE):
                self._client.log_batch(self._run.run_id, metrics=named[start : start + METRICS_AT_ONCE])

    def log_dict(self, content: Mapping[str, Any], artifact_file: str) -> None:
        """Log a JSON (or YAML) file, by its ending."""
        with self._errors():
            self._client.log_dict(self._run.run_id, dict(content), artifact_file)

    def load_dict(self, run_id: str, artifact_file: str) -> dict[str, Any] | None:
        """A JSON file at the top of a run's artifacts, of any experiment; None where the run has none of that name."""
        with self._errors(), tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            if artifact_file not in {entry.path for entry in self._client.list_artifacts(run_id)}:
                return None
            file = Path(self._client.download_artifacts(run_id, artifact_file, folder))
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return content

    def run_params(self, run_id: str) -> dict[str, str] | None:
        """The parameters of a run, of any experiment; None where there is no such run any more."""
        with suppress(NotFoundError), self._errors():
            return dict(self._client.get_run(run_id).data.params)
        return None

    def log_text(self, text: str, artifact_file: str) -> None:
        """Log a text file."""
        with self._errors():
            self._client.log_text(self._run.run_id, text, artifact_file)

    @check_arguments(figure=arguments.require_figure, artifact_file=require_words)
    def log_figure(self, figure: Figure, artifact_file: str) -> None:
        """Log a matplotlib figure as a picture, by the file's ending."""
        with self._errors():
            self._client.log_figure(self._run.run_id, figure, artifact_file)

    @check_arguments(y_true=arguments.require_list, y_pred=arguments.require_list)
    def log_confusion_matrix(self, y_true: Sequence[Any], y_pred: Sequence[Any]) -> None:
        """Log the confusion matrix as JSON and as a picture."""
        import numpy as np  # noqa: PLC0415

        truth, predicted = np.asarray(y_true, dtype=str), np.asarray(y_pred, dtype=str)
        found = evaluate(truth, predicted, None, classes=tuple(sorted({*truth.tolist(), *predicted.tolist()})))
        self.log_dict(
            {"classes": list(found.classes), "matrix": [list(row) for row in found.confusion_matrix]},
            "confusion_matrix.json",
        )
        self.log_text(plot_confusion_matrix(found).svg, "plots/confusion_matrix.svg")

    @check_arguments(context=require_words, name=OPTIONAL_TEXT)
    def log_dataset(self, dataset: Any, context: str = "training", *, name: str | None = None) -> None:
        """Log a dataset as an input of the run: source, size and our fingerprint as its digest.

        Args:
            dataset: labelled rows, or a table of any usual form.
            context: what it is for, such as ``training`` or ``evaluation``.
            name: what it is called; default: its own name, for a table the context.
        """
        from mlflow.entities import Dataset as DatasetEntity  # noqa: PLC0415
        from mlflow.entities import DatasetInput, InputTag  # noqa: PLC0415

        if isinstance(dataset, Dataset):
            digest, source = dataset.fingerprint, dataset.source
            profile: dict[str, Any] = {"num_rows": len(dataset), "classes": list(dataset.classes)}
            name = name or dataset.name
        else:
            table = read_table_like(dataset, "The dataset")
            if context == "training":
                self._active.training = self._run.run_id, table
            digest, source = fingerprint(content_keys(table)), "data frame"
            profile = {"num_rows": len(table), "num_columns": table.shape[1], "columns": list(table.columns)}
        entity = DatasetEntity(
            name=name or context,
            digest=digest,
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(profile),
        )
        tag = InputTag(key="mlflow.data.context", value=context)
        with self._errors():
            self._client.log_inputs(self._run.run_id, [DatasetInput(dataset=entity, tags=[tag])])

    def log_model(
        self, model: Any, artifact_path: str = "model", *, input_example: Any = None, training_data: Any = None
    ) -> str:
        """Log a fitted scikit-learn estimator as a version that can be registered, served and loaded safely.

        What the model has learnt decides the names and kinds of its inputs: an encoder's columns hold its categories,
        all others numbers.

        Args:
            model: the fitted classifier, regressor or pipeline.
            artifact_path: its name within the run.
            input_example: a few rows as the model reads them (a table of any usual form), which decide kinds that the
                model does not tell; the version keeps them as samples.
            training_data: the rows that it was fitted on, which are left out where it is compared; default: the table
                that the run logged as ``training``. Without either the gates refuse to compare it.

        Returns:
            Its URI, ``models:/m-…``; ``runs:/RUN_ID/ARTIFACT_PATH`` names it too.

        Raises:
            UsageError: it is neither a fitted classifier with probabilities nor a regressor, refuses the example, or
                holds types that this host does not allow to be loaded.
        """
        run_id, logged = getattr(self._active, "training", (None, None))
        rows = training_data if training_data is not None or run_id != self._run.run_id else logged
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            package = Path(folder) / "model"
            model = store_boosters(take_best_estimator(model))
            # It is not known yet under which name it will be registered.
            card = foreign_model_card(model, "", input_example)
            write_package(package, model, card, training_keys=key_training_rows(card, rows))
            return self.log_package(package, artifact_path)

    def log_package(self, folder: Path, name: str) -> str:
        """Log a folder that is an MLflow model as a logged model of the run; returns ``models:/m-…``."""
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

        with self._errors():
            logged = self._client.create_logged_model(
                self._run.experiment_id, name=name, source_run_id=self._run.run_id
            )
            store_model_folder(self._client, logged.model_id, folder)
            sync_artifacts(logged.artifact_location)
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.log_outputs(self._run.run_id, [LoggedModelOutput(logged.model_id, step=0)])
            return f"models:/{logged.model_id}"

    @check_arguments(filter_string=arguments.require_string, max_results=arguments.require_count)
    def search_runs(self, filter_string: str = "", max_results: int = 1000) -> pd.DataFrame:
        """Runs of the experiment as a data frame: one row a run, columns ``params.…``, ``metrics.…``, ``tags.…``.

        Raises:
            UsageError: the filter cannot be read.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with self._errors():
            try:
                runs = self._client.search_runs([self._experiment_id], filter_string, max_results=max_results)
            except MlflowException as error:
                if not filter_string or error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise UsageError(
                    f"The filter {filter_string!r} cannot be read: {str(error).splitlines()[0].rstrip('.')}.",
                    next_step="Such as: metrics.accuracy > 0.9 and params.model_type = 'RandomForestClassifier'",
                    code="run.filter",
                ) from None
        return tabulate_runs(runs)

    def find_run(self, start: str) -> str:
        """The id of the experiment's run whose id begins so.

        Raises:
            NotFoundError: there is none, or there are several.
        """
        found = [run_id for run_id in self.search_runs().get("run_id", []) if str(run_id).startswith(start)]
        if len(found) != 1:
            raise NotFoundError(
                f"{len(found) or 'No'} runs of {self.experiment_name} begin with '{start}'.",
                next_step="See what there is: tracker.search_runs(), or tiltyard runs",
                code="run.unknown",
            )
        return str(found[0])

    @check_arguments(run_ids=arguments.require_texts)
    def compare_runs(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """Parameters and metrics side by side: one row each, one column a run.

        Args:
            run_ids: whole ids, or their first characters.

        Raises:
            NotFoundError: there is no such run, which the message names.
        """
        columns = {}
        for run_id in run_ids:
            data = self._find_data(run_id)
            columns[run_id] = name_figures(data)
        return pd.DataFrame(columns).sort_index()

    def _find_data(self, run_id: str) -> Any:
        """Parameters and metrics of a run, of any experiment for a whole id."""
        try:
            with self._errors():
                return self._client.get_run(run_id).data
        except NotFoundError:
            whole = self.find_run(run_id)
        with self._errors():
            return self._client.get_run(whole).data

    @cached_property
    def _client(self) -> Any:
        return open_client(self._tracking_uri)

    @cached_property
    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with self._errors():
            found = self._client.get_experiment_by_name(self.experiment_name)
            if found is None:
                try:
                    return str(self._client.create_experiment(self.experiment_name, self._artifact_location))
                except MlflowException:
                    # Another process made it in the meantime; if not, the error stands.
                    found = self._client.get_experiment_by_name(self.experiment_name)
                    if found is None:
                        raise
            return str(found.experiment_id)

    @property
    def _run(self) -> ActiveRun:
        run: ActiveRun | None = getattr(self._active, "run", None)
        if run is None:
            raise UsageError(
                "Nothing can be logged: no run has been started.",
                next_step='Log inside: with tracker.start_run("name"):',
                code="run.missing",
            )
        return run

    def _errors(self) -> Any:
        return mlflow_writes(self._tracking_uri)
