"""The recorded answers of a stretch of time, beside the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation import LabelledPredictions, label_predictions
from tiltyard.ledger import Label, Ledger, Prediction

MOST_ROWS = 100_000
"""Answers of a window that are read one by one: the newest; what is counted is counted over all of them."""


@dataclass(frozen=True)
class PredictionWindow:
    """n recorded answers, oldest first.

    Attributes:
        model: name of the registered model.
        since: start of the stretch; None for everything there is.
        until: its end, itself left out; None for now.
        predictions: the n answers.
        truth: the label that counts, by prediction id, as far as it is known.
        left_out: answers of the stretch that were not read, the older ones.
    """

    model: str
    since: datetime | None
    until: datetime | None
    predictions: tuple[Prediction, ...]
    truth: Mapping[str, Label]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.predictions)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every label that an answer gives a probability to, or that was predicted, sorted."""
        named = {label for prediction in self.predictions for label in prediction.probabilities}
        return tuple(sorted(named | set(self.predicted.tolist())))

    @cached_property
    def predicted(self) -> NDArray[np.str_]:
        """n predicted labels."""
        return np.asarray([prediction.label for prediction in self.predictions], dtype=str)

    @cached_property
    def versions(self) -> NDArray[np.str_]:
        """n versions that answered."""
        return np.asarray([prediction.version for prediction in self.predictions], dtype=str)

    @cached_property
    def routes(self) -> NDArray[np.str_]:
        """n routes by which the answers went."""
        return np.asarray([prediction.route for prediction in self.predictions], dtype=str)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """n probabilities of the predicted labels."""
        return np.asarray([prediction.confidence for prediction in self.predictions], dtype=np.float64)

    @cached_property
    def latency_ms(self) -> NDArray[np.float64]:
        """n times from acceptance to the ledger, in milliseconds."""
        return np.asarray([prediction.latency_ms for prediction in self.predictions], dtype=np.float64)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """n booleans: whether the truth is known."""
        return np.fromiter((row.id in self.truth for row in self.predictions), dtype=np.bool_, count=len(self))

    @property
    def coverage(self) -> float:
        """Share of the answers whose truth is known; 0 where there are none."""
        return float(self.known.mean()) if len(self) else 0.0

    @property
    def has_probabilities(self) -> bool:
        """Whether every answer tells the probability of every label, so that ranking and calibration can be judged."""
        return len(self) > 0 and all(len(row.probabilities) == len(self.classes) for row in self.predictions)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, k) probabilities, columns in the order of the classes; what an answer does not name is 0."""
        place = {label: column for column, label in enumerate(self.classes)}
        found = np.zeros((len(self), len(self.classes)))
        for row, prediction in enumerate(self.predictions):
            for label, probability in prediction.probabilities.items():
                found[row, place[label]] = probability
        return found

    def labels(self) -> NDArray[np.str_]:
        """The true labels of the rows where they are known, in their order."""
        return np.asarray([self.truth[row.id].label for row in self.predictions if row.id in self.truth], dtype=str)

    def judged(self, positive: str | None = None) -> LabelledPredictions:
        """The answers whose truth is known, beside it; at least one must be.

        Args:
            positive: the label that counts as positive; one that does not occur is passed over.
        """
        known = self.known
        labels = self.labels()
        probabilities = self.probabilities[known] if self.has_probabilities else None
        occurring = {*self.classes, *labels.tolist()}
        chosen = positive if positive in occurring else None
        return label_predictions(labels, self.predicted[known], probabilities, self.classes, chosen)

    def take(self, chosen: NDArray[np.bool_]) -> PredictionWindow:
        """The answers where ``chosen`` (n booleans) is true."""
        kept = tuple(row for row, wanted in zip(self.predictions, chosen, strict=True) if wanted)
        return replace(self, predictions=kept, truth=_of(self.truth, kept))

    def between(self, since: datetime, until: datetime) -> PredictionWindow:
        """The answers from ``since`` until before ``until``."""
        kept = tuple(row for row in self.predictions if since <= row.at < until)
        return replace(self, since=since, until=until, predictions=kept, truth=_of(self.truth, kept), left_out=0)


def read_prediction_window(
    ledger: Ledger,
    model: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    version: str | None = None,
    most: int = MOST_ROWS,
) -> PredictionWindow:
    """Read the predictions that callers received in a period, at most ``most`` of them, the newest.

    What a challenger predicted in the shadow is left out.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    newest = ledger.predictions(
        project=model, since=since, until=until, version=version, shadow=False, limit=most, newest_first=True
    )
    rows = tuple(reversed(list(newest)))
    begin = rows[0].at if len(rows) == most and rows else since
    held = {row.id for row in rows}
    labelled = ledger.labelled_predictions(project=model, since=begin, until=until, version=version, shadow=False)
    truth = {row.id: label for row, label in labelled if row.id in held}
    left_out = 0
    if len(rows) == most and version is None:
        left_out = max(0, ledger.prediction_stats(model, since, until).total - len(rows))
    return PredictionWindow(model, since, until, rows, truth, left_out)


def _of(truth: Mapping[str, Label], rows: Sequence[Prediction]) -> dict[str, Label]:
    return {row.id: truth[row.id] for row in rows if row.id in truth}
