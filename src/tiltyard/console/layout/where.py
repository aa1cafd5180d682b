"""Where a reader is: the address of a page with its subject and its query, from which everything on it follows."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from tiltyard.console.data.period import WINDOWS, PredictionPeriod, choose_range

PERIOD, SINCE, UNTIL = "period", "since", "until"
"""Keys of the query for the time that all pages are about."""

USUAL_PERIOD = "day"
KEPT = (PERIOD, SINCE, UNTIL)
"""Keys that go along from page to page."""

_LONGEST = 300


@dataclass(frozen=True)
class Where:
    """An address, as far as a page is concerned.

    Attributes:
        path: the path of the page; of one with a subject it ends in ``/``.
        subject: what follows the path, such as the number of a version.
        query: the query, each key once.
    """

    path: str = "/"
    subject: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str, subject: str, search: str | None) -> Where:
        """The place of a browser's address: ``search`` is its query with the question mark."""
        pairs = parse_qsl((search or "").removeprefix("?"), keep_blank_values=False)
        return cls(path, subject, {key[:_LONGEST]: value[:_LONGEST] for key, value in pairs})

    @classmethod
    def from_stored(cls, data: Any) -> Where:
        """The place that ``to_stored`` wrote down, or a browser made up: what does not fit is left out."""
        if not isinstance(data, Mapping):
            return cls()
        query = data.get("query")
        known = {str(key): str(value) for key, value in query.items()} if isinstance(query, Mapping) else {}
        return cls(str(data.get("path") or "/"), str(data.get("subject") or ""), known)

    def to_stored(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {"path": self.path, "subject": self.subject, "query": dict(self.query)}

    def find(self, key: str) -> str:
        """A value of the query, without blanks around it; empty where it has none."""
        return self.query.get(key, "").strip()

    def choose(self, key: str, known: Container[str], usual: str) -> str:
        """A value of the query if it is known, else the usual one."""
        found = self.find(key)
        return found if found in known else usual

    @property
    def window(self) -> str:
        """The key of the period that was chosen."""
        return self.choose(PERIOD, WINDOWS, USUAL_PERIOD)

    @property
    def period(self) -> PredictionPeriod:
        """The time that the page is about: a range of two moments goes before a named period."""
        since, until = _read_moment(self.find(SINCE)), _read_moment(self.find(UNTIL))
        if since is not None and until is not None and since < until:
            return choose_range(since, until)
        return WINDOWS[self.window]

    def link(self, **changes: str | None) -> str:
        """The address of this page with another query: None removes a key."""
        merged = {**self.query, **changes}
        return _write(f"{self.path}{quote(self.subject, safe='')}", merged)

    def link_to(self, path: str, **query: str | None) -> str:
        """The address of another page, about the same time."""
        kept: dict[str, str | None] = {key: self.query[key] for key in KEPT if key in self.query}
        return _write(path, {**kept, **query})


def _write(path: str, query: Mapping[str, str | None]) -> str:
    written = urlencode([(key, value) for key, value in query.items() if value])
    return f"{path}?{written}" if written else path


def _read_moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
