"""``tiltyard data snapshots`` and ``tiltyard data prune``: the rows that are kept, and those that nobody needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.cli.time_options import Duration
from tiltyard.pipeline.jobs.snapshot_gc import SnapshotUse, prune_snapshots, snapshot_uses, unused_snapshots
from tiltyard.project import Project, load_project

_store_option = click.option(
    "--in",
    "store",
    default=None,
    help="Folder or URL (s3://…) where they are.  [default: TILTYARD_SNAPSHOTS, or .tiltyard/snapshots]",
)


@click.command()
@project_option
@_store_option
@json_option
def snapshots(project_path: Path | None, store: str | None, as_json: bool) -> None:
    """List the rows that are kept, and the versions that were trained from them."""
    project = load_project(project_path)
    place = store or wiring.load_settings(project).snapshot_store
    uses = _uses(project, place)
    if as_json:
        print_json({"store": place, "snapshots": [use.to_dict() for use in uses]})
        return
    if not uses:
        console.print(f"No rows of {project.name} are kept in {place}.")
        return
    _show(f"{project.name}: {len(uses)} snapshots in {place}", uses)


@click.command()
@project_option
@_store_option
@click.option(
    "--older-than",
    "age",
    type=Duration(),
    default="30d",
    show_default=True,
    help="Only those that no training has used for so long: 12h, 90d, 52w.",
)
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@json_option
def prune(project_path: Path | None, store: str | None, age: timedelta, yes: bool, as_json: bool) -> None:
    """Remove the snapshots that no registered version needs; without --yes they are only listed.

    What a version of any model of this registry was trained from stays, whatever its age. A store that several
    registries share must not be pruned from one of them: it knows nothing of the others' versions.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    place = store or settings.snapshot_store
    chosen = unused_snapshots(_uses(project, place), age, datetime.now(UTC))
    size = sum(use.rows.bytes for use in chosen)
    if yes and chosen:
        with wiring.open_ledger(settings) as ledger:
            prune_snapshots(project, place, chosen, app_wiring.open_workspace(settings, ledger, project))
    if as_json:
        print_json({"store": place, "removed": yes, "bytes": size, "snapshots": [use.to_dict() for use in chosen]})
        return
    if not chosen:
        console.print("Nothing to remove: each snapshot is needed by a version, or was used lately.")
        return
    _show(f"{project.name}: needed by no version", chosen)
    if yes:
        console.print(f"Removed {len(chosen)}, {_size(size)}.")
    else:
        console.print(f"Nothing was removed. To remove these, {_size(size)}: the same command with --yes")


def _uses(project: Project, place: str) -> list[SnapshotUse]:
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        return snapshot_uses(project, place, wiring.open_tracker(project, settings), workspace)


def _show(title: str, uses: list[SnapshotUse]) -> None:
    columns = ("Snapshot", "Fingerprint", "Rows", "Size", "Last used", "Versions")
    print_table(
        title,
        columns,
        (
            (
                use.rows.name.partition("/")[2],
                use.rows.fingerprint[:12],
                "damaged" if use.rows.rows is None else f"{use.rows.rows:,}",
                _size(use.rows.bytes),
                use.rows.used_at,
                ", ".join(use.versions) or None,
            )
            for use in uses
        ),
    )


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
