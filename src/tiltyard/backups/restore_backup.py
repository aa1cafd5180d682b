"""A backup put in place where nothing is yet, and checked there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiltyard.backups.ledger_rows import copy_ledger, count_rows, require_empty_ledger
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
    read_manifest,
)
from tiltyard.backups.stores import Stores, find_stores
from tiltyard.errors import ArtifactError, UnavailableError, UsageError
from tiltyard.files import make_folder, move_folder, write_atomically
from tiltyard.registry.ports import Registry
from tiltyard.settings import Settings
from tiltyard.wiring.ledger import open_ledger
from tiltyard.wiring.registry import open_registry, open_version_loader


@dataclass(frozen=True)
class Restored:
    """What was put in place.

    Attributes:
        manifest: of the backup.
        champions: the version of each model that has a champion; its files were verified.
        notes: sentences on what was left for the user to do.
    """

    manifest: BackupManifest
    champions: dict[str, str]
    notes: tuple[str, ...]


def restore_backup(source: Path, settings: Settings, progress: Progress = lambda _: None) -> Restored:
    """Put a backup in place on a host that holds nothing of the project yet, and check what is there then.

    The state folder is there whole, or not at all.

    Args:
        source: the folder that ``make_backup`` made.
        settings: of this host, which may keep the ledger in another database than the backup's host did.
        progress: called before each file.

    Raises:
        UsageError: the source does not hold a backup, or there is something in its place already.
        ArtifactError: a file of the backup is not as it was made, or what is in place is not what the backup holds.
        UnavailableError: something cannot be read or written.
    """
    source = source.expanduser().absolute()
    manifest, stores = read_manifest(source), find_stores(settings)
    _check_files(source, manifest, progress)
    _check_free(stores)
    alone = stores.ledger_name is None or f"{STATE}/{stores.ledger_name}" != manifest.ledger
    if stores.ledger_name is None:
        require_empty_ledger(stores.ledger_url)
    try:
        _put_state(source, stores)
        if alone:
            _put_ledger(source / manifest.ledger, stores)
        notes = tuple(_put_others(source, stores))
    except UNUSABLE as error:
        raise UnavailableError(
            f"The backup {source} cannot be put in place: {error}.",
            next_step="Make room or correct what is named; remove what this command has made, and run it again.",
            code="restore.failed",
        ) from error
    progress("what is in place")
    return Restored(manifest, _check_place(settings, stores, manifest), (*manifest.elsewhere, *notes))


def _check_files(source: Path, manifest: BackupManifest, progress: Progress) -> None:
    """Check that each file is as it was made, and that there is no other."""
    known = {file.path: file for file in manifest.files}
    there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()} - {"backup.json"}
    wrong = sorted(there ^ set(known))
    for path, file in known.items():
        progress(path)
        if path in there and describe_file(source, source / path) != file:
            wrong.append(path)
    if wrong:
        raise ArtifactError(
            f"The backup {source} is not as it was made: {wrong[0]} is missing, changed or was added"
            + (f", and {len(wrong) - 1} more." if len(wrong) > 1 else "."),
            next_step="Use another copy of it; nothing was put in place.",
            code="backup.changed",
        )


def _check_free(stores: Stores) -> None:
    taken = [stores.state] if stores.state.is_dir() and any(stores.state.iterdir()) else []
    taken += [path for path in (stores.keys, stores.snapshots) if path is not None and path.exists()]
    if taken:
        raise UsageError(
            f"{taken[0]} is there already, and a restored backup replaces nothing.",
            next_step=f"End what uses it, move it away (mv {taken[0]} {taken[0]}.before), and run the command again.",
            code="restore.in-use",
        )


def _put_state(source: Path, stores: Stores) -> None:
    make_folder(stores.state.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{stores.state.name}-", dir=stores.state.parent))
    try:
        shutil.copytree(source / STATE, unfinished, dirs_exist_ok=True)
        unfinished.chmod(0o700)
        if stores.state.is_dir():
            stores.state.rmdir()  # it is empty
        move_folder(unfinished, stores.state)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _put_others(source: Path, stores: Stores) -> Iterator[str]:
    """Put what lies outside of the state folder in place; yield what is left to the user."""
    keys, snapshots, environment = source / KEYS, source / SNAPSHOTS, source / ENVIRONMENT
    if keys.is_file():
        place = stores.keys or stores.state / KEYS
        write_atomically(place, keys.read_bytes(), owner_only=True)
    if snapshots.is_dir():
        place = stores.snapshots or stores.state / SNAPSHOTS
        shutil.copytree(snapshots, place, dirs_exist_ok=True)
    if environment.is_file():
        content = environment.read_bytes()
        if not stores.environment.exists():
            write_atomically(stores.environment, content, owner_only=True)
        elif stores.environment.read_bytes() != content:
            yield f"{stores.environment} was left as it is, and differs from the backup's: compare {environment}."


def _put_ledger(file: Path, stores: Stores) -> None:
    """Copy the ledger of a backup into the database of this host; the backup's file stays as it is."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-restore-") as folder:
        copy = Path(folder) / LEDGER
        shutil.copyfile(file, copy)
        copy_ledger(f"sqlite:///{copy}", stores.ledger_url)


def _check_place(settings: Settings, stores: Stores, manifest: BackupManifest) -> dict[str, str]:
    """Check rows, the chain of decisions and the champions' files; the champions."""
    found = count_rows(settings.ledger_url)
    wrong = [
        f"its ledger has {found.get(table, 0):,} rows in {table}, and the backup {count:,}"
        for table, count in manifest.rows.items()
        if found.get(table, 0) != count
    ]
    with open_ledger(settings) as ledger:
        wrong += ledger.verify_events()
    if wrong:
        raise ArtifactError(
            f"What was put in place is not what the backup holds: {wrong[0]}.",
            next_step="Do not use it: move it away, and restore another copy of the backup.",
            code="restore.wrong",
        )
    if settings.registry_uri != settings.own_tracking_uri or not (stores.state / "mlflow.db").is_file():
        return {}  # versions were not restored
    return dict(_check_champions(settings, open_registry(settings)))


def _check_champions(settings: Settings, registry: Registry) -> Iterator[tuple[str, str]]:
    loader = open_version_loader(settings, registry)
    for model in registry.list_models():
        champion = registry.champion(model.name)
        if champion is not None:
            loader.verify_copy(champion, registry.fetch(champion, settings.cache))
            yield model.name, champion.version
