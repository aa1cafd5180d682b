"""The prediction log as the requirements call it, over the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tiltyard.arguments import allow_none, check_arguments, require_count, require_time
from tiltyard.errors import ArtifactError, ProjectError
from tiltyard.ledger import Ledger, Prediction, new_id, to_log_line
from tiltyard.monitoring.ledger_client import LedgerClient
from tiltyard.monitoring.result_types import PredictionLogLine, PredictionStatistics
from tiltyard.project import find_project_file, load_project
from tiltyard.result_display import show_as
from tiltyard.settings import Settings

if TYPE_CHECKING:
    from tiltyard.drift import DriftOptions
    from tiltyard.drift.recent_predictions import VersionReference
    from tiltyard.drift.result_types import DriftDetection


class PredictionCollector(LedgerClient):
    """Records predictions, and reads the latest ones.

    What a challenger predicts in the shadow is left out. Use it in a ``with`` block, or call ``close``: both close the
    ledger that it opened.

    Args:
        model_name: name of the registered model; default: all models when reading, and when writing the model of the
            project file in the working folder or above it.
        ledger: where predictions are kept; default: the ledger of the settings, opened when first needed.
    """

    def __init__(self, model_name: str | None = None, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self.model_name = model_name

    @check_arguments(since=allow_none(require_time))
    def get_prediction_stats(self, since: datetime | None = None) -> PredictionStatistics:
        """A summary of the predictions, since a time if one is given, as JSON-ready data.

        Raises:
            UnavailableError: the ledger cannot be reached.
        """
        stats = self.ledger.prediction_stats(self.model_name, since)
        content: PredictionStatistics = {
            "total_predictions": stats.total,
            "sentiment_distribution": dict(stats.by_label),
            "version_distribution": dict(stats.by_version),
            "avg_confidence": stats.mean_confidence,
            "min_confidence": stats.min_confidence,
            "max_confidence": stats.max_confidence,
            "avg_latency_ms": stats.mean_latency_ms,
            "first_prediction": stats.first_at.isoformat() if stats.first_at else None,
            "last_prediction": stats.last_at.isoformat() if stats.last_at else None,
        }
        return show_as("Predictions" + (f" of {self.model_name}" if self.model_name else ""), content)

    @check_arguments(limit=require_count)
    def get_recent_predictions(self, limit: int = 100) -> list[PredictionLogLine]:
        """The latest predictions, latest first, each as a line of the prediction log.

        ``tiltyard.detect_drift`` compares them with the training of the champion, which the list knows how to find.

        Raises:
            UsageError: the limit is negative.
            UnavailableError: the ledger cannot be reached.
        """
        latest = self.ledger.predictions(project=self.model_name, shadow=False, limit=limit, newest_first=True)
        lines = [(prediction.project, cast(PredictionLogLine, to_log_line(prediction))) for prediction in latest]
        models = {self.model_name or project for project, _ in lines}
        from tiltyard.drift.recent_predictions import RecentPredictions  # noqa: PLC0415 - a count needs no drift

        return RecentPredictions((line for _, line in lines), partial(self._find_reference, models))

    def _find_reference(self, models: set[str]) -> VersionReference | None:
        """The reference of the champion, where the predictions are of one model and it has one that can be read."""
        if len(models) != 1:
            return None
        from tiltyard.drift.profiles import FILE, Reference  # noqa: PLC0415 - a count needs no drift
        from tiltyard.drift.recent_predictions import VersionReference  # noqa: PLC0415 - likewise
        from tiltyard.monitoring.monitored_version import find_champion  # noqa: PLC0415 - likewise

        champion = find_champion(self._load_settings(), next(iter(models)))
        content = champion.attachment(FILE) if champion else None
        if champion is None or content is None:
            return None
        try:
            profile = Reference.from_bytes(content)
        except ArtifactError:
            return None  # of another format: the older predictions are a reference too
        return VersionReference(champion.version, profile, champion.table_schema, _read_options(champion.model_name))

    def detect_drift(self, limit: int = 1000, *, drift_threshold: float | None = None) -> DriftDetection:
        """Whether the latest predictions drifted; see ``tiltyard.detect_drift``.

        Raises:
            UsageError: the limit is negative.
            UnavailableError: the ledger cannot be reached.
        """
        from tiltyard.drift import detect_drift  # noqa: PLC0415 - a count needs no drift

        return detect_drift(self.get_recent_predictions(limit), drift_threshold=drift_threshold)

    def log_prediction(  # noqa: PLR0913 - the requirements' four, and the other fields of a prediction
        self,
        text: Any,
        prediction: Any,
        confidence: float | None = None,
        model_version: str = "unknown",
        *,
        probabilities: Mapping[str, float] | None = None,
        interval: Sequence[float | None] | None = None,
        latency_ms: float | None = None,
    ) -> str:
        """Record one prediction, made just now, and return its id. It is durable when this returns.

        Args:
            text: the input: a text, or the features of a table's row, by name or one after the other.
            prediction: the predicted label; a number without a confidence is one of a regression.
            confidence: probability of that label, 0 to 1; a predicted number has none.
            model_version: registry version that predicted.
            probabilities: probability of each label; default: that of the predicted label alone.
            interval: the two ends of a number's interval; None for an end that is open.
            latency_ms: milliseconds that the prediction took; None where nobody measured them.

        Raises:
            InputError: a value cannot be stored; the message names it.
            ProjectError: no model was named and there is no project file.
            UnavailableError: the ledger cannot be reached.
        """
        from tiltyard.monitoring.collection.logged_values import (  # noqa: PLC0415 - a count needs no drift
            read_features,
            read_latency,
        )
        from tiltyard.monitoring.estimates.task_part import (  # noqa: PLC0415 - likewise
            LoggedPrediction,
            find_logged_target,
        )

        row = Prediction(
            id=new_id(),
            at=datetime.now(UTC),
            project=self.model_name or load_project().model_name,
            version=str(model_version),
            route="champion",
            input=read_features(text),
            latency_ms=read_latency(latency_ms),
            label="",
            confidence=None,
            probabilities={},
        )
        given = LoggedPrediction(prediction, confidence, probabilities or None, interval)
        self.ledger.record([replace(row, **find_logged_target(given).read_logged(given))])
        return row.id

    def _load_settings(self) -> Settings:
        try:
            return Settings.load(find_project_file().parent)
        except ProjectError:
            return Settings.load()


def _read_options(model_name: str) -> DriftOptions | None:
    """How the project in the working folder or above it decides about drift; None where it is another model's."""
    try:
        project = load_project()
    except ProjectError:
        return None
    from tiltyard.drift import DriftOptions  # noqa: PLC0415 - a count needs no drift

    return DriftOptions.from_section(project.monitoring) if project.model_name == model_name else None
