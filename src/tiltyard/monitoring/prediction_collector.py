"""The prediction log as the requirements call it, over the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from tiltyard.drift import detect_drift
from tiltyard.errors import ProjectError
from tiltyard.ledger import Ledger, Prediction, new_id, to_log_line
from tiltyard.project import find_project_file, load_project
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger


class PredictionCollector:
    """Writes predictions down and tells what was predicted lately.

    Args:
        project: name of the registered model; default: all models when reading, and when writing the model of
            the project file in the working folder or above it.
        ledger: where predictions are kept; default: the ledger of the settings, opened when first needed.
    """

    def __init__(self, project: str | None = None, ledger: Ledger | None = None) -> None:
        self.project = project
        self._given = ledger

    def get_prediction_stats(self, since: datetime | None = None) -> dict[str, Any]:
        """A summary of the predictions, since a time if one is given, as JSON-ready data.

        Keys: ``total_predictions``, ``sentiment_distribution`` and ``version_distribution`` (number of
        predictions by label and by version), ``avg_confidence``, ``min_confidence``, ``max_confidence``,
        ``avg_latency_ms``, ``first_prediction`` and ``last_prediction`` (ISO 8601, UTC). What cannot be said
        of no predictions is None.

        Raises:
            UnavailableError: the ledger cannot be reached.
        """
        stats = self.ledger.prediction_stats(self.project, since)
        return {
            "total_predictions": stats.total,
            "sentiment_distribution": dict(stats.by_label),
            "version_distribution": dict(stats.by_version),
            "avg_confidence": stats.mean_confidence,
            "min_confidence": stats.min_confidence,
            "max_confidence": stats.max_confidence,
            "avg_latency_ms": stats.mean_latency_ms,
            "first_prediction": stats.first_at and stats.first_at.isoformat(),
            "last_prediction": stats.last_at and stats.last_at.isoformat(),
        }

    def get_recent_predictions(self, limit: int = 100) -> list[dict[str, Any]]:
        """The latest predictions, latest first, each as a line of the prediction log.

        Keys of each: ``text`` (or ``features``), ``prediction``, ``confidence``, ``timestamp``,
        ``model_version``, ``prediction_id``.

        Raises:
            UsageError: the limit is negative.
            UnavailableError: the ledger cannot be reached.
        """
        found = self.ledger.predictions(project=self.project, shadow=False, limit=limit, newest_first=True)
        return [to_log_line(prediction) for prediction in found]

    def detect_drift(self, limit: int = 1000, *, drift_threshold: float = 0.1) -> dict[str, Any]:
        """Whether the latest predictions drifted, older half against newer half; see ``monitoring.detect_drift``.

        To hold them against a version's training instead: ``tiltyard monitor``.

        Raises:
            UsageError: the limit is negative.
            UnavailableError: the ledger cannot be reached.
        """
        return detect_drift(self.get_recent_predictions(limit), drift_threshold=drift_threshold)

    def log_prediction(
        self,
        text: str | Mapping[str, Any],
        prediction: str,
        confidence: float,
        model_version: str = "unknown",
        *,
        probabilities: Mapping[str, float] | None = None,
    ) -> str:
        """Write one prediction down, made just now, and return its id. It is durable when this returns.

        Args:
            text: what was asked: a text, or the features of a table's row by name.
            prediction: the predicted label.
            confidence: probability of that label, 0 to 1.
            model_version: registry version that answered.
            probabilities: probability of each label; default: that of the predicted label alone.

        Raises:
            InputError: a value cannot be stored; the message names it.
            ProjectError: no project was given and there is no project file.
            UnavailableError: the ledger cannot be reached.
        """
        row = Prediction(
            id=new_id(),
            at=datetime.now(UTC),
            project=self.project or load_project().model_name,
            version=str(model_version),
            route="champion",
            input={"text": text} if isinstance(text, str) else text,
            label=str(prediction),
            confidence=confidence,
            probabilities={str(prediction): confidence} if probabilities is None else probabilities,
            latency_ms=0.0,
        )
        self.ledger.record([row])
        return row.id

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in use."""
        return self._given or open_ledger(_settings())


def _settings() -> Settings:
    try:
        return Settings.load(find_project_file().parent)
    except ProjectError:
        return Settings.load()
