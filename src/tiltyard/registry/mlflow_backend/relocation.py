"""A project folder that was renamed, copied or mounted elsewhere keeps its runs and versions.

MLflow writes absolute addresses of artifacts into its database. Where the database lies in a state folder next to its
artifacts, they are corrected before it is used: what a moved folder holds is read and written in its new place, and a
copy never touches the original.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tiltyard.errors import UnavailableError
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection, open_sqlite

ARTIFACTS = "artifacts"
"""Name of the folder of artifacts next to the database."""

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_MLFLOW_FOLDER = "mlruns"  # where MLflow puts artifacts by default
_SAMPLE = 200  # runs and models whose files are looked for in the new place

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Relocation:
    """What was corrected.

    Attributes:
        before: the folder of artifacts that the database named.
        after: the folder next to the database.
        rows: number of addresses that were corrected.
    """

    before: Path
    after: Path
    rows: int


def relocate_artifacts(database: Path) -> tuple[Relocation, ...]:
    """Correct the addresses in the database of a state folder that was moved or copied; say so in the log.

    An address is the folder's own if its files lie next to the database, or if it names a folder ``artifacts`` in a
    folder of the same name as the database's that is not there any more. Any other place was chosen by somebody and
    stays. All rows change in one transaction.

    Args:
        database: MLflow's SQLite file; nothing is done where it does not exist or has no tables yet.

    Raises:
        UnavailableError: the addresses have to be corrected, and the database cannot be written.
    """
    after = database.resolve().parent / ARTIFACTS
    if not database.is_file():
        return ()
    try:
        connection = open_sqlite(database, timeout=60.0)
    except SQLITE_ERRORS:  # no database: MLflow says so
        return ()
    with closing(connection):
        stored = [location for location in _read_locations(connection) if _find_path(location) not in (None, after)]
        moved = [location for location in stored if _is_own(connection, location, after)]
        if not moved:
            return ()
        try:
            found = tuple(_relocate(connection, location, after) for location in moved)
        except SQLITE_ERRORS as error:
            raise UnavailableError(
                f"This project was at {_find_path(moved[0])} before, and its database {database} cannot be corrected: "
                f"{error}.",
                next_step="Make the folder and the file writable, or move the project back.",
                code="registry.moved",
            ) from None
    for one in found:
        _logger.warning(
            "This project was moved or copied: %d addresses of artifacts in %s now name %s instead of %s.",
            *(one.rows, database, one.after, one.before),
        )
    return found


def _read_locations(connection: SqliteConnection) -> list[str]:
    try:
        return [
            str(row[0]) for row in connection.execute("SELECT DISTINCT artifact_location FROM experiments") if row[0]
        ]
    except SQLITE_ERRORS:  # no tables yet: MLflow makes them
        return []


def _is_own(connection: SqliteConnection, location: str, after: Path) -> bool:
    before = _find_path(location)
    if before is None or before.name != ARTIFACTS:
        return False
    parts = list(_list_parts(connection, location))
    if any((after / part).exists() for part in parts):
        return True
    return before.parent.name == after.parent.name and not before.exists()


def _list_parts(connection: SqliteConnection, location: str) -> Iterator[str]:
    """Folders of runs and models, as paths below the folder of artifacts; the latest first."""
    prefix = location.rstrip("/") + "/"
    queries = (
        "SELECT artifact_uri FROM runs WHERE artifact_uri LIKE ? ORDER BY start_time DESC LIMIT ?",
        "SELECT artifact_location FROM logged_models WHERE artifact_location LIKE ? LIMIT ?",
    )
    for query in queries:
        for (address,) in connection.execute(query, (_escape(prefix) + "%", _SAMPLE)):
            if str(address).startswith(prefix):
                yield unquote(str(address).removeprefix(prefix))


def _relocate(connection: SqliteConnection, location: str, after: Path) -> Relocation:
    before = _find_path(location)
    assert before is not None  # noqa: S101 - only paths were chosen
    root = after.as_uri() if location.startswith("file:") else str(after)
    old, new = location.rstrip("/"), root
    rows = 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, column in _ADDRESSES:
            done = connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - our own names
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
            rows += done.rowcount
        rows += _relocate_others(connection, before.parent.parent, after.parent.parent)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return Relocation(before, after, rows)


def _relocate_others(connection: SqliteConnection, before: Path, after: Path) -> int:
    """Versions that were registered from other folders of the project, and MLflow's own folder of the default
    experiment: they moved with it.
    """
    rows = 0
    for table, column in (("experiments", "artifact_location"), *_ADDRESSES[-2:]):
        query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - our own names
        for (address,) in connection.execute(query).fetchall():
            path = _find_path(str(address))
            if before == after or path is None or not path.is_relative_to(before):
                continue
            target = after / path.relative_to(before)
            if target.exists() or path.is_relative_to(before / _MLFLOW_FOLDER):
                new = target.as_uri() if str(address).startswith("file:") else str(target)
                update = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"  # noqa: S608 - our own names
                rows += connection.execute(update, (new, address)).rowcount
    return rows


def _find_path(location: str) -> Path | None:
    """The folder of this host that an address names; None for a store elsewhere."""
    address = urlsplit(location)
    if address.scheme == "file" and address.netloc in ("", "localhost"):
        return Path(unquote(address.path))
    return Path(location) if location.startswith("/") else None


def _escape(prefix: str) -> str:
    # LIKE without an escape character: its wild cards match more, and the caller compares exactly.
    return prefix.replace("%", "_")
