"""Columns of numbers and codes among the texts of delimited files."""

from __future__ import annotations

import re

import pandas as pd

from tiltyard.data.conform.number_texts import number_pattern, thousand_marks
from tiltyard.project import DataSection

_CODE = r"\s*0\d+\s*"
_CONVERTED_FROM = 0.9  # share of a column's cells that have to be numbers before any is rewritten


def holds_code(column: pd.Series) -> bool:
    """Whether a cell of a column of texts is a number with a needless zero in front: a code, such as a postal one."""
    return bool(column.str.fullmatch(_CODE).fillna(value=False).any())


def rewrite_numbers(frame: pd.DataFrame, section: DataSection, verbatim: tuple[str, ...]) -> pd.DataFrame:
    """The columns of numbers with thousands separators as numbers.

    Only cells whose groups have three digits are numbers: pandas' own option would read 01.02.2026 as one, too.
    """
    pattern = number_pattern(section.decimal, section.thousands)
    between, decimal = f"[{re.escape(thousand_marks(section.thousands or ''))}]", section.decimal
    columns = {}
    for name in frame.columns:
        column = frame[name]
        columns[name] = column
        if name in verbatim or pd.api.types.infer_dtype(column, skipna=True) != "string":
            continue
        cells = column.dropna().str.strip()
        numbers = cells.map(lambda cell: pattern.fullmatch(cell) is not None).astype(bool)
        if not len(cells) or numbers.mean() < _CONVERTED_FROM or holds_code(cells):
            continue
        plain = cells.where(~numbers, cells.str.replace(between, "", regex=True).str.replace(decimal, ".", regex=False))
        written = column.copy()
        written[plain.index] = plain
        columns[name] = pd.to_numeric(written) if numbers.all() else written
    return pd.DataFrame(columns, index=frame.index)
