"""A profile: what n rows look like, in a few kilobytes, whatever n is. Profiles of one layout add up exactly."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tiltyard.drift.profiles.categories import CategoryCounts
from tiltyard.drift.profiles.numbers import NumberCounts
from tiltyard.drift.profiles.schema import Layout
from tiltyard.drift.profiles.stored import from_stored, to_stored
from tiltyard.drift.profiles.texts import TermCounts
from tiltyard.errors import UsageError


@dataclass(frozen=True)
class Profile:
    """What n rows look like.

    ``profile(a) + profile(b)`` equals the profile of the rows of both, to the last bit and in any order.

    Attributes:
        layout: digest of the layout it follows.
        rows: n.
        numbers: by name.
        categories: by name.
        terms: by text column.
    """

    layout: str
    rows: int = 0
    numbers: Mapping[str, NumberCounts] = field(default_factory=dict)
    categories: Mapping[str, CategoryCounts] = field(default_factory=dict)
    terms: Mapping[str, TermCounts] = field(default_factory=dict)

    @classmethod
    def empty(cls, layout: Layout) -> Profile:
        """The profile of no rows."""
        return cls(
            layout.digest,
            0,
            {name: NumberCounts.empty(part) for name, part in layout.numbers.items()},
            {name: CategoryCounts.empty(part) for name, part in layout.categories.items()},
            {name: TermCounts.empty() for name in layout.texts},
        )

    def __add__(self, other: Profile) -> Profile:
        """The profile of the rows of both.

        Raises:
            UsageError: they follow different layouts.
        """
        if self.layout != other.layout:
            raise UsageError(
                f"Profiles of different layouts ({self.layout} and {other.layout}) cannot be added.",
                next_step="Profile both by the layout of one reference.",
            )
        return Profile(
            self.layout,
            self.rows + other.rows,
            {name: part + other.numbers[name] for name, part in self.numbers.items()},
            {name: part + other.categories[name] for name, part in self.categories.items()},
            {name: part + other.terms[name] for name, part in self.terms.items()},
        )

    def with_parts(self, other: Profile, names: Iterable[str]) -> Profile:
        """This profile with the named numbers and categories of another of the same layout."""
        chosen = set(names)
        return Profile(
            self.layout,
            self.rows,
            {name: other.numbers[name] if name in chosen else part for name, part in self.numbers.items()},
            {name: other.categories[name] if name in chosen else part for name, part in self.categories.items()},
            self.terms,
        )

    def to_stored(self) -> dict[str, Any]:
        """Its form in JSON."""
        return {
            "layout": self.layout,
            "rows": self.rows,
            "numbers": {name: part.to_stored() for name, part in self.numbers.items()},
            "categories": to_stored(self.categories),
            "terms": to_stored(self.terms),
        }

    @classmethod
    def from_stored(cls, data: Mapping[str, Any]) -> Profile:
        """The profile that ``to_stored`` wrote down."""
        return cls(
            data["layout"],
            data["rows"],
            {name: NumberCounts.from_stored(part) for name, part in data["numbers"].items()},
            from_stored(dict[str, CategoryCounts], data["categories"]),
            from_stored(dict[str, TermCounts], data["terms"]),
        )

    def to_bytes(self) -> bytes:
        """Compressed JSON, for keeping."""
        return zlib.compress(msgspec.json.encode(self.to_stored()), 6)

    @classmethod
    def from_bytes(cls, body: bytes) -> Profile:
        """The profile that ``to_bytes`` wrote down."""
        return cls.from_stored(msgspec.json.decode(zlib.decompress(body)))
