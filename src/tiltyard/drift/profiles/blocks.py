"""Measures how far blocks of the reference's rows differ: whole groups, and consecutive rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.drift.profiles.dependence import BlockScale, BlockStructure, Dependence, SubjectBlocks
from tiltyard.drift.profiles.profile import Profile
from tiltyard.drift.profiles.rows import Rows, profile_rows
from tiltyard.drift.profiles.schema import Layout

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

FEWEST_BLOCKS = 8
"""The variance of fewer blocks says nothing."""

MOST_GROUP_BLOCKS = 96
_MOST_PERIODS = 64
_SHORTEST = 64  # rows of the shortest periods
_ERROR = 0.01  # of the test by which a subject counts as dependent
_LEAST_IN_CELL = 2.0  # rows that a block must expect in a separate cell
_COMMON = 0.02  # share of texts in which a term stands at least


@dataclass(frozen=True)
class _Counts:
    """Of b blocks: (b, k) rows of each kind, and (b,) rows; ``of`` says what the kinds are."""

    of: str
    counts: Floats
    rows: Floats


def measure_dependence(
    layout: Layout,
    rows: Rows,
    held_out: Rows | None = None,
    names: frozenset[str] = frozenset(),
    *,
    most: int = MOST_GROUP_BLOCKS,
) -> Dependence:
    """How far groups and periods of rows differ by more than as many independent rows would.

    Args:
        layout: the layout of the reference.
        rows: n rows, with what is known of their groups and times.
        held_out: further rows, from which the numbers and categories of these ``names`` are measured instead.
        most: blocks into which groups are thrown together.
    """
    found = [_measure_groups(layout, (rows, held_out), names, column, most) for column in rows.order.groups]
    found.append(_measure_periods(layout, rows, held_out, names))
    return Dependence(tuple(one for one in found if one is not None))


def _measure_groups(
    layout: Layout, sides: tuple[Rows, Rows | None], names: frozenset[str], column: str, most: int
) -> BlockStructure | None:
    rows, held_out = sides
    keys, theirs = rows.order.groups[column], None if held_out is None else held_out.order.groups.get(column)
    blocks = partition_groups(keys, most)
    if len(blocks) < FEWEST_BLOCKS:
        return None
    every = keys if theirs is None else np.concatenate([keys, theirs])
    subjects = _widen(_find_dependent(layout, rows, [blocks], 1.0), keys, every)
    if held_out is not None and names and theirs is not None:
        parts = partition_groups(theirs, most)
        measured = _find_dependent(layout, held_out, [parts] if len(parts) >= FEWEST_BLOCKS else [], 1.0)
        subjects = _replace_named(subjects, _widen(measured, theirs, every), names)
    return BlockStructure(column, "group", len(np.unique(keys)), _group_size(every), 0.0, subjects)


def _widen(subjects: Mapping[str, SubjectBlocks], some: NDArray[Any], every: NDArray[Any]) -> dict[str, SubjectBlocks]:
    """What parts of groups show, for whole ones: of s rows alike by ρ the inflation is 1 + (s - 1) ρ (Kish, 1965)."""
    alike = _group_size(some) - 1
    factor = max((_group_size(every) - 1) / alike, 1.0) if alike > 0 else 1.0
    return {
        key: replace(
            one, scales=tuple(replace(scale, inflation=1 + (scale.inflation - 1) * factor) for scale in one.scales)
        )
        for key, one in subjects.items()
    }


def _group_size(keys: NDArray[Any]) -> float:
    """The rows of a row's group, on average."""
    _, sizes = np.unique(keys, return_counts=True)
    return float((sizes**2).sum() / sizes.sum())


def _measure_periods(layout: Layout, rows: Rows, held_out: Rows | None, names: frozenset[str]) -> BlockStructure | None:
    times = rows.order.times
    if times is None:
        return None
    order = _order_by_time(times)
    scales = partition_periods(order)
    if not scales:
        return None
    known, share, more = times[order], 1.0, None if held_out is None else held_out.order.times
    if more is not None and (more <= known[-1]).mean() > 0.5:
        # Both sides are of one time: each has a part of its rows.
        share = len(order) / (len(order) + int(np.isfinite(more).sum()))
    subjects = _find_dependent(layout, rows, scales, share)
    if held_out is not None and more is not None and names:
        theirs = partition_periods(_order_by_time(more))
        measured = _find_dependent(layout, held_out, theirs, 1 - share if share < 1 else 1.0)
        subjects = _replace_named(subjects, measured, names)
    hours = float(known[-1] - known[0]) if rows.order.clock else 0.0
    per_hour = len(order) / share / hours if hours > 0 else 0.0
    return BlockStructure(rows.order.time_column, "time", len(order), 1.0, per_hour, subjects)


def partition_groups(keys: NDArray[Any], most: int = MOST_GROUP_BLOCKS) -> list[Places]:
    """Rows by block: whole groups thrown together at random, alike at every call, into so many blocks at most.

    The variance between such blocks is that between the groups (the method of random groups; Wolter, 2007).
    """
    _, codes, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(1937).permutation(len(sizes))
    most = max(min(most, len(sizes) // 2), min(len(sizes), 2 * FEWEST_BLOCKS))
    reached = np.cumsum(sizes[shuffled]) - sizes[shuffled] / 2
    block_of = np.empty(len(sizes), np.intp)
    block_of[shuffled] = np.minimum(reached / len(keys) * most, most - 1).astype(np.intp)
    blocks = block_of[codes]
    order = np.argsort(blocks, kind="stable")
    edges = np.searchsorted(blocks[order], np.arange(most + 1))
    return [order[start:stop] for start, stop in pairwise(edges.tolist()) if stop > start]


def partition_periods(order: Places) -> list[list[Places]]:
    """Blocks of consecutive rows by size: from 64 rows to an eighth of all, each twice the last, 64 blocks at most."""
    rows, scales = len(order), []
    size = min(_SHORTEST, rows // FEWEST_BLOCKS)
    while size >= 2 and rows // size >= FEWEST_BLOCKS:
        starts = np.arange(rows // size) * size
        if len(starts) > _MOST_PERIODS:
            starts = starts[np.linspace(0, len(starts) - 1, _MOST_PERIODS).astype(np.intp)]
        scales.append([order[start : start + size] for start in starts.tolist()])
        size *= 2
    return scales


def compare_blocks(counts: Floats, rows: Floats, of: str) -> tuple[float, float] | None:
    """How much more blocks differ than independent rows would, and in how many directions; None for nothing to see.

    With x the differences of a block from all, in standard deviations of independent rows, E x·x is the sum of the
    eigenvalues of their covariance, and E (x·y)², of two blocks, that of their squares (Rao and Scott, 1984).

    Args:
        counts: (b, k) rows of each kind, in each of b blocks.
        rows: (b,) rows of each block.
        of: what the kinds are: ``number`` (bins in order), ``category`` (cells), ``share`` or ``terms``.
    """
    used = rows > 0
    counts, rows = counts[used], rows[used]
    b = len(rows)
    if b < FEWEST_BLOCKS:
        return None
    standard = _standardise(counts, rows, of)
    if standard is None:
        return None
    x, expected = standard
    x *= np.sqrt(rows / (1 - rows / rows.sum()))[:, None]
    products = x @ x.T
    trace = float(np.trace(products)) / b
    if trace <= 0:
        return 0.0, 1.0
    squares = float((products**2).sum() - (np.diag(products) ** 2).sum()) / (b * (b - 1)) - (trace / (b - 1)) ** 2
    freedom = trace**2 / squares if squares > 0 else float(x.shape[1])
    return trace / expected, float(np.clip(freedom, 1.0, x.shape[1]))


def _standardise(counts: Floats, rows: Floats, of: str) -> tuple[Floats, float] | None:
    """Differences (b, k) of the shares, weighed; and the sum of their variances for one independent row."""
    total = rows.sum()
    if of == "number":
        mass = counts.sum(axis=0) / total
        at, shares = np.cumsum(mass)[:-1], np.cumsum(counts, axis=1)[:, :-1] / rows[:, None]
        weights, variances = np.sqrt(mass[1:]), mass[1:] * at * (1 - at)
        differences = (shares - at) * weights
    elif of == "category":
        counts = _pool_cells(counts, rows)
        mass = counts.sum(axis=0) / total
        differences, variances = (counts / rows[:, None] - mass) / np.sqrt(mass), 1 - mass
    else:
        share = counts.sum(axis=0) / total
        least = _COMMON if of == "terms" else 0.0
        common = (share > least) & (share < 1 - least)
        share = share[common]
        spread = np.sqrt(share * (1 - share))
        differences, variances = (counts[:, common] / rows[:, None] - share) / spread, np.ones(len(share))
    expected = float(variances.sum())
    return (differences, expected) if expected > 1e-9 else None


def _pool_cells(counts: Floats, rows: Floats) -> Floats:
    """Cells of which a block expects too few rows go together; cells of no row are left out."""
    mass = counts.sum(axis=0) / rows.sum()
    rare = mass * rows.mean() < _LEAST_IN_CELL
    if rare.any():
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    return counts[:, counts.sum(axis=0) > 0]


def _find_dependent(
    layout: Layout, rows: Rows, scales: Sequence[Sequence[Places]], share: float
) -> dict[str, SubjectBlocks]:
    """The subjects whose blocks differ, at any scale, by more than chance explains for independent rows."""
    from scipy.special import chdtri  # noqa: PLC0415

    measured: dict[str, list[BlockScale]] = {}
    dependent: set[str] = set()
    for blocks in scales:
        profiles = [profile_rows(layout, rows.take(places)) for places in blocks]
        for key, some in _count_blocks(layout, profiles):
            found = compare_blocks(some.counts, some.rows, some.of)
            if found is None:
                continue
            filled = int((some.rows > 0).sum())
            scale = BlockScale(float(some.rows[some.rows > 0].mean()), filled, *found)
            measured.setdefault(key, []).append(scale)
            precision = scale.freedom * (filled - 1)
            if scale.inflation > float(chdtri(precision, _ERROR)) / precision:
                dependent.add(key)
    return {key: SubjectBlocks(tuple(found), share) for key, found in measured.items() if key in dependent}


def _count_blocks(layout: Layout, profiles: Sequence[Profile]) -> Iterator[tuple[str, _Counts]]:
    """What a profile counts, of all blocks, by key: the kind of the test, and the column."""
    for name in layout.numbers:
        numbers = [one.numbers[name] for one in profiles]
        yield (
            f"number:{name}",
            _Counts("number", _stack([one.bins for one in numbers]), _array(one.present for one in numbers)),
        )
        every = _array(one.rows for one in numbers)
        yield f"missing:{name}", _Counts("share", _column(one.missing for one in numbers), every)
        yield f"invalid:{name}", _Counts("share", _column(one.invalid for one in numbers), every)
    for name, part in layout.categories.items():
        values = [one.categories[name] for one in profiles]
        cells = _stack([one.cells(part) for one in values])
        yield f"category:{name}", _Counts("category", cells, cells.sum(axis=1))
        yield (
            f"missing:{name}",
            _Counts("share", _column(one.missing for one in values), _array(one.rows for one in values)),
        )
    for name in layout.texts:
        terms = [one.terms[name] for one in profiles]
        yield (
            f"terms:{name}",
            _Counts("terms", _stack([one.counts for one in terms]), _array(one.texts for one in terms)),
        )
        yield (
            f"missing:{name}",
            _Counts("share", _column(one.missing for one in terms), _array(one.rows for one in terms)),
        )


def _replace_named(
    subjects: Mapping[str, SubjectBlocks], others: Mapping[str, SubjectBlocks], names: frozenset[str]
) -> dict[str, SubjectBlocks]:
    mine = {key: one for key, one in subjects.items() if key.partition(":")[2] not in names}
    return mine | {key: one for key, one in others.items() if key.partition(":")[2] in names}


def _order_by_time(times: Floats) -> Places:
    """The places of the rows whose time is known, the oldest first."""
    order = np.argsort(times, kind="stable")
    return order[: int(np.isfinite(times).sum())]


def _stack(parts: Sequence[NDArray[np.int64]]) -> Floats:
    return np.stack(parts).astype(np.float64)


def _array(values: Iterator[int]) -> Floats:
    return np.fromiter(values, np.float64)


def _column(values: Iterator[int]) -> Floats:
    return _array(values)[:, None]
