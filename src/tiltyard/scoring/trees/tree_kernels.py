"""The compiled loops over fitted trees, in their library's own arithmetic.

A feature becomes one column for each way in which nodes treat its gaps: a gap is then the lowest number there is, or
stays what no comparison holds for, and a node has one comparison to make. A row goes left where its column is at most
the node's threshold, or where the bit of its category is set.

Several rows go through a tree together by masks: each node that sends a row to the right strikes out the leaves on its
left, and the first leaf that is left over is the row's (QuickScorer: Lucchese et al., SIGIR 2015). That leads to the
same leaf, and each row adds its leaves in the order of the trees. Through a tree of more leaves than a mask has bits
eight rows walk at a time; a single row walks, through eight trees at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_inline, compile_kernel, lowest_bit
from tiltyard.scoring.trees.tree_links import ALL_WALK, SINGLE, SINGLE_FEATURES, TINY, finish_row

LEFT, RIGHT, ZERO, ZERO_LEFT, ZERO_RIGHT, CATEGORY, CUT_CATEGORY, CONSTANT, BYTE_CATEGORY = range(9)
FEATURE, RULE, OTHER = range(3)  # of a column
ROOT, DEPTH, KIND, OUTPUT, LEAVES, FIRST, WORDS, LAST = range(8)  # of a tree
CHILD, COLUMN = 2, 3  # of a node's integers
WALK, MASKS, OBLIVIOUS = range(3)

_BLOCK = 64
_FEW = 12  # rows that are walked one by one
_ALL = np.uint64(2**64 - 1)
_LEVELS = 4  # that eight rows walk before it is seen whether all are at their leaves


@compile_inline
def _read_category(value: Any, rule: Any, other: Any) -> Any:
    """The code of a category: ``other`` for those that no set holds, and the one after it for a gap."""
    if np.isnan(value):
        return np.float64(other + 1)
    if rule == BYTE_CATEGORY:
        # scikit-learn takes what is below zero for a gap, else cuts it to a whole number and keeps its last byte.
        category = np.int64(value)
        return np.float64(other + 1) if value < 0.0 or category < 0 else np.float64(category & 255)
    known = value < other and (value >= 0.0 or (rule == CUT_CATEGORY and value > -1.0))
    return np.float64(np.int64(value)) if known else np.float64(other)


@compile_inline
def _read_column(value: Any, rule: Any, other: Any, tiny: Any) -> Any:
    """What stands for a feature's value in one of its columns."""
    if rule in (CATEGORY, CUT_CATEGORY, BYTE_CATEGORY):
        return _read_category(value, rule, other)
    if rule == CONSTANT:
        return 0.0
    if np.isnan(value):
        if rule in (LEFT, ZERO_LEFT):
            return -np.inf
        return 0.0 if rule == ZERO else np.nan
    if -tiny <= value <= tiny:
        value = 0.0
    if value == 0.0:
        if rule == ZERO_LEFT:
            return -np.inf
        if rule == ZERO_RIGHT:
            return np.nan
    return value


@compile_inline
def _goes_right(value: Any, threshold: Any, column: Any, bits: Any) -> Any:
    if column < 0:
        code = np.int64(value)
        word = bits[np.int64(threshold) + (code >> 6)]
        return np.int64(1) - np.int64((word >> np.uint64(code & 63)) & np.uint64(1))
    return np.int64(not value <= threshold)


@compile_inline
def _walk(root: Any, row: Any, nodes: Any, places: Any, bits: Any) -> Any:
    node = root
    while places[node, CHILD] != node:
        column = places[node, COLUMN]
        value = row[column if column >= 0 else ~column]
        node = places[node, CHILD] + _goes_right(value, nodes[node, 0], column, bits)
    return node


@compile_inline
def _step(node: Any, row: Any, nodes: Any, unsigned: Any) -> Any:
    """The child of a node with a threshold; numbers without a sign need no check for counting from the end."""
    right = np.uint64(not row[unsigned[node, np.uint64(COLUMN)]] <= nodes[node, np.uint64(0)])
    return np.uint64(unsigned[node, np.uint64(CHILD)]) + right


@compile_inline
def _climb(root: Any, depth: Any, row: Any, nodes: Any, places: Any, bits: Any) -> Any:
    """The number of a row's leaf in a tree that compares the same at each node of a level."""
    leaf = np.int64(0)
    for level in range(root, root + depth):
        column = places[level, COLUMN]
        value = row[column if column >= 0 else ~column]
        leaf = (leaf << 1) | _goes_right(value, nodes[level, 0], column, bits)
    return leaf


@compile_inline
def _add(total: Any, value: Any, single: Any) -> Any:
    """The sum; in single precision it is the same whether it is added in that or rounded to it."""
    return np.float64(np.float32(total + value)) if single else total + value


@compile_inline
def add_leaf(sums: Any, output: Any, values: Any, leaf: Any, single: Any) -> Any:
    """Add a leaf to the output that its tree speaks for, or to all."""
    if output >= 0:
        sums[output] = _add(sums[output], values[leaf, 0], single)
    else:
        for k in range(sums.size):
            sums[k] = _add(sums[k], values[leaf, k], single)


@compile_inline
def _add_row(row: Any, arrays: Any, single: Any, all_walk: Any, sums: Any) -> Any:
    """Add what the trees say of one row."""
    _, nodes, places, trees, bits, values, _, _, unsigned = arrays
    number = 0
    if all_walk:
        while number + 8 <= trees.shape[0]:
            depth = 0
            for k in range(8):
                depth = max(depth, trees[number + k, DEPTH])
            a, b = np.uint64(trees[number, ROOT]), np.uint64(trees[number + 1, ROOT])
            c, d = np.uint64(trees[number + 2, ROOT]), np.uint64(trees[number + 3, ROOT])
            e, f = np.uint64(trees[number + 4, ROOT]), np.uint64(trees[number + 5, ROOT])
            g, h = np.uint64(trees[number + 6, ROOT]), np.uint64(trees[number + 7, ROOT])
            # A leaf is its own left child, and its column is below its threshold.
            for _level in range(depth):
                a, b = _step(a, row, nodes, unsigned), _step(b, row, nodes, unsigned)
                c, d = _step(c, row, nodes, unsigned), _step(d, row, nodes, unsigned)
                e, f = _step(e, row, nodes, unsigned), _step(f, row, nodes, unsigned)
                g, h = _step(g, row, nodes, unsigned), _step(h, row, nodes, unsigned)
            add_leaf(sums, trees[number, OUTPUT], values, a, single)
            add_leaf(sums, trees[number + 1, OUTPUT], values, b, single)
            add_leaf(sums, trees[number + 2, OUTPUT], values, c, single)
            add_leaf(sums, trees[number + 3, OUTPUT], values, d, single)
            add_leaf(sums, trees[number + 4, OUTPUT], values, e, single)
            add_leaf(sums, trees[number + 5, OUTPUT], values, f, single)
            add_leaf(sums, trees[number + 6, OUTPUT], values, g, single)
            add_leaf(sums, trees[number + 7, OUTPUT], values, h, single)
            number += 8
    while number < trees.shape[0]:
        if trees[number, KIND] == OBLIVIOUS:
            depth = trees[number, DEPTH]
            leaf = _climb(trees[number, FIRST], depth, row, nodes, places, bits)
            leaf += trees[number, LEAVES]
        else:
            leaf = _walk(np.int64(trees[number, ROOT]), row, nodes, places, bits)
        add_leaf(sums, trees[number, OUTPUT], values, leaf, single)
        number += 1


@compile_inline
def _find_masks(block: Any, tree: Any, inner: Any, bits: Any, found: Any) -> Any:
    """Strike out leaves: first by nodes with thresholds, four at a time, then by nodes with sets of categories."""
    thresholds, masks, columns = inner
    node, words = tree[FIRST], tree[WORDS]
    while node + 3 < words:
        first, second, third, fourth = (
            thresholds[node],
            thresholds[node + 1],
            thresholds[node + 2],
            thresholds[node + 3],
        )
        mask, mask2, mask3, mask4 = masks[node], masks[node + 1], masks[node + 2], masks[node + 3]
        values, values2 = block[columns[node]], block[columns[node + 1]]
        values3, values4 = block[columns[node + 2]], block[columns[node + 3]]
        for k in range(_BLOCK):
            found[k] &= (
                (_ALL if values[k] <= first else mask)
                & (_ALL if values2[k] <= second else mask2)
                & (_ALL if values3[k] <= third else mask3)
                & (_ALL if values4[k] <= fourth else mask4)
            )
        node += 4
    while node < words:
        threshold, mask, values = thresholds[node], masks[node], block[columns[node]]
        for k in range(_BLOCK):
            found[k] &= _ALL if values[k] <= threshold else mask
        node += 1
    for node in range(words, tree[LAST]):
        place, mask, values = np.int64(thresholds[node]), masks[node], block[columns[node]]
        for k in range(_BLOCK):
            code = np.int64(values[k])
            if not (bits[place + (code >> 6)] >> np.uint64(code & 63)) & np.uint64(1):
                found[k] &= mask


@compile_inline
def _find_levels(block: Any, tree: Any, nodes: Any, places: Any, bits: Any, found: Any) -> Any:
    for level in range(tree[FIRST], tree[FIRST] + tree[DEPTH]):
        threshold, column = nodes[level, 0], places[level, COLUMN]
        if column >= 0:
            values = block[column]
            for k in range(_BLOCK):
                found[k] = (found[k] << np.uint64(1)) | np.uint64(0 if values[k] <= threshold else 1)
        else:
            values = block[~column]
            for k in range(_BLOCK):
                found[k] = (found[k] << np.uint64(1)) | np.uint64(_goes_right(values[k], threshold, column, bits))


@compile_inline
def _step_in_block(node: Any, block: Any, row: Any, nodes: Any, unsigned: Any) -> Any:
    """``_step`` of a row of a block."""
    right = np.uint64(not block[unsigned[node, np.uint64(COLUMN)], row] <= nodes[node, np.uint64(0)])
    return np.uint64(unsigned[node, np.uint64(CHILD)]) + right


@compile_inline
def _is_leaf(node: Any, unsigned: Any) -> Any:
    return np.uint64(unsigned[node, np.uint64(CHILD)]) == node


@compile_inline
def _walk_block(root: Any, block: Any, nodes: Any, unsigned: Any, found: Any) -> Any:
    """The leaves of a block's rows in a tree that compares numbers alone: one row waits while seven others step."""
    start = np.uint64(root)
    for first in range(np.uint64(0), np.uint64(_BLOCK), np.uint64(8)):
        a = b = c = d = e = f = g = h = start
        while True:
            for _level in range(_LEVELS):
                a = _step_in_block(a, block, first, nodes, unsigned)
                b = _step_in_block(b, block, first + np.uint64(1), nodes, unsigned)
                c = _step_in_block(c, block, first + np.uint64(2), nodes, unsigned)
                d = _step_in_block(d, block, first + np.uint64(3), nodes, unsigned)
                e = _step_in_block(e, block, first + np.uint64(4), nodes, unsigned)
                f = _step_in_block(f, block, first + np.uint64(5), nodes, unsigned)
                g = _step_in_block(g, block, first + np.uint64(6), nodes, unsigned)
                h = _step_in_block(h, block, first + np.uint64(7), nodes, unsigned)
            if (
                (_is_leaf(a, unsigned) and _is_leaf(b, unsigned) and _is_leaf(c, unsigned) and _is_leaf(d, unsigned))
                and (_is_leaf(e, unsigned) and _is_leaf(f, unsigned))
                and (_is_leaf(g, unsigned) and _is_leaf(h, unsigned))
            ):
                break
        found[first], found[first + np.uint64(1)] = a, b
        found[first + np.uint64(2)], found[first + np.uint64(3)] = c, d
        found[first + np.uint64(4)], found[first + np.uint64(5)] = e, f
        found[first + np.uint64(6)], found[first + np.uint64(7)] = g, h


@compile_inline
def _add_block(block: Any, count: Any, arrays: Any, single: Any, found: Any, sums: Any) -> Any:
    """Add what the trees say of the rows of a block, (columns, ``_BLOCK``); sums are (rows, outputs)."""
    _, nodes, places, trees, bits, values, inner, _, unsigned = arrays
    numbers_alone = bits.size == 0
    for number in range(trees.shape[0]):
        kind, leaves = trees[number, KIND], trees[number, LEAVES]
        if kind == MASKS:
            found[:] = _ALL
            _find_masks(block, trees[number], inner, bits, found)
            for k in range(count):
                leaf = leaves + lowest_bit(found[k])
                add_leaf(sums[k], trees[number, OUTPUT], values, leaf, single)
        elif kind == OBLIVIOUS:
            found[:] = 0
            _find_levels(block, trees[number], nodes, places, bits, found)
            for k in range(count):
                add_leaf(sums[k], trees[number, OUTPUT], values, leaves + np.int64(found[k]), single)
        elif numbers_alone:
            _walk_block(trees[number, ROOT], block, nodes, unsigned, found)
            for k in range(count):
                add_leaf(sums[k], trees[number, OUTPUT], values, np.int64(found[k]), single)
        else:
            for k in range(count):
                leaf = _walk(np.int64(trees[number, ROOT]), block[:, k], nodes, places, bits)
                add_leaf(sums[k], trees[number, OUTPUT], values, leaf, single)


@compile_inline
def fill_columns(features: Any, columns: Any, settings: Any, out: Any) -> Any:
    """What stands for the features of a row in the columns that nodes compare."""
    tiny, single = settings[TINY], settings[SINGLE_FEATURES] != 0
    for k in range(columns.shape[0]):
        value = features[columns[k, FEATURE]]
        if single:
            value = np.float64(np.float32(value))
        out[k] = _read_column(value, columns[k, RULE], columns[k, OTHER], tiny)


@compile_inline
def _read_block(features: Any, columns: Any, settings: Any, block: Any) -> Any:
    """The same for the rows of a block, column by column."""
    tiny, single = settings[TINY], settings[SINGLE_FEATURES] != 0
    for k in range(columns.shape[0]):
        feature, rule, other, out = columns[k, FEATURE], columns[k, RULE], columns[k, OTHER], block[k]
        if rule <= ZERO:
            gap = -np.inf if rule == LEFT else np.nan if rule == RIGHT else 0.0
            for row in range(features.shape[0]):
                value = features[row, feature]
                if single:
                    value = np.float64(np.float32(value))
                value = 0.0 if -tiny <= value <= tiny else value
                out[row] = gap if np.isnan(value) else value
        else:
            for row in range(features.shape[0]):
                value = features[row, feature]
                if single:
                    value = np.float64(np.float32(value))
                out[row] = _read_column(value, rule, other, tiny)


@compile_kernel
def score_rows(features: Any, arrays: Any, settings: Any, out: Any) -> Any:
    """Predict n rows.

    Args:
        features: float64 (rows, features).
        arrays: the TreeHead's.
        settings: the TreeHead's.
        out: float64 (rows, 1, outputs or classes).
    """
    columns, ends = arrays[0], arrays[7]
    single, all_walk = settings[SINGLE] != 0, settings[ALL_WALK] != 0
    rows, outputs = features.shape[0], ends.shape[1]
    if rows < _FEW:
        row, sums = np.empty(columns.shape[0]), np.empty(outputs)
        for number in range(rows):
            fill_columns(features[number], columns, settings, row)
            sums[:] = ends[0]
            _add_row(row, arrays, single, all_walk, sums)
            finish_row(sums, settings, ends, out[number])
        return
    block = np.zeros((columns.shape[0], _BLOCK))
    found, totals = np.empty(_BLOCK, np.uint64), np.empty((_BLOCK, outputs))
    for first in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - first)
        _read_block(features[first : first + count], columns, settings, block)
        for k in range(count):
            totals[k] = ends[0]
        _add_block(block, count, arrays, single, found, totals)
        for k in range(count):
            finish_row(totals[k], settings, ends, out[first + k])


@compile_kernel
def follow_rows(features: Any, arrays: Any, settings: Any, source: Any, out: Any) -> Any:
    """Add up what each step of each path changes, by the column of the table that was tested.

    Args:
        features: float64 (rows, features).
        arrays, settings: the TreeHead's.
        source: int64 (features,), the column of the table of each.
        out: float64 (rows, columns of the table, outputs), added to.
    """
    columns, nodes, places, trees, bits, values, _, _, _ = arrays
    row = np.empty(columns.shape[0])
    for number in range(features.shape[0]):
        fill_columns(features[number], columns, settings, row)
        for tree in range(trees.shape[0]):
            node, output = np.int64(trees[tree, ROOT]), trees[tree, OUTPUT]
            while places[node, CHILD] != node:
                column = places[node, COLUMN]
                tested = column if column >= 0 else ~column
                child = places[node, CHILD] + _goes_right(row[tested], nodes[node, 0], column, bits)
                place = source[columns[tested, FEATURE]]
                for k in range(values.shape[1]):
                    out[number, place, output if output >= 0 else k] += values[child, k] - values[node, k]
                node = child
