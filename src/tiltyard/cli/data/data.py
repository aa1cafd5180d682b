"""``tiltyard data``: keep the rows of a project, or fetch a public corpus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from tiltyard import wiring
from tiltyard.cli.data.snapshots import prune, snapshots
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import Terminal, console, print_json, say
from tiltyard.data import load_dataset
from tiltyard.data.corpora import CORPORA, Watcher, fetch_corpus
from tiltyard.data.snapshots.snapshot import take_snapshot
from tiltyard.project import load_project

ACTIVITIES = {"download": "Downloading", "verify": "Verifying", "unpack": "Unpacking"}


@click.group()
def data() -> None:
    """Keep the rows of a project, list and prune them, or fetch a public corpus."""


@data.command()
@project_option
@click.option(
    "--to",
    "store",
    default=None,
    help="Folder or URL (s3://…) to keep it in.  [default: TILTYARD_SNAPSHOTS, or .tiltyard/snapshots]",
)
@json_option
def snapshot(project_path: Path | None, store: str | None, as_json: bool) -> None:
    """Keep the rows as they are now, under their fingerprint, as a Parquet file.

    A version's run names the fingerprint of the rows it saw. With data.source set to the file that is written here, it
    can be trained again from exactly these rows. Rows that are kept already are not written again.
    """
    project = load_project(project_path)
    dataset = load_dataset(project)
    taken = take_snapshot(dataset, store or wiring.load_settings(project).snapshot_store)
    if as_json:
        print_json(taken.to_dict())
        return
    did = "Kept" if taken.created else "Already kept:"
    say("{} {:,} rows, fingerprint {}, as\n  [bold]{}[/bold]", did, taken.rows, taken.fingerprint, taken.uri)
    console.print("To train from them, name that file in data.source.")


@data.command()
@click.argument("corpus", type=click.Choice(list(CORPORA)))
@click.option("--to", type=click.Path(path_type=Path), default=None, help="Folder to put it in.  [default: ./CORPUS]")
@click.option("--url", default=None, help="Another address of the same archive, such as a mirror.")
@json_option
def fetch(corpus: str, to: Path | None, url: str | None, as_json: bool) -> None:
    """Fetch a public corpus, check it, unpack it, and write a project file for it.

    imdb is the Large Movie Review Dataset (Maas et al., 2011) with its official halves. A download that breaks off goes
    on from there when the command is run again.
    """
    wanted = CORPORA[corpus]
    with progress(Terminal(stderr=True)) as watch:
        fetched = fetch_corpus(wanted, to or Path(corpus), watch, url=url)
    if as_json:
        print_json(
            {
                "corpus": corpus,
                "folder": str(fetched.folder),
                "project_file": str(fetched.project_file),
                "downloaded": fetched.downloaded,
                "described": fetched.described,
                "digests": dict(wanted.digests),
            }
        )
        return
    state = "is in" if fetched.downloaded else "was already in"
    say("{} {} [bold]{}[/bold]", wanted.title, state, fetched.folder)
    kept = "" if fetched.described else " (it was there, and was left as it is)"
    say("Project file: [bold]{}[/bold]{}", fetched.project_file, kept)
    say("Next: [bold]tiltyard train --champion --project {}[/bold]", fetched.project_file)


data.add_command(snapshots)
data.add_command(prune)


@contextmanager
def progress(shown_on: Console) -> Iterator[Watcher]:
    """A bar an activity, on standard error, where a person watches."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown_on) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(activity: str, done: int, total: int) -> None:
            if activity not in tasks:
                tasks[activity] = bars.add_task(ACTIVITIES[activity], total=total)
            bars.update(tasks[activity], completed=done)

        yield watch
