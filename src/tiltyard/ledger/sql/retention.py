"""How long predictions are kept, and what is taken out of them: pruning, redaction, erasure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, delete, select, update

from tiltyard.ledger.codec import check_text, encode_json
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.profiles import HOUR_US
from tiltyard.ledger.sql.schema import labels, predictions, profiles

REDACTED = "tiltyard:redacted"
_AT_ONCE = 500


def redacted_input(reason: str) -> dict[str, Any]:
    """What stands where an input stood."""
    return {REDACTED: reason}


def is_redacted(asked: Mapping[str, Any]) -> bool:
    """Whether the input was taken out, so that only the answer is left."""
    return REDACTED in asked


class SqlRetention:
    """A ``Retention`` in an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions and their labels; see ``Retention.erase``."""
        gone = 0
        for some in _portions(ids):
            with self._database.write() as connection:
                if self._database.is_sqlite:
                    # Overwrites what is deleted, which SQLite would else leave in the file until the room is needed.
                    connection.exec_driver_sql("PRAGMA secure_delete=ON")
                asked = select(predictions.c.id).where(predictions.c.key.in_(some), predictions.c.route == "shadow")
                shadows = connection.scalars(asked).all()
                both = [*some, *shadows]
                _forget_profiles(connection, both)
                connection.execute(delete(labels).where(labels.c.prediction_id.in_(both)))
                gone += connection.execute(delete(predictions).where(predictions.c.id.in_(both))).rowcount
        self._settle()
        return gone

    def redact(self, ids: Sequence[str], reason: str) -> int:
        """Take out inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redacted_input(check_text("reason", reason)))
        changed = 0
        for some in _portions(ids):
            with self._database.write() as connection:
                if self._database.is_sqlite:
                    connection.exec_driver_sql("PRAGMA secure_delete=ON")
                asked = select(predictions.c.id).where(predictions.c.key.in_(some), predictions.c.route == "shadow")
                _forget_profiles(connection, [*some, *connection.scalars(asked)])
                shadowed = update(predictions).where(predictions.c.key.in_(some), predictions.c.route == "shadow")
                changed += connection.execute(shadowed.values(input=marker)).rowcount
                meant = update(predictions).where(predictions.c.id.in_(some))
                changed += connection.execute(meant.values(input=marker, key=None)).rowcount
        self._settle()
        return changed

    def _settle(self) -> None:
        """Bring SQLite's log into its file: what was erased would else stay readable in the log."""
        if not self._database.is_sqlite:
            return
        with closing(self._database.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _forget_profiles(connection: Connection, ids: Sequence[str]) -> None:
    """Remove what was summed up of the predictions' hours, which may name a category that nobody else has."""
    hour = predictions.c.at_us - predictions.c.at_us % HOUR_US
    for start in range(0, len(ids), _AT_ONCE):
        hours = set(connection.scalars(select(hour).where(predictions.c.id.in_(ids[start : start + _AT_ONCE]))))
        connection.execute(delete(profiles).where(profiles.c.hour_us.in_(hours)))


def _portions(ids: Sequence[str]) -> Iterator[list[str]]:
    checked = [check_text("id", id_) for id_ in dict.fromkeys(ids)]
    return (checked[start : start + _AT_ONCE] for start in range(0, len(checked), _AT_ONCE))
