"""A pipeline's steps as people see them happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.status import Status

from tiltyard.cli.output import say

Result = TypeVar("Result")


class ConsoleRunner:
    """Runs steps in this process: a spinner while one runs, a line with its time and outcome when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run one step; a failed one is marked before its error goes on."""
        started = time.perf_counter()
        try:
            with self._console.status(f"{name} …") as self._status:
                result = step()
        except BaseException:
            say("[red]✗[/red] {}", name, to=self._console)
            raise
        finally:
            self._status = None
        seconds = time.perf_counter() - started
        say("[green]✓[/green] {} [dim]{:6.2f} s[/dim]  {}", f"{name:<16}", seconds, note(result), to=self._console)
        return result

    def say(self, text: str) -> None:
        """A line below the running step."""
        say("    [dim]{}[/dim]", text, to=self._console)
