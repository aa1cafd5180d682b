"""How the dates of an unknown table are written: the one way that reads them all, where only one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd

from tiltyard.data.conform.dates import looks_like_date, parse_moment
from tiltyard.data.conform.kinds import READABLE_FROM
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.written import kind_of_dtype, write_down
from tiltyard.data.read_table import count_nested

ISO = "iso"
DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
FORMATS = (
    "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d %b %Y", "%d-%b-%Y",
    "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
"""Other ways of writing days that are looked for, each also with a time."""

TIMED_FORMATS = ("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z")
"""Other ways of writing times that are looked for: of C, of e-mail, of web servers."""

_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_SAMPLE = 200
_LONGEST = 40


@dataclass(frozen=True)
class DateOrder:
    """How the dates of a table are written.

    Attributes:
        order: what ``data.dates`` has to be.
        columns: the columns whose dates need that order, each with a cell of it.
        ambiguous: columns of what looks like dates that no order or several orders read, each with a cell.
        others: columns of dates in another order than ``order``, each with that order.
        unreadable: how many cells of columns of dates cannot be read.
    """

    order: str = ISO
    columns: Mapping[str, str] = field(default_factory=dict)
    ambiguous: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)


def find_date_order(frame: pd.DataFrame, rules: ReadingRules, stated: str | None = None) -> DateOrder:
    """The order in which the dates of n rows are written.

    A column is one of dates if nine in ten of its cells look like dates of one order. That order is found where it
    reads every cell that any order reads, and no other order does. A column that several orders read follows a column
    that only one reads.

    Args:
        frame: the rows.
        rules: how the other cells are read.
        stated: the order, where it is known.
    """
    read = {
        str(name): found
        for place, name in enumerate(frame.columns)
        if (found := _find_orders(frame.iloc[:, place], rules, stated)) is not None
    }
    # Columns that ISO 8601 reads decide nothing: it is read in any order.
    open_columns = {name: found for name, found in read.items() if ISO not in found.best}
    votes = [found.best[0] for found in open_columns.values() if len(found.best) == 1]
    votes = votes or [found.best[0] for found in open_columns.values() if found.best and found.agree]
    order = stated or (max(votes, key=votes.count) if votes else ISO)
    followed = {name: found for name, found in open_columns.items() if order in found.best}
    undecided = {name: found for name, found in open_columns.items() if len(found.best) != 1 and name not in followed}
    dated = {
        name: found.unread.get(order, found.unread.get(ISO, 0))
        for name, found in read.items()
        if name in followed or ISO in found.best
    }
    return DateOrder(
        order,
        {name: found.example for name, found in followed.items()},
        {name: found.example for name, found in undecided.items()},
        {name: found.best[0] for name, found in open_columns.items() if name not in followed and name not in undecided},
        {name: count for name, count in dated.items() if count},
    )


@dataclass(frozen=True)
class _OrdersOfColumn:
    """How the dates of one column are read.

    Attributes:
        best: the orders that read the most cells; none where some cells are dates only in one order and others only in
            another, or where no order reads nine in ten.
        agree: whether these read the same dates.
        unread: how many cells cannot be read, by order.
        example: a cell.
    """

    best: tuple[str, ...]
    agree: bool
    unread: Mapping[str, int]
    example: str


def _find_orders(column: pd.Series, rules: ReadingRules, stated: str | None) -> _OrdersOfColumn | None:
    """The orders of a column; where the stated one does not read it, any others that do. None without dates."""
    found = _read_orders(column, rules, stated)
    if stated is not None and (found is None or not found.best):
        return _read_orders(column, rules, None) or found
    return found


def _read_orders(column: pd.Series, rules: ReadingRules, stated: str | None) -> _OrdersOfColumn | None:
    """The orders of a column; None where it holds no dates."""
    if kind_of_dtype(column.dtype) is not None or count_nested(column):
        return None
    words = write_down(column, rules.gap_words)
    sample = words.distinct[:_SAMPLE]
    if not _are_most(sample, _may_be_date):
        return None
    read: dict[str, list[datetime | None]] = {}
    for order in _list_orders(stated):
        its = replace(rules, dates=order)
        if all(_are_most(part, partial(looks_like_date, rules=its)) for part in (sample, words.distinct)):
            read[order] = [parse_moment(word, its) for word in words.distinct]
    masks = {order: np.array([moment is not None for moment in moments]) for order, moments in read.items()}
    counts = words.counts
    rows = {order: int(counts[mask].sum()) for order, mask in masks.items()}
    if not read:
        return None
    most = max(rows.values())
    best = [order for order in read if rows[order] == most]
    agree = all(read[order] == read[best[0]] for order in best)
    by_any = np.logical_or.reduce(list(masks.values()))
    if most < max(READABLE_FROM * counts.sum(), counts[by_any].sum()):
        best = []
    unread = {order: int(counts.sum()) - rows[order] for order in read}
    return _OrdersOfColumn(tuple(best), agree, unread, words.distinct[int(by_any.argmax())])


def _list_orders(stated: str | None) -> list[str]:
    if stated is not None:
        return list(dict.fromkeys((ISO, stated)))
    return [ISO, DAY_FIRST, MONTH_FIRST, *(shape + clock for shape in FORMATS for clock in _CLOCKS), *TIMED_FORMATS]


def _may_be_date(word: str) -> bool:
    return len(word) <= _LONGEST and not word.isdigit() and any(sign.isdigit() for sign in word)


def _are_most(words: Sequence[str], are: Callable[[str], bool]) -> bool:
    return 0 < READABLE_FROM * len(words) <= sum(map(are, words))
