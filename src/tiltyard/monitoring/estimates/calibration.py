"""Probabilities that mean what they say: isotonic regression of each class against the rest.

Isotonic regression alone follows its rows too closely (its outer steps are 0 and 1, whatever the truth), which makes
estimates from few rows too good. So rows of about the same score are taken together first, and the steps are joined by
lines through their centres (centred isotonic regression: Oron and Flournoy, Statistics in Biopharmaceutical Research 9,
2017). With more than two classes, scaling to a sum of 1 undoes a part of the calibration; so it is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]

ROWS_TOGETHER = 25
FEWEST_GROUPS = 10
PASSES = 2


@dataclass(frozen=True)
class Calibration:
    """Answers beside the held-out rows that say what their probabilities are worth.

    Attributes:
        held_out: (m, k) probabilities of rows whose truth is known.
        hits: (m, k) booleans: whether a row is of a class.
        asked: (n, k) probabilities to calibrate.
    """

    held_out: Probabilities
    hits: NDArray[np.bool_]
    asked: Probabilities

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
        return cls(held_out, truth[:, None] == np.asarray(classes)[None, :], asked)

    def fitted(self) -> Probabilities:
        """(n, k) calibrated probabilities; rows sum to 1."""
        return self._calibrated(self.held_out, self.hits, self.asked)

    def resampled(self, random: np.random.Generator) -> Probabilities:
        """The same, by held-out rows drawn with replacement."""
        drawn = random.integers(0, len(self.held_out), len(self.held_out))
        return self._calibrated(self.held_out[drawn], self.hits[drawn], self.asked)

    def _calibrated(self, known: Probabilities, hits: NDArray[np.bool_], asked: Probabilities) -> Probabilities:
        if known.shape[1] == 2:
            # Of two classes the one says all about the other.
            positive = calibrate(known[:, 1], hits[:, 1], asked[:, 1])
            return np.column_stack([1 - positive, positive])
        both = np.vstack([asked, known])
        for _ in range(PASSES):
            known = both[len(asked) :]
            both = _to_one(
                np.column_stack(
                    [calibrate(known[:, code], hits[:, code], both[:, code]) for code in range(known.shape[1])]
                )
            )
        return both[: len(asked)]


def calibrate(scores: Probabilities, hits: NDArray[np.bool_], asked: Probabilities) -> Probabilities:
    """How often a row of such a score is a hit.

    Args:
        scores: m scores of rows that are known.
        hits: whether each is a hit.
        asked: n scores.

    Returns:
        n shares, rising with the score.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    rows = len(scores)
    groups = np.arange(rows) * max(FEWEST_GROUPS, rows // ROWS_TOGETHER) // rows
    # Rows of one score stay together.
    groups = groups[np.searchsorted(ordered, ordered, side="left")]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, rows)).astype(np.float64)
    centres = np.add.reduceat(ordered, starts) / sizes
    shares = np.add.reduceat(hits[order].astype(np.float64), starts) / sizes
    blocks = _pooled(zip(shares.tolist(), centres.tolist(), sizes.tolist(), strict=True))
    found: Probabilities = np.interp(asked, [centre for _, centre, _ in blocks], [share for share, _, _ in blocks])
    return found


def _pooled(groups: Iterable[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Shares, centres and sizes with every fall of the shares pooled (pool adjacent violators: Ayer and others, 1955).

    Written out because scikit-learn's takes a millisecond to check its arguments, and draws need it hundreds of times.
    """
    blocks: list[tuple[float, float, float]] = []
    for group in groups:
        block = group
        while blocks and blocks[-1][0] >= block[0]:
            (share, centre, size), (before, place, weight) = block, blocks.pop()
            total = weight + size
            block = (before * weight + share * size) / total, (place * weight + centre * size) / total, total
        blocks.append(block)
    return blocks


def _to_one(columns: Probabilities) -> Probabilities:
    total = columns.sum(axis=1, keepdims=True)
    even = np.full_like(columns, 1 / columns.shape[1])
    scaled: Probabilities = np.divide(columns, total, out=even, where=total > 0)
    return scaled
