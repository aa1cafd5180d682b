"""``tiltyard data fetch``: a public corpus with a project file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

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

from tiltyard.cli.options import json_option
from tiltyard.cli.output import Terminal, print_json, print_line
from tiltyard.data.corpora.catalog import CORPORA

if TYPE_CHECKING:
    from tiltyard.data.corpora import Watcher

ACTIVITIES = {"download": "Downloading", "verify": "Verifying", "unpack": "Unpacking"}


@click.command()
@click.argument("corpus", type=click.Choice(list(CORPORA)))
@click.option("--to", type=click.Path(path_type=Path), default=None, help="Folder to write to.  [default: ./CORPUS]")
@click.option("--url", default=None, help="Another address of the same archive, such as a mirror.")
@json_option
def fetch_command(corpus: str, to: Path | None, url: str | None, as_json: bool) -> None:
    """Fetch a public corpus, check it, unpack it, and write a project file for it.

    imdb is the Large Movie Review Dataset (Maas et al., 2011) with its official halves. Run the command again to
    resume an interrupted download.
    """
    from tiltyard.data.corpora.fetch_corpus import fetch_corpus

    wanted = CORPORA[corpus]
    with show_progress(Terminal(stderr=True)) as watch:
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
    print_line("{} {} [bold]{}[/bold]", wanted.title, state, fetched.folder)
    kept = "" if fetched.described else " (it existed and was not changed)"
    print_line("Project file: [bold]{}[/bold]{}", fetched.project_file, kept)
    print_line("Next: [bold]tiltyard train --champion --project {}[/bold]", fetched.project_file)


@contextmanager
def show_progress(terminal: Console) -> Iterator[Watcher]:
    """Progress bars, one for each activity."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(activity: str, done: int, total: int) -> None:
            if activity not in tasks:
                tasks[activity] = bars.add_task(ACTIVITIES[activity], total=total)
            bars.update(tasks[activity], completed=done)

        yield watch
