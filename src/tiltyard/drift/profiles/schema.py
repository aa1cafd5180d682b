"""The layout of a profile: what the reference fixes once, so that all profiles laid out by it can be added."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from tiltyard.drift.profiles.categories import CategoryLayout
from tiltyard.drift.profiles.multivariate import JointLayout
from tiltyard.drift.profiles.numbers import NumberLayout
from tiltyard.drift.profiles.stored import from_stored, to_stored
from tiltyard.drift.profiles.texts import MEASURES, TextLayout

CONFIDENCE = "@confidence"
PREDICTION = "@prediction"
LABEL = "@label"
RESIDUAL = "@joint.residual"
SPREAD = "@joint.spread"
"""Names of subjects other than columns: they begin with @, and reports leave it out."""

FORMAT = 2
"""Counted up when the same rows would give another profile."""


@dataclass(frozen=True)
class Layout:
    """How rows are profiled.

    Attributes:
        numbers: by column, and by measure of a text (``review.words``).
        categories: by column.
        texts: by column.
        joint: the plane of the numbers; None where there are too few.
    """

    numbers: Mapping[str, NumberLayout] = field(default_factory=dict)
    categories: Mapping[str, CategoryLayout] = field(default_factory=dict)
    texts: Mapping[str, TextLayout] = field(default_factory=dict)
    joint: JointLayout | None = None

    @cached_property
    def digest(self) -> str:
        """Tells layouts apart; profiles of one digest can be added."""
        content = msgspec.json.encode([FORMAT, self.to_stored()])
        return hashlib.blake2b(content, digest_size=12).hexdigest()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row that are profiled, in order."""
        named = [name for name in (*self.numbers, *self.categories, *self.texts) if not name.startswith("@")]
        return tuple(name for name in named if name not in self.measures)

    @cached_property
    def measures(self) -> frozenset[str]:
        """The numbers that are measured of texts."""
        return frozenset(f"{text}.{measure}" for text in self.texts for measure in MEASURES)

    def to_stored(self) -> dict[str, Any]:
        """Its form in JSON."""
        return {
            "numbers": to_stored(self.numbers),
            "categories": to_stored(self.categories),
            "texts": {name: part.to_stored() for name, part in self.texts.items()},
            "joint": to_stored(self.joint),
        }

    @classmethod
    def from_stored(cls, data: Mapping[str, Any]) -> Layout:
        """The layout that ``to_stored`` wrote down."""
        return cls(
            from_stored(dict[str, NumberLayout], data["numbers"]),
            from_stored(dict[str, CategoryLayout], data["categories"]),
            {name: TextLayout.from_stored(part) for name, part in data["texts"].items()},
            None if data["joint"] is None else from_stored(JointLayout, data["joint"]),
        )
