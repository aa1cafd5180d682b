"""A page: a frame that stays, and slots that are filled again when there is new data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tiltyard.console.actions import ActionDesk
from tiltyard.console.sources import ConsoleSources
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PageData:
    """The stores and settings of the pages.

    Attributes:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions.
        now: the present moment, with a time zone.
        sources: runs, and the champion's files and scorer.
        desk: takes the actions of people; None for a console that only reads.
    """

    project: Project
    registry: Registry
    ledger: Ledger
    now: Callable[[], datetime] = _now
    sources: ConsoleSources = field(default_factory=ConsoleSources)
    desk: ActionDesk | None = None


@dataclass(frozen=True)
class Placeholder:
    """A component in place of a page's frame, when there is no data."""

    component: Any


Slots = Mapping[str, Any]
"""The content of each slot, by the slot's id; a plot's slot takes a figure."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: prefix of its components' ids.
        path: its address.
        title: its heading.
        lead: a line on its content.
        refresh_seconds: how often it checks for new data.
        controls: components that are always visible.
        inputs: the controls that change what is drawn, as (id, property).
        parent: the path of the page whose entry in the menu stands for this one; empty: it has its own. The path of
            such a page ends in ``/``, and what follows in an address names its subject: the first value that ``stamp``
            and ``draw`` get.
        frame: components that have the slots in them.
        slots: the slots, as (id, property).
        stamp: from the inputs' values to a text that changes when there is new data; cheap.
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
    parent: str = ""

    @property
    def subject(self) -> str:
        """The id of the component that holds the subject in an address."""
        return f"{self.name}-subject"


@dataclass(frozen=True)
class PageAddresses:
    """The addresses of pages: each has one, or one for each subject."""

    pages: tuple[Page, ...]

    def find(self, address: str | None) -> tuple[Page, str]:
        """The page of an address and the subject in it; the first page where there is no such address."""
        for page in self.pages:
            if page.path == address:
                return page, ""
            if page.parent and address and address.startswith(page.path):
                return page, unquote(address.removeprefix(page.path))
        return self.pages[0], ""

    def __contains__(self, address: object) -> bool:
        """Whether a page has this address."""
        page, subject = self.find(str(address))
        return page.path == address or bool(subject)
