"""``tiltyard backup`` and ``tiltyard restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import Terminal, console, print_json
from tiltyard.cli.versions.find_project import find_project
from tiltyard.formatting import format_count, join_names

if TYPE_CHECKING:
    from tiltyard.backups.manifest import BackupManifest

_SHOWN = ("predictions", "labels", "events")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@project_option
@model_option
@json_option
def backup_command(target: Path, project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Copy ledger, registry, artifacts, keys and .env into a new folder, while the project serves.

    TARGET must not exist, or be an empty folder. Its owner alone can read it, as it holds secrets: .env, the digests of
    API keys, and every recorded input. What MLflow or an object store keeps elsewhere is named, and not copied.
    """
    from tiltyard.backups.make_backup import make_backup
    from tiltyard.wiring import load_settings

    project = find_project(project_path, model_name, quiet=True)
    status = Terminal(stderr=True)
    with status.status("Backing up …") as shown:
        made = make_backup(load_settings(project), project.name, target, lambda path: shown.update(f"Copying {path}"))
    if as_json:
        print_json({"target": str(target.absolute()), **_describe(made)})
        return
    console.print(f"Backed up {_summarise(made)} into {target.absolute()}.")
    for sentence in made.elsewhere:
        console.print(f"Not in it: {sentence}")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@project_option
@json_option
def restore_command(source: Path, project_path: Path | None, as_json: bool) -> None:
    """Put a backup in place where nothing is yet, and check what is there then.

    Every file is compared with its digest first. Afterwards the rows of the ledger, the chain of decisions and the
    champions' files are checked. The ledger may be in another database than it was: TILTYARD_LEDGER says where. A .env
    that is there is left as it is.
    """
    from tiltyard.backups.restore_backup import restore_backup
    from tiltyard.project import find_project_file, load_project
    from tiltyard.wiring import load_settings

    project = load_project(find_project_file(project_path))
    settings = load_settings(project)
    status = Terminal(stderr=True)
    with status.status("Restoring …") as shown:
        found = restore_backup(source, settings, lambda path: shown.update(f"Checking {path}"))
    if as_json:
        described = {"champions": found.champions, "notes": list(found.notes)}
        print_json({"state": str(settings.state), **_describe(found.manifest), **described})
        return
    console.print(f"Restored {_summarise(found.manifest)} of {found.manifest.at:%Y-%m-%d %H:%M} UTC.")
    names = [f"{model} version {version}" for model, version in found.champions.items()]
    verified = f"; the files of the champion are whole: {join_names(names)}" if names else ""
    console.print(f"Rows and the chain of decisions are as in the backup{verified}.")
    for sentence in found.notes:
        console.print(f"Left to you: {sentence}")


def _describe(manifest: BackupManifest) -> dict[str, object]:
    return {
        "project": manifest.project,
        "at": manifest.at,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "rows": manifest.rows,
        "elsewhere": list(manifest.elsewhere),
    }


def _summarise(manifest: BackupManifest) -> str:
    rows = ", ".join(f"{manifest.rows.get(table, 0):,} {table}" for table in _SHOWN)
    return f"{format_count(len(manifest.files), 'file')} ({manifest.size / 1e6:,.1f} MB; {rows})"
