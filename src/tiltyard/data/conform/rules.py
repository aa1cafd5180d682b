"""How the cells of a project's data are read: what the project file says of numbers and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
    """

    gaps: tuple[str, ...] | None = None
    decimal: str = "."
    thousands: str | None = None

    @classmethod
    def from_section(cls, section: DataSection) -> ReadingRules:
        """The rules that a project's ``[data]`` states."""
        return cls(section.gaps, section.decimal, section.thousands)

    @cached_property
    def gap_words(self) -> frozenset[str]:
        """The words that stand for a missing value, with the blank one."""
        return GAP_WORDS if self.gaps is None else frozenset({"", *self.gaps})


USUAL_RULES = ReadingRules()
"""What holds where a project states nothing."""
