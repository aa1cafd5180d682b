"""Probabilities that mean what they say: isotonic regression of each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class _Curve:
    """The rows that one class is calibrated on.

    Attributes:
        scores: the different scores, ascending.
        place: n positions of the held-out rows among them.
        hits: n booleans: whether a row is of the class.
        asked: scores to calibrate.
    """

    scores: Probabilities
    place: NDArray[np.intp]
    hits: NDArray[np.bool_]
    asked: Probabilities

    def calibrated(self, weights: Probabilities) -> Probabilities:
        """The asked scores as probabilities, by the held-out rows with these weights."""
        rows = np.bincount(self.place, weights, len(self.scores))
        hits = np.bincount(self.place, weights * self.hits, len(self.scores))
        held = rows > 0
        steps = isotonic_regression(hits[held] / rows[held], sample_weight=rows[held], y_min=0.0, y_max=1.0)
        calibrated: Probabilities = np.interp(self.asked, self.scores[held], steps)
        return calibrated


@dataclass(frozen=True)
class Calibration:
    """Answers beside the held-out rows that say what their probabilities are worth. Made by ``prepare``."""

    curves: tuple[_Curve, ...]
    rows: int

    @classmethod
    def prepare(
        cls,
        held_out: Probabilities,
        truth: NDArray[np.str_],
        classes: Sequence[str],
        asked: Probabilities,
    ) -> Calibration:
        """Prepare to calibrate.

        Args:
            held_out: (m, k) probabilities of rows whose truth is known.
            truth: their m true labels.
            classes: the k labels.
            asked: (n, k) probabilities to calibrate.
        """
        # Of two classes the one says all about the other.
        columns = [1] if len(classes) == 2 else range(len(classes))
        curves = []
        for column in columns:
            scores, place = np.unique(held_out[:, column], return_inverse=True)
            curves.append(_Curve(scores, place, truth == classes[column], asked[:, column]))
        return cls(tuple(curves), len(truth))

    def fitted(self) -> Probabilities:
        """(n, k) calibrated probabilities; rows sum to 1."""
        return self._calibrated(np.ones(self.rows))

    def resampled(self, random: np.random.Generator) -> Probabilities:
        """The same, by held-out rows drawn with replacement."""
        drawn = np.bincount(random.integers(0, self.rows, self.rows), minlength=self.rows)
        return self._calibrated(drawn.astype(np.float64))

    def _calibrated(self, weights: Probabilities) -> Probabilities:
        columns = np.stack([curve.calibrated(weights) for curve in self.curves], axis=1)
        if len(self.curves) == 1:
            return np.hstack([1 - columns, columns])
        total = columns.sum(axis=1, keepdims=True)
        even = np.full_like(columns, 1 / columns.shape[1])
        scaled: Probabilities = np.divide(columns, total, out=even, where=total > 0)
        return scaled
