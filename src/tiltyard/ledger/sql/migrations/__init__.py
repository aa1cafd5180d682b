"""Bringing a ledger's tables to the form that this code knows."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from tiltyard.errors import UnavailableError
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import REVISION, VERSION_TABLE

MIGRATIONS = Path(__file__).parent

# Any constant will do; it is what "tiltyard" is called among PostgreSQL's advisory locks.
_ADVISORY_LOCK = 0x74696C74


def migrate_to_newest(database: Database) -> None:
    """Make or migrate the tables; returns at once when they are up to date. Safe for several processes.

    Raises:
        UnavailableError: the ledger was written by a newer Tiltyard, or cannot be reached.
    """
    with database.read() as connection:
        if _revision(connection) == REVISION:
            return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        found = _revision(connection)
        if found != REVISION:
            _migrate(connection, found, database.redacted_url)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()  # noqa: S608
    return None if row is None else str(row[0])


def _migrate(connection: Connection, found: str | None, redacted_url: str) -> None:
    # Imported here because it is slow, and an up-to-date ledger does without.
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    scripts = ScriptDirectory(str(MIGRATIONS))
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise UnavailableError(
            f"The ledger {redacted_url} is of revision {found}, which this Tiltyard does not know (it knows up to "
            f"{REVISION}): a newer one wrote it.",
            next_step="Install the newer Tiltyard here too: pip install --upgrade tiltyard",
            code="ledger.newer",
        )
    # Not `alembic.command` with `from alembic import op`: those keep the running migration in globals of the process,
    # where MLflow's, in another thread, would end ours. Here each script is handed its operations.
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSION_TABLE,
            "fn": lambda heads, _context: scripts._upgrade_revs("head", heads),  # noqa: SLF001 # as Alembic's commands
        },
    )
    context.run_migrations(op=Operations(context))
