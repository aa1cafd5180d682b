"""What the first records of a file of delimited text say: the names of its columns, and how its rows end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from tiltyard.data.conform.names import conform_names
from tiltyard.data.sources.delimited.dialect import (
    SEPARATORS,
    Dialect,
    LoneQuoteError,
    Record,
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


def find_dialect(kind: str, section: DataSection) -> Dialect:
    """The dialect that the project file states, else that of the format."""
    return Dialect(section.separator or SEPARATORS[kind], section.quoting == "standard")


def read_layout(file: SourceFile, section: DataSection, dialect: Dialect) -> DelimitedLayout:
    """Find the names, and whether each row ends with one empty cell more.

    A stated list of columns is for files without a header: a first record of these names only is a header.

    Raises:
        DataError: a lone quote would swallow rows (``data.quoting``).
        EmptyDataError: the file holds no record.
    """
    with open_records(file, section.encoding, dialect) as records:
        first = list(islice(records, SAMPLE_RECORDS + 1))
    if not first:
        raise pd.errors.EmptyDataError
    cells = conform_names(first[0].cells)
    header = section.columns is None or set(cells) <= set(section.columns)
    names = _name_columns(cells) if header else list(section.columns or ())
    if has_trailing_cell(first[1:] if header else first, len(names)):
        names.append(SURPLUS)
    return DelimitedLayout(names, header, tuple(first[0].cells) if header else ())


@contextmanager
def open_records(file: SourceFile, encoding: str, dialect: Dialect) -> Iterator[Iterator[Record]]:
    """The records of a file, without a byte order mark.

    Raises:
        DataError: from the ``with`` block, where it reads a record with a lone quote (``data.quoting``).
    """
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    with file.open() as stream:
        # The line ends stay as they are: those inside of quotes belong to a cell.
        text = io.TextIOWrapper(stream, encoding="utf-8-sig" if plain else encoding, newline="")
        try:
            yield read_records(text, dialect)
        except LoneQuoteError as error:
            raise _quote_error(file, error) from None


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
