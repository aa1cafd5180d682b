"""How the cells of a project's data are read: what the project file says of numbers and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tiltyard.project import DataSection

GAP_WORDS = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip
"""The usual words for a missing value: those that pandas reads as one in a CSV file."""


@dataclass(frozen=True)
class ReadingRules:
    """How a raw cell is read.

    Attributes:
        gaps: the words that stand for a missing value; None: the usual ones, `GAP_WORDS`. Blank text always does.
        decimal: the decimal separator of numbers in text; a point is always read.
        thousands: the separator between the thousands of numbers in text; None for none.
        dates: how dates are written but for ISO 8601, which is always read: "iso" for no other way, "day-first",
            "month-first", or a format of Python's strptime.
        timezone: the zone of times that name none; None for UTC.
        unreadable_dates: what a cell of a date column is that is not a date: refused, or a gap.
    """

    gaps: tuple[str, ...] | None = None
    decimal: str = "."
    thousands: str | None = None
    dates: str = "iso"
    timezone: str | None = None
    unreadable_dates: Literal["refuse", "gap"] = "refuse"

    @classmethod
    def from_section(cls, section: DataSection) -> ReadingRules:
        """The rules that a project's ``[data]`` states."""
        return cls(
            section.gaps,
            section.decimal,
            section.thousands,
            section.dates,
            section.timezone,
            section.unreadable_dates,
        )

    @cached_property
    def gap_words(self) -> frozenset[str]:
        """The words that stand for a missing value, with the blank one."""
        return GAP_WORDS if self.gaps is None else frozenset({"", *self.gaps})


USUAL_RULES = ReadingRules()
"""What holds where a project states nothing."""
