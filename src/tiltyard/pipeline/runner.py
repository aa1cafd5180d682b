"""Running a pipeline's steps: plain functions, one after the other, each seen as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Runner(Protocol):
    """Runs named steps. Implementations show progress or hand the step to an orchestrator.

    A step runs exactly once per call; what it raises goes on to the caller unchanged.
    """

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run one step.

        Args:
            name: stable name, such as ``train-model``.
            step: the work.
            note: says in a few words what came out, for people who watch.
        """

    def say(self, text: str) -> None:
        """Tell those who watch about a part of the step that is running."""


class QuietRunner:
    """Runs steps in this process and says nothing."""

    def run(self, name: str, step: Callable[[], Result], note: Callable[[Result], str]) -> Result:
        """Run the step."""
        del name, note
        return step()

    def say(self, text: str) -> None:
        """Nobody watches."""
