"""What is measured of a column before its meaning is inferred."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tiltyard.data.columns import Column
from tiltyard.data.conform.written import ColumnKind
from tiltyard.data.read_table import read_column

SAMPLE = 1000
NAMELESS = re.compile(r"(Unnamed: \d+(_level_\d+)?)?")
_WORD = re.compile(r"[^\W_]+")
_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_CONTINUOUS_FROM = 20
_CONTINUOUS_WHOLE_FROM = 50
_CLASS_ROWS = 10
_CAPITALISED = 0.7
_WIDE = 0x2E80  # from here on scripts that write words without blanks


@dataclass(frozen=True, eq=False)
class ColumnFacts:
    """One column as the rules of inference see it.

    Attributes:
        column: its values by kind.
        place: its position, from 0.
        places: how many columns there are.
        rows: how many rows there are.
    """

    column: Column
    place: int
    places: int
    rows: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.column.name

    @property
    def kind(self) -> ColumnKind:
        """What its values are."""
        return self.column.kind

    @property
    def different(self) -> int:
        """How many different values it has."""
        return self.column.different

    @cached_property
    def present(self) -> int:
        """How many cells have a value."""
        return self.rows - int(self.column.gaps.sum())

    @property
    def missing_share(self) -> float:
        """Share of cells without a value."""
        return 1.0 - self.present / self.rows if self.rows else 1.0

    @property
    def nameless(self) -> bool:
        """Whether the header has no name for it."""
        return NAMELESS.fullmatch(self.name.strip()) is not None

    @cached_property
    def name_parts(self) -> tuple[str, ...]:
        """The words of its name: ``is_fraud`` and ``IsFraud`` are ``is`` and ``fraud``."""
        return tuple(part.lower() for part in _NAME_PARTS.findall(self.name))

    @cached_property
    def continuous(self) -> bool:
        """Whether its numbers measure a quantity rather than name classes; see ``are_continuous``."""
        return self.kind == "number" and are_continuous(self.column.ordered)

    @cached_property
    def sample(self) -> list[str]:
        """Up to ``SAMPLE`` different values of a column of words."""
        return [str(value).strip() for value in self.column.distinct[:SAMPLE] if str(value).strip()]

    @cached_property
    def words(self) -> float:
        """Words a cell, on average over the different values; a character of Chinese or Thai counts as half a word."""
        if not self.sample:
            return 0.0
        return sum(_count_words(value) for value in self.sample) / len(self.sample)

    @cached_property
    def capitalised_share(self) -> float:
        """Share of words that begin with a capital: names and titles have many, prose has few."""
        found = [word for value in self.sample[:200] for word in _WORD.findall(value) if not word.isdigit()]
        return sum(word[0].isupper() for word in found) / len(found) if found else 0.0

    @property
    def names_things(self) -> bool:
        """Whether its cells are names (of persons, places, products) rather than prose."""
        return self.capitalised_share >= _CAPITALISED and self.words <= 8


def measure_columns(frame: pd.DataFrame) -> list[ColumnFacts]:
    """The facts of each column of a frame, in order."""
    places, rows = frame.shape[1], len(frame)
    return [
        ColumnFacts(read_column(frame.iloc[:, place], str(name)), place, places, rows)
        for place, name in enumerate(frame.columns)
    ]


def are_continuous(ordered: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether ascending numbers measure a quantity: many different fractions, or many whole numbers with few rows each.

    Numbers of up to 20 different values (50 where all are whole) are classes, and so are whole numbers with ten rows
    for each value.
    """
    different = int(np.count_nonzero(np.diff(ordered))) + int(len(ordered) > 0)
    if bool((ordered == np.floor(ordered)).all()):
        return different > _CONTINUOUS_WHOLE_FROM and len(ordered) < _CLASS_ROWS * different
    return different > _CONTINUOUS_FROM


def find_continuous(labels: Sequence[str]) -> int | None:
    """How many different numbers n labels are, where they measure a quantity; None where they are classes."""
    distinct, counts = np.unique(np.asarray(labels, dtype=object).astype(str), return_counts=True)
    if len(distinct) <= _CONTINUOUS_FROM:
        return None
    numbers = pd.to_numeric(pd.Series(distinct, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        return None
    return len(distinct) if are_continuous(np.sort(np.repeat(numbers, counts))) else None


def _count_words(value: str) -> float:
    wide = sum(ord(character) >= _WIDE for character in value)
    return len(value.split()) + wide / 2
