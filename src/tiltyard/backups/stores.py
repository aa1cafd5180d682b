"""What of a project lies on this host, and what lies elsewhere and is not part of its backup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiltyard.redact import without_password
from tiltyard.settings import Settings
from tiltyard.sqlite import file_of_url


@dataclass(frozen=True)
class Stores:
    """Where a host keeps what belongs to a project.

    Attributes:
        state: the state folder.
        ledger_url: SQLAlchemy URL of the ledger.
        ledger_name: path of the ledger in the state folder; None where it is not an SQLite file of that folder.
        keys: the file of API keys, where it is not in the state folder.
        snapshots: the folder of the rows that trainings saw, where it is not in the state folder.
        environment: the file ``.env``.
        elsewhere: sentences on what is kept by other servers.
    """

    state: Path
    ledger_url: str
    ledger_name: str | None
    keys: Path | None
    snapshots: Path | None
    environment: Path
    elsewhere: tuple[str, ...]


def find_stores(settings: Settings) -> Stores:
    """Where the settings of a host keep what belongs to its project."""
    ledger, state = file_of_url(settings.ledger_url), settings.state.resolve()
    in_state = ledger is not None and _is_in(ledger, state)
    snapshots = None if "://" in settings.snapshot_store else Path(settings.snapshot_store)
    return Stores(
        state=settings.state,
        ledger_url=settings.ledger_url,
        ledger_name=ledger.resolve().relative_to(state).as_posix() if ledger is not None and in_state else None,
        keys=None if _is_in(settings.api_key_file, settings.state) else settings.api_key_file,
        snapshots=None if snapshots is None or _is_in(snapshots, settings.state) else snapshots,
        environment=settings.root / ".env",
        elsewhere=tuple(_find_elsewhere(settings)),
    )


def _find_elsewhere(settings: Settings) -> Iterator[str]:
    for what, uri in (("Runs", settings.tracking_uri), ("Versions", settings.registry_uri)):
        file = file_of_url(uri)
        if file is None or not _is_in(file, settings.state):
            yield f"{what} are kept by MLflow at {without_password(uri)}: back up its database and its artifacts."
    if settings.artifacts:
        yield f"Artifacts are kept at {without_password(settings.artifacts)}: copy them too."
    if "://" in settings.snapshot_store:
        yield f"The rows that trainings saw are kept at {without_password(settings.snapshot_store)}: copy them too."


def _is_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
