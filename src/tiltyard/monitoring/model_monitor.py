"""The monitor of a model as the requirements call it, over the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tiltyard.data import as_label
from tiltyard.drift import DriftRequest, detect_data_drift
from tiltyard.errors import InputError, NotFoundError, ProjectError, TiltyardError, UsageError
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import Label, Ledger, Prediction, new_id
from tiltyard.ledger.sql.retention import is_redacted
from tiltyard.monitoring.degradation import judge_degradation
from tiltyard.monitoring.monitored_version import MonitoredVersion, monitored_champion
from tiltyard.monitoring.performance import measure_performance, performance_by_version
from tiltyard.monitoring.prediction_window import PredictionWindow, read_prediction_window
from tiltyard.monitoring.report import render_html, render_markdown
from tiltyard.monitoring.run import drift_of_champion
from tiltyard.monitoring.summary import Summary, SummaryQuery, summarise
from tiltyard.project import Project, load_project
from tiltyard.registry import Registry
from tiltyard.registry.package.signing import host_keys
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger, open_registry

FEWEST_LABELS = 30
LABEL_SOURCE = "log_prediction"

# Names of the requirements' examples beside the metrics' own.
_ALSO = {"f1_score": "f1"}


class ModelMonitor:
    """Watches one model: writes predictions down, and judges them with labels and without.

    With a project file in the working folder or above it, the project's ledger, registry, metric and positive label
    are used; without one the bare name of a model is enough.

    Args:
        name: name of the registered model, or of the project; default: the model of the project file.
        ledger: where predictions are kept; default: the ledger of the settings, opened when first needed.
        registry: where versions are; default: the registry of the settings, if there is one on this host.

    Raises:
        ProjectError: no name was given and there is no project file, or it cannot be used.
    """

    def __init__(
        self, name: str | None = None, *, ledger: Ledger | None = None, registry: Registry | None = None
    ) -> None:
        self._project = _project_around(required=name is None)
        known = self._project
        if name is not None and known is not None and name not in (known.name, known.model_name):
            known = None
        self.name = known.model_name if known is not None else str(name)
        self._known = known
        self._given_ledger = ledger
        self._given_registry = registry

    def log_prediction(  # noqa: PLR0913 - the requirements' four, and what else a prediction is made of
        self,
        prediction: Any,
        features: Any,
        confidence: float,
        actual: Any = None,
        *,
        model_version: str | None = None,
        probabilities: Mapping[str, float] | None = None,
        key: str | None = None,
    ) -> str:
        """Write one prediction down, made just now, and return its id. It is durable when this returns.

        Args:
            prediction: the predicted label.
            features: what was asked: a text, a mapping of features, or a row of a table (Series, one-row DataFrame).
            confidence: probability of the predicted label, 0 to 1.
            actual: the truth, where it is known already; it can be told later as feedback.
            model_version: registry version that answered; default: the champion, or ``unknown``.
            probabilities: probability of each label; default: that of the predicted label alone.
            key: the caller's own key, by which a label may come later.

        Raises:
            InputError: a value cannot be stored; the message names it.
            UnavailableError: the ledger cannot be reached.
        """
        label = as_label(prediction)
        given = {label: float(confidence)} if probabilities is None else dict(probabilities)
        row = Prediction(
            id=new_id(),
            at=datetime.now(UTC),
            project=self.name,
            version=model_version or (self.watched.version if self.watched else "unknown"),
            route="champion",
            input=_input_of(features),
            label=label,
            confidence=float(confidence),
            probabilities=given,
            latency_ms=0.0,
            key=key,
        )
        self.ledger.record([row])
        if actual is not None:
            self.log_actual(row.id, actual)
        return row.id

    def log_actual(self, prediction_id: str, actual: Any, *, source: str = LABEL_SOURCE) -> None:
        """Write down the truth about a prediction; a later word corrects an earlier one.

        Raises:
            NotFoundError: the ledger holds no such prediction.
        """
        receipt = self.ledger.record_labels([Label(prediction_id, as_label(actual), datetime.now(UTC), source)])
        if receipt.unknown:
            raise NotFoundError(
                f"There is no prediction {prediction_id!r} to be labelled.",
                next_step="Give the id that log_prediction returned.",
                prediction_id=prediction_id,
            )

    def calculate_performance_metrics(self, window_hours: float = 24) -> dict[str, Any]:
        """How the answers of the last hours compare with their labels, as JSON-ready data.

        Keys: ``total_predictions``, ``labelled_predictions``, ``label_coverage``, ``caveat``; every metric that is
        defined by its name (``accuracy``, ``precision``, ``recall``, ``f1_score`` and more; absent without labels);
        ``intervals`` (95 %, by metric), ``not_computed`` (why a metric is missing), ``by_version``.

        Raises:
            UsageError: the window is not a positive number of hours.
        """
        window = self._window(window_hours)
        found = measure_performance(window, self._metric, self._positive)
        values = {name: figure.value for name, figure in found.figures.items()}
        intervals = {name: figure.interval.to_list() for name, figure in found.figures.items() if figure.interval}
        for also, name in _ALSO.items():
            if name in values:
                values[also] = values[name]
            if name in intervals:
                intervals[also] = intervals[name]
        answered = performance_by_version(window, self._metric, self._positive)
        plain: dict[str, Any] = to_jsonable(
            {
                "window_hours": window_hours,
                "total_predictions": len(window) + window.left_out,
                "labelled_predictions": found.labelled,
                "label_coverage": found.coverage,
                "caveat": found.caveat,
                **values,
                "intervals": intervals,
                "not_computed": found.not_computed,
                "by_version": [
                    {"version": version, "route": route, **told.to_dict()}
                    for (version, route), told in answered.items()
                ],
            }
        )
        return plain

    def detect_performance_degradation(
        self,
        baseline_metrics: Mapping[str, float],
        degradation_threshold: float = 0.05,
        *,
        window_hours: float = 24,
        baseline_rows: int | None = None,
    ) -> dict[str, Any]:
        """Whether the answers of the last hours are worse than a baseline, by more than is allowed and than chance.

        Args:
            baseline_metrics: value by metric name, such as ``{"accuracy": 0.85, "f1_score": 0.83}``.
            degradation_threshold: accepted loss of a metric, as a share of its baseline.
            window_hours: hours whose answers are judged.
            baseline_rows: rows that the baseline was measured on, where that is known: then its own chance counts too.

        Returns:
            Keys ``degradation_detected``, ``could_not_judge`` (names of metrics that could not be), ``metrics``
            (verdict, value, interval, loss, p-value and a sentence, by the metric's name), ``labelled_predictions``,
            ``label_coverage``, ``caveat``.

        Raises:
            UsageError: a metric is not known, or a figure cannot be used.
        """
        window = self._window(window_hours)
        facts = window.judged(self._positive) if window.known.any() else None
        found = judge_degradation(
            facts,
            baseline_metrics,
            allowed=degradation_threshold,
            fewest_rows=FEWEST_LABELS,
            baseline_rows=baseline_rows,
        )
        named = dict(zip(baseline_metrics, found, strict=True))
        told = measure_performance(window, self._metric, self._positive)
        return {
            "degradation_detected": any(one.verdict == "degraded" for one in found),
            "could_not_judge": [name for name, one in named.items() if one.verdict == "could_not_judge"],
            "metrics": {name: to_jsonable(one.to_dict()) for name, one in named.items()},
            "labelled_predictions": told.labelled,
            "label_coverage": told.coverage,
            "caveat": told.caveat,
        }

    def detect_data_drift(
        self,
        reference_data: Any = None,
        drift_threshold: float = 0.1,
        *,
        window_hours: float = 24,
        domain_classifier: bool = False,
    ) -> dict[str, Any]:
        """Whether what was asked in the last hours drifted, feature by feature.

        Args:
            reference_data: what is normal: a frame of features, or a series or list of texts; default: the profile of
                its training that the champion carries, which also judges its answers.
            drift_threshold: least effect that is called drift, such as 0.1: a tenth of the rows moved.
            window_hours: hours whose inputs are judged.
            domain_classifier: also train a classifier to tell the two apart; slower, needs ``reference_data``.

        Returns:
            Keys ``drift_detected``, ``status`` (``found``, ``clear``, ``could_not_judge``), ``message``, ``next_step``,
            ``drift_score`` (share of the tests that found drift), ``features`` (by name: ``drift_detected``, ``score``,
            ``limit``, ``p_value``, ``method``), ``findings``, ``compared_with``.

        Raises:
            UsageError: the threshold or the window cannot be used.
        """
        asked = DriftRequest(drift_threshold, self._known.monitoring if self._known else None, domain_classifier)
        since, until = _stretch(window_hours)
        if reference_data is None:
            return drift_of_champion(self.ledger, self.name, self.watched, (since, until), asked)
        window = read_prediction_window(self.ledger, self.name, since=since, until=until)
        return detect_data_drift(
            reference_data, [row.input for row in window.predictions if not is_redacted(row.input)], asked
        )

    def get_monitoring_dashboard_data(self, hours: float = 24) -> dict[str, Any]:
        """All figures of the last hours, as JSON-ready data.

        Keys: ``total_predictions``, ``prediction_distribution``, ``version_distribution``, ``avg_confidence``,
        ``avg_latency_ms``, ``labelled_predictions``, ``label_coverage``, ``performance``, ``estimated_performance``,
        ``by_version``, ``slices``, ``timeline`` (part by part), ``alerts`` (what stands), ``findings``, ``decisions``,
        ``operations``, ``champion``, ``baseline``.

        Raises:
            UsageError: the hours are not a positive number.
        """
        return self._overview(hours).to_dict()

    def generate_monitoring_report(self, path: str | Path | None = None, *, hours: float = 24) -> str:
        """A report on the last hours, as Markdown; written to ``path`` where one is given, as HTML with plots if it
        ends in ``.html``.

        Raises:
            UsageError: the hours are not a positive number.
            UnavailableError: the file cannot be written.
        """
        seen = self._overview(hours)
        target = None if path is None else Path(path)
        text = render_html(seen) if target is not None and target.suffix == ".html" else render_markdown(seen)
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return text

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in use."""
        return self._given_ledger or open_ledger(self._settings)

    @cached_property
    def watched(self) -> MonitoredVersion | None:
        """The champion; None where there is none, or no registry on this host, or it cannot be read."""
        registry = self._given_registry or self._registry()
        if registry is None:
            return None
        try:
            return monitored_champion(registry, self.name, self._settings.cache, host_keys(self._settings))
        except TiltyardError:
            # The figures of the ledger are worth showing all the same; tiltyard doctor says what is wrong.
            return None

    @property
    def _metric(self) -> str:
        return self._known.training.metric if self._known else "accuracy"

    @property
    def _positive(self) -> str | None:
        return self._known.data.positive if self._known else None

    @cached_property
    def _settings(self) -> Settings:
        return Settings.load(self._project.root if self._project else None)

    def _registry(self) -> Registry | None:
        settings = self._settings
        if settings.mlflow_tracking_uri is None and not (settings.state / "mlflow.db").exists():
            return None
        return open_registry(settings)

    def _window(self, hours: float) -> PredictionWindow:
        since, until = _stretch(hours)
        return read_prediction_window(self.ledger, self.name, since=since, until=until)

    def _overview(self, hours: float) -> Summary:
        since, until = _stretch(hours)
        data = self._known.data if self._known else None
        interests = SummaryQuery(
            model=self.name,
            metric=self._metric,
            positive=self._positive,
            slices=(*data.slices, *data.sensitive) if data else (),
        )
        return summarise(self.ledger, interests, self.watched, since=since, until=until)


def _project_around(*, required: bool) -> Project | None:
    try:
        return load_project()
    except ProjectError as error:
        if required or error.code != "project.missing":
            raise
        return None


def _stretch(hours: float) -> tuple[datetime, datetime]:
    if not hours > 0:
        raise UsageError(f"hours = {hours} is no stretch of time.", next_step="Give a positive number, such as 24.")
    # What was recorded in this very moment belongs to it.
    until = datetime.now(UTC) + timedelta(microseconds=1)
    return until - timedelta(hours=hours), until


def _input_of(features: Any) -> dict[str, Any]:
    """What was asked, as the ledger keeps it."""
    if isinstance(features, str):
        return {"text": features}
    if isinstance(features, Mapping):
        return {str(name): value for name, value in features.items()}
    to_dict = getattr(features, "to_dict", None)
    if to_dict is not None and getattr(features, "ndim", 0) == 1:
        return {str(name): value for name, value in to_dict().items()}
    if to_dict is not None and getattr(features, "ndim", 0) == 2 and len(features) == 1:
        return {str(name): value for name, value in to_dict("records")[0].items()}
    raise InputError(
        f"features is a {type(features).__name__}, which is neither a text nor a row of named features.",
        next_step="Give a text, a mapping of features by name, a Series, or a DataFrame of one row.",
        field="features",
    )
