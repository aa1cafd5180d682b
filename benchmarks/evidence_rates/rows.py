"""One promise, with what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from tiltyard.evaluation.intervals import wilson

Item = TypeVar("Item")
_console = Console(stderr=True)

POWER_KEPT = 0.95
"""Of the power from before, at the same level."""


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        name: what is promised.
        promised: the rate; for a false decision at most this, for a true gain at least this. None: nothing is promised.
        least: whether it is a least rate.
        rate: as measured.
        low, high: 95 % interval of the rate (of a share of runs by Wilson).
        runs: how often it was simulated.
        build: "before" for what was promised or done earlier, "now" for what this version does.
    """

    name: str
    promised: float | None
    rate: float
    low: float
    high: float
    runs: int
    build: str = "now"
    least: bool = False


def make_row(
    name: str, promised: float | None, hits: int, runs: int, build: str = "now", least: bool | None = None
) -> Row:
    """The row for ``hits`` of ``runs`` simulated runs, at least one; a promise of a half or more is a least rate."""
    low, high = wilson(hits, runs)
    at_least = promised is not None and promised >= 0.5 if least is None else least
    return Row(name, promised, hits / runs, low, high, runs, build, at_least)


def compare_power(name: str, before: int, now: int, runs: int) -> list[Row]:
    """Both rows of a true difference that is found: 95 % of the power from before is promised where rows do not depend.

    Args:
        name: what is found.
        before: in how many runs the test from before finds it.
        now: in how many of the same runs this version does.
        runs: the number of runs.
    """
    promised = round(POWER_KEPT * before / runs, 3)
    return [make_row(name, None, before, runs, "before"), make_row(name, promised, now, runs, least=True)]


def show_progress(items: Iterable[Item], description: str) -> Iterable[Item]:
    """The same items, with a bar on standard error."""
    return track(items, description, console=_console, transient=True)


def scaled(runs: int, scale: float) -> int:
    """The number of runs where the published number is ``runs``; at least 20."""
    return max(20, round(runs * scale))
