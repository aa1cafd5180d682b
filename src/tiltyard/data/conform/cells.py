"""What one raw cell says: the rules that whole columns and single rows share."""

from __future__ import annotations

import math
import numbers
import re
import sys
import unicodedata
from collections.abc import Collection, Set
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tiltyard.data.conform.number_texts import drop_sign, drop_thousands, number_pattern
from tiltyard.data.conform.rules import ReadingRules

BOOLEAN_WORDS = {"True": 1.0, "TRUE": 1.0, "true": 1.0, "False": 0.0, "FALSE": 0.0, "false": 0.0}
"""The words that make a column one of booleans; a cell of such a column may also be 1 or 0."""

EXACT = 2**53
"""From here on, a float no longer holds every whole number."""

_NO_VALUES = (list, tuple, dict, Set, np.ndarray, bytes, bytearray, memoryview, complex)
_NONE = object()
_WRITTEN_OUT = 1e16  # from here on, Python writes a float with an exponent
_TRUTH = {"true": True, "false": False}
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0*", re.ASCII)


def normalise_text(text: str) -> str:
    """A text without outer white space, its accents composed (NFC).

    Half a surrogate pair becomes ``?``: it has no place in UTF-8, and so none in a stored category.
    """
    stripped = text.strip()
    if stripped.isascii():
        return stripped
    return unicodedata.normalize("NFC", stripped).encode("utf-8", "replace").decode("utf-8")


def is_gap(raw: Any, gap_words: Collection[str]) -> bool:
    """Whether a cell says nothing: None, NaN, NaT, blank text or a word for a gap."""
    if raw is None:
        return True
    if isinstance(raw, str):
        return not raw or raw.isspace() or raw.strip() in gap_words
    if isinstance(raw, numbers.Real | Decimal | np.generic):
        return bool(raw != raw)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    return is_pandas_gap(raw)


def is_pandas_gap(raw: object) -> bool:
    """Whether a cell is pandas' ``NA`` or ``NaT``; where pandas was not imported no cell is."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (raw is getattr(pandas, "NA", _NONE) or raw is getattr(pandas, "NaT", _NONE))


def is_pandas_time(raw: object) -> bool:
    """Whether a cell is a ``Timestamp`` of pandas; likewise."""
    kind = getattr(sys.modules.get("pandas"), "Timestamp", None)
    return kind is not None and isinstance(raw, kind)


def parse_number(raw: Any, rules: ReadingRules, sign: str = "") -> float | None:
    """The number that a cell is: an int, float, Decimal or NumPy number, or text that reads as one by the rules.

    Args:
        raw: the cell.
        rules: how it is read.
        sign: of percent or of a currency, that it may be written with.

    Returns:
        The number, infinite where the cell says so or is beyond all floats; None where it is not a number. Booleans are
        none.
    """
    if isinstance(raw, str):
        return _parse_number_text(drop_sign(raw, sign), rules)
    if isinstance(raw, bool | np.bool_ | np.timedelta64) or not isinstance(raw, numbers.Real | Decimal):
        return None
    number: Any = raw
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def parse_boolean(raw: Any, rules: ReadingRules) -> bool | None:
    """The truth value of a cell: true and false in any letters, 1 and 0 as numbers or text; None for anything else."""
    if isinstance(raw, bool | np.bool_):
        return bool(raw)
    if isinstance(raw, str) and (truth := _TRUTH.get(raw.strip().lower())) is not None:
        return truth
    number = parse_number(raw, rules)
    return number == 1.0 if number in (0.0, 1.0) else None


def write_category(raw: Any) -> str | None:
    """A cell as a category is written: text stripped and composed, a whole number without a fraction (1.0: ``"1"``).

    Text that is such a number is written likewise, for a file of text knows no other numbers. A duration is written as
    pandas does.

    Returns:
        The text; None where the cell is not a single value: a list, an object, bytes, a complex number.
    """
    if isinstance(raw, np.generic):
        raw = raw.item()
    if isinstance(raw, str):
        text = normalise_text(raw)
        whole = _WHOLE.fullmatch(text) if text.endswith(("0", ".")) else None
        return text if whole is None else str(int(whole[1]))
    if isinstance(raw, float | Decimal) and -_WRITTEN_OUT < raw < _WRITTEN_OUT and raw == int(raw):
        return str(int(raw))
    if isinstance(raw, timedelta):
        import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

        return str(pd.Timedelta(raw))
    return None if isinstance(raw, _NO_VALUES) else str(raw)


def _parse_number_text(text: str, rules: ReadingRules) -> float | None:
    if not number_pattern(rules.decimal, rules.thousands, point=True).fullmatch(text):
        return None
    return float(drop_thousands(text, rules.thousands).replace(rules.decimal, "."))
