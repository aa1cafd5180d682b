"""Reading every row of a project's source, whatever it is."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pandas as pd

from tiltyard.data.conform.gaps import GapDecisions, describe_gap_word, settle_gap_words
from tiltyard.data.conform.names import conform_names, describe_conformed_names
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.sources import bundled
from tiltyard.data.sources.databases import read_database
from tiltyard.data.sources.delimited import NUMBER_GAPS, Verbatim
from tiltyard.data.sources.files import SourceFile, local_files
from tiltyard.data.sources.folders.labelled_texts import read_folder
from tiltyard.data.sources.folders.tables import add_folder_columns, expand_folder
from tiltyard.data.sources.formats import find_format, parse_problem, read_file
from tiltyard.data.sources.location import SCHEMES, Location, resolve_location
from tiltyard.data.sources.memory import MemoryBudget, free_memory, memory_error
from tiltyard.data.sources.size import require_room_for
from tiltyard.data.sources.storage import remote_files, storage_error
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.project import DataSection


def read_source(
    section: DataSection,
    root: Path,
    *,
    verbatim: Verbatim = (),
    found: list[Finding] | None = None,
    settle_gaps: bool = True,
    decided: GapDecisions = MappingProxyType({}),
) -> pd.DataFrame:
    """Read every row of a project's source.

    Args:
        section: the project's ``[data]``.
        root: folder that a relative source starts from.
        verbatim: columns whose cells are text as they stand (``NA`` and ``null`` are words there, not gaps); None for
            every column, whose gaps are not settled then.
        found: receives what was renamed or left out while reading, such as a second column of the same name.
        settle_gaps: whether words for gaps are missing cells, as these rows show which of them are values; false leaves
            them for a schema to decide.
        decided: what other rows of the project decided of such words.

    Returns:
        All columns of all rows, numbered from 0. A folder of texts gives the columns ``text``, the label column,
        ``path``, and ``split`` where it holds the folders ``train`` and ``test``; one of tables gives their rows.

    Raises:
        DataError: the source is missing, empty, unreadable, not of its format, out of reach, or more than memory holds.
        MissingExtraError: an optional part of the installation is needed to reach it.
    """
    location = resolve_location(section.source, root)
    budget = MemoryBudget(location.written, free_memory(), section.max_memory_share)
    try:
        frame = _read_location(location, section, root, verbatim, budget, [] if found is None else found)
    except MemoryError:
        raise memory_error(location.written) from None
    if frame.empty:
        raise DataError(
            f"{section.source} holds no rows.",
            next_step="Check the source.",
            code="data.empty",
        )
    findings = [] if found is None else found
    frame = _name_columns(_number_rows(frame), findings)
    if not settle_gaps or verbatim is None:
        return frame
    frame, words = settle_gap_words(
        frame, ReadingRules.from_section(section), verbatim, frame.attrs.pop(NUMBER_GAPS, ()), decided
    )
    findings += [describe_gap_word(word) for word in words]
    return frame


def find_source_files(section: DataSection, root: Path, *, apart: bool = False) -> list[SourceFile] | None:
    """The files of a source, in the order of their names; None where it is a database or a bundled data set.

    Of a folder, these are the tables in it; the folder itself where it holds texts with their labels.

    Args:
        section: the project's ``[data]``, or one like it.
        root: folder that a relative source starts from.
        apart: whether each file is a table by itself, so that those of a folder may be of several formats.

    Raises:
        DataError: there is none, or it cannot be reached.
    """
    location = resolve_location(section.source, root)
    if location.meant.startswith(bundled.PREFIX) or location.scheme not in SCHEMES | {"", "file"}:
        return None
    return _list_files(location, section, root, apart=apart)


def _list_files(location: Location, section: DataSection, root: Path, *, apart: bool = False) -> list[SourceFile]:
    found = remote_files(location) if location.scheme in SCHEMES else local_files(location, root)
    if len(found) == 1 and found[0].is_folder and section.format != "folder":
        return expand_folder(found[0], section, apart=apart)
    return found


def _read_location(
    location: Location,
    section: DataSection,
    root: Path,
    verbatim: Verbatim,
    budget: MemoryBudget,
    found: list[Finding],
) -> pd.DataFrame:
    database = location.scheme not in SCHEMES | {"", "file"}
    if database:
        return read_database(location, section, root, budget)
    if section.query is not None or section.table is not None:
        raise DataError(
            f"data.query and data.table are for databases, and {location.written} is none.",
            next_step="Remove them, or name a database such as sqlite:///rows.db in data.source.",
            code="data.query-missing",
        )
    if location.meant.startswith(bundled.PREFIX):
        return bundled.read_bundled(location.meant.removeprefix(bundled.PREFIX), section.label)
    if location.scheme in SCHEMES:
        with storage_error(location):
            return _read_files(_list_files(location, section, root), section, verbatim, budget, found)
    return _read_files(_list_files(location, section, root), section, verbatim, budget, found)


def _read_files(
    files: list[SourceFile],
    section: DataSection,
    verbatim: Verbatim,
    budget: MemoryBudget,
    found: list[Finding],
) -> pd.DataFrame:
    kinds = [find_format(file, section) for file in files]
    if "folder" in kinds:
        return _read_folder(files, section, budget)
    for kind in sorted(set(kinds)):
        require_room_for([file for file, its in zip(files, kinds, strict=True) if its == kind], kind, section, budget)
    frames = [
        add_folder_columns(read_file(file, kind, section, verbatim, found), file)
        for file, kind in zip(files, kinds, strict=True)
    ]
    gaps = {word for frame in frames for word in frame.attrs.pop(NUMBER_GAPS, ())}
    joined = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    joined.attrs[NUMBER_GAPS] = gaps
    return joined


def _read_folder(files: list[SourceFile], section: DataSection, budget: MemoryBudget) -> pd.DataFrame:
    path = files[0].path
    if path is None or len(files) > 1:
        raise DataError(
            f'data.format = "folder" is for one folder on this machine, and {section.source} is none.',
            next_step="Point data.source at the folder whose subfolders are the labels.",
            code="data.unreadable",
        )
    with parse_problem(files[0], "folder", section):
        return read_folder(path, section, budget)


def _name_columns(frame: pd.DataFrame, found: list[Finding]) -> pd.DataFrame:
    """The columns by their conforming names, which are text."""
    names = conform_names(list(frame.columns))
    found += describe_conformed_names(list(frame.columns), names)
    return frame.set_axis(names, axis="columns")


def _number_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows numbered from 0; what a Parquet file kept as the names of its rows becomes columns."""
    if isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.step == 1:
        return frame
    named = any(name is not None for name in frame.index.names)
    return frame.reset_index(drop=not named)
