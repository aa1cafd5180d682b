"""Running a pipeline's steps: plain functions, one after the other, each seen as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

Result = TypeVar("Result")


class Runner(Protocol):
    """Runs named steps. Implementations show progress or hand the step to an orchestrator.

    A step runs exactly once per call; what it raises reaches the caller unchanged.
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


FlowKind = Literal["training", "monitoring", "response", "scheduled"]


class FlowRunner(Protocol):
    """Runs the use cases of a project, so that an orchestrator can show each as a whole with its steps.

    What the work raises reaches the caller unchanged.
    """

    @property
    def runner(self) -> Runner:
        """Runs the steps of a use case; outside of one it runs them all the same."""

    def run(self, kind: FlowKind, work: Callable[[], Result], describe: Callable[[Result], str]) -> Result:
        """Run one use case.

        Args:
            kind: which one.
            work: does it, with steps that go through ``runner``.
            describe: what came out, in Markdown, for people who read it later.
        """


class LocalFlows:
    """Runs use cases in this process; the steps are shown by the runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @property
    def runner(self) -> Runner:
        """The runner, as it was given."""
        return self._runner

    def run(self, kind: FlowKind, work: Callable[[], Result], describe: Callable[[Result], str]) -> Result:
        """Do the work."""
        del kind, describe
        return work()
