"""A file of delimited text, which pandas reads whole or in part."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Self

import pandas as pd

from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.sources.delimited.dialect import Dialect, Record
from tiltyard.data.sources.delimited.layout import DelimitedLayout, open_records, read_layout
from tiltyard.data.sources.files import SourceFile
from tiltyard.project import DataSection


@dataclass(frozen=True)
class DelimitedFile:
    """A file, how the project says that it is to be read, and what its first records say.

    Attributes:
        source: where the bytes are.
        section: the project's table ``data``.
        dialect: its separator and quotes.
        layout: its columns.
    """

    source: SourceFile
    section: DataSection
    dialect: Dialect
    layout: DelimitedLayout

    @classmethod
    def find_layout(cls, source: SourceFile, kind: str, section: DataSection) -> Self:
        """The file with the dialect of its format and the layout of its first records.

        Raises:
            DataError: a lone quote would swallow rows (``data.quoting``).
            EmptyDataError: it holds no record.
        """
        source, dialect, layout = read_layout(source, kind, section)
        return cls(source, section, dialect, layout)

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.source.name

    @property
    def gap_words(self) -> Set[str]:
        """The words that may be missing cells."""
        return ReadingRules.from_section(self.section).gap_words

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """Its bytes, from the start."""
        return self.source.open()

    def open_records(self) -> AbstractContextManager[Iterator[Record]]:
        """Its records, the header included, read by a slow reader that knows their lines."""
        return open_records(self.source, self.section.encoding, self.dialect)

    def read_frame(
        self,
        verbatim: Sequence[str],
        *,
        rows: int | None = None,
        columns: list[str] | None = None,
        gap_words: Set[str] | None = None,
    ) -> pd.DataFrame:
        """Its rows as pandas reads them.

        Args:
            verbatim: columns whose cells stay texts, words for gaps included.
            rows: how many rows from the start; None for all.
            columns: the columns that are read; None for all.
            gap_words: the words that are missing cells in the other columns, None for all that the project names; an
                empty cell always is one.

        Raises:
            ParserError: a row has more cells than there are columns.
        """
        words = sorted({"", *(self.gap_words if gap_words is None else gap_words)})
        names = self.layout.names
        with self.open() as stream, warnings.catch_warnings():
            # pandas only warns of rows that are longer than the names, and cuts them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            try:
                return pd.read_csv(
                    stream,
                    sep=self.dialect.separator,
                    quoting=0 if self.dialect.quotes else 3,
                    decimal=self.section.decimal,
                    encoding=self.section.encoding,
                    names=names,
                    header=0 if self.layout.header else None,
                    index_col=False,
                    dtype={name: str for name in verbatim if name in names},
                    keep_default_na=False,
                    na_values={name: [""] if name in verbatim else words for name in names},
                    low_memory=False,
                    nrows=rows,
                    usecols=columns,
                )
            except pd.errors.ParserWarning as warning:
                raise pd.errors.ParserError(str(warning)) from None
