"""``tiltyard data snapshot``, ``snapshots`` and ``prune``: store a project's rows, list them, delete unused ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_table
from tiltyard.cli.time_options import Duration
from tiltyard.cli.versions.find_project import find_project
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object

if TYPE_CHECKING:
    from tiltyard.pipeline.jobs.snapshot_gc import SnapshotUse
    from tiltyard.project import Project

_store_option = click.option(
    "--in",
    "store",
    default=None,
    help="Folder or URL (s3://…) of the snapshots.  [default: TILTYARD_SNAPSHOTS, or .tiltyard/snapshots]",
)


@click.command()
@project_option
@click.option(
    "--to",
    "store",
    default=None,
    help="Folder or URL (s3://…) to write to.  [default: TILTYARD_SNAPSHOTS, or .tiltyard/snapshots]",
)
@json_option
def snapshot_command(project_path: Path | None, store: str | None, as_json: bool) -> None:
    """Store the project's current rows as a Parquet file, named by their fingerprint.

    The run of a version names the fingerprint of its training data. Set data.source to the file that this command
    writes, and you train again on exactly these rows. Rows that are stored already are not written again.
    """
    from tiltyard import wiring
    from tiltyard.data import load_dataset
    from tiltyard.data.snapshots.snapshot import take_snapshot
    from tiltyard.project import load_project

    project = load_project(project_path)
    dataset = load_dataset(project)
    taken = take_snapshot(dataset, store or wiring.load_settings(project).snapshot_store)
    if as_json:
        print_json(to_json_object(taken))
        return
    action = "Stored" if taken.created else "Already stored:"
    print_line("{} {:,} rows, fingerprint {}, as\n  [bold]{}[/bold]", action, taken.rows, taken.fingerprint, taken.uri)
    console.print("To train on them, name that file in data.source.")


@click.command()
@project_option
@model_option
@_store_option
@json_option
def snapshots_command(project_path: Path | None, model_name: str | None, store: str | None, as_json: bool) -> None:
    """List the snapshots, and the versions that were trained on them."""
    from tiltyard import wiring

    project = find_project(project_path, model_name)
    place = store or wiring.load_settings(project).snapshot_store
    uses = _find_uses(project, place)
    if as_json:
        print_json({"store": place, "snapshots": [use.to_dict() for use in uses]})
        return
    if not uses:
        console.print(f"There is no snapshot of {project.name} in {place}.")
        return
    _print_snapshots(f"{project.name}: {format_count(len(uses), 'snapshot')} in {place}", uses)


@click.command("prune")
@project_option
@model_option
@_store_option
@click.option(
    "--older-than",
    "age",
    type=Duration(),
    default="30d",
    show_default=True,
    help="Only snapshots that no training has used for this long: 12h, 90d, 52w.",
)
@click.option("--yes", is_flag=True, help="Delete them; without it they are only listed.")
@json_option
def prune_snapshots_command(
    project_path: Path | None, model_name: str | None, store: str | None, age: timedelta, yes: bool, as_json: bool
) -> None:
    """Delete the snapshots that no registered version needs; without --yes they are only listed.

    The training data of every version of every model in this registry stays, whatever its age. Do not prune a store
    that several registries share: each registry knows only its own versions.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.jobs.snapshot_gc import prune_snapshots, unused_snapshots

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    place = store or settings.snapshot_store
    chosen = unused_snapshots(_find_uses(project, place), age, datetime.now(UTC))
    size = sum(use.rows.bytes for use in chosen)
    if yes and chosen:
        with wiring.open_ledger(settings) as ledger:
            prune_snapshots(project, place, chosen, app_wiring.open_workspace(settings, ledger, project))
    if as_json:
        print_json({"store": place, "removed": yes, "bytes": size, "snapshots": [use.to_dict() for use in chosen]})
        return
    if not chosen:
        console.print("Nothing to delete: every snapshot is needed by a version, or was used recently.")
        return
    _print_snapshots(f"{project.name}: needed by no version", chosen)
    if yes:
        console.print(f"Deleted {len(chosen)}, {_format_size(size)}.")
    else:
        console.print(f"Nothing was deleted. To delete these ({_format_size(size)}), add --yes.")


def _find_uses(project: Project, place: str) -> list[SnapshotUse]:
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.jobs.snapshot_gc import snapshot_uses

    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        return snapshot_uses(project, place, wiring.open_tracker(project, settings), workspace)


def _print_snapshots(title: str, uses: list[SnapshotUse]) -> None:
    columns = ("Snapshot", "Fingerprint", "Rows", "Size", "Last used", "Versions")
    print_table(
        title,
        columns,
        (
            (
                use.rows.name.partition("/")[2],
                use.rows.fingerprint[:12],
                "damaged" if use.rows.rows is None else f"{use.rows.rows:,}",
                _format_size(use.rows.bytes),
                use.rows.used_at,
                ", ".join(use.versions) or None,
            )
            for use in uses
        ),
    )


def _format_size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
