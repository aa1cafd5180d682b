"""What every page is: a part that stays, and a part that is drawn anew when there is something new to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tiltyard.console.sources import ConsoleSources
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PageData:
    """What the pages are about.

    Attributes:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions.
        now: the present moment, with a time zone.
        beyond: runs, and the champion's own files and answers.
    """

    project: Project
    registry: Registry
    ledger: Ledger
    now: Callable[[], datetime] = _now
    beyond: ConsoleSources = field(default_factory=ConsoleSources)


@dataclass(frozen=True)
class Placeholder:
    """Something to show in place of a page's frame: nothing is there yet, or nothing is found."""

    component: Any


Slots = Mapping[str, Any]
"""What to put where: the id of a slot, and its content; a plot's slot takes a figure."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: prefix of its components' ids.
        path: its address.
        title: its heading.
        lead: a line that says what it shows.
        refresh_seconds: how often it looks for something new.
        controls: components that are always there.
        inputs: the controls that change what is drawn, as (id, property).
        frame: components that have the slots in them.
        slots: the slots, as (id, property).
        stamp: from the inputs' values to a text that changes when there is something new to draw; cheap.
        draw: from the inputs' values to the content of every slot.
    """

    name: str
    path: str
    title: str
    lead: str
    refresh_seconds: float
    frame: tuple[Any, ...]
    slots: tuple[tuple[str, str], ...]
    stamp: Callable[..., str]
    draw: Callable[..., Slots | Placeholder]
    controls: tuple[Any, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
