"""Retention of predictions in SQL: pruning, redaction, erasure."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from tiltyard.ledger.arrivals import (
    Erasure,
    GroupNames,
    digest_id,
    digest_key,
    redact_input,
    rename_unit,
)
from tiltyard.ledger.codec import decode_label
from tiltyard.ledger.records import Label
from tiltyard.ledger.sql.bulk_insert import later_of, upserting_insert
from tiltyard.ledger.sql.database import DatabaseTime
from tiltyard.ledger.sql.filters import key_condition, newest_label
from tiltyard.ledger.sql.hours.fold import HOUR_US, begin_count_change, note_removed
from tiltyard.ledger.sql.schema import erasures, label_requests, labels, predictions, profiles, pruned, set_aside
from tiltyard.ledger.storable import check_text, decode_json, encode_json, to_micros

log = logging.getLogger(__name__)

_AT_ONCE = 500
_ERASED, _REDACTED = "erased", "redacted"

# Any constant will do: who erases waits for those who store what comes from elsewhere, and they for it.
_ADVISORY_LOCK = 0x74696C75


class SqlRetention(DatabaseTime):
    """A ``Retention`` in an SQL database, by its clock."""

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions and their labels; see ``Retention.erase``."""
        gone = 0
        for batch in _split_into_batches(ids):
            with self._database.write() as connection:
                begin_removal(connection)
                note_erasures(connection, self._erasures_of(connection, batch))
                gone += self._remove(connection, batch)
        self._truncate_log()
        return gone

    def prune(self, model_name: str, before: datetime) -> int:
        """Remove what was made before a time, for good; see ``Retention.prune``."""
        project, before_us = check_text("project", model_name), to_micros(before, "before")
        with self._database.write() as connection:
            begin_removal(connection)
            _note_pruned(connection, project, before_us)
            old = and_(set_aside.c.project == project, set_aside.c.made_us < before_us)
            connection.execute(delete(set_aside).where(old))
            # Rows that are kept out as older need not be known one by one.
            connection.execute(delete(erasures).where(erasures.c.project == project, erasures.c.until_us < before_us))
        gone = 0
        oldest = select(predictions.c.id).where(predictions.c.project == project, predictions.c.at_us < before_us)
        while True:
            with self._database.write() as connection:
                begin_removal(connection)
                batch = list(connection.scalars(oldest.order_by(predictions.c.at_us).limit(_AT_ONCE)))
                gone += self._remove(connection, batch)
            if len(batch) < _AT_ONCE:
                break
        self._truncate_log()
        return gone

    def withdraw_label(self, prediction_id: str, source: str) -> Label | None:
        """Remove the label that counts, if it comes from a source; see ``Retention.withdraw_label``."""
        about, by = check_text("prediction_id", prediction_id), check_text("source", source)
        column = labels.c
        found = select(column.sequence, column.prediction_id, column.at_us, column.label, column.source)
        with self._database.write() as connection:
            row = connection.execute(found.where(column.prediction_id == about, newest_label())).one_or_none()
            if row is None:
                return None
            if row.source == by:
                connection.execute(delete(labels).where(column.sequence == row.sequence))
        return decode_label(row[1:])

    def bar(
        self, model_name: str, keys: Sequence[str], redaction: str | None = None, group_key: str | None = None
    ) -> int:
        """Keep out what was sent with a key; see ``Retention.bar``."""
        project = check_text("project", model_name)
        named = [check_text("key", key) for key in keys]
        with self._database.write() as connection:
            begin_removal(connection)
            meant = Erasure(self._read_clock(connection), redaction, group_key, project)
            note_erasures(connection, {digest_key(project, key): meant for key in named})
            about = [key_condition(set_aside.c.key, key, items=True) for key in named]
            aside = delete(set_aside).where(set_aside.c.project == project, or_(False, *about))
            removed = connection.execute(aside).rowcount
        self._truncate_log()
        return removed

    def redact(self, ids: Sequence[str], reason: str, group_key: str | None = None) -> int:
        """Remove inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redact_input(check_text("reason", reason)))
        changed, names, groups = 0, dict[str, str](), GroupNames(group_key)
        for batch in _split_into_batches(ids):
            with self._database.write() as connection:
                begin_removal(connection)
                noted = self._erasures_of(connection, batch, redaction=reason, group_key=group_key)
                note_erasures(connection, noted)
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

    def _remove(self, connection: Connection, ids: Sequence[str]) -> int:
        """Remove predictions, their shadows, and what belongs to them; how many predictions they were."""
        both = self._prepare_removal(connection, ids)
        for table in (labels, label_requests):
            connection.execute(delete(table).where(table.c.prediction_id.in_(both)))
        return remove_rows(connection, both)

    def _prepare_removal(self, connection: Connection, ids: Sequence[str]) -> list[str]:
        """Forget the profiles that count these predictions or shadows of them, and what was set aside; their ids."""
        shadow_ids = select(predictions.c.id).where(predictions.c.key.in_(ids), predictions.c.route == "shadow")
        both = [*ids, *connection.scalars(shadow_ids)]
        forget_profiles(connection, both)
        aside = and_(set_aside.c.subject.in_(both), set_aside.c.kind.in_(("prediction", "label")))
        connection.execute(delete(set_aside).where(aside))
        return both

    def _erasures_of(
        self, connection: Connection, ids: Sequence[str], redaction: str | None = None, group_key: str | None = None
    ) -> dict[str, Erasure]:
        """What to remember of these predictions: until now, or until they were made by a clock that is ahead."""
        now = self._read_clock(connection)
        column = predictions.c
        known = connection.execute(select(column.id, column.at_us, column.project).where(column.id.in_(ids))).all()
        made = {id_: (at, project) for id_, at, project in known}
        found = {}
        for id_ in ids:
            at, project = made.get(id_, (now, ""))
            found[digest_id(id_)] = Erasure(max(at, now), redaction, group_key, project)
        return found

    def _truncate_log(self) -> None:
        """Write SQLite's log into its file and empty it: erased rows would stay readable in the log."""
        if not self._database.empty_log():
            log.warning(
                "What was erased can still be read in the log next to the ledger %s, as another process uses it: "
                "erase again when that is done.",
                self._database.redacted_url,
            )


def remove_rows(connection: Connection, ids: Sequence[str]) -> int:
    """Remove predictions from their table and from the counts of their hours; how many they were."""
    hours = begin_count_change(connection, ids)
    removed = connection.execute(delete(predictions).where(predictions.c.id.in_(ids))).rowcount
    note_removed(connection, hours)
    return removed


def begin_removal(connection: Connection) -> None:
    """Before a transaction removes: it waits for those that store what comes from elsewhere, and later ones for it."""
    overwrite_deleted(connection)
    if connection.dialect.name != "sqlite":  # there, writers take turns
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def overwrite_deleted(connection: Connection) -> None:
    """Overwrite what is deleted, which SQLite would else leave in the file until the room is needed."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def begin_arrival(connection: Connection) -> None:
    """Before a transaction stores what comes from elsewhere: it sees what was erased, and holds up what erases next."""
    if connection.dialect.name != "sqlite":  # there, writers take turns
        connection.execute(select(func.pg_advisory_xact_lock_shared(_ADVISORY_LOCK)))


def note_erasures(connection: Connection, meant: Mapping[str, Erasure]) -> None:
    """Remember what was erased or redacted, by its digest."""
    rows = [
        {
            "digest": digest,
            "act": _ERASED if erasure.redaction is None else _REDACTED,
            "project": erasure.project,
            "until_us": erasure.until_us,
            "reason": erasure.redaction,
            "group_key": erasure.group_key,
        }
        for digest, erasure in sorted(meant.items())
    ]
    if rows:
        new = upserting_insert(connection, erasures)
        until = later_of(new.excluded.until_us, erasures.c.until_us)
        values = {"until_us": until, "reason": new.excluded.reason, "group_key": new.excluded.group_key}
        connection.execute(new.on_conflict_do_update(index_elements=["digest", "act"], set_=values), rows)


def find_erasures(connection: Connection, digests: Collection[str]) -> dict[str, list[Erasure]]:
    """What was erased or redacted under these digests."""
    found: dict[str, list[Erasure]] = {}
    wanted = sorted(digests)
    column = erasures.c
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(column.digest, column.until_us, column.act, column.reason, column.group_key, column.project)
        for digest, until, act, reason, group, project in connection.execute(
            query.where(column.digest.in_(wanted[start : start + _AT_ONCE]))
        ):
            redaction = None if act == _ERASED else str(reason)
            found.setdefault(digest, []).append(Erasure(until, redaction, group, project))
    return found


def _note_pruned(connection: Connection, model_name: str, before_us: int) -> None:
    new = upserting_insert(connection, pruned).values(project=model_name, before_us=before_us)
    later = later_of(new.excluded.before_us, pruned.c.before_us)
    connection.execute(new.on_conflict_do_update(index_elements=["project"], set_={"before_us": later}))


def _list_grouped(connection: Connection, ids: Sequence[str], groups: GroupNames) -> dict[str, dict[str, str]]:
    """The groups of those of these predictions whose inputs name one, under their new names."""
    content = predictions.c.input
    named = or_(*(content.contains(encode_json(key), autoescape=True) for key in groups.keys))
    rows = connection.execute(select(predictions.c.id, content).where(predictions.c.id.in_(ids), named)).all()
    found = {str(id_): groups.rename(decode_json(raw)) for id_, raw in rows}
    return {id_: group for id_, group in found.items() if group}


def forget_profiles(connection: Connection, ids: Sequence[str]) -> None:
    """Remove what was summed up of the predictions' hours, which may name a category that no other row has."""
    hour = predictions.c.at_us - predictions.c.at_us % HOUR_US
    for start in range(0, len(ids), _AT_ONCE):
        hours = set(connection.scalars(select(hour).where(predictions.c.id.in_(ids[start : start + _AT_ONCE]))))
        connection.execute(delete(profiles).where(profiles.c.hour_us.in_(hours)))


def _split_into_batches(ids: Sequence[str]) -> Iterator[list[str]]:
    checked = [check_text("id", id_) for id_ in dict.fromkeys(ids)]
    return (checked[start : start + _AT_ONCE] for start in range(0, len(checked), _AT_ONCE))
