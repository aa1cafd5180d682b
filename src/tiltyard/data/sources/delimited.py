"""Read delimited text into a data frame, without a shifted, lost or swallowed row."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from tiltyard.data.conform.big_integers import holds_whole_numbers, is_rounded, make_integers
from tiltyard.data.conform.cells import is_gap, number_pattern
from tiltyard.data.conform.names import conform_names, describe_conformed_names
from tiltyard.data.conform.number_texts import holds_code, rewrite_numbers
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.text_scan import find_words, has_leading_zero, has_line_end
from tiltyard.data.sources.dialect import Dialect, LoneQuoteError, Record, has_trailing_cell, read_records
from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.reading_findings import (
    describe_repeated_header,
    describe_repeated_names,
    describe_trailing_cell,
)
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.project import DataSection

SEPARATORS = {"csv": ",", "tsv": "\t"}
SAMPLE_RECORDS = 50
SURPLUS = "\x00surplus"
"""Name of the empty cell that ends each row of some files; it is not a column."""

Verbatim = tuple[str, ...] | None
"""Columns whose cells are text as they stand; None for every column."""

NUMBER_GAPS = "words for gaps in columns of numbers"
"""Key of a frame's ``attrs``: the words for gaps that its columns of numbers held."""

_TITLE_CELLS = 2  # a first row of so few cells may be a title


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


@dataclass(frozen=True)
class _Part:
    """The part of a file that is read: its first rows, or some columns; None for all.

    ``gap_words`` are the words that are missing cells there, None for all that the project names; an empty cell always
    is one.
    """

    rows: int | None = None
    columns: list[str] | None = None
    gap_words: Set[str] | None = None


def read_delimited(
    file: SourceFile, kind: str, section: DataSection, verbatim: Verbatim, found: list[Finding]
) -> pd.DataFrame:
    """All rows of delimited text, with pandas' words for gaps (NA, null, …) kept as words in the verbatim columns.

    Raises:
        DataError: a row has more or fewer cells than there are columns (``data.uneven-rows``), or a lone quote
            would swallow rows (``data.quoting``).
    """
    dialect = find_dialect(kind, section)
    layout = _read_layout(file, section, dialect)
    verbatim = tuple(layout.names) if verbatim is None else verbatim
    try:
        frame = _read_frame(file, section, dialect, layout, verbatim, _Part(gap_words=_find_numbers(section)))
    except pd.errors.ParserError:
        _refuse_uneven(file, section, dialect, layout)
        raise
    _refuse_if_lost(frame, file, section, dialect, layout)
    headers = _find_headers(frame, layout)
    frame = _read_number_gaps(frame, file, section, dialect, layout, verbatim)
    frame = _restore_codes(frame, file, section, dialect, layout, verbatim)
    frame = _restore_integers(frame, file, section, dialect, layout)
    written = conform_names(layout.written)
    found += describe_conformed_names(layout.written, written)
    found += describe_repeated_names(written, layout.names[: len(written)])
    if layout.surplus:
        frame = frame.drop(columns=SURPLUS)
        found.append(describe_trailing_cell(file.name, len(frame)))
    if section.thousands is not None:
        frame = rewrite_numbers(frame, section, verbatim)
    if headers is not None:
        found.append(describe_repeated_header(file.name, int(headers.sum())))
        frame = frame[~headers].reset_index(drop=True)
    return frame


def read_delimited_sample(file: SourceFile, kind: str, section: DataSection, rows: int) -> pd.DataFrame:
    """The first rows of delimited text, read roughly: for measuring, not for learning."""
    dialect = find_dialect(kind, section)
    return _read_frame(file, section, dialect, _read_layout(file, section, dialect), (), _Part(rows=rows))


def find_dialect(kind: str, section: DataSection) -> Dialect:
    """The dialect that the project file states, else that of the format."""
    return Dialect(section.separator or SEPARATORS[kind], section.quoting == "standard")


@contextmanager
def open_text(file: SourceFile, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The characters of a file, without a byte order mark, with its line ends as they are."""
    with file.open() as stream:
        plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        yield io.TextIOWrapper(stream, encoding="utf-8-sig" if plain else encoding, newline="")


def _read_layout(file: SourceFile, section: DataSection, dialect: Dialect) -> DelimitedLayout:
    """Find the names, and whether each row ends with one empty cell more.

    A stated list of columns is for files without a header: a first record of these names only is a header.
    """
    with open_text(file, section.encoding) as text:
        try:
            first = list(islice(read_records(text, dialect), SAMPLE_RECORDS + 1))
        except LoneQuoteError as error:
            raise _quote_error(file, error) from None
    if not first:
        raise pd.errors.EmptyDataError
    cells = conform_names(first[0].cells)
    header = section.columns is None or set(cells) <= set(section.columns)
    names = _name_columns(cells) if header else list(section.columns or ())
    if has_trailing_cell(first[1:] if header else first, len(names)):
        names.append(SURPLUS)
    return DelimitedLayout(names, header, tuple(first[0].cells) if header else ())


def _name_columns(cells: Sequence[str]) -> list[str]:
    """The names of a header as pandas writes them: nameless columns by their place, a second ``fee`` as ``fee.1``."""
    header = io.StringIO()
    csv.writer(header).writerow(cells)
    header.seek(0)
    return [str(name) for name in pd.read_csv(header, nrows=0, index_col=False).columns]


def _read_frame(
    file: SourceFile,
    section: DataSection,
    dialect: Dialect,
    layout: DelimitedLayout,
    verbatim: tuple[str, ...],
    part: _Part | None = None,
) -> pd.DataFrame:
    part = part or _Part()
    words = sorted({"", *(ReadingRules.from_section(section).gap_words if part.gap_words is None else part.gap_words)})
    gaps = {name: [""] if name in verbatim else words for name in layout.names}
    with file.open() as stream, warnings.catch_warnings():
        # pandas only warns of rows that are longer than the names, and cuts them.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                stream,
                sep=dialect.separator,
                quoting=0 if dialect.quotes else 3,
                decimal=section.decimal,
                encoding=section.encoding,
                names=layout.names,
                header=0 if layout.header else None,
                index_col=False,
                dtype={name: str for name in verbatim if name in layout.names},
                keep_default_na=False,
                na_values=gaps,
                low_memory=False,
                nrows=part.rows,
                usecols=part.columns,
            )
        except pd.errors.ParserWarning as warning:
            raise pd.errors.ParserError(str(warning)) from None


def _read_number_gaps(
    frame: pd.DataFrame,
    file: SourceFile,
    section: DataSection,
    dialect: Dialect,
    layout: DelimitedLayout,
    verbatim: tuple[str, ...],
) -> pd.DataFrame:
    """The frame with the columns of numbers or booleans among which words for gaps stand.

    In a column of words they stay, for what they mean there is still to be decided; the words that stand among numbers
    are noted in ``attrs`` of the frame (`NUMBER_GAPS`).
    """
    words = ReadingRules.from_section(section).gap_words
    names = [name for name in frame.columns if name not in (*verbatim, SURPLUS)]
    cells = {name: frame[name] for name in names if _holds_texts(frame[name])}
    if _find_numbers(section):
        # Those were missing cells from the start.
        holes = [name for name in names if frame[name].isna().any()]
        if holes:
            plain = _read_frame(file, section, dialect, layout, (*verbatim, *holes), _Part(columns=holes))
            frame = frame.assign(**{name: plain[name] for name in holes if name in cells})
            cells |= {name: plain[name] for name in holes}
    found = {name: there for name, column in cells.items() if (there := find_words(column, words - {""}))}
    if not found:
        return frame
    again = _read_frame(file, section, dialect, layout, verbatim, _Part(columns=list(found)))
    others = [name for name in found if not _holds_texts(again[name])]
    for name in others:
        frame[name] = again[name]
    frame.attrs[NUMBER_GAPS] = set().union(*(found[name] for name in others))
    return frame


def _restore_codes(
    frame: pd.DataFrame,
    file: SourceFile,
    section: DataSection,
    dialect: Dialect,
    layout: DelimitedLayout,
    verbatim: tuple[str, ...],
) -> pd.DataFrame:
    """The frame with the columns of codes as text, such as ``01234``, of which pandas made whole numbers."""
    others = (str(name) for name in frame.columns if name not in (*verbatim, SURPLUS))
    whole = [name for name in others if holds_whole_numbers(frame[name])]
    if not whole or not _has_codes(file, section, dialect):
        return frame
    words = _read_frame(file, section, dialect, layout, (*verbatim, *whole), _Part(columns=whole))
    coded = [name for name in whole if holds_code(words[name])]
    return frame.assign(**{name: words[name] for name in coded})


def _has_codes(file: SourceFile, section: DataSection, dialect: Dialect) -> bool:
    """Whether a cell may begin with a needless zero: by the file's bytes, so that most files are not read twice."""
    if section.encoding.lower().startswith("utf-16"):
        return True
    with file.open() as stream:
        return has_leading_zero(stream, dialect.separator.encode())


def _restore_integers(
    frame: pd.DataFrame, file: SourceFile, section: DataSection, dialect: Dialect, layout: DelimitedLayout
) -> pd.DataFrame:
    """The frame with the large whole numbers that stand next to a gap exact, where pandas made floats of them."""
    rounded = [str(name) for name in frame.columns if is_rounded(frame[name])]
    if rounded:
        words = _read_frame(file, section, dialect, layout, tuple(rounded), _Part(columns=rounded))
        gaps = ReadingRules.from_section(section).gap_words
        for name in rounded:
            exact = make_integers(None if is_gap(cell, gaps) else cell for cell in words[name])
            if exact is not None:
                frame[name] = exact
    return frame


def _find_numbers(section: DataSection) -> Set[str]:
    """The words for gaps that would be read as numbers, such as ``-999``."""
    number = number_pattern(section.decimal, section.thousands)
    return {word for word in section.gaps or () if number.fullmatch(word.strip())}


def _find_headers(frame: pd.DataFrame, layout: DelimitedLayout) -> NDArray[np.bool_] | None:
    """Which rows repeat the header, as in files that were put one after the other; None where none does."""
    columns = [frame.iloc[:, place] for place in range(len(layout.written))]
    if len(columns) < 2 or not all(isinstance(column.dtype, pd.StringDtype) for column in columns):
        return None  # a column that holds its own name holds a text
    repeats = np.ones(len(frame), dtype=np.bool_)
    for column, name in zip(columns, layout.written, strict=True):
        repeats &= column.eq(name).to_numpy(dtype=np.bool_, na_value=False) if name else column.isna().to_numpy()
        if not repeats.any():
            return None
    return repeats


def _holds_texts(column: pd.Series) -> bool:
    return pd.api.types.infer_dtype(column, skipna=True) == "string"


def _refuse_if_lost(
    frame: pd.DataFrame, file: SourceFile, section: DataSection, dialect: Dialect, layout: DelimitedLayout
) -> None:
    """Look for rows that pandas filled up or swallowed, where the frame shows a sign of either.

    A row with fewer cells leaves a gap in the last column; swallowed rows leave a line end in a cell.
    """
    short = bool(frame.iloc[:, -1].isna().any()) and _count_uneven(file, section, dialect, layout) > 0
    surplus = layout.surplus and bool(frame.iloc[:, -1].notna().any())
    if short or surplus or (dialect.quotes and _has_line_ends(frame)):
        _refuse_uneven(file, section, dialect, layout)


def _has_line_ends(frame: pd.DataFrame) -> bool:
    columns = (frame.iloc[:, position] for position in range(frame.shape[1]))
    return any(has_line_end(column) for column in columns if pd.api.types.is_string_dtype(column.dtype))


def _count_uneven(file: SourceFile, section: DataSection, dialect: Dialect, layout: DelimitedLayout) -> int:
    """How many rows do not have a cell for each column, counted by a reader that converts nothing."""
    found = 0
    first = layout.header and layout.surplus  # the header itself has a cell less

    def count(row: arrow_csv.InvalidRow) -> str:
        nonlocal found
        found += bool(row.text.strip())
        return "skip"

    names = [str(place) for place in range(len(layout.names))]
    encoding = section.encoding if section.encoding.lower().startswith("utf-16") else "utf8"
    try:
        with (
            file.open() as stream,
            arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(column_names=names, encoding=encoding),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=dialect.separator,
                    quote_char='"' if dialect.quotes else False,
                    newlines_in_values=dialect.quotes,
                    invalid_row_handler=count,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    check_utf8=False, include_columns=["0"], column_types={"0": pa.binary()}
                ),
            ) as batches,
        ):
            for _ in batches:
                pass
    except pa.ArrowInvalid:
        return 1  # not sure: the slow reader decides
    return found - first


def _refuse_uneven(file: SourceFile, section: DataSection, dialect: Dialect, layout: DelimitedLayout) -> None:
    """Name the first row that does not have a cell for each column, if there is one."""
    expected = len(layout.names)
    with open_text(file, section.encoding) as text:
        records = read_records(text, dialect)
        if layout.header:
            next(records)
        try:
            for record in records:
                if len(record.cells) != expected or (layout.surplus and record.cells[-1]):
                    raise _uneven_error(file, record, layout)
        except LoneQuoteError as error:
            raise _quote_error(file, error) from None


def _uneven_error(file: SourceFile, record: Record, layout: DelimitedLayout) -> DataError:
    """The error that names the first row with more or fewer cells than there are columns."""
    expected = len(layout.names) - layout.surplus
    named = f"the header has {expected}" if layout.header else f"data.columns names {expected} columns"
    if layout.surplus and len(record.cells) == expected:
        named = f"the rows before it have {expected + 1}"
    more = len(record.cells) > expected
    step = (
        "Put cells that hold the separator into double quotes, or state data.separator and data.decimal."
        if more
        else "Complete the row, or state data.separator."
    )
    if more and layout.header and expected <= _TITLE_CELLS:
        step = f"If a title or a comment stands above the header, remove those lines. {step}"
    cells = f"{len(record.cells)} cell{'s' * (len(record.cells) != 1)}"
    return DataError(
        f"{file.name}: line {record.line} has {cells}, and {named}.",
        next_step=step,
        code="data.uneven-rows",
        line=record.line,
        cells=len(record.cells),
        expected=expected,
    )


def _quote_error(file: SourceFile, error: LoneQuoteError) -> DataError:
    return DataError(
        f"{file.name}: {error}; the rows after it would be lost.",
        next_step='If quotes are characters like any other in this file, set data.quoting = "none". Else write a '
        "quote inside of a cell twice.",
        code="data.quoting",
        line=error.line,
    )
