"""Filters and pages, in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Column, ColumnElement, Integer, Row, Select, and_, exists, func, or_, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tiltyard.errors import UsageError
from tiltyard.ledger.ports import FindingFilter, PredictionFilter
from tiltyard.ledger.records import SHADOW
from tiltyard.ledger.sql.schema import labels, predictions
from tiltyard.ledger.storable import check_text, to_micros
from tiltyard.suggest import nearest

PAGE = 1000
"""Rows of one page: a short transaction each, so that a long reading holds nothing up."""


def check_filters(**filters: Unpack[PredictionFilter]) -> PredictionFilter:
    """The filters, all of them known and with possible values.

    Raises:
        UsageError: there is no such filter, or the limit is negative.
    """
    _check_filters("Predictions", PredictionFilter.__annotations__, filters, filters.get("limit"))
    return filters


def check_finding_filters(**filters: Unpack[FindingFilter]) -> FindingFilter:
    """The filters, all of them known and with possible values.

    Raises:
        UsageError: there is no such filter, or the limit is negative.
    """
    _check_filters("Findings", FindingFilter.__annotations__, filters, filters.get("limit"))
    return filters


def _check_filters(what: str, known: Iterable[str], given: Iterable[str], limit: int | None) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            raise UsageError(
                f"{what} cannot be filtered by '{name}'.{nearest(name, names)}",
                next_step=f"Known filters: {', '.join(names)}.",
            )
    if limit is not None and limit < 0:
        raise UsageError(f"limit = {limit} is negative.", next_step="Give 0 or more, or none for all.")


def prediction_conditions(filters: PredictionFilter) -> list[ColumnElement[bool]]:
    """The filters' conditions on the table of predictions."""
    found = time_conditions(predictions.c.at_us, filters.get("since"), filters.get("until"))
    named = {name: filters.get(name) for name in ("project", "version", "route")}
    for name, value in named.items():
        if value is not None:
            found.append(predictions.c[name] == check_text(name, str(value)))
    if (key := filters.get("key")) is not None:
        found.append(key_condition(predictions.c.key, check_text("key", key), items=filters.get("list_items", False)))
    if not filters.get("shadow", True):
        found.append(predictions.c.route != SHADOW)
    found.extend(_search_conditions(filters.get("search") or ""))
    return found


class _ByteCount(FunctionElement[int]):
    """Bytes of a text in UTF-8."""

    type = Integer()
    inherit_cache = True


@compiles(_ByteCount)
def _write_byte_count(element: _ByteCount, compiler: SQLCompiler, **options: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **options)})"


@compiles(_ByteCount, "sqlite")
def _write_byte_count_for_sqlite(element: _ByteCount, compiler: SQLCompiler, **options: Any) -> str:
    # octet_length came with SQLite 3.43.
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


def _search_conditions(search: str) -> list[ColumnElement[bool]]:
    """What every row has that ``matches_search`` finds; some others have it too."""
    column = predictions.c
    text = column.input + " " + column.label + " " + column.version + " " + column.id
    # Databases differ in how they fold letters that are not ASCII, and JSON writes some signs in its own way.
    is_plain = _ByteCount(text) == func.length(text)
    words = [word for word in search.casefold().split() if word.isascii() and word.isalnum()]
    return [or_(func.lower(text).contains(word), ~is_plain) for word in words]


def key_condition(column: ColumnElement[Any], key: str, *, items: bool) -> ColumnElement[bool]:
    """That a column holds a key; with ``items``, or that of an item of its list, ``KEY/0`` and on."""
    if not items:
        return column == key
    number = func.substr(column, len(key) + 2)
    # "0" is the character after "/": a range that an index serves. What is left of digits without its digits is empty.
    below = and_(column > f"{key}/", column < f"{key}0", func.ltrim(number, "0123456789") == "")
    return or_(column == key, below)


def time_conditions(column: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[Any]:
    """Conditions that a column of microseconds is at or after ``since`` and before ``until``."""
    found = []
    if since is not None:
        found.append(column >= to_micros(since, "since"))
    if until is not None:
        found.append(column < to_micros(until, "until"))
    return found


def fetch_pages(
    fetch: Callable[[Select[Any]], Sequence[Row[Any]]],
    query: Select[Any],
    order: Sequence[Column[Any]],
    *,
    descending: bool = False,
    limit: int | None = None,
) -> Iterator[Row[Any]]:
    """The rows of a query by the columns of ``order``, which together are unique, a page at a time.

    A page begins after the last row of the one before (keyset), so that its cost does not grow.
    """
    query = query.order_by(*(column.desc() if descending else column for column in order))
    position: tuple[Any, ...] | None = None
    left = limit
    while left is None or left > 0:
        page = query
        if position is not None:
            here = tuple_(*order)
            page = page.where(here < position if descending else here > position)
        size = PAGE if left is None else min(PAGE, left)
        rows = fetch(page.limit(size))
        yield from rows
        if len(rows) < size:
            return
        position = tuple(getattr(rows[-1], column.name) for column in order)
        left = None if left is None else left - size


def newest_label() -> ColumnElement[bool]:
    """That no newer label of the same prediction exists."""
    newer = labels.alias("newer")
    later = or_(
        newer.c.at_us > labels.c.at_us,
        and_(newer.c.at_us == labels.c.at_us, newer.c.sequence > labels.c.sequence),
    )
    return ~exists().where(newer.c.prediction_id == labels.c.prediction_id, later)
