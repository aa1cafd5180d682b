"""What a person sees while a step runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tiltyard.cli.progress import ConsoleRunner


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_step_shows_the_elapsed_time_while_it_runs(is_terminal: bool) -> None:
    """A terminal shows the name and the time since the step began; a file has the lines alone."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=80, color_system=None)
    runner = ConsoleRunner(console)

    def step() -> int:
        runner.say("half of it")
        return 7

    assert runner.run("train", step, lambda found: f"{found} rows") == 7
    text = written.getvalue()
    assert ("0:00:00" in text) is is_terminal
    if not is_terminal:
        said, done = text.splitlines()
        assert said.strip() == "half of it"
        assert done.startswith("✓ train")
        assert done.endswith("7 rows")


def test_a_failed_step_is_named() -> None:
    """The line of a step that fails names it, and raises its error."""
    written = io.StringIO()
    runner = ConsoleRunner(Console(file=written, width=80, color_system=None))
    with pytest.raises(ZeroDivisionError):
        runner.run("evaluate", lambda: 1 // 0, str)
    assert written.getvalue().strip() == "✗ evaluate"
