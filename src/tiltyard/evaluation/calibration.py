"""Calibration of probabilities: a reliability table overall and for each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.groups import make_keys
from tiltyard.evaluation.intervals import Interval, share_interval
from tiltyard.evaluation.labelled_predictions import Codes, LabelledPredictions, number_clusters
from tiltyard.evaluation.metrics import CALIBRATION_BINS
from tiltyard.evaluation.resampling.by_group import CONFIDENCE
from tiltyard.jsonable import json_form


@dataclass(frozen=True)
class ReliabilityBin:
    """Rows with about the same predicted probability.

    Attributes:
        low: least probability of the bin, included.
        high: greatest, excluded but in the last bin.
        rows: number of rows.
        predicted: mean predicted probability.
        observed: share of the rows of which it came true.
        interval: Wilson's 95 % interval of that share, by groups where rows belong together.
    """

    low: float
    high: float
    rows: int
    predicted: float
    observed: float
    interval: Interval


@json_form(names={"error": "calibration_error"})
@dataclass(frozen=True)
class Reliability:
    """A reliability diagram as numbers (DeGroot and Fienberg, 1983).

    Attributes:
        error: mean distance between predicted and observed, weighted by rows (the expected calibration error).
        bins: the bins of equal width that hold rows, ascending.
    """

    error: float
    bins: tuple[ReliabilityBin, ...]


@json_form(
    without=("positive",),
    names={"confidence": "predicted_label", "by_label": "labels"},
    constants={"confidence_level": CONFIDENCE},
)
@dataclass(frozen=True)
class CalibrationReport:
    """How well predicted probabilities agree with observed frequencies.

    Attributes:
        confidence: of the predicted label's probability; its error is the metric ``calibration_error``.
        by_label: of each label's probability, whether it was the greatest or not (Kull et al., 2019).
        positive: the label that counts as positive where there are two.
    """

    confidence: Reliability
    by_label: Mapping[str, Reliability]
    positive: str

    @property
    def metrics(self) -> dict[str, float]:
        """For a run: ``calibration.LABEL.error`` of each label."""
        keys = make_keys(list(self.by_label))
        return {f"calibration.{key}.error": one.error for key, one in zip(keys, self.by_label.values(), strict=True)}


def evaluate_calibration(labelled: LabelledPredictions) -> CalibrationReport | None:
    """Compare probabilities with the true labels, in 15 bins of equal width; None where there are no probabilities."""
    if labelled.probabilities is None:
        return None
    probabilities = labelled.probabilities
    codes = labelled.predicted_codes
    confidence = probabilities[np.arange(len(codes)), codes]
    certain = _reliability(confidence, codes == labelled.truth, labelled.clusters)
    by_label = {
        label: _reliability(probabilities[:, code], labelled.truth == code, labelled.clusters)
        for code, label in enumerate(labelled.classes)
        if label not in labelled.unknown
    }
    return CalibrationReport(certain, by_label, labelled.positive)


def _reliability(
    probabilities: NDArray[np.float64], came_true: NDArray[np.bool_], clusters: Codes | None
) -> Reliability:
    positions = np.minimum((probabilities * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    counts = np.bincount(positions, minlength=CALIBRATION_BINS)
    predicted = np.bincount(positions, weights=probabilities, minlength=CALIBRATION_BINS)
    observed = np.bincount(positions, weights=came_true, minlength=CALIBRATION_BINS)
    bins = tuple(
        ReliabilityBin(
            low=position / CALIBRATION_BINS,
            high=(position + 1) / CALIBRATION_BINS,
            rows=int(counts[position]),
            predicted=float(predicted[position] / counts[position]),
            observed=float(observed[position] / counts[position]),
            interval=_interval(came_true, clusters, positions == position),
        )
        for position in np.flatnonzero(counts)
    )
    return Reliability(float(np.abs(predicted - observed).sum() / len(probabilities)), bins)


def _interval(came_true: NDArray[np.bool_], clusters: Codes | None, inside: NDArray[np.bool_]) -> Interval:
    return share_interval(came_true[inside], None if clusters is None else number_clusters(clusters[inside]))
