"""Progress of a pipeline's steps in the terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tiltyard.cli.output import print_line
from tiltyard.processes.process_group import PROGRESS

Result = TypeVar("Result")


def announce_step(name: str) -> None:
    """Print that a step begins, where another program shows the progress of this one."""
    if os.environ.get(PROGRESS) == "lines":
        click.echo(f"{name} …", err=True)


class ConsoleRunner:
    """Runs steps in this process: a spinner with the elapsed time, then a line with time and outcome."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run one step; a failure is printed before its error is raised again."""
        announce_step(name)
        started = time.perf_counter()
        try:
            with _show_elapsed(self._console) as running:
                running.add_task(f"{name} …", total=None)
                result = step()
        except BaseException:
            print_line("[red]✗[/red] {}", name, to=self._console)
            raise
        seconds = time.perf_counter() - started
        print_line(
            "[green]✓[/green] {} [dim]{:6.2f} s[/dim]  {}", f"{name:<16}", seconds, note(result), to=self._console
        )
        return result

    def say(self, text: str) -> None:
        """Print a line below the running step."""
        print_line("    [dim]{}[/dim]", text, to=self._console)


def _show_elapsed(console: Console) -> Progress:
    """A line that goes away when the step is over; nothing where the output is not a terminal."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
