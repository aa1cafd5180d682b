"""A sheet of an Excel workbook as a data frame."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.sources.delimited import Verbatim
from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.reading_findings import describe_other_sheets, describe_repeated_names
from tiltyard.errors import DataError, MissingExtraError
from tiltyard.findings import Finding
from tiltyard.project import DataSection
from tiltyard.suggest import nearest


def read_excel(file: SourceFile, section: DataSection, verbatim: Verbatim, found: list[Finding]) -> pd.DataFrame:
    """The sheet that the project file names, else the first one; the others are named in a finding.

    Raises:
        DataError: the workbook has no sheet of that name (``data.sheet-unknown``).
        ValueError: the file is not a workbook.
    """
    try:
        from python_calamine import CalamineError  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("Reading Excel files", "excel") from None
    with file.open() as stream:
        content = io.BytesIO(stream.read())
    try:
        with pd.ExcelFile(content, engine="calamine") as workbook:
            sheet = _choose_sheet([str(name) for name in workbook.sheet_names], file, section, found)
            first = pd.read_excel(workbook, sheet_name=sheet, header=None, nrows=1)
            names = ["" if pd.isna(cell) else str(cell) for cell in (first.iloc[0] if len(first) else [])]
            header = pd.read_excel(workbook, sheet_name=sheet, nrows=0)
            words = sorted(ReadingRules.from_section(section).gap_words)
            gaps: Any = {name: [""] if verbatim is None or name in verbatim else words for name in header.columns}
            frame = pd.read_excel(workbook, sheet_name=sheet, keep_default_na=False, na_values=gaps)
    except CalamineError as error:
        raise ValueError(str(error)) from None
    frame = frame.rename(columns=str)
    if len(names) == len(frame.columns):
        found += describe_repeated_names(names, [str(name) for name in frame.columns])
    return frame


def _choose_sheet(sheets: list[str], file: SourceFile, section: DataSection, found: list[Finding]) -> str:
    sheet = sheets[0] if section.sheet is None else section.sheet
    if sheet not in sheets:
        raise DataError(
            f"{file.name} has no sheet '{sheet}'; it has {', '.join(sheets)}.{nearest(sheet, sheets)}",
            next_step="Correct data.sheet in the project file (tiltyard init --sheet).",
            code="data.sheet-unknown",
        )
    others = [name for name in sheets if name != sheet]
    if others and section.sheet is None:
        found.append(describe_other_sheets(file.name, sheet, others))
    return sheet
