"""What the first records of a file of delimited text say: the names of its columns, and how its rows end."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice

import pandas as pd

from tiltyard.data.conform.names import conform_names
from tiltyard.data.sources.delimited.dialect import (
    SEPARATORS,
    Dialect,
    LoneQuoteError,
    Record,
    bound_cells,
    find_separator_line,
    has_trailing_cell,
    read_records,
)
from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import DataError
from tiltyard.project import DataSection

SAMPLE_RECORDS = 50
SURPLUS = "\x00surplus"
"""Name of the empty cell that ends each row of some files; it is not a column."""


@dataclass(frozen=True)
class DelimitedLayout:
    """What the first records of a file say.

    Attributes:
        names: of the columns, and ``SURPLUS`` where each row ends with one empty cell more.
        header: whether the first record holds the names.
        written: the names as the header has them; empty without one.
    """

    names: list[str]
    header: bool
    written: tuple[str, ...] = ()

    @property
    def surplus(self) -> bool:
        """Whether each row ends with one empty cell that is not a column."""
        return self.names[-1] == SURPLUS


def read_layout(file: SourceFile, kind: str, section: DataSection) -> tuple[SourceFile, Dialect, DelimitedLayout]:
    """Find the separator and the names, and whether each row ends with one empty cell more.

    The separator is the one that a first line such as ``sep=;`` states, else the project file's, else that of the
    format. A stated list of columns is for files without a header: a first record of these names only is a header.

    Returns:
        The file without a line that states the separator, how it is written, and what its first records say.

    Raises:
        DataError: a lone quote would swallow rows (``data.quoting``).
        EmptyDataError: the file holds no record.
    """
    dialect = Dialect(section.separator or SEPARATORS[kind], section.quoting == "standard")
    with _open_text(file, section.encoding) as text, _name_lone_quotes(file):
        line = text.readline()
        stated = find_separator_line(line)
        if stated is not None:
            file, dialect = _skip_line(file, line, section.encoding), replace(dialect, separator=stated[0])
        lines = text if stated else chain([line], text)
        first = list(islice(read_records(lines, dialect, file.first_line), SAMPLE_RECORDS + 1))
    if not first:
        raise pd.errors.EmptyDataError
    cells = conform_names(first[0].cells)
    header = section.columns is None or set(cells) <= set(section.columns)
    names = _name_columns(cells) if header else list(section.columns or ())
    if has_trailing_cell(first[1:] if header else first, len(names)):
        names.append(SURPLUS)
    return file, dialect, DelimitedLayout(names, header, tuple(first[0].cells) if header else ())


@contextmanager
def open_records(file: SourceFile, encoding: str, dialect: Dialect) -> Iterator[Iterator[Record]]:
    """The records of a file, without a byte order mark.

    Raises:
        DataError: from the ``with`` block, where it reads a record with a lone quote (``data.quoting``).
    """
    with _open_text(file, encoding) as text, _name_lone_quotes(file):
        yield read_records(text, dialect, file.first_line)


def refuse_surplus_cells(file: SourceFile, kind: str, section: DataSection, most: int) -> None:
    """Read a file of delimited text to its end, and keep nothing of it.

    Raises:
        TooManyCellsError: it has more cells.
        DataError: a record has a lone quote (``data.quoting``).
    """
    dialect = Dialect(section.separator or SEPARATORS[kind], section.quoting == "standard")
    with _open_text(file, section.encoding) as text, _name_lone_quotes(file):
        line = text.readline()
        stated = find_separator_line(line)
        for _ in bound_cells(chain([line], text), replace(dialect, separator=stated[0]) if stated else dialect, most):
            pass


@contextmanager
def _open_text(file: SourceFile, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The characters of a file, without a byte order mark; its line ends stay, for those in quotes belong to a cell."""
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    with file.open() as stream:
        yield io.TextIOWrapper(stream, encoding="utf-8-sig" if plain else encoding, newline="")


@contextmanager
def _name_lone_quotes(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except LoneQuoteError as error:
        raise _quote_error(file, error) from None


def _skip_line(file: SourceFile, line: str, encoding: str) -> SourceFile:
    """The file without its first line; UTF-16 keeps the mark that says in which order its bytes are."""
    with file.open() as stream:
        start = stream.read(len(codecs.BOM_UTF8))
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    mark = 2 if wide else 3 if start == codecs.BOM_UTF8 else 0
    plain = "utf-16-le" if wide else "utf-8" if mark else encoding
    head = mark + len(line.removeprefix("\ufeff").encode(plain))
    return replace(file, head=head, mark=start[:2] if wide else b"")


def _name_columns(cells: Sequence[str]) -> list[str]:
    """The names of a header as pandas writes them: nameless columns by their place, a second ``fee`` as ``fee.1``."""
    header = io.StringIO()
    csv.writer(header).writerow(cells)
    header.seek(0)
    return [str(name) for name in pd.read_csv(header, nrows=0, index_col=False).columns]


def _quote_error(file: SourceFile, error: LoneQuoteError) -> DataError:
    return DataError(
        f"{file.name}: {error}; the rows after it would be lost.",
        next_step='If quotes are characters like any other in this file, set data.quoting = "none". Else write a '
        "quote inside of a cell twice.",
        code="data.quoting",
        line=error.line,
    )
