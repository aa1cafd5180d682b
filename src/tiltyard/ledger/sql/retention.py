"""Retention of predictions in SQL: pruning, redaction, erasure."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, delete, select, update

from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.profiles import HOUR_US
from tiltyard.ledger.sql.schema import label_requests, labels, predictions, profiles
from tiltyard.ledger.storable import check_text, encode_json

REDACTED = "tiltyard:redacted"
_AT_ONCE = 500


def redact_input(reason: str) -> dict[str, Any]:
    """The marker in the place of an input."""
    return {REDACTED: reason}


def is_redacted(content: Mapping[str, Any]) -> bool:
    """Whether the input was removed, so that only the prediction is left."""
    return REDACTED in content


class SqlRetention:
    """A ``Retention`` in an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions and their labels; see ``Retention.erase``."""
        gone = 0
        for batch in _split_into_batches(ids):
            with self._database.write() as connection:
                both = self._prepare_removal(connection, batch)
                for table in (labels, label_requests):
                    connection.execute(delete(table).where(table.c.prediction_id.in_(both)))
                gone += connection.execute(delete(predictions).where(predictions.c.id.in_(both))).rowcount
        self._truncate_log()
        return gone

    def redact(self, ids: Sequence[str], reason: str) -> int:
        """Remove inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redact_input(check_text("reason", reason)))
        changed, names = 0, dict[str, str]()
        for batch in _split_into_batches(ids):
            with self._database.write() as connection:
                self._prepare_removal(connection, batch)
                shadowed = update(predictions).where(predictions.c.key.in_(batch), predictions.c.route == "shadow")
                changed += connection.execute(shadowed.values(input=marker)).rowcount
                matching = update(predictions).where(predictions.c.id.in_(batch))
                changed += connection.execute(matching.values(input=marker, key=None, assignment=None)).rowcount
                column = predictions.c.unit
                found = select(column).where(predictions.c.id.in_(batch), column.is_not(None)).distinct()
                for unit in connection.scalars(found).all():
                    connection.execute(matching.where(column == unit).values(unit=rename_unit(unit, names)))
        self._truncate_log()
        return changed

    def _prepare_removal(self, connection: Connection, ids: Sequence[str]) -> list[str]:
        """Forget the profiles that count these predictions or shadows of them; the ids of both."""
        if self._database.is_sqlite:
            # Overwrites what is deleted, which SQLite would else leave in the file until the room is needed.
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        shadow_ids = select(predictions.c.id).where(predictions.c.key.in_(ids), predictions.c.route == "shadow")
        both = [*ids, *connection.scalars(shadow_ids)]
        _forget_profiles(connection, both)
        return both

    def _truncate_log(self) -> None:
        """Write SQLite's log into its file and empty it: erased rows would stay readable in the log."""
        if not self._database.is_sqlite:
            return
        with closing(self._database.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rename_unit(unit: str, names: dict[str, str]) -> str:
    """A random name for the unit of redacted rows, the same for all of them: they still depend on each other.

    Args:
        unit: the unit as it was recorded, a digest.
        names: the names that were given so far; a new one is added.
    """
    return names.setdefault(unit, f"{unit[0]}{secrets.token_hex((len(unit) - 1) // 2)}")


def _forget_profiles(connection: Connection, ids: Sequence[str]) -> None:
    """Remove what was summed up of the predictions' hours, which may name a category that no other row has."""
    hour = predictions.c.at_us - predictions.c.at_us % HOUR_US
    for start in range(0, len(ids), _AT_ONCE):
        hours = set(connection.scalars(select(hour).where(predictions.c.id.in_(ids[start : start + _AT_ONCE]))))
        connection.execute(delete(profiles).where(profiles.c.hour_us.in_(hours)))


def _split_into_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    checked = [check_text("id", id_) for id_ in dict.fromkeys(ids)]
    return (checked[start : start + _AT_ONCE] for start in range(0, len(checked), _AT_ONCE))
