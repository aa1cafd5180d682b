"""Profiles of numbers: a histogram on fixed edges, exact moments, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.drift.profiles.bin_index import BinIndex

Floats = NDArray[np.float64]

QUANTILES = 64
"""Edges at quantiles of the reference, where they differ; a sample's distance is read at the edges."""

WIDTHS = 16
"""Edges at equal distances over the reference's range, for its thin parts."""

DISTINCT = 96
"""With at most so many distinct values, the edges are the values: nothing is lost."""

STEPS = 256.0
"""Steps of a standard deviation in which moments are counted."""

MOST = float(1 << 17)
"""Steps at which a value is cut for the moments (512 standard deviations): squares then sum exactly."""

_SPARE = 3  # places behind the last edge into which the kernel may look


@dataclass(frozen=True)
class NumberLayout:
    """How a number's values are binned: fixed once, by the reference.

    Attributes:
        edges: float64 (b,), ascending; value x lies in bin ``searchsorted(edges, x, "right")`` of b + 1. The first
            edge is the reference's least value and the last lies just above its greatest, so that the outermost
            bins hold what the reference never saw.
        centre: the reference's mean.
        scale: its standard deviation; 1 where it has none.
    """

    edges: Floats
    centre: float
    scale: float

    @classmethod
    def fit(cls, values: Floats) -> NumberLayout:
        """The layout for a reference of n values; NaN and infinities are passed over."""
        finite = values[np.isfinite(values)]
        if not finite.size:
            return cls(np.array([0.0]), 0.0, 1.0)
        # Near the ends of what a double holds, means and steps overflow; edges do not mind.
        with np.errstate(all="ignore"):
            distinct = np.unique(finite)
            if distinct.size > DISTINCT:
                inner = np.quantile(finite, np.linspace(0, 1, QUANTILES + 1))
                even = np.linspace(distinct[0], distinct[-1], WIDTHS + 1)
                inside = np.concatenate([distinct[[0, -1]], inner, even])
                distinct = np.unique(inside[np.isfinite(inside)])
            edges = np.append(distinct, np.nextafter(distinct[-1], np.inf))
            centre, scale = float(np.mean(finite)), float(np.std(finite))
            usable = np.isfinite(centre) and scale > 0 and np.isfinite(scale) and np.isfinite(STEPS / scale)
        return cls(edges, centre if usable else float(distinct[0]), scale if usable else 1.0)

    @property
    def steps(self) -> float:
        """Steps of the moments in one unit of the values."""
        return STEPS / self.scale

    @cached_property
    def compiled(self) -> tuple[Any, ...]:
        """The layout as ``number_kernels.count_numbers`` takes it."""
        grid = BinIndex.fit(self.edges)
        size = 1 << (len(self.edges) + _SPARE - 1).bit_length()
        edges = np.append(self.edges, np.full(size - len(self.edges), np.nan))
        bounds = (grid.centre, np.int64(grid.first), np.int64(grid.last), np.int64(grid.shift))
        return edges, grid.begins, bounds, (self.centre, self.steps, MOST)

    @cached_property
    def centres(self) -> Floats:
        """A value that stands for each bin, float64 (b + 1,): its middle, or the edge of those that are open."""
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        if len(self.edges) <= DISTINCT + 1:
            middles = self.edges[:-1]
        return np.concatenate([self.edges[:1], middles, self.edges[-1:]])


@dataclass(frozen=True, eq=False)
class NumberCounts:
    """What n values of a number look like. All of it is whole numbers and extremes, so merging is exact.

    Attributes:
        bins: int64 (b + 1,), values in each bin of the layout.
        missing: values that are missing.
        invalid: values that are not numbers.
        total: sum of the values in steps from the centre.
        squares: sum of their squares.
        low: least value; infinity where there is none.
        high: greatest value; minus infinity where there is none.
    """

    bins: NDArray[np.int64]
    missing: int = 0
    invalid: int = 0
    total: int = 0
    squares: int = 0
    low: float = float("inf")
    high: float = float("-inf")

    @classmethod
    def empty(cls, layout: NumberLayout) -> NumberCounts:
        """The profile of no values."""
        return cls(np.zeros(len(layout.edges) + 1, np.int64))

    @classmethod
    def from_values(cls, layout: NumberLayout, values: Floats, invalid: int = 0) -> NumberCounts:
        """The profile of values; NaN is missing, and ``invalid`` of those were something else than numbers."""
        from tiltyard.drift.profiles import number_kernels  # noqa: PLC0415

        bins, sums = np.zeros((4, len(layout.edges) + 2), np.int64), np.zeros(2, np.int64)
        extremes = np.array([np.inf, -np.inf])
        # Columns of a frame cannot be written to, arrays can: as one kind, the loop is compiled once.
        values = values.view()
        values.flags.writeable = False
        number_kernels.count_numbers(values, layout.compiled, bins, sums, extremes)
        counts = bins.sum(axis=0)
        # Adding nothing makes zero of minus zero, which would tell the order of the values.
        low, high = (extremes + 0.0).tolist()
        missing, total, squares = int(counts[-1]), *sums.tolist()
        return cls(counts[:-1], missing - invalid, invalid, total, squares, low, high)

    @cached_property
    def present(self) -> int:
        """Values that are numbers."""
        return int(self.reached[-1])

    @cached_property
    def reached(self) -> NDArray[np.int64]:
        """Values up to each bin, that one included."""
        return self.bins.cumsum()

    @cached_property
    def shares(self) -> Floats:
        """The share of the values up to each bin; only where there are values."""
        shares: Floats = self.reached / self.reached[-1]
        return shares

    @property
    def rows(self) -> int:
        """Values of any kind."""
        return self.present + self.missing + self.invalid

    def __add__(self, other: NumberCounts) -> NumberCounts:
        """The profile of both."""
        return NumberCounts(
            self.bins + other.bins,
            self.missing + other.missing,
            self.invalid + other.invalid,
            self.total + other.total,
            self.squares + other.squares,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberCounts) and self.to_stored() == other.to_stored()

    def __hash__(self) -> int:
        return hash((self.present, self.missing, self.total))

    def mean(self, layout: NumberLayout) -> float:
        """The mean of the values, to 1/256 of the reference's standard deviation; NaN where there is none."""
        return layout.centre + self.total / self.present / layout.steps if self.present else float("nan")

    def std(self, layout: NumberLayout) -> float:
        """The standard deviation of the values; NaN where there is none."""
        if not self.present:
            return float("nan")
        mean = self.total / self.present
        return float(np.sqrt(max(self.squares / self.present - mean * mean, 0.0)) / layout.steps)

    def median(self, layout: NumberLayout) -> float:
        """The median of the values, as near as the bins tell it; NaN where there is none.

        Of at most 96 distinct values it is exact; else it lies between the edges of a bin, on a straight line.
        """
        present = self.present
        if not present:
            return float("nan")
        reached = self.reached
        place = int(reached.searchsorted(present / 2))
        if place in (0, len(layout.edges)) or len(layout.edges) <= DISTINCT + 1:
            # Outside of the edges, only the extremes are known.
            known = layout.centres[place]
            return float(min(max(known, self.low), self.high))
        left, right = layout.edges[place - 1], layout.edges[place]
        part = (present / 2 - (reached[place] - self.bins[place])) / self.bins[place]
        return float(min(max(left + part * (right - left), self.low), self.high))

    def to_stored(self) -> dict[str, Any]:
        """Its form in JSON, where the extremes are one range: none without values, and infinities as text."""
        extremes = [value if np.isfinite(value) else str(value) for value in (self.low, self.high)]
        return {
            "bins": self.bins.tolist(),
            "missing": self.missing,
            "invalid": self.invalid,
            "total": self.total,
            "squares": self.squares,
            "range": extremes if self.present else None,
        }

    @classmethod
    def from_stored(cls, data: Mapping[str, Any]) -> NumberCounts:
        """The profile that ``to_stored`` wrote down."""
        low, high = data["range"] or (float("inf"), float("-inf"))
        bins = np.array(data["bins"], np.int64)
        return cls(bins, data["missing"], data["invalid"], data["total"], data["squares"], float(low), float(high))
