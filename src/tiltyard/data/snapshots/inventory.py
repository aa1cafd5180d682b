"""Which snapshots a project keeps, and taking one away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tiltyard.data.snapshots.snapshot_store import open_snapshot_store


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot that is there.

    Attributes:
        name: its file in the store: ``PROJECT/FINGERPRINT.parquet``, or with a part of a digest after the fingerprint.
        uri: the same as a path or URL.
        fingerprint: of the rows.
        rows: how many there are; None for a file that is damaged.
        bytes: its size.
        used_at: when it was kept, or found to be what another training needed, UTC.
    """

    name: str
    uri: str
    fingerprint: str
    rows: int | None
    bytes: int
    used_at: datetime


def list_snapshots(store: str | Path, project_name: str) -> list[StoredSnapshot]:
    """The snapshots of a project, the latest first; none where there is no store yet.

    Args:
        store: a folder, or the URL of one.
        project_name: the project's name.

    Raises:
        DataError: the store cannot be reached.
        MissingExtraError: an optional part of the installation is needed to reach it.
    """
    snapshots = open_snapshot_store(store)
    found = []
    for entry in snapshots.entries(project_name):
        name = f"{project_name}/{entry.name}"
        about = snapshots.read_description(name)
        stem = entry.name.removesuffix(".parquet")
        found.append(
            StoredSnapshot(
                name,
                snapshots.uri(name),
                str((about or {}).get("fingerprint", stem.partition("-")[0])),
                (about or {}).get("rows"),
                entry.bytes,
                entry.used_at,
            )
        )
    return sorted(found, key=lambda rows: rows.used_at, reverse=True)


def delete_snapshot(store: str | Path, rows: StoredSnapshot) -> None:
    """Remove a snapshot; one that is gone already is a no-op.

    Raises:
        DataError: it cannot be removed.
    """
    open_snapshot_store(store).remove(rows.name)
