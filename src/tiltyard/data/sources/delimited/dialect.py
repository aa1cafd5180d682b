"""Delimited text: its separator and quotes, its records with their line numbers, and records of unequal length."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

# Python's limit of 131,072 characters a cell would refuse long texts, which every other reader here takes.
csv.field_size_limit(2**31 - 1)

# In one record of a stranger, those within texts among them.
_MOST_SEPARATORS = 1_000_000

SEPARATORS = {"csv": ",", "tsv": "\t"}
"""The separator of each format of delimited text, unless the project file states another."""


@dataclass(frozen=True)
class Dialect:
    """How delimited text is written.

    Attributes:
        separator: the character between two cells.
        quotes: whether a cell may stand in double quotes; without, a quote is a character like any other.
    """

    separator: str = ","
    quotes: bool = True


@dataclass(frozen=True)
class Record:
    """One record: its first line in the text (from 1), and its cells."""

    line: int
    cells: list[str]


_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=([^\w\r\n"])"?\1*[ \t]*(?:\r\n|\n|\r|\Z)', re.IGNORECASE)


def find_separator_line(text: str) -> tuple[str, str] | None:
    """The separator that a first line such as ``sep=;`` states, as Excel reads and writes it, and that whole line."""
    found = _SEPARATOR_LINE.match(text)
    return (found[1], found[0]) if found else None


class LoneQuoteError(ValueError):
    """A quote opens a cell, and no quote before a separator or a line's end closes it.

    Attributes:
        line: where the record begins.
        unfinished: whether the text ended before any other quote.
    """

    def __init__(self, line: int, *, unfinished: bool) -> None:
        super().__init__(f"the quote that opens a cell of line {line} is not closed at the end of a cell")
        self.line = line
        self.unfinished = unfinished


def read_records(lines: Iterable[str], dialect: Dialect, first_line: int = 1) -> Iterator[Record]:
    """The records of delimited text; lines of white space only between records are none.

    Args:
        lines: the text.
        dialect: how it is written.
        first_line: the number of its first line.

    Raises:
        LoneQuoteError: a quoted cell does not end where its quote is closed.
    """
    taken = _TakenLines(lines)
    reader = _open_reader(taken, dialect, strict=dialect.quotes)
    line = first_line
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # csv has one type for all that it refuses; what is read without strictness was refused for its quotes.
            for _ in _open_reader(taken.of_record, dialect, strict=False):
                pass
            raise LoneQuoteError(line, unfinished=taken.at_end) from None
        if len(cells) > 1 or (cells and (cells[0] == "" or cells[0].strip())):
            yield Record(line, cells)
        line = first_line + reader.line_num
        taken.of_record.clear()


class _TakenLines:
    """Lines, and which of them a reader has read for the record that it is reading."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.of_record: list[str] = []
        self.at_end = False

    def __iter__(self) -> _TakenLines:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except StopIteration:
            self.at_end = True
            raise
        self.of_record.append(line)
        return line


def _open_reader(lines: Iterable[str], dialect: Dialect, *, strict: bool) -> Any:
    return csv.reader(
        lines,
        delimiter=dialect.separator,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        strict=strict,
    )


class TooManyCellsError(Exception):
    """Delimited text has more cells than its reader may make."""


def bound_cells(lines: Iterable[str], dialect: Dialect, most: int, first_line: int = 1) -> Iterator[Record]:
    """The records of delimited text, as ``read_records`` finds them, of a stranger: while they have few cells.

    Args:
        lines: the text.
        dialect: how it is written.
        most: how many cells all records together may have.
        first_line: the number of its first line.

    Raises:
        LoneQuoteError: a quoted cell does not end where its quote is closed.
        TooManyCellsError: there are more cells.
    """
    bounded = _BoundedLines(lines, dialect.separator)
    cells = 0
    for record in read_records(bounded, dialect, first_line):
        bounded.separators = 0
        cells += len(record.cells)
        if cells > most:
            raise TooManyCellsError
        yield record


class _BoundedLines:
    """Lines that hold few separators in each record, which the csv module makes as a whole."""

    def __init__(self, lines: Iterable[str], separator: str) -> None:
        self._lines = iter(lines)
        self._separator = separator
        self.separators = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.separators += line.count(self._separator)
        if self.separators > _MOST_SEPARATORS:
            raise TooManyCellsError
        return line


def has_trailing_cell(records: Iterable[Record], names: int, sample: int = 50) -> bool:
    """Whether every record of a sample after the header ends with one empty cell more than the header has names."""
    found = list(islice(records, sample))
    return bool(found) and all(len(record.cells) == names + 1 and not record.cells[-1] for record in found)
