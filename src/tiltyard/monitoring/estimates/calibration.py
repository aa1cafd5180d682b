"""Calibrated probabilities: isotonic regression of each class against the rest.

Isotonic regression alone overfits its rows (its outer steps are 0 and 1 in any case), which makes estimates from few
rows too good. So rows of about the same score are grouped first, and the steps are joined by lines through their
centres (centred isotonic regression: Oron and Flournoy, Statistics in Biopharmaceutical Research 9, 2017). With more
than two classes, scaling to a sum of 1 undoes a part of the calibration, so it is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]

ROWS_OF_A_GROUP = 25
MIN_GROUPS = 10
PASSES = 2


@dataclass(frozen=True)
class Calibration:
    """Predictions, and the held-out rows that calibrate their probabilities.

    Attributes:
        held_out: (m, k) probabilities of rows whose labels are known.
        hits: (m, k) booleans: whether a row is of a class.
        raw: (n, k) probabilities to calibrate.
    """

    held_out: Probabilities
    hits: NDArray[np.bool_]
    raw: Probabilities

    @classmethod
    def prepare(
        cls,
        held_out: Probabilities,
        labels: NDArray[np.str_],
        classes: Sequence[str],
        raw: Probabilities,
    ) -> Calibration:
        """Prepare to calibrate.

        Args:
            held_out: (m, k) probabilities of rows whose labels are known.
            labels: their m labels.
            classes: the k labels.
            raw: (n, k) probabilities to calibrate.
        """
        return cls(held_out, labels[:, None] == np.asarray(classes)[None, :], raw)

    def calibrate_all(self) -> Probabilities:
        """(n, k) calibrated probabilities; rows sum to 1."""
        return self._fit(self.held_out, self.hits)

    def calibrate_resampled(self, random: np.random.Generator) -> Probabilities:
        """The same, with held-out rows drawn with replacement."""
        drawn = random.integers(0, len(self.held_out), len(self.held_out))
        return self._fit(self.held_out[drawn], self.hits[drawn])

    def _fit(self, known: Probabilities, hits: NDArray[np.bool_]) -> Probabilities:
        if known.shape[1] == 2:
            # With two classes, one determines the other.
            positive = calibrate(known[:, 1], hits[:, 1], self.raw[:, 1])
            return np.column_stack([1 - positive, positive])
        both = np.vstack([self.raw, known])
        for _ in range(PASSES):
            known = both[len(self.raw) :]
            both = _scale_rows(
                np.column_stack(
                    [calibrate(known[:, code], hits[:, code], both[:, code]) for code in range(known.shape[1])]
                )
            )
        return both[: len(self.raw)]


def calibrate(scores: Probabilities, hits: NDArray[np.bool_], new_scores: Probabilities) -> Probabilities:
    """The share of hits among rows of about the same score.

    Args:
        scores: m scores of rows with labels.
        hits: whether each is a hit.
        new_scores: n scores to calibrate.

    Returns:
        n shares, rising with the score.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    rows = len(scores)
    groups = np.arange(rows) * max(MIN_GROUPS, rows // ROWS_OF_A_GROUP) // rows
    # Rows of one score stay together.
    groups = groups[np.searchsorted(ordered, ordered, side="left")]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, rows)).astype(np.float64)
    centres = np.add.reduceat(ordered, starts) / sizes
    shares = np.add.reduceat(hits[order].astype(np.float64), starts) / sizes
    blocks = _pool_violators(zip(shares.tolist(), centres.tolist(), sizes.tolist(), strict=True))
    found: Probabilities = np.interp(new_scores, [centre for _, centre, _ in blocks], [share for share, _, _ in blocks])
    return found


def _pool_violators(groups: Iterable[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Shares, centres and sizes with every fall of the shares pooled (pool adjacent violators: Ayer and others, 1955).

    Written here because scikit-learn's takes a millisecond to check its arguments, and draws call it hundreds of times.
    """
    blocks: list[tuple[float, float, float]] = []
    for group in groups:
        block = group
        while blocks and blocks[-1][0] >= block[0]:
            (share, centre, size), (before, position, weight) = block, blocks.pop()
            total = weight + size
            block = (before * weight + share * size) / total, (position * weight + centre * size) / total, total
        blocks.append(block)
    return blocks


def _scale_rows(columns: Probabilities) -> Probabilities:
    total = columns.sum(axis=1, keepdims=True)
    even = np.full_like(columns, 1 / columns.shape[1])
    scaled: Probabilities = np.divide(columns, total, out=even, where=total > 0)
    return scaled
