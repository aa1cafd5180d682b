"""Prediction intervals: from the errors on rows that did not teach the model, with a coverage that holds for any model.

Split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Lei et al.,
Journal of the American Statistical Association 113, 2018): where new rows are like those whose errors are known, at
least the stated share of them falls inside. Here the errors are signed, half of the rest is left out at either end, and
they are kept by the size of the prediction (Mondrian categories, Vovk et al., chapter 4), for large numbers are often
missed by more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError
from tiltyard.evaluation.intervals import Interval, share_interval
from tiltyard.evaluation.labelled_predictions import Codes, NumberPredictions
from tiltyard.jsonable import from_jsonable, to_jsonable

Numbers = NDArray[np.float64]
Method = Literal["cross-conformal", "split-conformal"]

ROWS_OF_A_BIN = 200
"""Errors that each bin of predictions has at the least, where there is more than one."""
MOST_BINS = 5


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the truth on rows that neither taught the model nor calibrated the intervals.

    Attributes:
        title: what the rows share; ``all rows`` for all of them.
        rows: number of rows.
        share: the share whose true number is inside.
        interval: Wilson's 95 % interval of that share; by groups where rows belong together.
        width: mean width of the intervals, in the unit of the label; None where some have no end.
    """

    title: str
    rows: int
    share: float
    interval: Interval
    width: float | None


@dataclass(frozen=True)
class IntervalCalibration:
    """What makes an interval of a predicted number.

    Attributes:
        level: the stated coverage, such as 0.9.
        method: whose errors it is made of: of rows that each fold of a cross-validation held out, or of rows that the
            model itself was not trained on.
        rows: how many errors.
        edges: rising predicted numbers that part the bins; one fewer than there are bins.
        low: for each bin what is added to the prediction for the lower end; None where there is none, for the rows are
            too few for this level.
        high: the same for the upper end.
        measured: the coverage that was measured, overall first, then by slice.
    """

    level: float
    method: Method
    rows: int
    edges: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    measured: tuple[Coverage, ...] = ()

    def make_intervals(self, predicted: Numbers) -> Numbers:
        """The intervals of n predicted numbers, (n, 2): lower and upper end, infinite where there is none."""
        bins = np.searchsorted(np.asarray(self.edges), predicted, side="right")
        low = np.array([-math.inf if value is None else value for value in self.low])
        high = np.array([math.inf if value is None else value for value in self.high])
        return np.column_stack([predicted + low[bins], predicted + high[bins]])

    def measure(self, held_out: NumberPredictions, slices: Sequence[tuple[str, NDArray[np.bool_]]] = ()) -> Coverage:
        """The coverage on rows that had no part in it; see ``with_measured`` for slices of them."""
        return self.with_measured(held_out, slices).measured[0]

    def with_measured(
        self, held_out: NumberPredictions, slices: Sequence[tuple[str, NDArray[np.bool_]]] = ()
    ) -> IntervalCalibration:
        """The same with the coverage on held-out rows, overall and by slice.

        Args:
            held_out: n rows that neither taught the model nor are among the errors.
            slices: of each slice its title and which of the n rows are in it.
        """
        ends = self.make_intervals(held_out.predicted)
        inside = (ends[:, 0] <= held_out.truth) & (held_out.truth <= ends[:, 1])
        every = np.ones(len(held_out), dtype=np.bool_)
        found = [
            _measure(title, inside, ends, held_out, rows)
            for title, rows in (("all rows", every), *slices)
            if rows.any()
        ]
        return replace(self, measured=tuple(found))

    def to_bytes(self) -> bytes:
        """JSON, for keeping."""
        return json.dumps(to_jsonable(self), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> IntervalCalibration:
        """The calibration that ``to_bytes`` wrote down.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            found = from_jsonable(cls, json.loads(content))
            bins = len(found.edges) + 1
            if not (len(found.low) == len(found.high) == bins and 0 < found.level < 1):
                raise ValueError("its bins do not fit together")
            if list(found.edges) != sorted(found.edges):
                raise ValueError("the edges of its bins do not rise")
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"The intervals of the version cannot be read: {str(error).splitlines()[0]}.",
                next_step="Find out who made the version, or train a new one.",
                code="artifact.unreadable",
            ) from None
        return found


def calibrate_intervals(errors: NumberPredictions, level: float, method: Method) -> IntervalCalibration:
    """Intervals that hold the truth of the stated share of rows like these.

    The upper end is the ceil((n + 1)(1 - a / 2))-th smallest of the n errors (truth less prediction), a = 1 - level;
    the lower end the floor((n + 1) a / 2)-th. Predictions are parted into at most five bins of 200 rows or more.

    Args:
        errors: n rows that did not teach the model that predicted them.
        level: the coverage, between 0 and 1.
        method: whose errors they are.
    """
    bins = min(MOST_BINS, max(1, len(errors) // ROWS_OF_A_BIN))
    edges = np.unique(np.quantile(errors.predicted, np.arange(1, bins) / bins)) if bins > 1 else np.zeros(0)
    places = np.searchsorted(edges, errors.predicted, side="right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    if counts.min() < ROWS_OF_A_BIN // 2:  # many predictions are the same number
        edges, places = np.zeros(0), np.zeros(len(errors), dtype=np.intp)
    missed = -errors.errors
    ends = [_find_ends(np.sort(missed[places == place]), level) for place in range(len(edges) + 1)]
    return IntervalCalibration(
        level=level,
        method=method,
        rows=len(errors),
        edges=tuple(map(float, edges)),
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
    )


def _find_ends(ordered: Numbers, level: float) -> tuple[float | None, float | None]:
    rows, rest = len(ordered), (1 - level) / 2
    # Rounding, as of 20 × 0.05, must not cost a rank.
    lower = math.floor((rows + 1) * rest + 1e-9)
    upper = math.ceil((rows + 1) * (1 - rest) - 1e-9)
    low = float(ordered[lower - 1]) if lower >= 1 else None
    high = float(ordered[upper - 1]) if upper <= rows else None
    return low, high


def _measure(
    title: str, inside: NDArray[np.bool_], ends: Numbers, held_out: NumberPredictions, rows: NDArray[np.bool_]
) -> Coverage:
    clusters: Codes | None = held_out.take(rows).clusters
    width = ends[rows, 1] - ends[rows, 0]
    return Coverage(
        title=title,
        rows=int(rows.sum()),
        share=float(inside[rows].mean()),
        interval=share_interval(inside[rows], clusters),
        width=float(width.mean()) if np.isfinite(width).all() else None,
    )
