"""Read delimited text into a data frame, without a shifted, lost or swallowed row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.names import conform_names, describe_conformed_names
from tiltyard.data.sources.delimited.delimited_file import DelimitedFile
from tiltyard.data.sources.delimited.layout import SURPLUS, DelimitedLayout
from tiltyard.data.sources.delimited.number_columns import rewrite_numbers
from tiltyard.data.sources.delimited.reread import find_number_words, read_number_gaps, restore_codes, restore_integers
from tiltyard.data.sources.delimited.uneven_rows import refuse_if_lost, refuse_uneven
from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.reading_findings import (
    describe_repeated_header,
    describe_repeated_names,
    describe_trailing_cell,
)
from tiltyard.findings import Finding
from tiltyard.project import DataSection

Verbatim = tuple[str, ...] | None
"""Columns whose cells are text as they stand; None for every column."""


def read_delimited(
    source: SourceFile, kind: str, section: DataSection, verbatim: Verbatim, found: list[Finding]
) -> pd.DataFrame:
    """All rows of delimited text, with pandas' words for gaps (NA, null, …) kept as words in the verbatim columns.

    Raises:
        DataError: a row has more or fewer cells than there are columns (``data.uneven-rows``), or a lone quote
            would swallow rows (``data.quoting``).
    """
    file = DelimitedFile.find_layout(source, kind, section)
    layout = file.layout
    verbatim = tuple(layout.names) if verbatim is None else verbatim
    try:
        frame = file.read_frame(verbatim, gap_words=find_number_words(section))
    except pd.errors.ParserError:
        refuse_uneven(file)
        raise
    refuse_if_lost(frame, file)
    headers = _find_headers(frame, layout)
    frame = read_number_gaps(frame, file, verbatim)
    frame = restore_codes(frame, file, verbatim)
    frame = restore_integers(frame, file)
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


def read_delimited_sample(source: SourceFile, kind: str, section: DataSection, rows: int) -> pd.DataFrame:
    """The first rows of delimited text, read roughly: for measuring, not for learning."""
    return DelimitedFile.find_layout(source, kind, section).read_frame((), rows=rows)


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
