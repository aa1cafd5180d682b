"""A table that says between which edges of a histogram a number lies, without searching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WITHOUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_FRACTION = 52  # bits of a double's fraction
_FINENESS = (3, 4, 5, 6, 7)  # bits of the fraction that tell cells apart
_OCTAVES = 16  # nearer to the centre than 2^-16 of the farthest edge, all is one cell
_DEEPEST = 2  # edges in one cell that ``number_kernels`` compares with
_MOST_EDGES = 1 << 12


@dataclass(frozen=True)
class BinIndex:
    """Cells by the exponent and the first bits of the fraction of a number's distance from a centre.

    They are narrow in the middle and wide outside, as the edges are, so that a few hundred cells part the edges of a
    normal, a uniform and a heavy-tailed distribution alike. Subtracting and taking the first bits never turns two
    numbers round: an edge of a lower cell than x's is at most x, one of a higher cell above it, however either was
    rounded; only those in the same cell are compared with. (The buckets are those of HdrHistogram; Tene, 2012.)

    Attributes:
        centre: an edge in the middle.
        first: first bits of the least distance that differs from none; last: of the greatest; shift: bits left out.
        begins: uint64 (2 (last - first + 1),): edges in the cells before each. No cell at all where some would hold
            more edges than two: then they must be searched.
    """

    centre: float
    first: int
    last: int
    shift: int
    begins: NDArray[np.uint64]

    @classmethod
    def fit(cls, edges: NDArray[np.float64]) -> BinIndex:
        """The coarsest grid whose cells hold two of b ascending edges at most."""
        # Above the greatest double lies infinity, from which nothing has a distance.
        finite = edges[np.isfinite(edges)]
        centre = float(finite[len(finite) // 2])
        for bits in _FINENESS:
            grid = cls._build_grid(edges, centre, _FRACTION - bits, _OCTAVES << bits)
            if len(edges) < _MOST_EDGES and np.bincount(grid.cells(edges)).max() <= _DEEPEST:
                return grid
        return cls(0.0, 0, 0, 0, np.zeros(0, np.uint64))

    @classmethod
    def _build_grid(cls, edges: NDArray[np.float64], centre: float, shift: int, most: int) -> BinIndex:
        distances = _bits(edges, centre) & _WITHOUT_SIGN
        apart = distances[distances > 0] >> shift
        last = int(apart.max(initial=0))
        first = max(int(apart.min(initial=last)), last - most)
        empty = cls(centre, first, last, shift, np.zeros(2 * (last - first + 1), np.uint64))
        begins = np.searchsorted(empty.cells(edges), np.arange(len(empty.begins)), side="left")
        return cls(centre, first, last, shift, begins.astype(np.uint64))

    def cells(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The cell of each value, as ``number_kernels`` finds it."""
        bits = _bits(values, self.centre)
        places = np.clip((bits & _WITHOUT_SIGN) >> self.shift, self.first, self.last) - self.first
        return np.asarray((len(self.begins) >> 1) + (places ^ (bits >> 63)), np.int64)


def _bits(values: NDArray[np.float64], centre: float) -> NDArray[np.int64]:
    with np.errstate(over="ignore"):
        return ((values - centre) + 0.0).view(np.int64)
