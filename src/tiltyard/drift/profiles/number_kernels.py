"""The compiled loops that profile numbers: bins, moments, the joint of a row.

This module imports numba and is imported only where rows are about to be profiled. The loops are cut so that the
compiler can work on several values at once: what is done to each value by itself stands apart from what adds up, and a
block of values stays in the innermost cache between the two. Whatever adds up is whole numbers below 2^53, exact in
any order, and a row's own sums keep theirs: so every row gets the same measures, whichever rows come with it, and a
profile of parts is the profile of the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel, compile_reordered

_BLOCK = 1024
_ROWS = 256  # whose standardised numbers stay in the innermost cache
_WITHOUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_SIGN = np.int64(63)


@compile_kernel
def count_numbers(values: Any, layout: Any, bins: Any, sums: Any, extremes: Any) -> Any:
    """Add n values to a histogram and to exact moments.

    Value x falls into bin ``searchsorted(edges, x, side="right")``.

    Args:
        values: float64 (n,); NaN is missing.
        layout: (edges, begins, grid, scaling).
            edges float64 (2^s,): b of them, ascending, then NaN to fill up, three at least.
            begins uint64 (cells,) and grid (centre, first, last, shift): the table of ``Grid``; without cells, the
            edges are searched through.
            scaling (centre, steps a unit, most): a value counts as round((x - centre) * steps), cut at ± most.
        bins: int64 (4, b + 2), added to, the missing last; the histogram is the sum of its rows. With one row alone
            each count would have to wait for the one before.
        sums: int64 (2,): sum and sum of squares of the steps, added to.
        extremes: float64 (2,): least and greatest, moved.
    """
    edges, begins, grid, scaling = layout
    missing = np.uint64(bins.shape[1] - 1)
    cells, steps = np.empty(_BLOCK, np.uint32), np.empty(_BLOCK)
    # One bid for the least and the greatest for each place in a block, so that none waits for its neighbour's.
    lows, highs = np.full(_BLOCK, np.inf), np.full(_BLOCK, -np.inf)
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        if begins.size:
            _find_cells(block, grid, begins.size >> 1, cells)
            _count_by_cells(block, cells, begins, edges, missing, bins)
        else:
            _count_by_search(block, edges, missing, bins)
        _measure(block, scaling, steps, lows, highs)
        total, squares = _add_up(steps, block.size)
        sums[0] += np.int64(total)
        sums[1] += np.int64(squares)
    for i in range(_BLOCK):
        extremes[0] = min(extremes[0], lows[i])
        extremes[1] = max(extremes[1], highs[i])


@compile_inline
def _find_cells(values: Any, grid: Any, half: Any, cells: Any) -> Any:
    """The cell of each value: by exponent and first bits of the distance from the centre, as ``Grid.cells``."""
    centre, first, last, shift = grid
    for i in range(values.size):
        # Adding nothing turns minus zero, whose bits are those of a negative number, into zero.
        bits = np.float64((values[i] - centre) + 0.0).view(np.int64)
        place = min(max((bits & _WITHOUT_SIGN) >> shift, first), last) - first
        cells[i] = half + (place ^ (bits >> _SIGN))


@compile_inline
def _count_by_cells(values: Any, cells: Any, begins: Any, edges: Any, missing: Any, bins: Any) -> Any:
    """Count values whose cells hold two edges at most."""
    for i in range(values.size):
        x = values[i]
        begin = begins[np.uint64(cells[i])]
        place = begin + np.uint64(edges[begin] <= x) + np.uint64(edges[begin + np.uint64(1)] <= x)
        bins[i & 3, place if x == x else missing] += 1  # noqa: PLR0124 - not NaN


@compile_inline
def _count_by_search(values: Any, edges: Any, missing: Any, bins: Any) -> Any:
    """Count values by bisection of all edges, without a branch to guess at."""
    for i in range(values.size):
        x = values[i]
        place = np.uint64(0)
        width = np.uint64(edges.size >> 1)
        while width:
            place += width * np.uint64(edges[place + width - np.uint64(1)] <= x)
            width >>= np.uint64(1)
        bins[i & 3, place if x == x else missing] += 1  # noqa: PLR0124 - not NaN


@compile_inline
def _measure(values: Any, scaling: Any, steps: Any, lows: Any, highs: Any) -> Any:
    """Each value in steps from the centre, NaN in none; and the least and the greatest at its place so far."""
    centre, pace, most = scaling
    for i in range(values.size):
        x = values[i]
        step = np.floor(min(max((x - centre) * pace, -most), most) + 0.5)
        steps[i] = step if x == x else 0.0  # noqa: PLR0124 - not NaN
        lows[i] = x if x < lows[i] else lows[i]
        highs[i] = x if x > highs[i] else highs[i]


@compile_reordered
def _add_up(steps: Any, rows: Any) -> Any:
    """Sum and sum of squares. Steps are whole and below 2^18: the sums are exact."""
    total = squares = 0.0
    for i in range(rows):
        total += steps[i]
        squares += steps[i] * steps[i]
    return total, squares


@compile_kernel
def standardise(values: Any, mean: Any, factor: Any, most: Any, out: Any) -> Any:
    """Write n values as (x - mean) * factor, cut at ± most; NaN counts as the mean."""
    for i in range(values.size):
        x = values[i]
        z = min(max((x - mean) * factor, -most), most)
        out[i] = z if x == x else 0.0  # noqa: PLR0124 - not NaN


@compile_kernel
def project(standard: Any, components: Any, weights: Any, residual: Any, spread: Any) -> Any:
    """How far each row is from the plane of the principal components, and how far out on it.

    Args:
        standard: float64 (d, m), standardised, one row a feature; the first n of the m columns are read.
        components: float64 (k, d), orthonormal rows.
        weights: float64 (k,), one over the components' variances.
        residual: float64 (n,), written: squared residual (Q); spread: float64 (n,), Hotelling's T² on the plane.
    """
    k = components.shape[0]
    one, other = np.empty(_ROWS), np.empty(_ROWS)
    for start in range(0, residual.size, _ROWS):
        off, out = residual[start : start + _ROWS], spread[start : start + _ROWS]
        off[:] = 0.0
        out[:] = 0.0
        for j in range(standard.shape[0]):
            _add_squares(standard[j, start : start + off.size], off)
        on_plane = np.zeros(off.size)
        for c in range(0, k, 2):
            last = min(c + 1, k - 1)
            _score_two(standard, start, components[c], components[last], one[: off.size], other[: off.size])
            _add_scores(one, weights[c], on_plane, out)
            if last > c:
                _add_scores(other, weights[last], on_plane, out)
        for i in range(off.size):
            off[i] = max(off[i] - on_plane[i], 0.0)


@compile_inline
def _score_two(standard: Any, start: Any, first: Any, second: Any, one: Any, other: Any) -> Any:
    """The rows' scalar products with two components, four features at a time so that sums stay in registers."""
    d, end = first.size, start + one.size
    whole = d - d % 4
    one[:] = 0.0
    other[:] = 0.0
    for j in range(0, whole, 4):
        f0, f1, f2, f3 = first[j], first[j + 1], first[j + 2], first[j + 3]
        s0, s1, s2, s3 = second[j], second[j + 1], second[j + 2], second[j + 3]
        z0, z1 = standard[j, start:end], standard[j + 1, start:end]
        z2, z3 = standard[j + 2, start:end], standard[j + 3, start:end]
        for i in range(one.size):
            one[i] = (((one[i] + z0[i] * f0) + z1[i] * f1) + z2[i] * f2) + z3[i] * f3
            other[i] = (((other[i] + z0[i] * s0) + z1[i] * s1) + z2[i] * s2) + z3[i] * s3
    for j in range(whole, d):
        f0, s0, z0 = first[j], second[j], standard[j, start:end]
        for i in range(one.size):
            one[i] += z0[i] * f0
            other[i] += z0[i] * s0


@compile_inline
def _add_squares(values: Any, sums: Any) -> Any:
    for i in range(sums.size):
        sums[i] += values[i] * values[i]


@compile_inline
def _add_scores(scores: Any, weight: Any, on_plane: Any, spread: Any) -> Any:
    for i in range(on_plane.size):
        square = scores[i] * scores[i]
        on_plane[i] += square
        spread[i] += square * weight
