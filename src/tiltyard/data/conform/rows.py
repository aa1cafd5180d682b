"""The cells of single rows, read as those of whole frames are: one reader for each column of a schema."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tiltyard.data.conform.cells import is_gap, parse_boolean, parse_number, write_category
from tiltyard.data.conform.dates import parse_moment
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TypedColumn

CellReader = Callable[[Any], Any]


class CellError(Exception):
    """A cell holds what does not belong in its column."""


def make_cell_reader(column: TypedColumn, rules: ReadingRules) -> CellReader:
    """What reads the raw cells of a column.

    Returns:
        A function from a raw cell to a finite float (number), a bool, a str (category), or None for a gap; it raises
        `CellError` where the cell is nothing of the kind. Whatever stands in an empty column is a gap. A time is a
        datetime in UTC; one that cannot be read is refused, or a gap, as the rules say.
    """
    gaps = rules.gap_words.difference(column.value_words)
    if column.kind == "empty":
        return lambda _raw: None
    if column.kind == "category":
        spell = CategorySpelling(column)
        return lambda raw: None if is_gap(raw, gaps) else _require(spell.read(raw))
    if column.kind == "time":
        require = _require if rules.unreadable_dates == "refuse" else _pass
        return lambda raw: None if is_gap(raw, gaps) else require(parse_moment(raw, rules))
    parse = partial(parse_number, sign=column.sign) if column.kind == "number" else parse_boolean

    def read(raw: Any) -> Any:
        if is_gap(raw, gaps):
            return None
        value = _require(parse(raw, rules))
        if math.isinf(value):
            raise CellError
        return value

    return read


class CategorySpelling:
    """The categories of a column, each found from any spelling of it.

    A text means the category of the same letters; a number or a truth value means the one category that is that
    number (``1`` and ``1.0``) or that truth value (``true`` and ``TRUE``). Any other cell is an unknown category.
    """

    def __init__(self, column: TypedColumn) -> None:
        self._codec = LabelCodec(column.categories or ())
        truths = [word for word in self._codec.classes if word.lower() in ("true", "false")]
        self._truths = {word.lower(): word for word in truths} if len({*map(str.lower, truths)}) == len(truths) else {}

    def read(self, raw: Any) -> str | None:
        """The category that a cell means, as the schema spells it; None where it cannot be one."""
        word = write_category(raw)
        if word is None:
            return None
        meant = self._codec.find_class(word)
        return meant if meant is not None else self._truths.get(word.lower(), word)


def _pass(value: Any) -> Any:
    return value


def _require(value: Any) -> Any:
    if value is None:
        raise CellError
    return value
