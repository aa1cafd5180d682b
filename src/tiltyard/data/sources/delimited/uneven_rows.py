"""Rows that do not have a cell for each column: pandas fills them up, cuts them, or swallows their neighbours."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tiltyard.data.conform.text_scan import has_line_end
from tiltyard.data.sources.delimited.delimited_file import DelimitedFile
from tiltyard.data.sources.delimited.dialect import Record
from tiltyard.errors import DataError

_TITLE_CELLS = 2  # a first row of so few cells may be a title


def refuse_if_lost(frame: pd.DataFrame, file: DelimitedFile) -> None:
    """Look for rows that pandas filled up or swallowed, where the frame shows a sign of either.

    A row with fewer cells leaves a gap in the last column; swallowed rows leave a line end in a cell.

    Raises:
        DataError: there is one (``data.uneven-rows``, ``data.quoting``).
    """
    last = frame.iloc[:, -1]
    short = bool(last.isna().any()) and _count_uneven(file) > 0
    surplus = file.layout.surplus and bool(last.notna().any())
    if short or surplus or (file.dialect.quotes and _has_line_ends(frame)):
        refuse_uneven(file)


def refuse_uneven(file: DelimitedFile) -> None:
    """Name the first row that does not have a cell for each column, if there is one.

    Raises:
        DataError: there is one (``data.uneven-rows``), or a lone quote would swallow rows (``data.quoting``).
    """
    layout = file.layout
    with file.open_records() as records:
        if layout.header:
            next(records)
        for record in records:
            if len(record.cells) != len(layout.names) or (layout.surplus and record.cells[-1]):
                raise _uneven_error(file, record)


def _has_line_ends(frame: pd.DataFrame) -> bool:
    columns = (frame.iloc[:, position] for position in range(frame.shape[1]))
    return any(has_line_end(column) for column in columns if pd.api.types.is_string_dtype(column.dtype))


def _count_uneven(file: DelimitedFile) -> int:
    """How many rows do not have a cell for each column, counted by a reader that converts nothing."""
    found = 0
    first = file.layout.header and file.layout.surplus  # the header itself has a cell less

    def count(row: arrow_csv.InvalidRow) -> str:
        nonlocal found
        found += bool(row.text.strip())
        return "skip"

    names = [str(place) for place in range(len(file.layout.names))]
    encoding = file.section.encoding if file.section.encoding.lower().startswith("utf-16") else "utf8"
    try:
        with (
            file.open() as stream,
            arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(column_names=names, encoding=encoding),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=file.dialect.separator,
                    quote_char='"' if file.dialect.quotes else False,
                    newlines_in_values=file.dialect.quotes,
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


def _uneven_error(file: DelimitedFile, record: Record) -> DataError:
    """The error that names the first row with more or fewer cells than there are columns."""
    layout = file.layout
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
