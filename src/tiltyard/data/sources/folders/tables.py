"""A folder as a table: which of its files hold the rows, and which columns the names of its folders hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pandas as pd

from tiltyard.data.sources.files import Listing, SourceFile
from tiltyard.data.sources.folders.labelled_texts import UNLABELLED_FOLDER, list_line_files
from tiltyard.data.sources.formats import FORMATS, VAGUE_ENDINGS, parse_problem
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.project import DataSection

GAP_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""What the name of a folder says where its rows have no value in the column."""

_COMPANIONS = (".run.json", ".refused.jsonl")  # what a batch run writes next to a file of results
_LAKES = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
_ENDINGS = tuple(ending for ending in FORMATS if ending not in VAGUE_ENDINGS)
_NO_TEXTS = "no texts with their labels: no .txt files in one folder a label, or one file a label with one text a line"


def expand_folder(folder: SourceFile, section: DataSection, *, apart: bool = False) -> list[SourceFile]:
    """The tables in a folder, in the order of their paths; the folder itself where it holds texts with their labels.

    Files and folders whose names begin with ``.`` or ``_`` do not count, nor do files whose endings are those of no
    table, and what a batch run writes next to its results. Of folders in the folder, those of Hive's form are read
    (``region=north``): each names a column and the value that all rows below it have.

    Args:
        folder: on this machine or behind a URL.
        section: the project's ``[data]``. Where it names a format, the files of that format count.
        apart: whether each file is a table by itself, so that they may be of several formats.

    Raises:
        DataError: there is no table (``data.no-tables``); tables are of several formats, or in folders of other names;
            or the files are not the rows, as in a Delta table.
    """
    path = folder.path if section.format is None else None
    if path is not None and _holds_labelled_texts(path):
        return [folder]
    with parse_problem(folder, "folder", section):
        listing = folder.list_files()
        for name, meaning in _LAKES.items():
            if name in listing.hidden:
                raise _name_lake(folder, meaning)
        tables = _choose_tables(listing, section, apart=apart)
    if tables:
        return _name_columns(folder, tables)
    if path is not None and list_line_files(path):
        return [folder]
    wanted = "that end in " + ", ".join(_ENDINGS) if section.format is None else f"of the format {section.format}"
    raise DataError(
        f"{folder.name} holds no tables (files {wanted})" + (f", and {_NO_TEXTS}." if path is not None else "."),
        next_step="Check its name; files whose names begin with . or _ do not count.",
        code="data.no-tables",
    )


def add_folder_columns(frame: pd.DataFrame, file: SourceFile) -> pd.DataFrame:
    """The rows of a file with the columns that the names of its folders hold, as text.

    Raises:
        DataError: the file has a column of such a name itself (``data.repeated-column``).
    """
    if not file.columns:
        return frame
    require_new_columns([str(name) for name in frame.columns], file)
    return frame.assign(**{name: pd.Series([value] * len(frame), frame.index, object) for name, value in file.columns})


def require_new_columns(own: list[str], file: SourceFile) -> None:
    """Refuse a file that has a column that the name of its folder holds as well.

    Raises:
        DataError: it has (``data.repeated-column``).
    """
    for name, value in file.columns:
        if name in own:
            raise DataError(
                f"{file.name} has a column '{name}', and its folder {name}={value} names one, too.",
                next_step="Rename the folder, or name the files by a pattern: the names of folders do not count then.",
                code="data.repeated-column",
                column=name,
            )


@dataclass(frozen=True)
class _Table:
    """A file of rows.

    Attributes:
        path: its path in the folder.
        ending: its ending, without that of the compression.
        file: the file.
    """

    path: PurePosixPath
    ending: str
    file: SourceFile

    @property
    def kind(self) -> str | None:
        """Its format by its ending."""
        return FORMATS.get(self.ending)


def _holds_labelled_texts(folder: Path) -> bool:
    for above in (folder, folder / "train", folder / "test"):
        for entry in above.iterdir() if above.is_dir() else ():
            if entry.is_dir() and entry.name != UNLABELLED_FOLDER and any(entry.glob("*.txt")):
                return True
    return False


def _choose_tables(listing: Listing, section: DataSection, *, apart: bool) -> list[_Table]:
    """The files that are tables: of the format that is named, else those whose ending is a table's."""
    found = [
        _Table(PurePosixPath(name), _find_ending(file, section), file)
        for name, file in sorted(listing.files.items())
        if not _is_companion(name, listing.files)
    ]
    if section.format is not None:
        named = [one for one in found if one.kind == section.format]
        sure = [one for one in named if one.ending in _ENDINGS]
        return sure or named or [one for one in found if not one.ending]
    tables = [one for one in found if one.ending in _ENDINGS]
    kinds = Counter(one.kind for one in tables)
    if len(kinds) > 1 and not apart:
        first = {one.kind: one for one in reversed(tables)}
        shown = " and ".join(
            f"{format_count(count, 'file')} of {kind} ({first[kind].path})" for kind, count in kinds.most_common()
        )
        ending = "".join(tables[0].path.suffixes)
        raise DataError(
            f"{section.source} holds tables of several formats: {shown}.",
            next_step=f"Name those that are meant by a pattern, in quotes: '{section.source.rstrip('/')}/*{ending}'.",
            code="data.mixed-formats",
        )
    return tables


def _find_ending(file: SourceFile, section: DataSection) -> str:
    with parse_problem(file, "zip", section):  # the ending of a file in an archive is in the archive
        return file.ending


def _is_companion(name: str, files: Mapping[str, SourceFile]) -> bool:
    return any(name.endswith(ending) and name.removesuffix(ending) in files for ending in _COMPANIONS)


def _name_columns(folder: SourceFile, tables: list[_Table]) -> list[SourceFile]:
    """The files, each with the columns that the names of its folders hold."""
    files: list[SourceFile] = []
    expected: tuple[str, ...] | None = None
    for one in tables:
        columns = tuple(_read_name(part) for part in one.path.parts[:-1])
        if not all(name for name, _ in columns):
            raise DataError(
                f"{folder.name} holds tables in a folder whose name is not of the form column=value: {one.path}.",
                next_step=f"Name the files that are meant by a pattern, in quotes: "
                f"'{folder.name.rstrip('/')}/**/*{''.join(one.path.suffixes)}'.",
                code="data.nested-folders",
            )
        names = tuple(name for name, _ in columns)
        expected = names if expected is None else expected
        if names != expected:
            shown = [", ".join(each) or "none" for each in (expected, names)]
            raise DataError(
                f"The folders of {folder.name} name different columns: {shown[0]} of {tables[0].path}, {shown[1]} of "
                f"{one.path}.",
                next_step="Have all files in folders of the same columns, or name the files by a pattern.",
                code="data.nested-folders",
            )
        files.append(replace(one.file, columns=columns))
    return files


def _read_name(folder: str) -> tuple[str, str | None]:
    """Column and value of ``region=north``; no name of a folder that says neither."""
    name, separator, value = folder.partition("=")
    if not separator:
        return "", None
    return unquote(name), None if value == GAP_FOLDER else unquote(value)


def _name_lake(folder: SourceFile, meaning: str) -> DataError:
    return DataError(
        f"{folder.name} is {meaning}: some of its files are rows that were replaced or deleted.",
        next_step="Write the rows that count into Parquet files elsewhere, and name their folder.",
        code="data.table-format",
    )
