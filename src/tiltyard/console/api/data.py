"""What the routes read from, and their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from tiltyard.console.actions import ActionDesk
from tiltyard.console.sources import ConsoleSources
from tiltyard.data.conform.dates import parse_instant
from tiltyard.ledger import Ledger
from tiltyard.ledger.model_events import SharedModelEvents
from tiltyard.project import Project
from tiltyard.registry import Registry
from tiltyard.serving.problem_details import FieldProblem, invalid_fields


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class ApiData:
    """The stores behind the routes.

    Attributes:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions.
        sources: its runs, and the files of versions.
        desk: takes actions; None for an interface that only reads.
        now: the present moment, with a time zone.
    """

    project: Project
    registry: Registry
    ledger: Ledger
    sources: ConsoleSources = field(default_factory=ConsoleSources)
    desk: ActionDesk | None = None
    now: Callable[[], datetime] = _now

    @cached_property
    def events(self) -> SharedModelEvents:
        """The events about the model."""
        return SharedModelEvents(self.ledger, self.model_name)

    @property
    def model_name(self) -> str:
        """The registered model."""
        return self.project.model_name


def read_moment(name: str, text: str | None) -> datetime | None:
    """A time of a query, UTC where it names no zone; None where it is not given.

    Raises:
        RequestError: 422; it cannot be read as a time.
    """
    if not text:
        return None
    moment = parse_instant(text)
    if moment is None:
        # A plus in a query is a space.
        moment = parse_instant(text.replace(" ", "+"))
    if moment is None:
        raise invalid_fields([FieldProblem(name, "has to be a time in ISO 8601, such as 2026-01-31T10:30:00Z")])
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
