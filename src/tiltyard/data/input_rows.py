"""Rows to predict, from a file: their cells as they stand, for a version's schema to read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tiltyard.data.conform.number_texts import drop_sign, drop_thousands, guess_sign, number_pattern
from tiltyard.data.loading import find_section
from tiltyard.data.sources import read_source
from tiltyard.data.sources.delimited import SEPARATORS
from tiltyard.data.sources.delimited.layout import refuse_surplus_cells
from tiltyard.data.sources.detect_file import detect_layout
from tiltyard.data.sources.files import local_file, refuse_changes
from tiltyard.data.sources.formats import detect_format, parse_problem, read_objects
from tiltyard.errors import DataError
from tiltyard.project import DataSection, Project

Row = Mapping[str, Any]
OBJECTS = ("json", "jsonl")
_JSON_TYPES = (str, bool, int, float)


def read_input_rows(project: Project, path: Path, kind: str | None = None) -> list[Row]:
    """The n rows of a file, each its cells by column: texts of delimited files as they are written, else values.

    A file with the ending of the project's own data is read as the project says (encoding, separator, names);
    how another is written is detected. The objects of a JSON file keep their keys: a key that an object lacks is not
    there, as in a request.

    Args:
        project: says how its own files are written.
        path: a local file.
        kind: its format; None: by its ending, else by its content.

    Raises:
        DataError: the file is missing, empty, or not of its format.
    """
    if not path.is_file():
        raise DataError(f"The file {path} does not exist.", next_step="Check its name.", code="data.missing")
    return _read_rows(path, find_section(project, path.name, path.parent, kind), project.data)


def detect_input_rows(path: Path, most_cells: int) -> list[Row]:
    """Like ``read_input_rows`` where there is no project, and the file is a stranger's: how it is written is detected.

    Raises:
        DataError: the file is empty, or not of its format.
        TooManyCellsError: it is delimited text of more cells than ``most_cells``; no table is made of it.
    """
    section = DataSection(source=path.name)
    own = section.model_copy(update=detect_layout(path, {}, header=True).options)
    file = local_file(path, str(path))
    kind = own.format or detect_format(file)
    if kind in SEPARATORS and path.stat().st_size > most_cells:
        with parse_problem(file, kind, own):
            refuse_surplus_cells(file, kind, own, most_cells)
    return _read_rows(path, own, section)


def _read_rows(path: Path, section: DataSection, own: DataSection) -> list[Row]:
    file = local_file(path, str(path))
    found = section.format or detect_format(file)
    if found in OBJECTS:
        with refuse_changes(file), parse_problem(file, found, section):
            rows: list[Row] = list(read_objects(file, section.encoding))
    else:
        frame = read_source(section, path.parent, verbatim=None, settle_gaps=False)
        rows = list_rows(frame, find_foreign_numbers(section, own))
    if not rows:
        raise DataError(f"{path} holds no rows.", next_step="Check the file.", code="data.empty")
    return rows


def list_rows(frame: pd.DataFrame, foreign: tuple[re.Pattern[str], DataSection] | None) -> list[Row]:
    """The rows of a frame as a request would hold them; see ``find_foreign_numbers``."""
    plain = frame.astype(object).where(frame.notna(), None)
    if foreign is not None:
        plain = plain.map(lambda cell: point_number(cell, *foreign))
    names = [str(name) for name in plain.columns]
    cells = [_list_cells(plain.iloc[:, place], frame.dtypes.iloc[place]) for place in range(len(names))]
    # By columns: pandas' own records take four times as long.
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)] if names else [{}] * len(frame)


def _list_cells(column: pd.Series, dtype: Any) -> list[Any]:
    """The cells of a column of objects as Python has them; ``dtype`` is what it was before."""
    cells: list[Any] = column.tolist()
    if dtype.kind == "O":
        return [_unwrap(cell) if isinstance(cell, np.generic) else cell for cell in cells]
    return cells


def _unwrap(cell: np.generic) -> Any:
    if isinstance(cell, np.datetime64):
        return pd.Timestamp(cell)
    return pd.Timedelta(cell) if isinstance(cell, np.timedelta64) else cell.item()


def find_foreign_numbers(section: DataSection, own: DataSection) -> tuple[re.Pattern[str], DataSection] | None:
    """What numbers look like in a file that writes them otherwise than the project's own; None where it does not."""
    if (section.decimal, section.thousands) == (own.decimal, own.thousands) or section.decimal == ".":
        return None
    return number_pattern(section.decimal, section.thousands), section


def point_number(cell: Any, pattern: re.Pattern[str], section: DataSection) -> Any:
    """A cell with the decimal point that the project's own numbers have, where it is such a number."""
    if not isinstance(cell, str):
        return cell
    plain = drop_sign(cell, guess_sign(cell.strip()))
    if not pattern.fullmatch(plain):
        return cell
    return cell.strip().replace(plain, drop_thousands(plain, section.thousands).replace(section.decimal, "."))


def as_table(frame: pd.DataFrame) -> pa.Table:
    """A frame as a table of Arrow; a column whose cells are of several types becomes text."""
    columns = {}
    for name in frame.columns:
        try:
            columns[str(name)] = pa.array(frame[name], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            columns[str(name)] = pa.array([None if cell is None else str(cell) for cell in frame[name]])
    return pa.table(columns)


def name_added(added: Sequence[str], own: Collection[str]) -> list[str]:
    """The names of the new columns; one that the file has already gets an ending, until no column has it."""
    taken, names = set(own), list[str]()
    for given in added:
        name = given
        while name in taken:
            name += "_tiltyard"
        taken.add(name)
        names.append(name)
    return names


def write_row(row: Row, features: Collection[str]) -> Row:
    """A row as a request would hold it: what JSON has no word for is the text that means the same."""
    if all(cell is None or type(cell) in _JSON_TYPES for cell in row.values()):
        return row
    return {name: _write_json(cell, name in features) for name, cell in row.items()}


def _write_json(cell: Any, is_feature: bool) -> Any:
    if cell is pd.NaT or cell is pd.NA or cell is None:
        return None
    if isinstance(cell, date):  # and times of day with it
        return cell.isoformat()
    if isinstance(cell, bytes) or type(cell) in (*_JSON_TYPES, list, dict):
        # Of a feature, bytes are for the scorer to refuse by name.
        return cell.hex() if isinstance(cell, bytes) and not is_feature else cell
    return str(cell)
