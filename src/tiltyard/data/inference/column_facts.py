"""What is measured of a column before its meaning is inferred."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from tiltyard.data.columns import Column
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.written import ColumnKind
from tiltyard.data.inference.continuous_labels import are_continuous
from tiltyard.data.read_table import read_column

SAMPLE = 1000
NAMELESS = re.compile(r"(Unnamed: \d+(_level_\d+)?)?")
_WORD = re.compile(r"[^\W_]+")
_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_CAPITALISED = 0.7
_NAME_WORDS = 6
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
        return self.capitalised_share >= _CAPITALISED and self.words <= _NAME_WORDS


def measure_columns(frame: pd.DataFrame, rules: ReadingRules = USUAL_RULES) -> list[ColumnFacts]:
    """The facts of each column of a frame, in order, its cells read by the rules."""
    places, rows = frame.shape[1], len(frame)
    return [
        ColumnFacts(read_column(frame.iloc[:, place], str(name), rules=rules), place, places, rows)
        for place, name in enumerate(frame.columns)
    ]


def _count_words(value: str) -> float:
    wide = sum(ord(character) >= _WIDE for character in value)
    return len(value.split()) + wide / 2
