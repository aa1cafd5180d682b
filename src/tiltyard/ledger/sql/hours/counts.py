"""Summaries of predictions from the counts of whole hours, and from rows where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, cast, exists, func, literal_column, select

from tiltyard.ledger.prediction_stats import StatsTally
from tiltyard.ledger.records import SHADOW, HourCount
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import check_filters, prediction_conditions
from tiltyard.ledger.sql.hours.fold import (
    HOUR_US,
    HourCountFold,
    counted_label,
    is_class,
    is_late,
    list_measures,
    read_mark,
)
from tiltyard.ledger.sql.schema import hour_counts, labels, predictions, stale_hours
from tiltyard.ledger.storable import FIRST_MICROS, LAST_MICROS, check_text, from_micros, to_micros


class CountQuery(NamedTuple):
    """Which predictions are counted: of a model, version and route (None: of all), from ``since`` until before."""

    model_name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shadow: bool = False
    version: str | None = None
    route: str | None = None


class SqlCounts:
    """Counts of predictions: whole hours are read from what was folded, the rest row by row.

    Attributes:
        fold: adds what has arrived to the counts of hours.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.fold = HourCountFold(database)

    def tally(self, query: CountQuery) -> list[StatsTally]:
        """The selected predictions by label and version."""
        return [StatsTally._make(row[1:-1]) for row in self._read(query, None)]

    def tally_steps(self, query: CountQuery, step: timedelta) -> dict[datetime, list[StatsTally]]:
        """The same by steps of time, which begin at multiples of ``step`` since 1970; empty ones are absent."""
        size = step // timedelta(microseconds=1)
        found: dict[datetime, list[StatsTally]] = {}
        for row in self._read(query, size):
            found.setdefault(from_micros(row[0] * size), []).append(StatsTally._make(row[1:-1]))
        return dict(sorted(found.items()))

    def count_labelled(self, query: CountQuery, step: timedelta) -> dict[datetime, int]:
        """How many of the selected predictions have a label, by steps.

        It costs what the labels of the ledger cost, or the rows of the period, whichever are fewer.
        """
        size, column = step // timedelta(microseconds=1), predictions.c
        ends = (
            FIRST_MICROS if query.since is None else to_micros(query.since, "since"),
            LAST_MICROS if query.until is None else to_micros(query.until, "until"),
        )
        rows = sum(tally.total for tally in self.tally(query))
        with self._database.read() as connection:
            most = select(func.max(labels.c.sequence) - func.min(labels.c.sequence) + 1)
            # The databases cannot know; the sign keeps them from reading the whole period by the index of times.
            few = (connection.scalar(most) or 0) < rows
            moment: ColumnElement[int] = literal_column("+predictions.at_us", BigInteger) if few else column.at_us
            labelled = select(labels.c.prediction_id).distinct().subquery() if few else None
            known = (
                exists().where(labels.c.prediction_id == column.id)
                if labelled is None
                else column.id == labelled.c.prediction_id
            )
            counted = (
                select(_number_step(column.at_us, size), func.count())
                .where(known, *_conditions(query, ends, moment))
                .group_by(literal_column("1"))
                .order_by(literal_column("1"))
            )
            return {from_micros(place * size): rows for place, rows in connection.execute(counted)}

    def count_hours(self, query: CountQuery) -> list[HourCount]:
        """How many predictions each hour holds, and the newest id; empty hours are absent."""
        rows: dict[int, int] = {}
        newest: dict[int, str] = {}
        for row in self._read(query, HOUR_US):
            hour = row[0] * HOUR_US
            rows[hour] = rows.get(hour, 0) + row[3]
            newest[hour] = max(newest.get(hour, ""), row[-1])
        return [HourCount(from_micros(hour), count, newest[hour]) for hour, count in sorted(rows.items())]

    def _read(self, query: CountQuery, step: int | None) -> list[Any]:
        """Rows of step number, label, version, measures, newest id; several may be of the same."""
        first = FIRST_MICROS if query.since is None else to_micros(query.since, "since")
        last = LAST_MICROS if query.until is None else to_micros(query.until, "until")
        begin = first if query.since is None else -(-first // HOUR_US) * HOUR_US
        end = last if query.until is None else last // HOUR_US * HOUR_US
        if begin >= end or (step is not None and step % HOUR_US):
            with self._database.read() as connection:
                return list(connection.execute(_select_rows(query, step, (first, last))))
        self.fold.catch_up()
        with self._database.read(snapshot=True) as connection:
            stale = connection.scalars(
                select(stale_hours.c.hour_us)
                .where(stale_hours.c.hour_us >= begin, stale_hours.c.hour_us < end)
                .order_by(stale_hours.c.hour_us)
            ).all()
            mark = read_mark(connection)
            if not mark.is_sound or not mark.folded:
                return list(connection.execute(_select_rows(query, step, (first, last))))
            found = list(connection.execute(_select_cells(query, step, (begin, end))))
            cut = [(first, begin), (end, last), *((hour, hour + HOUR_US) for hour in stale)]
            for ends in cut:
                if ends[0] < ends[1]:
                    found.extend(connection.execute(_select_rows(query, step, ends)))
            late = is_late(connection, mark)
            for ends in _between(begin, end, stale):
                found.extend(connection.execute(_select_rows(query, step, ends, late)))
            return found


def _between(begin: int, end: int, stale: Any) -> Iterator[tuple[int, int]]:
    """The periods between stale hours."""
    start = begin
    for hour in stale:
        if start < hour:
            yield start, hour
        start = hour + HOUR_US
    if start < end:
        yield start, end


def _number_step(column: ColumnElement[int], step: int | None) -> ColumnElement[int]:
    if step is None:
        return literal_column("0", BigInteger)
    size = literal_column(str(step), BigInteger)
    return (column - (column % size + size) % size) // size


def _conditions(query: CountQuery, ends: tuple[int, int], moment: ColumnElement[int]) -> list[ColumnElement[bool]]:
    filters = check_filters(
        project=query.model_name, version=query.version, route=query.route, shadow=query.shadow or bool(query.route)
    )
    found = prediction_conditions(filters)
    if ends[0] > FIRST_MICROS:
        found.append(moment >= ends[0])
    if ends[1] < LAST_MICROS:
        found.append(moment < ends[1])
    return found


def _select_rows(
    query: CountQuery, step: int | None, ends: tuple[int, int], late: ColumnElement[bool] | None = None
) -> Select[Any]:
    """Count row by row; with ``late`` only of those rows, which are few."""
    column = predictions.c
    # A sign keeps the databases from reading a whole period by the index of times, to find the few that are late.
    moment = column.at_us if late is None else literal_column("+predictions.at_us", BigInteger)
    conditions = _conditions(query, ends, moment)
    keys = (_number_step(column.at_us, step), counted_label(), column.version, is_class())
    return (
        select(*keys[:3], *list_measures())
        .where(*conditions, *(() if late is None else (late,)))
        .group_by(*(literal_column(place) for place in ("1", "2", "3")), keys[3])
    )


def _select_cells(query: CountQuery, step: int | None, ends: tuple[int, int]) -> Select[Any]:
    column = hour_counts.c
    conditions = []
    for kept, value in (
        (column.project, query.model_name),
        (column.version, query.version),
        (column.route, query.route),
    ):
        if value is not None:
            conditions.append(kept == check_text(kept.name, value))
    if not query.shadow and query.route is None:
        conditions.append(column.route != SHADOW)
    if ends[0] > FIRST_MICROS:
        conditions.append(column.hour_us >= ends[0])
    if ends[1] < LAST_MICROS:
        conditions.append(column.hour_us < ends[1])
    measures = (
        cast(func.sum(column.total), BigInteger),
        func.sum(column.confidence),
        func.min(column.least),
        func.max(column.most),
        func.sum(column.latency_ms),
        cast(func.sum(column.measured), BigInteger),
        func.min(column.first_us),
        func.max(column.last_us),
        func.max(column.newest),
    )
    return (
        select(_number_step(column.hour_us, step), column.label, column.version, *measures)
        .where(*conditions)
        .group_by(*(literal_column(place) for place in ("1", "2", "3")), column.is_class)
    )
