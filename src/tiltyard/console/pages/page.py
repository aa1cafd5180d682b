"""What every page is: a part that stays, and a part that is drawn anew when there is something new to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Sources:
    """What the pages are about.

    Attributes:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions.
        now: the present moment, with a time zone.
    """

    project: Project
    registry: Registry
    ledger: Ledger
    now: Callable[[], datetime] = _now


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: prefix of its components' ids.
        path: its address.
        title: its heading.
        lead: a line that says what it shows.
        refresh_seconds: how often it looks for something new.
        controls: components that stay while the rest is drawn anew.
        inputs: the controls that change what is drawn, as (id, property).
        stamp: from the inputs' values to a text that changes when there is something new to draw; cheap.
        body: from the inputs' values to what is drawn.
    """

    name: str
    path: str
    title: str
    lead: str
    refresh_seconds: float
    stamp: Callable[..., str]
    body: Callable[..., Any]
    controls: tuple[Any, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
