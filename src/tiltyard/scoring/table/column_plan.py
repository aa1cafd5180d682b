"""Features of many rows, made column by column: what ``prepare_features`` makes row by row, to the bit.

A column of words has few distinct cells, so its features are made once for each of them and looked up by row. Of a
linear model no features are kept at all: what they add to the decision values is added in their order. A feature that
is zero is left out there, for adding it changes nothing: the sums begin with zero, so they are never minus zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.table.frame_encoding import EncodedColumns
from tiltyard.scoring.table.preparation import Preparation

Floats = NDArray[np.float64]
States = NDArray[np.int64]

AT_ONCE = 2048
"""Rows whose cells and features lie in the cache together."""


@dataclass(frozen=True)
class _Cells:
    """The encoded cells of some rows of one column: numbers; or distinct ones, and the place of each row among them."""

    values: Floats
    codes: NDArray[np.int32] | None

    def part(self, start: int, stop: int) -> _Cells:
        if self.codes is None:
            return _Cells(self.values[start:stop], None)
        return _Cells(self.values, self.codes[start:stop])


@dataclass(frozen=True)
class _ByCode:
    """Features of the distinct cells of a column, and the states that they bring.

    Attributes:
        features: (features, distinct).
        states: (distinct,).
    """

    features: Floats
    states: States


class ColumnPlan:
    """Makes features by columns.

    Args:
        prepared: the compiled preprocessing.
        limits: which features the model takes, as ``prepare_features`` has them.
        bounds: the lowest and the highest usual value of each column.
    """

    def __init__(self, prepared: Preparation, limits: tuple[bool, bool, bool], bounds: tuple[Floats, Floats]) -> None:
        self._limits = limits
        self._bounds = list(zip(bounds[0].tolist(), bounds[1].tolist(), strict=True))
        self._values = prepared.values
        numbers = (prepared.kind, prepared.fill, prepared.mean, prepared.scale, prepared.offset)
        self._features = list(zip(*(one.tolist() for one in numbers), strict=True))
        self._runs = list(_find_runs(prepared.source.tolist()))

    def make_features(self, rows: EncodedColumns) -> Iterator[tuple[slice, Floats, States]]:
        """Blocks of rows: which they are, their features (rows, features), and their states.

        The array of the features is used again for the next block.
        """
        cells, by_column, state = self._begin(rows)
        out = np.empty((min(rows.rows, AT_ONCE), len(self._features)))
        one = np.empty(len(out))
        for part in _cut(rows.rows):
            some, flags = out[: part.stop - part.start], state[part]
            self._flag(cells, by_column, part, flags)
            for column, first, count in self._runs:
                held = cells[column].part(part.start, part.stop)
                if held.codes is not None:
                    some[:, first : first + count] = by_column[column, first].features.T[held.codes]
                    continue
                for place in range(first, first + count):
                    self._make_feature(held.values, place, one[: len(some)], flags)
                    some[:, place] = one[: len(some)]
            yield part, some, _settle(flags)

    def decide(
        self, rows: EncodedColumns, weights: Floats, intercept: Floats
    ) -> Iterator[tuple[slice, Floats, States]]:
        """Blocks of rows with the decision values of a linear model instead of features, (rows, outputs).

        Args:
            rows: the encoded rows.
            weights: (features, outputs), finite.
            intercept: (outputs,).
        """
        cells, by_column, state = self._begin(rows)
        added = {run: _weigh(found.features, weights[run[1] :]) for run, found in by_column.items()}
        one, product = np.empty(AT_ONCE), np.empty(AT_ONCE)
        for part in _cut(rows.rows):
            size = part.stop - part.start
            flags, totals = state[part], np.zeros((len(intercept), size))
            self._flag(cells, by_column, part, flags)
            for column, first, count in self._runs:
                held = cells[column].part(part.start, part.stop)
                if held.codes is not None:
                    for table in added[column, first]:
                        for output, by_code in enumerate(table):
                            totals[output] += by_code[held.codes]
                    continue
                for place in range(first, first + count):
                    self._make_feature(held.values, place, one[:size], flags)
                    for output, weight in enumerate(weights[place]):
                        np.multiply(one[:size], weight, out=product[:size])
                        totals[output] += product[:size]
            yield part, np.ascontiguousarray((totals + intercept[:, np.newaxis]).T), _settle(flags)

    def _begin(self, rows: EncodedColumns) -> tuple[list[_Cells], dict[tuple[int, int], _ByCode], States]:
        cells = [
            _Cells(np.ascontiguousarray(values), None if codes is None else codes.astype(np.int32, copy=False))
            for values, codes in rows.columns
        ]
        by_code = {}
        for column, first, count in self._runs:
            if cells[column].codes is not None:
                by_code[column, first] = self._list_features(cells[column].values, first, count)
        return cells, by_code, np.zeros(rows.rows, np.int64)

    def _list_features(self, values: Floats, first: int, count: int) -> _ByCode:
        features, states = np.empty((count, len(values))), np.zeros(len(values), np.int64)
        for place in range(count):
            self._make_feature(values, first + place, features[place], states)
        return _ByCode(features, states)

    def _make_feature(self, values: Floats, place: int, out: Floats, state: States) -> None:
        from tiltyard.scoring.table import column_kernels  # noqa: PLC0415 - imported when first used

        column_kernels.make_features(values, self._features[place], self._values, self._limits, out, state)

    def _flag(
        self, cells: Sequence[_Cells], by_code: dict[tuple[int, int], _ByCode], part: slice, state: States
    ) -> None:
        """Add to the states of some rows what their cells bring, and what features that are looked up do."""
        from tiltyard.scoring.table import column_kernels  # noqa: PLC0415 - imported when first used

        for column, (low, high) in enumerate(self._bounds):
            held = cells[column].part(part.start, part.stop)
            if held.codes is None:
                column_kernels.flag_cells(held.values, low, high, state)
                continue
            flags = np.zeros(len(held.values), np.int64)
            column_kernels.flag_cells(held.values, low, high, flags)
            for run, found in by_code.items():
                if run[0] == column:
                    flags |= found.states
            if flags.any():
                state |= flags[held.codes]


def _find_runs(source: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Features that follow each other and come from one column: the column, the first of them, and how many."""
    first = 0
    for place in range(1, len(source) + 1):
        if place == len(source) or source[place] != source[first]:
            yield source[first], first, place - first
            first = place


def _cut(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + AT_ONCE, rows)) for start in range(0, rows, AT_ONCE))


def _settle(state: States) -> States:
    """A row with a feature that is not a number and one that is too large is refused for the former."""
    from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imports numba

    both = table_kernels.NOT_A_NUMBER | table_kernels.TOO_LARGE
    if (np.bitwise_or.reduce(state, initial=0) & both) == both:
        state[(state & both) == both] &= ~table_kernels.TOO_LARGE
    return state


def _weigh(features: Floats, weights: Floats) -> list[Floats]:
    """What features of distinct cells add to each output, as tables (outputs, distinct) to be added one by one.

    As many features go into one table as leave each distinct cell one that is not zero.
    """
    tables: list[Floats] = []
    taken = np.ones(features.shape[1], np.bool_)
    for feature, weight in zip(features, weights, strict=False):
        occurs = feature != 0.0
        if not occurs.any():
            continue
        if (taken & occurs).any():
            tables.append(np.zeros((weights.shape[1], features.shape[1])))
            taken = np.zeros(features.shape[1], np.bool_)
        tables[-1][:, occurs] = weight[:, np.newaxis] * feature[occurs]
        taken |= occurs
    return tables
