"""How figures, rows and values of data are put into words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS_SHOWN = 5
ROWS_KEPT = 20
EXCERPT = 60


def format_count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 row``, ``7,043 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def choose_form(number: int, one: str, many: str) -> str:
    """The form of a word that suits a number: 1 row ``repeats``, 2 rows ``repeat``."""
    return one if number == 1 else many


def format_percent(share: float) -> str:
    """A share as a percentage with as many digits as it needs: ``50%``, ``3.3%``, ``0.04%``."""
    value = share * 100
    if value and abs(value) < 0.01:
        return "under 0.01%"
    digits = 0 if abs(value) >= 9.95 or value == 0 else 1 if abs(value) >= 0.95 else 2
    # 99.98% is not "100%".
    while digits < 2 and value < 100 and round(value, digits) >= 100:
        digits += 1
    return f"{value:.{digits}f}%"


def first_rows(mask: NDArray[np.bool_], keep: int = ROWS_KEPT) -> list[int]:
    """The first ``keep`` rows of a mask, numbered from 1 (the first row of data)."""
    return [int(row) + 1 for row in mask.nonzero()[0][:keep]]


def join_rows(rows: Sequence[int], total: int) -> str:
    """``row 489``, ``rows 489, 754, 937, …``: the first few of ``total`` rows."""
    places = ", ".join(str(row) for row in rows[:ROWS_SHOWN])
    more = ", …" if total > min(len(rows), ROWS_SHOWN) else ""
    return f"{'row' if total == 1 else 'rows'} {places}{more}"


def quote_excerpt(value: Any, length: int = EXCERPT) -> str:
    """A value on one line: shortened, with control characters escaped, in quotation marks."""
    return f"'{shorten_name(value, length)}'"


def shorten_name(value: Any, length: int = EXCERPT) -> str:
    """The same without quotation marks: for names in lists and tables."""
    text = str(value)
    short = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(_escape_unprintable(character) for character in short)


def number_repeats(names: Iterable[str]) -> list[str]:
    """Names that are each different: of those that are alike, all but the first get a number."""
    found: dict[str, None] = {}
    for name in names:
        number, chosen = 1, name
        while chosen in found:
            number += 1
            chosen = f"{name} ({number})"
        found[chosen] = None
    return list(found)


def join_values(values: Iterable[Any], most: int = ROWS_SHOWN) -> str:
    """Values one after the other, the first few only."""
    words = [quote_excerpt(value, 30) for value in values]
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def join_names(names: Sequence[str], most: int = 6) -> str:
    """Names one after the other, the first few only."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def format_number(value: float) -> str:
    """A number with as many digits as a reader wants."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def format_interval(ends: Sequence[float | None] | None) -> str:
    """The two ends of a predicted number's interval; a dash where there is none."""
    if not ends:
        return "–"
    low, high = ("open" if end is None else format_number(end) for end in ends)
    return f"{low} to {high}"


def _escape_unprintable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
