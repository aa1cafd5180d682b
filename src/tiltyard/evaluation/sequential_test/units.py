"""Units of a live test: rows of one request or of one caller, and when each unit counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIRST_ANALYSIS, ANALYSES, GROWTH = 100, 24, 1.5
"""Callers are evaluated at 100 labelled rows, at 150, 225 … 24 times in all (up to more than a million rows)."""

# A request whose labels do not all come waits for so many more labelled rows of the test.
_LEAST_WAIT, _WAIT_SHARE = 50, 0.25


@dataclass(frozen=True)
class UnitRows:
    """The units of n labelled rows, in the order in which the ledger received their labels.

    Attributes:
        unit: number of each row's unit.
        is_caller: whether the unit is a caller, who sends further requests; else it is one request.
        size: how many rows the unit has, labelled or not.
    """

    unit: NDArray[np.int64]
    is_caller: NDArray[np.bool_]
    size: NDArray[np.int64]

    @classmethod
    def from_names(cls, units: Sequence[str], sizes: Sequence[int], caller: str) -> UnitRows:
        """The units of rows by their names, those of callers beginning with ``caller``."""
        _, numbers = np.unique(np.asarray(units, dtype=str), return_inverse=True)
        is_caller = np.array([unit.startswith(caller) for unit in units], dtype=bool)
        return cls(numbers.astype(np.int64), is_caller, np.asarray(sizes, dtype=np.int64))

    @classmethod
    def of_single_rows(cls, rows: int) -> UnitRows:
        """Each of n rows is a unit by itself."""
        return cls(np.arange(rows), np.zeros(rows, dtype=bool), np.ones(rows, dtype=np.int64))

    def select(self, chosen: NDArray[np.bool_]) -> UnitRows:
        """The units of the rows that are chosen."""
        return UnitRows(self.unit[chosen], self.is_caller[chosen], self.size[chosen])

    @property
    def are_single_rows(self) -> bool:
        """Whether each row is a request by itself."""
        return bool(np.all((self.size == 1) & ~self.is_caller))


@dataclass(frozen=True)
class UnitTotals:
    """Units, each with its labelled rows so far, in the order in which they count.

    Attributes:
        first: place of the first labelled row of each.
        rows: labelled rows of each.
        total: sum of the rows' values.
    """

    first: NDArray[np.int64]
    rows: NDArray[np.float64]
    total: NDArray[np.float64]

    def follow_by_one(self) -> UnitTotals:
        """The same units, and one more of a single row, of which the others let expect something."""
        return UnitTotals(np.append(self.first, 0), np.append(self.rows, 1.0), np.append(self.total, 0.0))


Evidence = Callable[[UnitTotals], float]
"""Log of the evidence of units, each of which counts once."""


def add_evidence(rows: UnitRows, values: NDArray[np.float64], evidence: Evidence) -> float:
    """Log of the evidence of all units at any time, from that of units each of which counts once.

    A request counts when all its rows are labelled, or after a wait; later labels of it are not used. So its evidence
    multiplies with that of the other requests. Callers send ever more rows, and their side is drawn but once: their
    totals are analysed at fixed numbers of labelled rows, and the mean over these analyses, with 0 for those to come,
    is the evidence. It never falls from one to the next, and its expectation is at most 1 without a difference:
    ever passing 1 / alpha has a probability of at most alpha (Markov), all together. Both multiply, since the
    sides of requests and of callers are drawn independently.

    Args:
        rows: the units of the labelled rows.
        values: the value of each row.
        evidence: of units, each of which counts once.
    """
    found = 0.0
    if np.any(~rows.is_caller):
        found += evidence(_close_requests(rows, values))
    if np.any(rows.is_caller):
        found += _evaluate_callers(rows, values, evidence)
    return found


def total_units(rows: UnitRows, values: NDArray[np.float64]) -> UnitTotals:
    """All units with their labelled rows so far, also requests whose labels are not complete."""
    _, first, unit = np.unique(rows.unit, return_index=True, return_inverse=True)
    total = np.bincount(unit, weights=values, minlength=len(first))
    return UnitTotals(first, np.bincount(unit, minlength=len(first)).astype(float), total.astype(np.float64))


def log_cost(rows: UnitRows) -> float:
    """By how much the evidence is smaller because callers are analysed several times, as a log; 0 for requests."""
    if not rows.is_caller.any():
        return 0.0
    return math.log(ANALYSES / (1 - _choose_reserve(int(np.argmax(rows.is_caller)))))


def _choose_reserve(before: int) -> float:
    """What is kept for no bet at all: callers who come to a test of requests, after such rows, cannot ruin it."""
    return 0.5 if before else 1.0 / (ANALYSES + 1)


def _close_requests(rows: UnitRows, values: NDArray[np.float64]) -> UnitTotals:
    """The requests that count by now, in the order in which they were closed, with the rows that they had then."""
    places = np.flatnonzero(~rows.is_caller)
    _, first, unit = np.unique(rows.unit[places], return_index=True, return_inverse=True)
    first = places[first]
    if rows.are_single_rows:
        return UnitTotals(places, np.ones(len(places)), values)
    until = first + np.maximum(_LEAST_WAIT, (_WAIT_SHARE * first).astype(int))
    waited = places <= until[unit]
    places, unit = places[waited], unit[waited]
    labelled = np.bincount(unit, minlength=len(first))
    last = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, unit, places)
    size = np.zeros(len(first), dtype=np.int64)
    size[unit] = rows.size[places]
    complete = labelled >= size
    closed = np.where(complete, last, until)
    order = np.argsort(closed, kind="stable")
    order = order[closed[order] < len(values)]
    total = np.bincount(unit, weights=values[places], minlength=len(first))
    return UnitTotals(first[order], labelled[order].astype(float), total[order].astype(np.float64))


def _evaluate_callers(rows: UnitRows, values: NDArray[np.float64], evidence: Evidence) -> float:
    places = np.flatnonzero(rows.is_caller)
    unit, values = rows.unit[places], values[places]
    _, first, unit = np.unique(unit, return_index=True, return_inverse=True)
    order = np.argsort(first)
    reserve = _choose_reserve(int(places[0]))
    analyses = [round(FIRST_ANALYSIS * GROWTH**number) for number in range(ANALYSES)]
    found = [np.log(reserve)]
    for rows_then in analyses:
        if rows_then > len(places):
            break
        seen = np.bincount(unit[:rows_then], minlength=len(first))
        total = np.bincount(unit[:rows_then], weights=values[:rows_then], minlength=len(first))
        there = order[seen[order] > 0]
        totals = UnitTotals(places[first[there]], seen[there].astype(float), total[there].astype(np.float64))
        found.append(np.log((1 - reserve) / ANALYSES) + evidence(totals))
    return float(np.logaddexp.reduce(found))
