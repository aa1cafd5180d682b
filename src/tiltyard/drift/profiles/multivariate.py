"""How the numbers of a row hang together: distance from the plane of the reference's principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPLAINED = 0.65
"""Share of the variance that the plane must explain, as NannyML takes it."""

MOST = 8.0
"""Standard deviations at which a value is cut."""

LEAST_FEATURES = 3

_WIDEST = 64  # components of the plane at most, so that a row's cost stays bounded
_FIT_ROWS = 20_000
_AT_ONCE = 4096  # rows whose standardised numbers lie in the cache together


@dataclass(frozen=True)
class JointLayout:
    """The plane of the principal components of d numbers.

    Attributes:
        names: the d numbers.
        means: (d,); factors: (d,), one over the standard deviations; both of the reference.
        components: (d, k), orthonormal columns.
        weights: (k,), one over the variances along them.
    """

    names: tuple[str, ...]
    means: Floats
    factors: Floats
    components: Floats
    weights: Floats

    @classmethod
    def fit(cls, names: Sequence[str], columns: Sequence[Floats]) -> JointLayout | None:
        """The plane for n rows of d numbers; None where fewer than three of them vary."""
        if len(names) < LEAST_FEATURES:
            return None
        step = max(len(columns[0]) // _FIT_ROWS, 1)
        matrix = np.stack([np.asarray(column[::step], np.float64) for column in columns])
        matrix[~np.isfinite(matrix)] = np.nan
        kept = [row for row in range(len(names)) if np.isfinite(matrix[row]).any() and np.nanstd(matrix[row]) > 0]
        if len(kept) < LEAST_FEATURES or matrix.shape[1] <= 2 * len(kept):
            return None
        matrix = matrix[kept]
        means, spread = np.nanmean(matrix, axis=1), np.nanstd(matrix, axis=1)
        standard = np.clip(np.nan_to_num((matrix - means[:, None]) / spread[:, None]), -MOST, MOST)
        variances, vectors = np.linalg.eigh(standard @ standard.T / standard.shape[1])
        variances, vectors = np.maximum(variances[::-1], 0), vectors[:, ::-1]
        explained = np.cumsum(variances) / variances.sum()
        # One direction at least stays off the plane, or there would be no distance from it.
        width = min(int(np.searchsorted(explained, EXPLAINED)) + 1, len(kept) - 1, _WIDEST)
        return cls(
            tuple(names[row] for row in kept),
            means,
            1 / spread,
            np.ascontiguousarray(vectors[:, :width]),
            1 / np.maximum(variances[:width], 1e-12),
        )

    def measure(self, columns: Sequence[Floats]) -> Floats:
        """The squared residual and Hotelling's T² of n rows, (2, n), from their d numbers, (n,) each.

        A row that is unlike the reference in how its numbers hang together lies off the plane (Q; Jackson and
        Mudholkar, 1979); one that is far out in the usual directions has a large T².
        """
        from tiltyard.drift.profiles import number_kernels  # noqa: PLC0415

        rows = len(columns[0])
        out = np.empty((2, rows))
        standard = np.empty((len(columns), min(rows, _AT_ONCE)))
        rows_of_components = np.ascontiguousarray(self.components.T)
        for start in range(0, rows, _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, rows))
            for column, mean, factor, into in zip(columns, self.means, self.factors, standard, strict=True):
                number_kernels.standardise(column[part], mean, factor, MOST, into)
            number_kernels.project(standard, rows_of_components, self.weights, out[0, part], out[1, part])
        return out
