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
    DateTime,
    Double,
    MetaData,
    Table,
    Text,
    inspect,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from tiltyard.batch.plan import WorkFolder
from tiltyard.batch.targets.local_targets import Target, publish_refused, read_results
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
                    made = _make_table(staging, part.schema)
                    made.create(connection)
                connection.execute(made.insert(), part.to_pylist())
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


def _make_table(name: str, schema: pa.Schema) -> Table:
    return Table(name, MetaData(), *(Column(one.name, _find_type(one.type)) for one in schema))


def _find_type(kind: pa.DataType) -> Any:
    if pa.types.is_boolean(kind):
        return Boolean()
    if pa.types.is_integer(kind):
        return BigInteger()
    if pa.types.is_floating(kind):
        return Double()
    if pa.types.is_timestamp(kind):
        return DateTime()
    return Text()
