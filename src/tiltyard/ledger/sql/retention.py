"""Retention of predictions in SQL: pruning, redaction, erasure."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from tiltyard.ledger.records import TEXT_GROUP
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.profiles import HOUR_US
from tiltyard.ledger.sql.schema import label_requests, labels, predictions, profiles
from tiltyard.ledger.storable import check_text, decode_json, encode_json

REDACTED = "tiltyard:redacted"
_AT_ONCE = 500


def redact_input(reason: str, group: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The marker in the place of an input; with its group's new name, if it has a group."""
    return {REDACTED: reason, **group}


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

    def redact(self, ids: Sequence[str], reason: str, group_key: str | None = None) -> int:
        """Remove inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redact_input(check_text("reason", reason)))
        changed, names, groups = 0, dict[str, str](), GroupNames(group_key)
        for batch in _split_into_batches(ids):
            with self._database.write() as connection:
                self._prepare_removal(connection, batch)
                grouped = _list_grouped(connection, batch, groups)
                shadowed = update(predictions).where(predictions.c.key.in_(batch), predictions.c.route == "shadow")
                changed += connection.execute(shadowed.values(input=marker)).rowcount
                matching = update(predictions).where(predictions.c.id.in_(batch))
                changed += connection.execute(matching.values(input=marker, key=None, assignment=None)).rowcount
                column = predictions.c.unit
                found = select(column).where(predictions.c.id.in_(batch), column.is_not(None)).distinct()
                for unit in connection.scalars(found).all():
                    connection.execute(matching.where(column == unit).values(unit=rename_unit(unit, names)))
                for id_, group in grouped.items():
                    named = encode_json(redact_input(reason, group))
                    connection.execute(update(predictions).where(predictions.c.id == id_).values(input=named))
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


class GroupNames:
    """Random names for the groups of redacted inputs, the same for all rows of a group in one redaction.

    Rows of a group still depend on each other when nothing else of them is left. The name says nothing of the group,
    and does not link them to rows of it that are kept, or that another redaction removes.

    Args:
        group_key: under which key a table's input names its group; that of a text is looked for in any case.
    """

    def __init__(self, group_key: str | None) -> None:
        self.keys = tuple(dict.fromkeys([TEXT_GROUP, *([] if group_key is None else [group_key])]))
        self._names: dict[tuple[str, str], str] = {}

    def rename(self, content: Mapping[str, Any]) -> dict[str, str]:
        """The group of an input under its new name, by its key; empty where the input names none."""
        from tiltyard.data.conform.labels import is_label_gap, write_label  # noqa: PLC0415 - it brings pandas

        found = {}
        for key in self.keys:
            group = content.get(key)
            if not is_label_gap(group):
                found[key] = self._names.setdefault((key, write_label(group)), secrets.token_hex(8))
        return found


def _list_grouped(connection: Connection, ids: Sequence[str], groups: GroupNames) -> dict[str, dict[str, str]]:
    """The groups of those of these predictions whose inputs name one, under their new names."""
    content = predictions.c.input
    named = or_(*(content.contains(encode_json(key), autoescape=True) for key in groups.keys))
    rows = connection.execute(select(predictions.c.id, content).where(predictions.c.id.in_(ids), named)).all()
    found = {str(id_): groups.rename(decode_json(raw)) for id_, raw in rows}
    return {id_: group for id_, group in found.items() if group}


def _forget_profiles(connection: Connection, ids: Sequence[str]) -> None:
    """Remove what was summed up of the predictions' hours, which may name a category that no other row has."""
    hour = predictions.c.at_us - predictions.c.at_us % HOUR_US
    for start in range(0, len(ids), _AT_ONCE):
        hours = set(connection.scalars(select(hour).where(predictions.c.id.in_(ids[start : start + _AT_ONCE]))))
        connection.execute(delete(profiles).where(profiles.c.hour_us.in_(hours)))


def _split_into_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    checked = [check_text("id", id_) for id_ in dict.fromkeys(ids)]
    return (checked[start : start + _AT_ONCE] for start in range(0, len(checked), _AT_ONCE))
