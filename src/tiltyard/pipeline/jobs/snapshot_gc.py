"""Which versions need which snapshot, and removing those that none needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from tiltyard.data.snapshots.inventory import StoredSnapshot, delete_snapshot, list_snapshots
from tiltyard.formatting import choose_form, format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event
from tiltyard.pipeline.training.dataframes import plain_name
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry import ExperimentTracker

PRUNED = "snapshots-pruned"


@dataclass(frozen=True)
class SnapshotUse:
    """A snapshot, and who needs it.

    Attributes:
        rows: the snapshot.
        versions: the registered versions that were trained from it, as ``MODEL VERSION``.
    """

    rows: StoredSnapshot
    versions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {**to_json_object(self.rows), "versions": list(self.versions)}


def snapshot_uses(project: Project, store: str, tracker: ExperimentTracker, workspace: Workspace) -> list[SnapshotUse]:
    """The snapshots of a project with the versions that need them, the latest first.

    All models of the registry are read, whatever their names: a project may have had another one. What a version was
    trained from is in its run; one whose run is gone cannot be trained again, and needs nothing.

    Args:
        project: the project.
        store: where its snapshots are.
        tracker: where runs are recorded.
        workspace: the registry.

    Raises:
        UnavailableError: the registry is away.
        DataError: the store cannot be reached.
    """
    needed: dict[str, list[str]] = {}
    for model in workspace.registry.list_models():
        for info in reversed(workspace.registry.list_versions(model.name)):
            params = tracker.run_params(info.run_id) if info.run_id else None
            if params and "snapshot" in params:
                needed.setdefault(_place(params["snapshot"]), []).append(f"{info.name} {info.version}")
    found = list_snapshots(store, plain_name(project.name))
    return [SnapshotUse(rows, tuple(needed.get(_place(rows.name), ()))) for rows in found]


def unused_snapshots(uses: list[SnapshotUse], older_than: timedelta, now: datetime) -> list[SnapshotUse]:
    """The snapshots that no version needs and that have not been used for so long."""
    return [use for use in uses if not use.versions and now - use.rows.used_at > older_than]


def prune_snapshots(project: Project, store: str, uses: list[SnapshotUse], workspace: Workspace) -> None:
    """Remove snapshots, and write down which.

    Args:
        project: the project.
        store: where its snapshots are.
        uses: those to remove.
        workspace: ledger and host.

    Raises:
        DataError: one cannot be removed; those before it are gone, and written down.
        UnavailableError: the ledger is away.
    """
    gone: list[StoredSnapshot] = []
    try:
        for use in uses:
            delete_snapshot(store, use.rows)
            gone.append(use.rows)
    finally:
        if gone:
            size = sum(rows.bytes for rows in gone)
            reason = f"{format_count(len(gone), 'snapshot')} that no version needs "
            reason += f"{choose_form(len(gone), 'was', 'were')} removed ({size:,} bytes)."
            evidence = {"store": store, "snapshots": [rows.name for rows in gone], "bytes": size}
            event = Event(PRUNED, project.model_name, datetime.now(UTC), workspace.actor, reason, evidence)
            workspace.ledger.append(event)


def _place(uri: str) -> str:
    """What stays of a snapshot's address when its store is moved: project and file."""
    return "/".join(PurePosixPath(uri).parts[-2:])
