"""Performance without labels, estimated from the confidence of the predictions (CBPE).

The confidence-based performance estimation of NannyML (https://nannyml.readthedocs.io, "How it works: performance
estimation"): where probabilities are calibrated, a prediction with a probability of 0.9 is right in nine cases of ten,
so that the expected confusion matrix follows from the probabilities alone. They are calibrated by isotonic regression
on rows that the version was not trained on (Zadrozny and Elkan, KDD 2002), each class against the rest and scaled to a
sum of 1 where there are more than two (``calibration`` describes how that differs from NannyML's).

**What it cannot see.** The estimate holds while the same input has the same label as often as before: when only the
inputs change. When their meaning changes (concept drift), it stays as confident as the model is. So labels replace
estimates as they come, and a finding reports where they contradict them. Nor can calibration speak for inputs that it
has not seen: see ``estimate_limits``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.labels import LabelCodec, order_classes
from tiltyard.drift.extrapolation import NO_EXTRAPOLATION, Extrapolation
from tiltyard.evaluation import METRICS, Interval, LabelledPredictions, Metric, get_metric
from tiltyard.evaluation.resampling.by_group import CONFIDENCE
from tiltyard.formatting import choose_form, format_count
from tiltyard.jsonable import json_form
from tiltyard.monitoring.estimates.calibration import Calibration
from tiltyard.monitoring.estimates.estimate_limits import find_broken_basis, widen_figures
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.registry import HoldoutPredictions
from tiltyard.tasks import DecisionRule

METHOD = "CBPE (NannyML), isotonic calibration on held-out rows"
BLIND_SPOT = (
    "An estimate from confidence assumes that the same input still has the same label as often as before. It cannot "
    "see concept drift; only labels can."
)
FEWEST_CALIBRATION_ROWS = 100
MOST_ROWS = 5_000
"""Predictions that an estimate is made from; of more, every k-th, which changes a share by less than its interval."""
DRAWS = 200
ESTIMATED = ("accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc")

_AT_ONCE = 2_000_000


class EstimateCheck(Protocol):
    """The estimate against the labels: of classes by accuracy, of numbers by the mean absolute error."""

    @property
    def rows(self) -> int:
        """Number of labelled predictions."""

    @property
    def estimated(self) -> Figure:
        """What was estimated for them without their labels."""

    @property
    def contradicts(self) -> bool:
        """Whether labels and estimate differ by more than the interval allows."""

    @property
    def is_worse(self) -> bool:
        """Whether the labels show less than the interval allows; where they show more, nothing is wrong."""

    @property
    def summary(self) -> str:
        """One line for people."""


@json_form(also=("contradicts",), names={"estimated": "estimated_accuracy"})
@dataclass(frozen=True)
class Contradiction:
    """The estimate against the labels, on the rows that have both.

    Attributes:
        rows: number of labelled predictions.
        accuracy: their accuracy.
        estimated: the accuracy of the same rows, estimated from confidence alone, with its interval.
    """

    rows: int
    accuracy: float
    estimated: Figure

    @property
    def contradicts(self) -> bool:
        """Whether labels and estimate differ by more than the interval allows."""
        interval = self.estimated.interval
        return interval is not None and not interval.low <= self.accuracy <= interval.high

    @property
    def is_worse(self) -> bool:
        """Whether the accuracy is below the interval of the estimate."""
        interval = self.estimated.interval
        return interval is not None and self.accuracy < interval.low

    @property
    def summary(self) -> str:
        """One line for people."""
        interval = self.estimated.interval
        ends = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
        return (
            f"on {format_count(self.rows, 'labelled prediction')} the accuracy is {self.accuracy:.4f}; the estimate is "
            f"{self.estimated.value:.4f}{ends}"
        )


@json_form(
    names={"figures": "metrics", "reason": "could_not_estimate"}, constants={"method": METHOD, "caveat": BLIND_SPOT}
)
@dataclass(frozen=True)
class Estimate:
    """The performance that labels would show, estimated from confidence.

    Attributes:
        since: start of the window.
        until: its end.
        version: the version that predicted.
        predictions: number of predictions.
        labelled: number of those with a label, which replaces the estimate.
        calibration_rows: held-out rows that the probabilities were calibrated on.
        figures: the estimated metrics by name; the interval holds the value that all labels would show with a
            confidence of 95 %.
        check: the estimate against the labels; None where there are too few.
        reason: why nothing could be estimated; empty where it could.
    """

    since: datetime | None
    until: datetime | None
    version: str
    predictions: int
    labelled: int
    calibration_rows: int
    figures: Mapping[str, Figure]
    check: EstimateCheck | None = None
    reason: str = ""


@dataclass(frozen=True)
class CbpeBasis:
    """The version and the rows from which its performance is estimated.

    Attributes:
        version: the version.
        classes: its labels, in the order of the held-out probabilities.
        held_out: rows to calibrate on; None where it has none.
        positive: the label that counts as positive; ignored where it does not occur.
        min_rows: with fewer predictions nothing is estimated.
        seed: of the draws.
        extrapolation: how far the inputs of the predictions are from those of its training.
        rule: by which it decides; None for the likeliest label.
    """

    version: str
    classes: tuple[str, ...]
    held_out: HoldoutPredictions | None
    positive: str | None = None
    min_rows: int = 30
    seed: int = 0
    extrapolation: Extrapolation = NO_EXTRAPOLATION
    rule: DecisionRule | None = None


def estimate_performance(
    window: PredictionWindow,
    basis: CbpeBasis,
    metric: str = "accuracy",
    *,
    names: Sequence[str] = ESTIMATED,
    most: int = MOST_ROWS,
) -> Estimate:
    """Estimate the performance of one version's predictions; labels replace probabilities where they are known.

    The interval comes from draws in which the held-out rows are resampled, the calibration is fitted again, and a label
    is drawn for every row from its calibrated probabilities. So it covers the uncertainty of the calibration and of the
    labels. Where inputs moved away from those of the training it is wider, and beyond them nothing is estimated.

    Args:
        window: predictions; those of other versions are left out.
        basis: the version and the rows to calibrate on.
        metric: the project's own metric, which is estimated too.
        names: metrics to estimate.
        most: predictions that the estimate is made from; of more, every k-th.
    """
    mine = window.take(window.versions == basis.version)
    held_out = basis.held_out
    reason = _find_obstacle(mine, basis)
    figures: Mapping[str, Figure] = {}
    check = None
    if not reason and held_out is not None:
        metrics = [get_metric(name) for name in dict.fromkeys((*names, metric))]
        figures = _Estimation(mine.take(choose_every_kth(len(mine), most)), basis, held_out).figures(metrics)
        unlabelled = 1 - float(mine.known.mean())
        figures = widen_figures(figures, basis.extrapolation, len(basis.classes), unlabelled)
        check = _compare_with_labels(mine, basis, held_out)
    return Estimate(
        since=window.since,
        until=window.until,
        version=basis.version,
        predictions=len(mine),
        labelled=int(mine.known.sum()),
        calibration_rows=0 if held_out is None else len(held_out),
        figures=figures,
        check=check,
        reason=reason,
    )


class _Estimation:
    """n predictions, each repeated for every class: once for every label that it may get.

    With a label's calibrated probability as the weight of its row, a metric of weighted rows is the metric of the
    expected confusion matrix; with weights of 0 and 1, that of drawn labels.
    """

    def __init__(self, window: PredictionWindow, basis: CbpeBasis, held_out: HoldoutPredictions) -> None:
        labels, classes = window.labels(), basis.classes
        self._classes = (*classes, *order_classes(set(labels.tolist()) - set(classes)))
        self._raw = _columns(window, classes)
        self._truth = np.full(len(window), -1)
        self._truth[window.known] = [self._classes.index(label) for label in labels]
        self._calibration = Calibration.prepare(held_out.probabilities, held_out.truth, classes, self._raw)
        self._rule = basis.rule
        self._repeated = self._repeat_rows(window, basis.positive)
        self._random = np.random.default_rng(basis.seed)

    def figures(self, metrics: Sequence[Metric]) -> dict[str, Figure]:
        """The metrics with their intervals; those that are not defined are left out."""
        expected = self._weights(self._calibration.calibrate_all())
        defined = [metric for metric in metrics if not self._is_undefined(metric)]
        values = {metric.name: float(metric.weighted(self._repeated, expected[None, :])[0]) for metric in defined}
        drawn: dict[str, list[NDArray[np.float64]]] = {metric.name: [] for metric in defined}
        at_once = max(1, _AT_ONCE // max(1, expected.size))
        for start in range(0, DRAWS, at_once):
            weights = np.stack([self._draw_weights() for _ in range(min(at_once, DRAWS - start))])
            for metric in defined:
                drawn[metric.name].append(metric.weighted(self._repeated, weights))
        return {
            name: _correct_bias(value, np.concatenate(drawn[name]))
            for name, value in values.items()
            if not np.isnan(value)
        }

    def _is_undefined(self, metric: Metric) -> bool:
        unknown = len(self._classes) > self._raw.shape[1]
        return metric.needs_probabilities and unknown

    def _repeat_rows(self, window: PredictionWindow, positive: str | None) -> LabelledPredictions:
        k, n = len(self._classes), len(window)
        order = np.argsort(self._classes)
        names = np.asarray(self._classes)
        probabilities = np.zeros((n, k))
        probabilities[:, : self._raw.shape[1]] = self._raw
        chosen = LabelCodec(self._classes).find_class(positive) or order_classes(self._classes)[-1]
        return LabelledPredictions(
            labels=np.tile(names, n),
            predicted=np.repeat(window.predicted, k),
            probabilities=np.repeat(probabilities[:, order], k, axis=0),
            classes=tuple(names[order].tolist()),
            positive=str(chosen),
            rule=self._rule,
            prices=self._rule,
        )

    def _weights(self, calibrated: NDArray[np.float64]) -> NDArray[np.float64]:
        """n * k weights: the calibrated probabilities, and the truth where it is known."""
        weights = np.zeros((len(self._truth), len(self._classes)))
        weights[:, : calibrated.shape[1]] = calibrated
        known = self._truth >= 0
        weights[known] = 0.0
        weights[known, self._truth[known]] = 1.0
        return weights.ravel()

    def _draw_weights(self) -> NDArray[np.float64]:
        calibrated = self._calibration.calibrate_resampled(self._random)
        rows, k = calibrated.shape
        edges = np.cumsum(calibrated, axis=1)
        chosen = (self._random.random((rows, 1)) * edges[:, -1:] >= edges).sum(axis=1).clip(0, k - 1)
        return self._weights(np.eye(k)[chosen])


def _compare_with_labels(
    window: PredictionWindow, basis: CbpeBasis, held_out: HoldoutPredictions
) -> Contradiction | None:
    """Compare the estimate with the labels, on the rows that have them."""
    rows = int(window.known.sum())
    if rows < basis.min_rows:
        return None
    labelled = window.take(window.known)
    labelled = labelled.take(choose_every_kth(rows, MOST_ROWS))
    right = float(np.mean(labelled.predicted == labelled.labels()))
    blind = replace(labelled, truth={})
    figures = _Estimation(blind, basis, held_out).figures([METRICS["accuracy"]])
    return Contradiction(rows, right, figures["accuracy"])


def _find_obstacle(window: PredictionWindow, basis: CbpeBasis) -> str:
    held_out, classes = basis.held_out, set(basis.classes)
    if window.is_of_numbers or not classes:
        return "The predictions are numbers, and the version predicts classes."
    if held_out is None:
        return "The version was packaged without held-out rows to calibrate on; versions trained from now on have them."
    if len(held_out) < FEWEST_CALIBRATION_ROWS:
        return f"{len(held_out)} held-out rows are too few to calibrate on; {FEWEST_CALIBRATION_ROWS} are needed."
    if len(window) < basis.min_rows:
        few = choose_form(len(window), "is", "are")
        return f"{format_count(len(window), 'prediction')} {few} too few for an estimate; {basis.min_rows} are needed."
    if any(set(row.probabilities) != classes for row in window.predictions):
        return "Not every prediction was recorded with the probability of every label of the version."
    return "" if window.known.all() else find_broken_basis(basis.extrapolation)


def _columns(window: PredictionWindow, classes: tuple[str, ...]) -> NDArray[np.float64]:
    return np.asarray([[row.probabilities[label] for label in classes] for row in window.predictions])


def choose_every_kth(rows: int, most: int) -> NDArray[np.bool_]:
    """A mask of at most ``most`` of n rows, evenly spaced."""
    mask = np.zeros(rows, dtype=np.bool_)
    mask[:: max(1, -(-rows // most))] = True
    return mask


def _correct_bias(value: float, drawn: NDArray[np.float64]) -> Figure:
    """The estimate less the bias that the draws show, with their interval (Efron and Tibshirani, 1993, chapter 10).

    A calibration overfits its rows a little. One that is fitted to drawn rows overfits again by as much, so the draws
    lie above the estimate by about as much as the estimate lies above the true value.
    """
    drawn = drawn[~np.isnan(drawn)]
    if 2 * len(drawn) < DRAWS:
        return Figure(value, None)
    bias = float(drawn.mean()) - value
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # The corrected interval and the plain one each hold too seldom in some cases: this one covers both.
    low, high = min(low, low - 2 * bias), max(high, high - 2 * bias)
    corrected = value - bias
    if drawn.min() >= 0 and drawn.max() <= 1:
        corrected, low, high = (float(np.clip(figure, 0, 1)) for figure in (corrected, low, high))
    return Figure(corrected, Interval(float(min(low, corrected)), float(max(high, corrected))))
