"""Progress of a pipeline's steps in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.status import Status

from tiltyard.cli.output import print_line

Result = TypeVar("Result")


class ConsoleRunner:
    """Runs steps in this process: a spinner during a step, then a line with its time and outcome."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run one step; a failure is printed before its error is raised again."""
        started = time.perf_counter()
        try:
            with self._console.status(f"{name} …") as self._status:
                result = step()
        except BaseException:
            print_line("[red]✗[/red] {}", name, to=self._console)
            raise
        finally:
            self._status = None
        seconds = time.perf_counter() - started
        print_line(
            "[green]✓[/green] {} [dim]{:6.2f} s[/dim]  {}", f"{name:<16}", seconds, note(result), to=self._console
        )
        return result

    def say(self, text: str) -> None:
        """Print a line below the running step."""
        print_line("    [dim]{}[/dim]", text, to=self._console)
