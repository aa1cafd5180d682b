"""Counts of predictions by hour, kept so that no reader counts a ledger's rows again.

Who records pays nothing for them. Who reads adds what has arrived since the last time (``HourCountFold.catch_up``),
and a mark says up to which arrival the counts go. What arrived later is counted row by row, and so are hours of which
predictions were removed, until the next reader: a summary is exact at any moment, with late arrivals and removals.

What arrival means: in SQLite the row number, which grows, for there is one writer at a time. In PostgreSQL the
transaction that stored the row; the mark stands before the oldest one that was still running, so that none is missed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)

from tiltyard.errors import UnavailableError
from tiltyard.ledger.codec import NOT_MEASURED, NUMBER_CONFIDENCE
from tiltyard.ledger.sql.bulk_insert import upserting_insert
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import count_marks, hour_counts, predictions, stale_hours

log = logging.getLogger(__name__)

HOUR_US = 3_600_000_000

LATE_ROWS = 5_000

_AT_ONCE = 1_000_000
_MARK = "predictions"
_ROW = literal_column("predictions.rowid", BigInteger)
_ARRIVED = literal_column("predictions.arrived", BigInteger)
_THIS_TRANSACTION = cast(cast(func.pg_current_xact_id(), Text), BigInteger)
_OLDEST_RUNNING = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
_MARK_WRITER = literal_column("CAST(CAST(count_marks.xmin AS text) AS bigint)", BigInteger)
_XIDS = 2**32
_KEY = ("project", "hour_us", "version", "route", "is_class", "label")


class FoldMark(NamedTuple):
    """Up to which arrival predictions are counted.

    Attributes:
        folded: SQLite: the last row's number that is counted; PostgreSQL: the first transaction that is not.
        turn: rises whenever rows are removed or counted: who counted meanwhile counts again.
        is_sound: whether it is the mark of this database: a copy of one has other row numbers and transactions.
    """

    folded: int
    turn: int
    is_sound: bool


def hour_of(column: ColumnElement[int]) -> ColumnElement[int]:
    """The beginning of a moment's hour; of one before 1970 too, whose remainder is negative."""
    return column - (column % HOUR_US + HOUR_US) % HOUR_US


def list_measures() -> list[ColumnElement[Any]]:
    """What is counted of rows of ``predictions``, in the order of ``StatsTally`` from ``total`` on, and ``newest``."""
    column = predictions.c
    measured = case((column.latency_ms != NOT_MEASURED, column.latency_ms))
    confidence = case((is_class(), column.confidence))
    return [
        func.count().label("total"),
        func.sum(confidence).label("confidence"),
        func.min(confidence).label("least"),
        func.max(confidence).label("most"),
        func.sum(measured).label("latency_ms"),
        func.count(measured).label("measured"),
        func.min(column.at_us).label("first_us"),
        func.max(column.at_us).label("last_us"),
        func.max(column.id).label("newest"),
    ]


def is_class() -> ColumnElement[bool]:
    """That a prediction is of a class."""
    return predictions.c.confidence != NUMBER_CONFIDENCE


def counted_label() -> ColumnElement[str]:
    """Under which label a prediction is counted: numbers are nearly all different, and are counted together."""
    return case((is_class(), predictions.c.label), else_="")


def read_mark(connection: Connection) -> FoldMark:
    """Up to where the counts go; ``is_sound`` is False where they do not hold."""
    is_sqlite = connection.dialect.name == "sqlite"
    column = count_marks.c
    query = select(column.folded, column.turn, column.proof)
    row = connection.execute(query if is_sqlite else query.add_columns(_MARK_WRITER)).first()
    if row is None:
        return FoldMark(0, 0, is_sound=False)
    if not row[0]:
        return FoldMark(0, row[1], is_sound=True)
    if is_sqlite:
        # VACUUM may number the rows anew, and so may a copy.
        held = connection.execute(select(predictions.c.id).where(row[0] == _ROW)).scalar()
        return FoldMark(row[0], row[1], held == row[2])
    # A restored dump was written by other transactions than the ones it tells of.
    return FoldMark(row[0], row[1], row[2] != "" and int(row[2]) % _XIDS == row[3])


def is_late(connection: Connection, mark: FoldMark) -> ColumnElement[bool]:
    """That a prediction arrived behind the mark."""
    if not mark.is_sound or not mark.folded:
        return true()
    return mark.folded < _ROW if connection.dialect.name == "sqlite" else mark.folded <= _ARRIVED


def begin_count_change(connection: Connection, ids: Sequence[str]) -> set[int]:
    """The hours of predictions that are about to be removed in this transaction; see ``note_removed``."""
    connection.execute(select(count_marks.c.folded).with_for_update())
    if not read_mark(connection).is_sound:
        _write_mark(connection, 0)
    return set(connection.scalars(select(hour_of(predictions.c.at_us)).where(predictions.c.id.in_(ids)).distinct()))


def note_removed(connection: Connection, hours: Iterable[int]) -> None:
    """Let no count of these hours hold: after ``begin_count_change`` and the removal, in the same transaction."""
    folded = connection.execute(select(count_marks.c.folded).where(count_marks.c.name == _MARK)).scalar_one()
    _write_mark(connection, folded)
    if not folded:
        return
    for hour in sorted(hours):
        connection.execute(upserting_insert(connection, stale_hours).values(hour_us=hour).on_conflict_do_nothing())
        connection.execute(delete(hour_counts).where(hour_counts.c.hour_us == hour))


class HourCountFold:
    """Adds what has arrived to the counts. Safe for several processes: of two that count the same, one is kept.

    Attributes:
        late_rows: so many arrivals may be counted row by row before they are added to the counts.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.late_rows = LATE_ROWS

    def catch_up(self) -> None:
        """Add what has arrived, where it is much; where the ledger cannot be written, readers count the rows."""
        try:
            while self._is_due() and self._fold():
                pass
        except UnavailableError as error:
            log.debug("The hours are counted row by row: %s", error.message)

    def _is_due(self) -> bool:
        with self._database.read() as connection:
            mark = read_mark(connection)
            if not mark.is_sound or connection.execute(select(stale_hours.c.hour_us).limit(1)).first():
                return True
            if self._database.is_sqlite:
                newest = connection.execute(select(func.max(_ROW)).select_from(predictions)).scalar() or 0
                return bool(newest - mark.folded > self.late_rows)
            late = select(predictions.c.id).where(is_late(connection, mark)).offset(self.late_rows).limit(1)
            return connection.execute(late).first() is not None

    def _fold(self) -> bool:
        """Count what is late and write it down; False where nothing was gained."""
        with self._database.read(snapshot=True) as connection:
            mark = read_mark(connection)
            folded = mark.folded if mark.is_sound else 0
            until = self._find_end(connection, folded)
            stale = list(connection.scalars(select(stale_hours.c.hour_us))) if folded else []
            if until <= folded and not stale and mark.is_sound:
                return False
            if not folded:
                log.info("Counting the predictions of the ledger by hour, once.")
            hours = select(stale_hours.c.hour_us)
            fresh = true() if not stale else hour_of(predictions.c.at_us).not_in(hours)
            cells = list(connection.execute(_count_cells(self._between(folded, until), fresh)))
            column = predictions.c.at_us
            for hour in stale:
                within = and_(column >= hour, column < hour + HOUR_US)
                cells.extend(connection.execute(_count_cells(self._between(0, until), within)))
        with self._database.write() as connection:
            if not _take_turn(connection, mark.turn):
                return True  # somebody else counted, or removed rows: look again
            if not folded:
                _write_mark(connection, 0)
            _write_mark(connection, until)
            connection.execute(delete(stale_hours))
            _add_cells(connection, [row._asdict() for row in cells])
        return until > folded

    def _find_end(self, connection: Connection, folded: int) -> int:
        if not self._database.is_sqlite:
            return max(folded, int(connection.execute(select(_OLDEST_RUNNING)).scalar_one()))
        newest = connection.execute(select(func.max(_ROW)).select_from(predictions)).scalar() or 0
        end = select(func.max(_ROW)).select_from(predictions).where(min(newest, folded + _AT_ONCE) >= _ROW)
        found = int(connection.execute(end).scalar() or 0)
        # Row numbers may leave a gap that is larger than what is counted at once.
        return max(folded, found) if found > folded or newest <= folded else int(newest)

    def _between(self, folded: int, until: int) -> ColumnElement[bool]:
        if self._database.is_sqlite:
            return and_(folded < _ROW, until >= _ROW)
        if folded:
            return and_(folded <= _ARRIVED, until > _ARRIVED)
        return or_(_ARRIVED.is_(None), until > _ARRIVED)


def _take_turn(connection: Connection, turn: int) -> bool:
    """Whether nobody counted or removed rows since this turn; holds up those who would."""
    column = count_marks.c
    mine = update(count_marks).where(column.name == _MARK, column.turn == turn).values(turn=turn)
    return connection.execute(mine).rowcount == 1


def _write_mark(connection: Connection, folded: int) -> None:
    """Set the mark, for the next turn, with what proves later that it is of this database."""
    proof: Any = cast(_THIS_TRANSACTION, Text)
    if connection.dialect.name == "sqlite":
        # The last row that is still there: row numbers behind it are given again.
        last = select(_ROW, predictions.c.id).where(folded >= _ROW).order_by(_ROW.desc()).limit(1)
        row = connection.execute(last).first()
        folded, proof = (row[0], row[1]) if row else (0, "")
    if not folded:
        connection.execute(delete(hour_counts))
        connection.execute(delete(stale_hours))
    values = {"folded": folded, "turn": count_marks.c.turn + 1, "proof": proof}
    connection.execute(update(count_marks).where(count_marks.c.name == _MARK).values(values))


def _count_cells(*conditions: ColumnElement[bool]) -> Select[Any]:
    column = predictions.c
    hour, of_class = hour_of(column.at_us), case((is_class(), 1), else_=0)
    keys: tuple[ColumnElement[Any], ...] = (
        column.project,
        hour,
        column.version,
        column.route,
        of_class,
        counted_label(),
    )
    named = [key.label(name) for key, name in zip(keys, _KEY, strict=True)]
    return (
        select(*named, *list_measures())
        .where(*conditions)
        .group_by(*(literal_column(str(place + 1)) for place in range(len(_KEY))))
    )


def _add_cells(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add counts to those that are there."""
    if not rows:
        return
    new, old = upserting_insert(connection, hour_counts), hour_counts.c
    sums = ("total", "confidence", "latency_ms", "measured")
    values: dict[str, Any] = {
        name: _join(old[name], new.excluded[name], old[name] + new.excluded[name]) for name in sums
    }
    for name in ("least", "first_us"):
        one, other = old[name], new.excluded[name]
        values[name] = _join(one, other, case((other < one, other), else_=one))
    for name in ("most", "last_us", "newest"):
        one, other = old[name], new.excluded[name]
        values[name] = _join(one, other, case((other > one, other), else_=one))
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in _KEY))
    connection.execute(new.on_conflict_do_update(index_elements=list(_KEY), set_=values), ordered)


def _join(one: ColumnElement[Any], other: ColumnElement[Any], both: ColumnElement[Any]) -> ColumnElement[Any]:
    """Both, or the one that is there."""
    return case((one.is_(None), other), (other.is_(None), one), else_=both)
