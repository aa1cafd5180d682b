"""The compiled loops over the mask tables of trees: see ``mask_tables``.

They lead to the leaves that ``tree_kernels`` would walk to, and add them in the same order and precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import (
    compile_holding_lock,
    compile_inline,
    count_exceeded,
    count_items,
    keep_common_bits,
    lowest_bit,
)
from tiltyard.scoring.table.row_kernels import read_row
from tiltyard.scoring.table.table_kernels import prepare_row
from tiltyard.scoring.trees.tree_kernels import LEAVES, OUTPUT, add_leaf, fill_columns
from tiltyard.scoring.trees.tree_links import SINGLE, finish_row

COLUMN, FIRST, BLOCKS, COUNT, ROW, CODES = range(6)  # of a span
ADDRESSES, SOURCE, KINDS, OFFSETS, TREE_COLUMNS, SPANS, TREES, FLAGS = range(8)  # of the parts, whole numbers
MISSING, FILL, MEAN, SCALES, VALUES, LOWS, HIGHS, THRESHOLDS, LEAF_VALUES, ENDS, SETTINGS = range(8, 19)  # the others
STEP = 16  # thresholds that `count_exceeded` compares


@compile_inline
def _find_rank(value: Any, thresholds: Any, span: Any) -> Any:
    """How many of a column's thresholds a value is not at most; of a gap that goes right all.

    The column has, first, the last threshold of each of its blocks but one, then its blocks. No step is a guess of a
    branch.
    """
    first, place, count = np.int64(span[FIRST]), np.int64(span[BLOCKS]), np.int64(span[COUNT])
    block = np.int64(0)
    while first < place:
        block += count_exceeded(thresholds, first, value)
        first += STEP
    block = min(block, (count - 1) // STEP)
    return min(block * STEP + count_exceeded(thresholds, place + block * STEP, value), count)


@compile_inline
def _find_rows(row: Any, spans: Any, thresholds: Any, found: Any) -> Any:
    """The row of masks of each column that is compared."""
    for k in range(spans.shape[0]):
        value = row[spans[k, COLUMN]]
        rank = np.int64(value) if spans[k, CODES] else _find_rank(value, thresholds, spans[k])
        found[k] = spans[k, ROW] + rank


@compile_inline
def _join_masks(rows: Any, masks: Any, left: Any) -> Any:
    """Join the rows of masks, four at a time; past the last one the first is joined again, which changes nothing."""
    width, step = masks.shape[1], 64 // masks.itemsize
    left[:] = masks[0]
    for k in range(0, rows.size, 4):
        one = rows[k] * width
        two = rows[k + 1] * width if k + 1 < rows.size else 0
        three = rows[k + 2] * width if k + 2 < rows.size else 0
        four = rows[k + 3] * width if k + 3 < rows.size else 0
        for place in range(0, width, step):
            keep_common_bits(left, place, masks, (one + place, two + place, three + place, four + place))


@compile_inline
def _number_leaf(left: Any, first: Any, by_level: Any) -> Any:
    return np.int64(first ^ left) if by_level else np.int64(lowest_bit(np.uint64(left)))


@compile_inline
def _add_leaves(masks: Any, by_level: Any, trees: Any, values: Any, single: Any, sums: Any) -> Any:
    """Add the leaves that are left over; one output is added up outside of memory, in its own precision."""
    first, left = masks
    if sums.size > 1:
        for tree in range(trees.shape[0]):
            leaf = trees[tree, LEAVES] + _number_leaf(left[tree], first[tree], by_level)
            add_leaf(sums, trees[tree, OUTPUT], values, leaf, single)
    elif single:
        rounded = np.float32(sums[0])
        for tree in range(trees.shape[0]):
            leaf = trees[tree, LEAVES] + _number_leaf(left[tree], first[tree], by_level)
            rounded += np.float32(values[leaf, 0])
        sums[0] = np.float64(rounded)
    else:
        total = sums[0]
        for tree in range(trees.shape[0]):
            leaf = trees[tree, LEAVES] + _number_leaf(left[tree], first[tree], by_level)
            total += values[leaf, 0]
        sums[0] = total


@compile_inline
def _take(parts: Any, number: Any) -> Any:
    return parts[parts[2 * number] : parts[2 * number + 1]]


@compile_inline
def _take_numbers(parts: Any, number: Any) -> Any:
    return _take(parts, number).view(np.float64)


@compile_inline
def _find_largest(values: Any) -> Any:
    largest = 0
    for place in range(1, values.size):
        if values[place] > values[largest]:
            largest = place
    return largest


@compile_holding_lock
def score_row(row: Any, parts: Any, masks: Any, out: Any) -> Any:
    """Predict one row.

    Args:
        row: the address of the row.
        parts: int64, as ``one_row`` lays them out.
        masks: of the MaskTables.
        out: float64 (1, outputs or classes).

    Returns:
        The place of the largest output; -1 where a cell is unusual or unknown, which the full reading decides on.
    """
    columns, spans = _take(parts, TREE_COLUMNS).reshape(-1, 3), _take(parts, SPANS).reshape(-1, 6)
    settings, ends, missing = _take_numbers(parts, SETTINGS), _take_numbers(parts, ENDS), _take_numbers(parts, MISSING)
    source, outputs = _take(parts, SOURCE), ends.size // 2
    # One piece of memory for all: each would take as long as a fifth of the trees.
    first, second = missing.size, missing.size + source.size
    third, fourth = second + columns.shape[0], second + columns.shape[0] + outputs
    held = np.empty(fourth + spans.shape[0] + masks.shape[1] * masks.itemsize // 8, np.int64)
    numbers, after = held[:fourth].view(np.float64), held[fourth:]
    raw, features, values, sums = numbers[:first], numbers[first:second], numbers[second:third], numbers[third:]
    rows, left = after[: spans.shape[0]], after[spans.shape[0] :].view(masks.dtype)
    # More cells than columns are read elsewhere, which warns of them.
    if not read_row(row, _take(parts, ADDRESSES), missing, raw) or count_items(row) != missing.size:
        return -1
    preparation = (
        source,
        _take(parts, KINDS),
        _take_numbers(parts, FILL),
        _take_numbers(parts, MEAN),
        _take_numbers(parts, SCALES),
        _take(parts, OFFSETS),
        _take_numbers(parts, VALUES),
    )
    bounds = _take_numbers(parts, LOWS), _take_numbers(parts, HIGHS)
    flags = _take(parts, FLAGS)
    limits = flags[1] != 0, flags[2] != 0, flags[3] != 0
    if prepare_row(raw, preparation, limits, bounds, features):
        return -1
    fill_columns(features, columns, settings, values)
    _find_rows(values, spans, _take_numbers(parts, THRESHOLDS), rows)
    _join_masks(rows, masks, left)
    sums[:] = ends[:outputs]
    trees, leaves = _take(parts, TREES).reshape(-1, 8), _take_numbers(parts, LEAF_VALUES)
    wide = leaves.reshape(-1, outputs if trees[0, OUTPUT] < 0 else 1)
    _add_leaves((masks[0], left), flags[0] != 0, trees, wide, settings[SINGLE] != 0, sums)
    finish_row(sums, settings, ends.reshape(2, -1), out[0])
    return _find_largest(out[0])
