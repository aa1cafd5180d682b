"""A backup of what a project keeps on this host, and of its ledger wherever that is, made while it serves.

What servers recorded and have not shipped is copied first, then the ledger: what is shipped in between is in both, and
shipping it again does nothing. MLflow's database is copied before the artifacts, whose files are there before the
database names them, and do not change.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tiltyard._version import __version__
from tiltyard.backups.ledger_rows import copy_ledger, count_rows
from tiltyard.backups.manifest import (
    ENVIRONMENT,
    KEYS,
    LEDGER,
    SNAPSHOTS,
    STATE,
    UNUSABLE,
    BackupManifest,
    Progress,
    describe_file,
)
from tiltyard.backups.stores import Stores, find_stores
from tiltyard.errors import NotFoundError, UnavailableError, UsageError
from tiltyard.files import make_folder, move_folder, sync_tree
from tiltyard.ledger.sql.store import SqlLedger
from tiltyard.settings import Settings
from tiltyard.sqlite import copy_database, is_sqlite_file

_MADE_ANEW = ("cache", "metrics")
"""Folders of the state folder that a server makes again."""
_BELONGINGS = ("-wal", "-shm", "-journal", ".lock")
"""What SQLite and locks keep next to a file."""
SPOOL = "spool"
_FIRST = ("mlflow.db",)
"""What is copied before the rest of the state folder, after spools and ledger."""


def make_backup(
    settings: Settings, project_name: str, target: Path, progress: Progress = lambda _: None
) -> BackupManifest:
    """Copy state folder, ledger, keys and ``.env`` into a new folder, which only its owner can read.

    The folder is there whole, or not at all.

    Args:
        settings: of the host.
        project_name: the project's.
        target: the folder; must not exist, or be empty.
        progress: called before each file.

    Raises:
        UsageError: the target cannot be used.
        NotFoundError: there is nothing to back up.
        UnavailableError: something cannot be read, is damaged, or cannot be written.
    """
    stores, begun = find_stores(settings), datetime.now(UTC)
    target = target.expanduser().absolute()
    _check_target(target, stores)
    if not stores.state.is_dir() and stores.ledger_name is not None:
        raise NotFoundError(
            f"There is nothing to back up: {stores.state} does not exist.",
            next_step="Run the command in the folder of a project that was trained or served, or name it by --project.",
            code="backup.nothing",
        )
    try:
        make_folder(target.parent)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            ledger = LEDGER if stores.ledger_name is None else f"{STATE}/{stores.ledger_name}"
            _copy_all(stores, unfinished, progress)
            # A project that was only trained has no ledger yet, and one of an earlier build lacks tables.
            SqlLedger.open(f"sqlite:///{unfinished / ledger}").close()
            manifest = BackupManifest(
                build=__version__,
                at=begun,
                project=project_name,
                ledger=ledger,
                rows=count_rows(f"sqlite:///{unfinished / ledger}"),
                files=tuple(describe_file(unfinished, path) for path in _list_files(unfinished)),
                elsewhere=stores.elsewhere,
            )
            manifest.write(unfinished)
            if target.is_dir():
                target.rmdir()  # it is empty
            move_folder(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except UNUSABLE as error:
        raise UnavailableError(
            f"The backup {target} cannot be made: {error}.",
            next_step="Nothing was left behind; make room or correct what is named, and run the command again.",
            code="backup.failed",
        ) from error
    return manifest


def _check_target(target: Path, stores: Stores) -> None:
    if target.resolve().is_relative_to(stores.state.resolve()):
        raise UsageError(
            f"The backup {target} would lie in the state folder that it is of.",
            next_step="Name a folder on another disk, or outside of the project.",
            code="backup.target",
        )
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(
            f"{target} exists already.",
            next_step="Name a new folder: a backup replaces nothing.",
            code="backup.target",
        )


def _copy_all(stores: Stores, folder: Path, progress: Progress) -> None:
    """Copy everything, in the order in which nothing can fall between two copies."""
    state = folder / STATE
    state.mkdir(mode=0o700)
    names = sorted(path.name for path in stores.state.iterdir()) if stores.state.is_dir() else []
    first = [name for name in (SPOOL, stores.ledger_name, *_FIRST) if name in names]
    rest = [name for name in names if name not in first and name not in _MADE_ANEW]
    if stores.ledger_name is None:
        if SPOOL in names:
            _copy(stores.state / SPOOL, state / SPOOL, progress)
            first.remove(SPOOL)
        progress(LEDGER)
        copy_ledger(stores.ledger_url, f"sqlite:///{folder / LEDGER}")
    for name in dict.fromkeys([*first, *rest]):
        _copy(stores.state / name, state / name, progress)
    for source, name in ((stores.keys, KEYS), (stores.snapshots, SNAPSHOTS), (stores.environment, ENVIRONMENT)):
        if source is not None and source.exists():
            _copy(source, folder / name, progress)
    sync_tree(folder)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy a file or folder; what is removed meanwhile is left out, as are sockets and the like."""
    if source.is_dir():
        with suppress(FileNotFoundError):
            names = sorted(path.name for path in source.iterdir())
            target.mkdir(mode=0o700)
            for name in names:
                _copy(source / name, target / name, progress)
        return
    if source.name.endswith(_BELONGINGS) or not source.is_file():
        return
    progress(str(source))
    try:
        if is_sqlite_file(source):
            copy_database(source, target)
        else:
            shutil.copyfile(source, target)
        target.chmod(0o600)
    except UNUSABLE:
        target.unlink(missing_ok=True)
        if source.exists():
            raise


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
