"""What the trees of a booster strike out, joined ahead: a row of masks for each rank of a feature's value.

A value is above the first so many of its column's thresholds in ascending order. That number, its rank, says at which
nodes of all trees it goes to the right, so the masks of those nodes (QuickScorer: Lucchese et al., SIGIR 2015) are
joined when a model is compiled. A prediction then takes one search and one row of masks for each column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.trees.tree_layout import CATEGORIES, MASKS, OBLIVIOUS, WALK, Floats, Integers, TreeLayout

LARGEST_TABLES = 16 * 2**20
"""Bytes. Larger tables leave the processor's caches, and walking is faster then."""

STEP = 16  # as in mask_kernels
ALIGNED = 64
_MOST_LEVELS = 16
_MASKED_LEVELS = 6  # of 64 leaves, the bits of a mask


@dataclass(frozen=True)
class MaskTables:
    """Arrays for ``mask_kernels``.

    Attributes:
        masks: unsigned (1 + ranks of all columns, trees, and more up to a multiple of ``ALIGNED`` bytes): the leaves
            that are left over, as bits; or, where ``by_level``, the levels at which a row goes left. The first row is
            that of no comparison.
        spans: int32 (columns, 6): of each column that is compared its number, where its thresholds begin, and where
            their blocks do, the highest rank, the row of rank 0, and whether it holds codes of
            categories, which are ranks themselves.
        thresholds: float64, of each column the last of each block of ``STEP`` but one, then all in ascending order;
            both up to a multiple of ``STEP`` with infinity.
        by_level: whether all trees compare the same at each node of a level.
    """

    masks: NDArray[np.unsignedinteger[Any]]
    spans: NDArray[np.int32]
    thresholds: Floats
    by_level: bool


@dataclass(frozen=True)
class _Comparisons:
    """Of each comparison its tree, its column, its threshold or where the bits of its set begin, and its mask."""

    trees: Integers
    columns: Integers
    thresholds: Floats
    masks: NDArray[np.uint64]


def build_mask_tables(layout: TreeLayout) -> MaskTables | None:
    """The tables of a booster's trees.

    Returns:
        None where a tree has too many leaves for a mask, or the tables would be too large.
    """
    kinds, depths = layout.trees[:, 2], layout.trees[:, 1].astype(np.int64)
    by_level = bool((kinds == OBLIVIOUS).all()) and int(depths.max()) <= _MOST_LEVELS
    if not by_level and ((kinds == WALK) | ((kinds == OBLIVIOUS) & (depths > _MASKED_LEVELS))).any():
        return None
    compared = _list_comparisons(layout, by_level)
    spans, ranked, rows = _rank_thresholds(layout, compared)
    dtype = _find_dtype(layout, int(depths.max()) if by_level else 0)
    width = -(-len(kinds) * dtype.itemsize // ALIGNED) * ALIGNED // dtype.itemsize
    if rows * width * dtype.itemsize > LARGEST_TABLES:
        return None
    masks = np.full((rows, width), np.iinfo(dtype).max, dtype)
    if by_level:
        masks[0, : len(kinds)] = (1 << depths) - 1
    for (column, _, _, count, row, codes), thresholds in zip(spans.tolist(), ranked, strict=True):
        chosen = np.flatnonzero(compared.columns == column)
        part = masks[row : row + count + 1]
        if codes:
            _join_codes(layout.bits, compared, chosen, part)
        else:
            ranks = np.searchsorted(thresholds, compared.thresholds[chosen])
            np.bitwise_and.at(part, (ranks + 1, compared.trees[chosen]), compared.masks[chosen].astype(dtype))
            np.bitwise_and.accumulate(part, axis=0, out=part)
    return MaskTables(masks, spans, _lay_out_thresholds(ranked), by_level)


def _find_dtype(layout: TreeLayout, levels: int) -> np.dtype[Any]:
    """The smallest type with a bit for each level; where there are none, for each leaf of the largest tree."""
    leaves = np.diff(np.append(layout.trees[:, 4], len(layout.values)))
    needed = levels or int(leaves.max())
    return np.dtype(next(kind for kind in ("u1", "u2", "u4", "u8") if np.iinfo(kind).bits >= needed))


def _list_comparisons(layout: TreeLayout, by_level: bool) -> _Comparisons:
    trees: list[Integers] = [np.zeros(0, np.int64)]
    columns: list[Integers] = [np.zeros(0, np.int64)]
    thresholds: list[Floats] = [np.zeros(0)]
    masks: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    level_columns = layout.nodes.view(np.int32)[:, 3]
    for number, (_, depth, kind, _, _, first, _, last) in enumerate(layout.trees.tolist()):
        if kind == MASKS:
            place = slice(first, last)
            columns.append(layout.inner_columns[place].astype(np.int64))
            thresholds.append(layout.thresholds[place])
            masks.append(layout.masks[place])
        else:
            place = slice(first, first + depth)
            found = level_columns[place].astype(np.int64)
            columns.append(np.where(found < 0, ~found, found))
            thresholds.append(layout.nodes[place, 0])
            masks.append(_mask_levels(depth, by_level))
        trees.append(np.full(len(columns[-1]), number))
    return _Comparisons(
        trees=np.concatenate(trees),
        columns=np.concatenate(columns),
        thresholds=np.concatenate(thresholds),
        masks=np.concatenate(masks),
    )


def _mask_levels(depth: int, by_level: bool) -> NDArray[np.uint64]:
    """What each level of a tree leaves over where a row goes right: levels, or leaves."""
    bits = [1 << (depth - 1 - level) for level in range(depth)]
    if by_level:
        return np.array([2**64 - 1 - bit for bit in bits], np.uint64)
    return np.array([sum(1 << leaf for leaf in range(1 << depth) if leaf & bit) for bit in bits], np.uint64)


def _rank_thresholds(layout: TreeLayout, compared: _Comparisons) -> tuple[NDArray[np.int32], list[Floats], int]:
    """The spans of ``MaskTables``, the thresholds of each of them, and the number of rows of its masks."""
    spans: list[list[int]] = []
    ranked: list[Floats] = []
    first, row = 0, 1
    for column in np.unique(compared.columns).tolist():
        codes = int(layout.columns[column, 1]) in CATEGORIES
        found = np.zeros(0) if codes else np.unique(compared.thresholds[compared.columns == column])
        count = int(layout.columns[column, 2]) + 1 if codes else len(found)
        blocks = first + _round_up((len(found) - 1) // STEP)
        spans.append([column, first, blocks, count, row, codes])
        ranked.append(found)
        first, row = blocks + _round_up(len(found)), row + count + 1
    return np.array(spans, np.int32).reshape(-1, 6), ranked, row


def _lay_out_thresholds(ranked: list[Floats]) -> Floats:
    """What ``mask_kernels`` searches: of each column the last threshold of each block but one, then its blocks."""
    parts = [
        np.pad(part, (0, _round_up(len(part)) - len(part)), constant_values=np.inf)
        for found in ranked
        for part in (found[STEP - 1 : -1 : STEP], found)
    ]
    return np.concatenate([*parts, np.zeros(0)])


def _round_up(count: int) -> int:
    return -(-count // STEP) * STEP


def _join_codes(
    bits: NDArray[np.uint64], compared: _Comparisons, chosen: Integers, part: NDArray[np.unsignedinteger[Any]]
) -> None:
    codes = np.arange(len(part))
    for node in chosen.tolist():
        words = bits[int(compared.thresholds[node]) + (codes >> 6)]
        right = (words >> (codes & 63).astype(np.uint64)) & np.uint64(1) == 0
        part[right, compared.trees[node]] &= compared.masks[node].astype(part.dtype)
