"""What a search may vary: typed ranges and choices, declared without the library that searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FloatRange:
    """A number from ``low`` to ``high``, both included; ``log`` where ratios matter rather than differences."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class IntegerRange:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values, which need no order and may be of any type."""

    values: tuple[object, ...]


Range = FloatRange | IntegerRange | Choice

# Parameter of the pipeline (``classifier__C``) and what it may be.
Space = Mapping[str, Range]
