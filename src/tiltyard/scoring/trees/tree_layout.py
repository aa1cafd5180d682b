"""Fitted trees, laid out for compiled loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.boosters.raw_trees import GAP_LEFT
from tiltyard.models.boosters.tree_ensemble import TreeEnsemble

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WALK, MASKS, OBLIVIOUS = range(3)  # as in tree_kernels
CATEGORY, CUT_CATEGORY, CONSTANT, BYTE_CATEGORY = 5, 6, 7, 8
CATEGORIES = CATEGORY, CUT_CATEGORY, BYTE_CATEGORY
_RULES = {"lightgbm": CUT_CATEGORY, "scikit-learn": BYTE_CATEGORY}
_BYTES = 256
_MOST_LEAVES = 64  # bits of a mask
_BITS = 64


@dataclass(frozen=True)
class TreeLayout:
    """Arrays for ``tree_kernels``.

    Attributes:
        columns: int32 (columns, 3): the feature of each, what its gaps become, and of categories the number that stands
            for all that no set holds; the one after it is a gap.
        nodes: float64 (nodes and levels, 2): the threshold, or where the bits of a set begin; then two int32, the left
            child, a leaf's is itself, and the column, of categories ``~column``. After all nodes come the levels of
            trees that compare the same at each node of a level.
        trees: int32 (trees, 8): root, depth, how rows go through it, output, where its leaves begin in ``values``,
            where its nodes begin in ``thresholds`` or its levels in ``nodes``, where those with categories begin, the
            end.
        bits: uint64, the sets: a bit is 1 where its category goes left.
        values: float64 (nodes and leaves, width): of each node, then of each leaf from left to right.
        thresholds, masks, inner_columns: of the inner nodes of trees that take masks: the leaves on the right, as bits.
    """

    columns: NDArray[np.int32]
    nodes: Floats
    trees: NDArray[np.int32]
    bits: NDArray[np.uint64]
    values: Floats
    thresholds: Floats
    masks: NDArray[np.uint64]
    inner_columns: NDArray[np.int32]


def lay_out_trees(ensemble: TreeEnsemble) -> TreeLayout:
    """Lay out checked trees."""
    leaf = ensemble.tested < 0
    columns, column_of = _make_columns(ensemble, leaf)
    bits, place_of = _make_bits(ensemble, columns, column_of)
    categorical = ensemble.choice >= 0
    thresholds = np.where(leaf, np.inf, np.where(categorical, place_of, ensemble.thresholds))
    places = np.stack([ensemble.children, np.where(categorical, ~column_of, column_of)], axis=1).astype(np.int32)
    spans = _measure_trees(ensemble, leaf)
    nodes = _pack(thresholds, places)
    order = np.lexsort((spans.starts, spans.owners))
    leaves = order[leaf[order]]
    values = np.concatenate([spans.means, ensemble.values[leaves]])
    counts = spans.counts[ensemble.roots]
    trees = np.zeros((len(ensemble.roots), 8), np.int32)
    trees[:, 0], trees[:, 1], trees[:, 3] = ensemble.roots, spans.depths, ensemble.outputs
    trees[:, 4] = len(leaf) + np.cumsum([0, *counts[:-1]])
    levels: list[Integers] = []
    inner: list[Integers] = []
    ends = np.append(ensemble.roots[1:], len(leaf))
    for number, (root, end) in enumerate(zip(ensemble.roots.tolist(), ends.tolist(), strict=True)):
        asks = np.arange(root, end)[~leaf[root:end]]
        same = _find_levels(asks, int(spans.depths[number]), int(counts[number]), thresholds, places)
        if same is not None:
            trees[number, 2] = OBLIVIOUS
            trees[number, 5] = len(leaf) + sum(map(len, levels))
            levels.append(same)
        elif counts[number] <= _MOST_LEAVES:
            asks = asks[np.argsort(categorical[asks], kind="stable")]
            first = sum(map(len, inner))
            trees[number, 2] = MASKS
            trees[number, 5:] = first, first + int((~categorical[asks]).sum()), first + len(asks)
            inner.append(asks)
    chosen = np.concatenate([*inner, np.zeros(0, np.int64)])
    level_nodes = np.concatenate([*levels, np.zeros(0, np.int64)])
    return TreeLayout(
        columns=columns,
        nodes=np.concatenate([nodes, nodes[level_nodes]]),
        trees=trees,
        bits=bits,
        values=values,
        thresholds=thresholds[chosen],
        masks=spans.masks[chosen],
        inner_columns=column_of[chosen].astype(np.int32),
    )


def _pack(thresholds: Floats, places: NDArray[np.int32]) -> Floats:
    nodes = np.empty((len(thresholds), 2))
    nodes[:, 0] = thresholds
    nodes[:, 1] = np.ascontiguousarray(places).view(np.float64)[:, 0]
    return nodes


def _make_columns(ensemble: TreeEnsemble, leaf: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Integers]:
    """The columns, and the column of each node; a leaf's is the first, a constant."""
    rule = _RULES.get(ensemble.library, CATEGORY)
    rules = np.where(ensemble.choice >= 0, rule, ensemble.gaps.astype(np.int64))
    pairs = np.stack([ensemble.tested.astype(np.int64), rules], axis=1)[~leaf]
    kinds, found = np.unique(np.concatenate([pairs, np.zeros((0, 2), np.int64)]), axis=0, return_inverse=True)
    # Leaves compare a constant: no value of a feature may lead away from them.
    kinds = np.concatenate([[[0, CONSTANT]], kinds])
    column_of = np.zeros(len(leaf), np.int64)
    column_of[~leaf] = found.ravel() + 1
    others = np.where(kinds[:, 1] == BYTE_CATEGORY, _BYTES, 0)
    chosen = (ensemble.choice >= 0) & ~leaf
    for column, choice in zip(column_of[chosen].tolist(), ensemble.choice[chosen].tolist(), strict=True):
        held = ensemble.sets[choice]
        others[column] = max(others[column], int(held[-1]) + 1 if len(held) else 0)
    return np.column_stack([kinds, others]).astype(np.int32), column_of


def _make_bits(
    ensemble: TreeEnsemble, columns: NDArray[np.int32], column_of: Integers
) -> tuple[NDArray[np.uint64], Integers]:
    """The sets as bits, and where those of each node begin."""
    place_of = np.zeros(len(column_of), np.int64)
    parts: list[NDArray[np.uint64]] = []
    known: dict[tuple[int, int, int], int] = {}
    total = 0
    for node in np.flatnonzero(ensemble.choice >= 0).tolist():
        key = int(ensemble.choice[node]), int(column_of[node]), int(ensemble.gaps[node])
        if key not in known:
            known[key] = total
            other = int(columns[key[1], 2])
            words = -(-(other + 2) // _BITS)
            flags = np.zeros(words * _BITS, np.bool_)
            flags[: other + 1] = not ensemble.chosen_left
            flags[ensemble.sets[key[0]]] = ensemble.chosen_left
            flags[other + 1] = key[2] == GAP_LEFT
            parts.append(np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64))
            total += words
        place_of[node] = known[key]
    return np.concatenate([*parts, np.zeros(0, np.uint64)]), place_of


@dataclass(frozen=True)
class _Spans:
    """Of each node its tree, the leaves under it, the first of them, their mean, its mask; of each tree its depth."""

    owners: Integers
    counts: Integers
    starts: Integers
    means: Floats
    masks: NDArray[np.uint64]
    depths: Integers


def _measure_trees(ensemble: TreeEnsemble, leaf: NDArray[np.bool_]) -> _Spans:
    total = len(leaf)
    children = ensemble.children.astype(np.int64)
    owners = np.searchsorted(ensemble.roots, np.arange(total), side="right") - 1
    levels: list[Integers] = []
    place = ensemble.roots.astype(np.int64)
    depths = np.zeros(len(place), np.int64)
    while True:
        place = place[~leaf[place]]
        if not place.size:
            break
        levels.append(place)
        depths[owners[place]] = len(levels)
        place = np.concatenate([children[place], children[place] + 1])
    counts, starts = leaf.astype(np.int64), np.zeros(total, np.int64)
    weights, means = ensemble.weights.astype(np.float64), ensemble.values.copy()
    for place in reversed(levels):
        left, right = children[place], children[place] + 1
        counts[place] = counts[left] + counts[right]
        both = weights[left] + weights[right]
        share = np.where(both > 0, weights[left] / np.where(both > 0, both, 1.0), 0.5)[:, np.newaxis]
        means[place], weights[place] = share * means[left] + (1 - share) * means[right], both
    masks = np.zeros(total, np.uint64)
    for place in levels:
        left = children[place]
        starts[left], starts[left + 1] = starts[place], starts[place] + counts[left]
        small = place[(starts[left + 1] < _MOST_LEAVES) & (counts[left] < _MOST_LEAVES)]
        first, size = starts[small].astype(np.uint64), counts[children[small]].astype(np.uint64)
        masks[small] = ~(((np.uint64(1) << size) - np.uint64(1)) << first)
    return _Spans(owners, counts, starts, means, masks, depths)


def _find_levels(
    inner: Integers, depth: int, leaves: int, thresholds: Floats, places: NDArray[np.int32]
) -> Integers | None:
    """The first node of each level, where the tree is full and all nodes of a level are alike; else None."""
    if depth == 0 or leaves != 1 << depth or len(inner) != leaves - 1:
        return None
    level = np.repeat(np.arange(depth), 1 << np.arange(depth))
    firsts = inner[(1 << np.arange(depth)) - 1]
    alike = (thresholds[inner] == thresholds[firsts[level]]) & (places[inner, 1] == places[firsts[level], 1])
    return firsts if alike.all() else None
