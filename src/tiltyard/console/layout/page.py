"""A page: a frame that stays, and slots that are filled again when there is new data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from tiltyard.console.actions import OfferedAction, Subject
from tiltyard.console.layout.where import Where
from tiltyard.console.sources import ConsoleSources
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry


def _now() -> datetime:
    return datetime.now(UTC)


def _no_offers(_about: Subject, _subject: str | None) -> Sequence[OfferedAction]:
    return ()


def _nothing(_where: Where) -> Sequence[Any]:
    return ()


@dataclass(frozen=True)
class PageData:
    """The stores and settings of the pages.

    Attributes:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions.
        now: the present moment, with a time zone.
        sources: runs, and the champion's files and scorer.
        offers: what the reader can do about a ``version``, ``incident``, ``prediction`` or ``model``, and which one:
            its ``OfferedAction``s; none in a console that only reads.
    """

    project: Project
    registry: Registry
    ledger: Ledger
    now: Callable[[], datetime] = _now
    sources: ConsoleSources = field(default_factory=ConsoleSources)
    offers: Callable[[Subject, str | None], Sequence[OfferedAction]] = _no_offers


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
        refresh_seconds: how often it checks for new data; 0 for never.
        group: the part of the menu in which it stands.
        head: components above the frame that stay as they are.
        fields: from the address to fields that a person types into; they are drawn when the page is opened.
        controls: from the address to links and buttons that are drawn again with every figure, so that a choice never
            stands over figures of another one.
        inputs: the components that change what is drawn, beyond the address, as (id, property).
        parent: the path of the page whose entry in the menu stands for this one; empty: it has an entry. The path of
            such a page ends in ``/``, and what follows in an address is the subject of its ``Where``.
        frame: components that have the slots in them.
        slots: the slots, as (id, property).
        stamp: from the address and the inputs' values to a text that changes when there is new data; cheap.
        draw: from the address and the inputs' values to the content of every slot.
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
    group: str = ""
    head: tuple[Any, ...] = ()
    fields: Callable[[Where], Sequence[Any]] = _nothing
    controls: Callable[[Where], Sequence[Any]] = _nothing
    inputs: tuple[tuple[str, str], ...] = ()
    parent: str = ""

    @property
    def where(self) -> str:
        """The id of the component that holds the address."""
        return f"{self.name}-where"


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
