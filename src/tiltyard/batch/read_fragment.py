"""The rows of a fragment, some at a time: as a frame where columns are read, as mappings where objects are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tiltyard.batch.fragments import FileSource, Fragment, open_parquet
from tiltyard.data.input_rows import as_table, find_foreign_numbers, list_rows, point_number
from tiltyard.data.sources.blocks import Block, block_file
from tiltyard.data.sources.delimited import SEPARATORS, read_delimited
from tiltyard.data.sources.delimited.layout import open_records, read_layout
from tiltyard.data.sources.files import SourceFile, refuse_changes
from tiltyard.data.sources.folders.tables import add_folder_columns, require_new_columns
from tiltyard.data.sources.formats import parse_problem, read_file, read_objects
from tiltyard.errors import DataError
from tiltyard.json_reading import RepeatedKeyError, load_flat_json
from tiltyard.project import DataSection

BATCH_ROWS = 1 << 16
"""Rows that are worked on at once, so that memory does not grow with a fragment."""

_FEW_WORDS = 1 << 10


@dataclass(frozen=True)
class RowBatch:
    """Some rows of a fragment.

    Attributes:
        offset: place of the first of them in the fragment, from 0.
        table: all their columns that are needed.
        frame: the same as a frame, numbered from 0; None where the rows are objects.
        objects: the rows as a request would hold them; None where there is a frame.
        places: where each row stands in the fragment, if some before it were refused while it was read.
        refused: place in the fragment, and reason, of rows that cannot be read.
    """

    offset: int
    table: pa.Table
    frame: pd.DataFrame | None = None
    objects: Sequence[Mapping[str, Any]] | None = None
    places: Sequence[int] | None = None
    refused: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def find_places(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where rows stand in the fragment."""
        held = positions if self.places is None else np.asarray(self.places, np.intp)[positions]
        return held + self.offset


def read_fragment(
    source: FileSource, fragment: Fragment, columns: Sequence[str] | None, words: Sequence[str], own: DataSection
) -> Iterator[RowBatch]:
    """The rows of a fragment.

    Args:
        source: the files.
        fragment: which rows.
        columns: the columns that are needed; None for all.
        words: those among them whose distinct values are few: they are read as categories.
        own: the project's ``[data]``: numbers that another file writes otherwise are read as it writes them.

    Raises:
        DataError: the file cannot be read, or changed.
    """
    file, kind = source.files[fragment.file], source.kinds[fragment.file]
    section = source.section
    with refuse_changes(file), parse_problem(file, kind, section):
        if kind == "parquet":
            batches = _read_parquet(file, fragment, columns, words)
        elif kind in SEPARATORS:
            batches = _read_text(file, kind, section, fragment.block, own)
        else:
            batches = _read_objects(file, kind, section, fragment.block)
        yield from (_add_folder_columns(batch, file) for batch in batches) if file.columns else batches


def _add_folder_columns(batch: RowBatch, file: SourceFile) -> RowBatch:
    """The rows with the columns that the names of the file's folders hold, as text."""
    table, frame, objects = batch.table, batch.frame, batch.objects
    if frame is not None:
        frame = add_folder_columns(frame, file)
    if objects is not None:
        objects = [{**row, **dict(file.columns)} for row in objects]
    require_new_columns(table.column_names, file)
    for name, value in file.columns:
        table = table.append_column(name, pa.array([value] * len(batch), pa.string()))
    return replace(batch, table=table, frame=frame, objects=objects)


def _read_parquet(
    file: SourceFile, fragment: Fragment, columns: Sequence[str] | None, words: Sequence[str]
) -> Iterator[RowBatch]:
    with open_parquet(file) as opened:
        schema = opened.schema_arrow
        texts = [name for name in words if name in schema.names and _holds_text(schema.field(name).type)]
    with open_parquet(file, texts) as opened:
        offset = 0
        for batch in opened.iter_batches(BATCH_ROWS, row_groups=list(fragment.groups), columns=columns):
            table = pa.Table.from_batches([batch])
            yield RowBatch(offset, table, to_frame(table, texts))
            offset += len(table)


def to_frame(table: pa.Table, words: Sequence[str] = ()) -> pd.DataFrame:
    """A table of Arrow as a frame whose gaps do not change the type of a column."""
    for name in words:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, _number_words(table.column(place)))
    kinds = {pa.bool_(): pd.BooleanDtype()}
    gappy = {field.type for field in table.schema if pa.types.is_integer(field.type) and table[field.name].null_count}
    kinds |= {kind: _INTEGERS[kind] for kind in gappy}
    # In one block, all numbers would be copied.
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get, ignore_metadata=True, split_blocks=True)
    return frame


def _holds_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))  # pandas writes the latter


def _number_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of words as numbers of its distinct words, which are not many more than those that it has."""
    if pa.types.is_dictionary(column.type):
        listed = column.chunk(0).dictionary if column.num_chunks == 1 else None
        if listed is not None and len(listed) <= _FEW_WORDS and len(listed.unique()) == len(listed):
            return column
        # A list of a whole row group, or one that another program wrote with a word in it twice.
        column = column.cast(column.type.value_type)
    return column.dictionary_encode()


_INTEGERS = {
    pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}  # fmt: skip


def _read_text(
    file: SourceFile, kind: str, section: DataSection, block: Block | None, own: DataSection
) -> Iterator[RowBatch]:
    part = file if block is None else block_file(file, block)
    refused: tuple[tuple[int, str], ...] = ()
    places: Sequence[int] | None = None
    try:
        frame = read_delimited(part, kind, section, None, [])
    except DataError as error:
        if error.code != "data.uneven-rows":
            raise
        part, places, refused = _leave_uneven(part, kind, section)
        frame = read_delimited(part, kind, section, None, [])
    foreign = find_foreign_numbers(section, own)
    if foreign is not None:
        frame = frame.map(lambda cell: point_number(cell, *foreign))
    yield RowBatch(0, as_table(frame), frame, places=places, refused=refused)


def _leave_uneven(
    file: SourceFile, kind: str, section: DataSection
) -> tuple[SourceFile, list[int], tuple[tuple[int, str], ...]]:
    """The file without the rows that do not have a cell for each column, which are listed with their places."""
    stripped, dialect, layout = read_layout(file, kind, section)
    written = io.StringIO()
    writer = csv.writer(
        written,
        delimiter=dialect.separator,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        escapechar=None if dialect.quotes else "\\",
        lineterminator="\n",
    )
    places: list[int] = []
    refused: list[tuple[int, str]] = []
    with open_records(stripped, section.encoding, dialect) as records:
        if layout.header:
            writer.writerow(next(records).cells)
        for place, record in enumerate(records):
            if len(record.cells) == len(layout.names):
                writer.writerow(record.cells)
                places.append(place)
            else:
                reason = f"It has {len(record.cells)} cells, and there are {len(layout.names)} columns."
                refused.append((place, reason))
    content = written.getvalue().encode(section.encoding)
    clean = Block(1, len(places), stripped.first_line, b"", content)
    return block_file(file, clean), places, tuple(refused)


def _read_objects(file: SourceFile, kind: str, section: DataSection, block: Block | None) -> Iterator[RowBatch]:
    if block is not None:
        yield from _read_lines(block, section.encoding)
        return
    if kind in ("json", "jsonl"):
        rows: list[Mapping[str, Any]] = list(read_objects(file, section.encoding))
    else:
        rows = list_rows(read_file(file, kind, section, None), None)
    for start in range(0, len(rows), BATCH_ROWS):
        some = rows[start : start + BATCH_ROWS]
        yield RowBatch(start, _tabulate(some), objects=some)


def _read_lines(block: Block, encoding: str) -> Iterator[RowBatch]:
    """The objects of JSON Lines; a line that holds none is refused, and an empty one is passed over."""
    text = block.content.decode("utf-8-sig" if encoding.lower() == "utf-8" else encoding)
    rows: list[Mapping[str, Any]] = []
    places: list[int] = []
    refused: list[tuple[int, str]] = []
    for place, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        try:
            row = load_flat_json(line)
        except json.JSONDecodeError as error:
            refused.append((place, f"It is not JSON: {error.msg} at character {error.pos + 1}."))
            continue
        except RepeatedKeyError as error:
            refused.append((place, f"I{str(error)[1:]}."))
            continue
        if isinstance(row, dict):
            rows.append(row)
            places.append(place)
        else:
            refused.append((place, "It is not a JSON object."))
    yield RowBatch(0, _tabulate(rows), objects=rows, places=places, refused=tuple(refused))


def _tabulate(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Objects as a table of texts: the next rows may have another type where these have a number."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return pa.table({name: pa.array([_write_text(row.get(name)) for row in rows], pa.string()) for name in names})


def _write_text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, bool | int | float | list | dict) else str(cell)
