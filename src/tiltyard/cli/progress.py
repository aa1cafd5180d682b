"""A pipeline's steps as people see them happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.status import Status

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
            self._console.print(f"[red]✗[/red] {name}")
            raise
        finally:
            self._status = None
        seconds = time.perf_counter() - started
        self._console.print(f"[green]✓[/green] {name:<16} [dim]{seconds:6.2f} s[/dim]  {note(result)}")
        return result

    def say(self, text: str) -> None:
        """A line below the running step."""
        self._console.print(f"    [dim]{text}[/dim]")
