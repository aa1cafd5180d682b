"""The fragments of a source: what is scored and recorded as one piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from tiltyard.batch.prediction_ids import MOST_FRAGMENTS
from tiltyard.data.sources.blocks import Block, can_be_cut, cut_delimited, cut_lines
from tiltyard.data.sources.delimited import SEPARATORS
from tiltyard.data.sources.files import SourceFile, refuse_changes
from tiltyard.data.sources.folders.tables import require_new_columns
from tiltyard.data.sources.formats import find_format, parse_problem, refuse_empty
from tiltyard.data.sources.location import resolve_location
from tiltyard.data.sources.source_reading import find_source_files
from tiltyard.errors import DataError, UsageError
from tiltyard.project import DataSection

_READ_AHEAD = 1 << 18  # bytes of each column
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class Fragment:
    """Some rows of a source.

    Attributes:
        number: of the fragment, from 0.
        file: the place of their file among those of the source.
        first: number of the first of them in their file, from 1.
        groups: of a Parquet file, its row groups that they are in.
        block: of text, the text of the rows; None where the whole file is meant.
    """

    number: int
    file: int
    first: int = 1
    groups: tuple[int, ...] = ()
    block: Block | None = None


@dataclass(frozen=True)
class FileSource:
    """The files that are scored.

    Attributes:
        section: how they are written.
        root: folder that a relative source starts from.
        names: of the files, where these are known: others of the same pattern or folder are not read.
    """

    section: DataSection
    root: Path
    names: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        # Another process opens the files itself: those that this one listed, whatever was added to a folder since.
        names = tuple(file.name for file in self.files)
        return {"section": self.section, "root": self.root, "names": names}

    @cached_property
    def files(self) -> list[SourceFile]:
        """The files, in the order of their names.

        Raises:
            DataError: there is none, they cannot be reached, or one whose name is known is gone.
        """
        found = self._list_files()
        if not self.names:
            return found
        there = {file.name: file for file in found}
        for name in self.names:
            if name not in there:
                raise DataError(
                    f"{name} was removed while the source was read.",
                    next_step="Start the run again when the files are complete.",
                    code="data.changed",
                )
        return [there[name] for name in self.names]

    def _list_files(self) -> list[SourceFile]:
        found = find_source_files(self.section, self.root)
        if found is None:
            raise DataError(
                f"{self.section.source} is a bundled data set, which is not scored as a table.",
                next_step="Name a file, a folder, a URL or a database.",
                code="data.source-unknown",
            )
        return found

    @cached_property
    def kinds(self) -> list[str]:
        """The format of each file.

        Raises:
            DataError: one is not known, or it is a folder.
        """
        found = [find_format(file, self.section) for file in self.files]
        for file, kind in zip(self.files, found, strict=True):
            if kind == "folder":
                raise DataError(
                    f"{file.name} is a folder of texts with their labels, and no table.",
                    next_step="Write the texts into a table, such as JSON Lines: one row for each.",
                    code="batch.source-folder",
                )
        return found

    def refuse_results(self, path: Path) -> None:
        """Refuse a place of results in a folder that is the source: the next run would read them.

        Raises:
            UsageError: it is there.
        """
        location = resolve_location(self.section.source, self.root)
        if location.scheme not in ("", "file"):
            return
        folder = (self.root / location.meant.removeprefix("file://")).resolve()
        if folder.is_dir() and folder in path.resolve().parents:
            raise UsageError(
                f"{path} would be read as a part of the source: it is in {location.written}.",
                next_step="Name a target elsewhere.",
            )

    def find_states(self) -> list[str]:
        """What tells whether a file changed: its name, size, and time or tag."""
        return [f"{file.name} {file.size} {file.find_state()}" for file in self.files]

    def check_types(self, names: Sequence[str]) -> None:
        """Refuse Parquet files whose columns that are carried along differ in type, or that lack some.

        Args:
            names: the columns; ``*`` for all.

        Raises:
            UsageError: they do.
        """
        schemas = [
            (file, open_parquet(file).schema_arrow)
            for file, kind in zip(self.files, self.kinds, strict=True)
            if kind == "parquet"
        ]
        if not schemas:
            return
        first, expected = schemas[0]
        for file, schema in schemas[1:]:
            wanted = expected.names if "*" in names else names
            for name in {*wanted, *(schema.names if "*" in names else ())}:
                kinds = [one.field(name).type if name in one.names else None for one in (expected, schema)]
                if kinds[0] != kinds[1]:
                    shown = " and ".join("missing" if kind is None else str(kind) for kind in kinds)
                    raise UsageError(
                        f"Column '{name}' is {shown} in {first.name} and {file.name}.",
                        next_step="Carry along columns that all files have with one type (--columns).",
                        code="batch.mixed-types",
                    )

    def list_columns(self) -> list[str] | None:
        """The columns of the first file, where its format knows them at once; else None."""
        file, kind = self.files[0], self.kinds[0]
        if kind != "parquet":
            return None
        with parse_problem(file, kind, self.section):
            own = [str(name) for name in open_parquet(file).schema_arrow.names]
        repeated = next((name for name, count in Counter(own).items() if count > 1), None)
        if repeated is not None:
            raise DataError(
                f"{file.name} has two columns '{repeated}': which of them is meant is not known.",
                next_step="Rename or leave out one of them.",
                code="data.repeated-column",
                column=repeated,
            )
        require_new_columns(own, file)
        return [*own, *(name for name, _ in file.columns)]

    def count_rows(self) -> int | None:
        """How many rows there are: known of Parquet, estimated of text by its first lines; None for all else."""
        total = 0
        for file, kind in zip(self.files, self.kinds, strict=True):
            if kind == "parquet":
                total += int(open_parquet(file).metadata.num_rows)
            elif (kind in SEPARATORS or kind == "jsonl") and file.size and not file.compressed:
                with file.open() as stream:
                    start = stream.read(_SAMPLE_BYTES)
                total += max(1, round(file.size / max(1, len(start)) * start.count(b"\n")))
            else:
                return None
        return total

    @property
    def counts_exactly(self) -> bool:
        """Whether ``count_rows`` is exact."""
        return set(self.kinds) == {"parquet"}

    def cut(self, rows: int) -> Iterator[tuple[int, Fragment]]:
        """The fragments with their numbers, of about so many rows each.

        Raises:
            DataError: a file cannot be read, or changes meanwhile.
        """
        number = 0
        for place, (file, kind) in enumerate(zip(self.files, self.kinds, strict=True)):
            refuse_empty(file)
            with refuse_changes(file), parse_problem(file, kind, self.section):
                for fragment in _cut_file(place, file, kind, self.section, rows):
                    if number >= MOST_FRAGMENTS:
                        raise DataError(
                            f"The source has more than {MOST_FRAGMENTS:,} fragments.",
                            next_step="Set batch.fragment_rows higher, or score it in parts.",
                            code="batch.too-many-fragments",
                        )
                    yield number, replace(fragment, number=number)
                    number += 1


def open_parquet(file: SourceFile, words: Sequence[str] = ()) -> pq.ParquetFile:
    """A Parquet file, whose pages are checked as they are read; the caller need not close it.

    Args:
        file: the file.
        words: columns of text that are read as the numbers of their distinct values, which are few.
    """
    given = file.path if file.path is not None else file.opener()
    # A local file is read by and by: else all columns of a row group would be in memory at once.
    local = {"pre_buffer": False, "buffer_size": _READ_AHEAD} if file.path is not None else {"pre_buffer": True}
    return pq.ParquetFile(given, page_checksum_verification=True, read_dictionary=list(words), **local)


def _cut_file(place: int, file: SourceFile, kind: str, section: DataSection, rows: int) -> Iterator[Fragment]:
    if kind == "parquet":
        metadata = open_parquet(file).metadata
        yield from _cut_groups(
            place, [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)], rows
        )
    elif kind in SEPARATORS and can_be_cut(section.encoding):
        yield from (Fragment(0, place, block.first, block=block) for block in cut_delimited(file, kind, section))
    elif kind == "jsonl" and can_be_cut(section.encoding) and not _is_array(file):
        yield from (Fragment(0, place, block.first, block=block) for block in cut_lines(file))
    else:
        yield Fragment(0, place)


def _is_array(file: SourceFile) -> bool:
    """Whether a file of JSON is one array, whose elements need not be lines."""
    with file.open() as stream:
        return stream.read(_SAMPLE_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _cut_groups(place: int, counts: list[int], rows: int) -> Iterator[Fragment]:
    chosen: list[int] = []
    first, held = 1, 0
    for group, count in enumerate(counts):
        if chosen and held + count > rows:
            yield Fragment(0, place, first, tuple(chosen))
            first, held, chosen = first + held, 0, []
        chosen.append(group)
        held += count
    if chosen:
        yield Fragment(0, place, first, tuple(chosen))


def describe_place(source: FileSource, fragment: Fragment, offset: int) -> Mapping[str, object]:
    """Where a row of a fragment stands: its file and its number in it, from 1."""
    return {"file": source.files[fragment.file].name, "row": fragment.first + offset}


@contextmanager
def name_missing_source(root: Path) -> Iterator[None]:
    """What reads sources speaks of the project file; a table that is scored is named elsewhere."""
    try:
        yield
    except DataError as error:
        if error.code != "data.missing":
            raise
        there = "://" in error.message
        raise DataError(
            error.message.replace("data.source = ", ""),
            next_step=error.next_step if there else f"Check its name; a relative one starts from {root}.",
            code=error.code,
        ) from None
