"""The monitor of a model as the requirements call it, over the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from tiltyard.arguments import (
    OPTIONAL_TEXT,
    allow_none,
    check_arguments,
    require_hours,
    require_key,
    require_mapping,
    require_number,
    require_numbers,
    require_version,
)
from tiltyard.data.conform.labels import LabelCodec, is_label_gap
from tiltyard.drift import DriftRequest, PredictionSource
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.drift.recent_window import RecentWindow
from tiltyard.drift.result_types import DriftDetection
from tiltyard.errors import InputError, NotFoundError, ProjectError
from tiltyard.jsonable import to_json_object, to_jsonable
from tiltyard.ledger import Ledger, Prediction, new_id
from tiltyard.ledger.label_intake import ReportedLabel, check_labels, normalise_key
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.monitoring.collection.logged_values import (
    read_features,
    read_latency,
)
from tiltyard.monitoring.degradation import evaluate_degradation
from tiltyard.monitoring.estimates.task_part import LoggedPrediction, TaskMonitoring, find_logged_target
from tiltyard.monitoring.ledger_client import LedgerClient
from tiltyard.monitoring.monitored_version import MonitoredVersion, find_champion
from tiltyard.monitoring.performance import measure_performance, performance_by_version
from tiltyard.monitoring.prediction_window import PredictionWindow, find_group_key, read_prediction_window
from tiltyard.monitoring.report import render_html, render_markdown
from tiltyard.monitoring.report.rendering import write_page
from tiltyard.monitoring.result_types import DashboardData, DegradationReport, PerformanceMetrics
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.project import Project, load_project
from tiltyard.registry import Registry
from tiltyard.result_display import show_as
from tiltyard.settings import Settings
from tiltyard.tasks import USUAL_TARGET

MIN_LABELS = 30
LABEL_SOURCE = "log_prediction"

# The requirements' names of metrics, and ours.
_SYNONYMS = {"f1_score": "f1"}


class ModelMonitor(LedgerClient):
    """Monitors one model: records predictions, and evaluates them with labels and without.

    With a project file in the working folder or above it, the project's ledger, registry, metric and positive label
    are used; without one the name of a model is enough. Use it in a ``with`` block, or call ``close``: both close the
    ledger that it opened.

    Args:
        model_name: name of the registered model, or of the project; default: the model of the project file.
        ledger: where predictions are kept; default: the ledger of the settings, opened when first needed.
        registry: where versions are; default: the registry of the settings, if there is one on this host.

    Raises:
        ProjectError: no name was given and there is no project file, or it cannot be used.
    """

    @check_arguments(model_name=OPTIONAL_TEXT)
    def __init__(
        self, model_name: str | None = None, *, ledger: Ledger | None = None, registry: Registry | None = None
    ) -> None:
        super().__init__(ledger)
        project = _find_project(required=model_name is None)
        self._root = project.root if project else None
        if project is not None and model_name not in (None, project.name, project.model_name):
            project = None
        self._project = project
        self.model_name = project.model_name if project else str(model_name)
        self._registry = registry

    @check_arguments(
        model_version=allow_none(require_version),
        probabilities=allow_none(require_numbers),
        key=allow_none(require_key),
    )
    def log_prediction(  # noqa: PLR0913 - the requirements' four, and the other fields of a prediction
        self,
        prediction: Any,
        features: Any,
        confidence: float | None = None,
        actual: Any = None,
        *,
        model_version: str | None = None,
        probabilities: Mapping[str, float] | None = None,
        interval: Sequence[float | None] | None = None,
        key: str | None = None,
        latency_ms: float | None = None,
    ) -> str:
        """Record one prediction, made just now, and return its id. It is durable when this returns.

        Args:
            prediction: the predicted label, one of the classes of the version, or the predicted number; also in an
                array of one, as ``model.predict`` returns it.
            features: the input: a text, a mapping of features, a Series, a table of one row, or the n values of a row
                (array, list), which take the names of the version's columns, else ``feature_0``, ….
            confidence: probability of the predicted label, 0 to 1; a number has none. Where the version is not known, a
                prediction that is a number and has no confidence is one of a regression.
            actual: the true label, where it is known already; it can be reported later as feedback. None and NaN say
                that it is not known.
            model_version: registry version that predicted; default: the champion, or ``unknown``.
            probabilities: probability of each label; default: that of the predicted label alone.
            interval: the two ends of a number's interval; None for an end that is open.
            key: the caller's own key, by which a label may come later.
            latency_ms: milliseconds that the prediction took; None where nobody measured them.

        Raises:
            InputError: a value is not what it has to be, or cannot be stored; the message names it, and nothing is
                recorded.
            UnavailableError: the ledger cannot be reached.
        """
        champion = self.champion
        if model_version is not None and (champion is None or champion.version != str(model_version)):
            champion = None
        schema = champion.table_schema if champion else None
        row = Prediction(
            id=new_id(),
            at=datetime.now(UTC),
            project=self.model_name,
            version=str(model_version or (champion.version if champion else "unknown")),
            route="champion",
            input=read_features(features, list(schema.dtypes) if schema else ()),
            latency_ms=read_latency(latency_ms),
            key=None if key is None else normalise_key(key),
            label="",
            confidence=None,
            probabilities={},
        )
        classes = champion.classes if champion else ()
        given = LoggedPrediction(prediction, confidence, probabilities, interval, classes)
        of_target = TaskMonitoring.find_for_target(champion.target) if champion else find_logged_target(given)
        row = replace(row, **of_target.read_logged(given))
        truth = self._read_actual(actual, tuple(probabilities or ()) or classes, of_target)
        self.ledger.record([row])
        if truth is not None:
            self.log_actual(row.id, truth)
        return row.id

    def _read_actual(self, actual: Any, classes: tuple[str, ...], of_target: TaskMonitoring) -> str | None:
        if is_label_gap(actual):
            return None
        rare = read_rare_classes(self.ledger, self.model_name).find_class(actual) if classes else None
        return rare or of_target.read_logged_truth(actual, classes)

    def log_actual(self, prediction_id: str, actual: Any, *, source: str = LABEL_SOURCE) -> None:
        """Record the true label of a prediction; a later one corrects an earlier one.

        A class that training set aside is recorded too; no figure counts it, and their ``caveat`` says so.

        Raises:
            NotFoundError: the ledger holds no such prediction.
            InputError: the label says nothing, or is not a class of the version.
        """
        reported = ReportedLabel(actual, source, prediction_id)
        known = LabelCodec(self.champion.classes) if self.champion and self.champion.classes else None
        target = self.champion.target if self.champion else USUAL_TARGET
        [checked] = check_labels(self.ledger, self.model_name, [reported], codec=known, target=target)
        if checked.status == "unknown" or (checked.label and self.ledger.record_labels([checked.label]).unknown):
            raise NotFoundError(
                f"There is no prediction {prediction_id!r} to be labelled.",
                next_step="Give the id that log_prediction returned.",
                prediction_id=prediction_id,
            )
        if checked.label is None:
            raise InputError(
                f"The label is refused: {checked.reason}",
                next_step="Give one of the classes that the version predicts, or a number where it predicts numbers.",
                field="actual",
            )

    def calculate_performance_metrics(self, window_hours: float = 24) -> PerformanceMetrics:
        """How the predictions of the last hours compare with their labels, as JSON-ready data.

        Every metric that is defined is there by its name (``accuracy``, ``precision``, ``recall``, ``f1_score`` and
        more); without labels there are none.

        Raises:
            UsageError: the window is not a positive number of hours.
        """
        window = self._read_window(window_hours)
        performance = measure_performance(window, self._metric, self._positive)
        values = {name: figure.value for name, figure in performance.figures.items()}
        intervals = {name: list(figure.interval) for name, figure in performance.figures.items() if figure.interval}
        for synonym, name in _SYNONYMS.items():
            if name in values:
                values[synonym] = values[name]
            if name in intervals:
                intervals[synonym] = intervals[name]
        by_version = performance_by_version(window, self._metric, self._positive)
        content = {
            "window_hours": window_hours,
            "total_predictions": len(window) + window.left_out,
            "labelled_predictions": performance.labelled,
            "label_coverage": performance.coverage,
            "caveat": performance.caveat,
            **values,
            "intervals": intervals,
            "not_computed": performance.not_computed,
            "by_version": [
                {"version": version, "route": route, **to_json_object(one)}
                for (version, route), one in by_version.items()
            ],
        }
        return cast(PerformanceMetrics, show_as(f"Performance of {self.model_name}", to_jsonable(content)))

    @check_arguments(baseline_metrics=require_mapping, degradation_threshold=require_number)
    def detect_performance_degradation(
        self,
        baseline_metrics: Mapping[str, float],
        degradation_threshold: float = 0.05,
        *,
        window_hours: float = 24,
        baseline_rows: int | None = None,
    ) -> DegradationReport:
        """Whether the predictions of the last hours are worse than a baseline, by more than is allowed and than chance.

        Args:
            baseline_metrics: value by metric name, such as ``{"accuracy": 0.85, "f1_score": 0.83}``.
            degradation_threshold: accepted loss of a metric, as a share of its baseline.
            window_hours: hours whose predictions are evaluated.
            baseline_rows: rows that the baseline was measured on, where that is known: then its own uncertainty counts.

        Raises:
            UsageError: a metric is not known, or a figure cannot be used.
        """
        window = self._read_window(window_hours)
        degradations = evaluate_degradation(
            window.labelled_predictions(self._positive) if window.known.any() else None,
            baseline_metrics,
            allowed=degradation_threshold,
            min_rows=MIN_LABELS,
            baseline_rows=baseline_rows,
        )
        by_name = dict(zip(baseline_metrics, degradations, strict=True))
        performance = measure_performance(window, self._metric, self._positive)
        content = {
            "degradation_detected": any(one.verdict == "degraded" for one in degradations),
            "could_not_judge": [name for name, one in by_name.items() if one.verdict == "could_not_judge"],
            "metrics": {name: to_json_object(one) for name, one in by_name.items()},
            "labelled_predictions": performance.labelled,
            "label_coverage": performance.coverage,
            "caveat": performance.caveat,
        }
        return cast(DegradationReport, show_as(f"Degradation of {self.model_name}", to_jsonable(content)))

    @check_arguments(drift_threshold=allow_none(require_number))
    def detect_data_drift(
        self,
        reference_data: Any = None,
        drift_threshold: float | None = None,
        *,
        window_hours: float = 24,
        domain_classifier: bool = False,
    ) -> DriftDetection:
        """Whether the inputs of the last hours drifted, feature by feature.

        Args:
            reference_data: undrifted data: a frame of features, or a series or list of texts; default: the profile of
                its training that the champion carries. Rows that are like those of the training give the same verdict,
                by the same tests: predictions and confidence are compared in both cases. Of rows that differ from the
                training only the inputs are. Without a champion, the inputs of all versions are compared.
            drift_threshold: least effect that is called drift, such as 0.1: a tenth of the rows moved; default: that of
                the project, else 0.1.
            window_hours: hours whose inputs are compared.
            domain_classifier: also train a classifier to tell the two apart; slower, needs ``reference_data``.

        Raises:
            UsageError: the threshold, the window or the reference cannot be used.
        """
        request = DriftRequest(drift_threshold, self._project.monitoring if self._project else None, domain_classifier)
        window, champion = _window_until_now(window_hours), self.champion
        recent = RecentWindow(
            self.ledger,
            PredictionSource(champion.model_name, champion.version, schema=champion.table_schema) if champion else None,
            champion.attachment(PROFILE) if champion else None,
            window,
            self.model_name,
            self._project,
        )
        given = reference_data is not None
        found = recent.compare_with_rows(reference_data, request) if given else recent.compare_with_training(request)
        return show_as(f"Drift of {self.model_name}", found)

    def get_monitoring_dashboard_data(self, hours: float = 24) -> DashboardData:
        """All figures of the last hours, as JSON-ready data.

        Raises:
            UsageError: the hours are not a positive number.
        """
        return show_as(f"Monitoring of {self.model_name}", self._summarise(hours).to_dict())

    def generate_monitoring_report(self, path: str | Path | None = None, *, hours: float = 24) -> str:
        """A report on the last hours, as Markdown; written to ``path`` where one is given, as HTML with plots if it
        ends in ``.html``.

        Raises:
            UsageError: the hours are not a positive number.
            UnavailableError: the file cannot be written.
        """
        summary = self._summarise(hours)
        target = None if path is None else Path(path)
        html = target is not None and target.suffix == ".html"
        text = render_html(summary) if html else render_markdown(summary)
        if target is not None:
            write_page(target, text)
        return text

    @cached_property
    def champion(self) -> MonitoredVersion | None:
        """The champion; None where there is none, or no registry on this host, or it cannot be read."""
        return find_champion(self._settings, self.model_name, self._registry)

    @property
    def _metric(self) -> str:
        return self._project.training.metric if self._project else "accuracy"

    @property
    def _positive(self) -> str | None:
        return self._project.data.positive if self._project else None

    @cached_property
    def _settings(self) -> Settings:
        return Settings.load(self._root)

    def _load_settings(self) -> Settings:
        return self._settings

    def _read_window(self, hours: float) -> PredictionWindow:
        since, until = _window_until_now(hours)
        window = read_prediction_window(self.ledger, self.model_name, since=since, until=until)
        target = self.champion.target if self.champion else None
        return replace(window, group_key=find_group_key(self._project) if self._project else None, target=target)

    def _summarise(self, hours: float) -> Summary:
        since, until = _window_until_now(hours)
        query = SummaryQuery.from_project(self._project) if self._project else SummaryQuery(self.model_name)
        return build_summary(self.ledger, query, self.champion, since=since, until=until)


def _find_project(*, required: bool) -> Project | None:
    try:
        return load_project()
    except ProjectError as error:
        if required or error.code != "project.missing":
            raise
        return None


def _window_until_now(hours: float) -> tuple[datetime, datetime]:
    require_hours(hours, "hours")
    # The end is exclusive: include what was recorded in this microsecond.
    until = datetime.now(UTC) + timedelta(microseconds=1)
    return until - timedelta(hours=hours), until
