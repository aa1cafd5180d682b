"""Results in a table of a database: filled under another name, and renamed in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    MetaData,
    Numeric,
    Table,
    Text,
    inspect,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import quoted_name

from tiltyard.batch.plan import WorkFolder
from tiltyard.batch.targets.local_targets import Target, publish_refused, read_results, write_cell
from tiltyard.data.sources.databases import open_engine
from tiltyard.data.sources.location import EXPOSED, Location, resolve_location
from tiltyard.errors import UnavailableError, UsageError

_STAGING = "tiltyard_new_"
_COMMENT = "tiltyard_runs"
"""The table that says of which run each table of results is."""


@dataclass(frozen=True)
class DatabaseTarget(Target):
    """A table of a database.

    Attributes:
        url: of the database, as it is written.
        table: its name.
        root: folder that a relative file and ``.env`` start from.
        state: the state folder of this host.
    """

    url: str
    table: str
    root: Path
    state: Path

    @property
    def work(self) -> Path:
        """See ``Target.work``."""
        return self.state / "batch" / hashlib.sha256(f"{self.url} {self.table}".encode()).hexdigest()[:24]

    @property
    def refused(self) -> Path:
        """See ``Target.refused``."""
        return self.work / "refused-rows.jsonl"

    @property
    def _location(self) -> Location:
        return resolve_location(self.url, self.root, "The target", EXPOSED)

    def check(self, *, overwrite: bool) -> None:
        """See ``Target.check``."""
        if "." in self.table:
            raise UsageError(
                f"The name of the table, {self.table}, has a dot in it, as that of a schema would.",
                next_step="Name the table alone; of PostgreSQL, name the schema in the address: "
                "?options=-csearch_path%3DSCHEMA",
                code="batch.target",
            )
        with self._connect() as connection:
            if inspect(connection).has_table(self.table) and self._find_run(connection) is None and not overwrite:
                raise UsageError(
                    f"The table {self.table} exists, and no batch run wrote it.",
                    next_step="Name another, or replace it: --overwrite",
                    code="batch.target",
                )

    def publish(self, folder: WorkFolder, manifest: dict[str, Any]) -> None:
        """See ``Target.publish``: in one transaction the old table goes and the new one comes, where a database can."""
        publish_refused(folder, self.refused)
        staging = f"{_STAGING}{self.table}"[:60]
        with self._connect() as connection:
            made: Table | None = None
            _drop(connection, staging)
            for part in read_results(folder):
                if made is None:
                    made = _make_table(staging, part.schema, connection.dialect.name)
                    made.create(connection)
                plain = _plain_columns(part, connection.dialect.name)
                connection.execute(made.insert(), plain.to_pylist())
            connection.commit()
            quoted = connection.dialect.identifier_preparer.quote
            _drop(connection, self.table)
            if made is not None:
                connection.execute(text(f"ALTER TABLE {quoted(staging)} RENAME TO {quoted(self.table)}"))
            self._note_run(connection, manifest)
            connection.commit()

    def find_state(self) -> str | None:
        """See ``Target.find_state``."""
        with self._connect() as connection:
            return self._find_run(connection) if inspect(connection).has_table(self.table) else None

    def _find_run(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(_COMMENT):
            return None
        found = connection.execute(
            text(f"SELECT manifest FROM {_COMMENT} WHERE name = :name"),  # noqa: S608 - a constant
            {"name": self.table},
        ).first()
        return None if found is None else str(found[0])

    def _note_run(self, connection: Connection, manifest: dict[str, Any]) -> None:
        if not inspect(connection).has_table(_COMMENT):
            connection.execute(text(f"CREATE TABLE {_COMMENT} (name TEXT PRIMARY KEY, manifest TEXT)"))
        connection.execute(text(f"DELETE FROM {_COMMENT} WHERE name = :name"), {"name": self.table})  # noqa: S608
        connection.execute(
            text(f"INSERT INTO {_COMMENT} (name, manifest) VALUES (:name, :manifest)"),  # noqa: S608
            {"name": self.table, "manifest": json.dumps(manifest, sort_keys=True)},
        )

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        location = self._location
        engine = open_engine(location, self.root, must_exist=False)
        try:
            with engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = location.reason(getattr(error, "orig", None) or error)
            raise UnavailableError(
                f"The results cannot be written to {location.written}: {reason}.",
                next_step="Check the address and what its user may do; then run it again: it continues where it is.",
                code="batch.unwritable",
            ) from None
        finally:
            engine.dispose()


def _drop(connection: Connection, name: str) -> None:
    if inspect(connection).has_table(name):
        quoted = connection.dialect.identifier_preparer.quote(name)
        connection.execute(text(f"DROP TABLE {quoted}"))


def _make_table(name: str, schema: pa.Schema, dialect: str) -> Table:
    # SQLAlchemy does not know every word that a database keeps for itself, such as SQLite's NOTHING.
    named = ((quoted_name(one.name, quote=True), one.type) for one in schema)
    return Table(name, MetaData(), *(Column(column, _find_type(kind, dialect)) for column, kind in named))


def _find_type(kind: pa.DataType, dialect: str) -> Any:
    """The type of a column; SQLite has none for exact fractions, large numbers and times with a zone."""
    if dialect == "sqlite" and (pa.types.is_uint64(kind) or pa.types.is_decimal(kind) or _has_zone(kind)):
        return Text()
    if pa.types.is_boolean(kind):
        return Boolean()
    if pa.types.is_uint64(kind):
        return Numeric(20)
    if pa.types.is_integer(kind):
        return BigInteger()
    if pa.types.is_floating(kind):
        return Double()
    if pa.types.is_decimal(kind):
        return Numeric(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return DateTime(timezone=_has_zone(kind))
    return Date() if pa.types.is_date(kind) else Text()


def _plain_columns(part: pa.Table, dialect: str) -> pa.Table:
    """The rows with text in place of what a column of a database cannot hold: lists, objects, bytes, durations, …"""
    for place, one in enumerate(part.schema):
        if not pa.types.is_string(one.type) and isinstance(_find_type(one.type, dialect), Text):
            column = pa.array([write_cell(cell) for cell in part.column(place).to_pylist()], pa.string())
            part = part.set_column(place, one.name, column)
    return part


def _has_zone(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None
