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
        content = msgspec.json.encode([FORMAT, self.to_dict()])
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

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "numbers": {name: part.to_dict() for name, part in self.numbers.items()},
            "categories": {name: part.to_dict() for name, part in self.categories.items()},
            "texts": {name: part.to_dict() for name, part in self.texts.items()},
            "joint": self.joint and self.joint.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Layout:
        """The layout that ``to_dict`` wrote down."""
        return cls(
            {name: NumberLayout.from_dict(part) for name, part in data["numbers"].items()},
            {name: CategoryLayout.from_dict(part) for name, part in data["categories"].items()},
            {name: TextLayout.from_dict(part) for name, part in data["texts"].items()},
            data["joint"] and JointLayout.from_dict(data["joint"]),
        )
