"""Parquet files of one schema joined into one: their pages are copied as they are, only the footer is written anew.

A Parquet file ends with a footer, a Thrift structure that says where each column of each group of rows lies. So files
are joined by copying their bytes one after the other and moving the places in their footers: nothing is decoded or
compressed again. Source of the format: parquet.thrift of Apache Parquet 2.12; Apache Thrift, "Compact protocol".
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

_MAGIC = b"PAR1"
_MOST_ORDINALS = 1 << 15
# Fields of the footer, by the numbers that the format gives them.
_SCHEMA, _ROWS, _GROUPS, _KEYS = 2, 3, 4, 5
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_CHUNK_OFFSET, _CHUNK_META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
_PAGE_OFFSETS = (9, 10, 11)  # of the first data page, index page and dictionary page
_BLOOM_FILTER = 14

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

Struct = dict[int, tuple[int, Any]]
"""The fields of a structure by number: their types and values."""


def join_parquet(parts: Sequence[Path], path: Path) -> bool:
    """Write the rows of all parts into one file, in their order.

    Args:
        parts: Parquet files that Arrow wrote; at least one.
        path: where to; a file that is there is replaced.

    Returns:
        Whether it was done: not where schemas differ, or a part has what cannot be moved (page indexes, Bloom filters).
    """
    footers = [_read_footer(part) for part in parts]
    first = footers[0][0]
    for footer, _ in footers:
        same = all(footer.get(number) == first.get(number) for number in (_SCHEMA, _KEYS))
        if not same or not all(map(_can_be_moved, footer[_GROUPS][1][1])):
            return False
    groups: list[Struct] = []
    with path.open("wb") as stream:
        stream.write(_MAGIC)
        for part, (footer, end) in zip(parts, footers, strict=True):
            shift = stream.tell() - len(_MAGIC)
            _copy(part, len(_MAGIC), end, stream)
            groups += [_move_group(group, shift) for group in footer[_GROUPS][1][1]]
        if len(groups) < _MOST_ORDINALS:
            groups = [{**group, _ORDINAL: (_I16, place)} for place, group in enumerate(groups)]
        else:
            groups = [{number: field for number, field in group.items() if number != _ORDINAL} for group in groups]
        rows = sum(footer[_ROWS][1] for footer, _ in footers)
        joined = _write_struct({**first, _ROWS: (_I64, rows), _GROUPS: (_LIST, (_STRUCT, groups))})
        stream.write(joined + struct.pack("<I", len(joined)) + _MAGIC)
    return True


def _can_be_moved(group: Struct) -> bool:
    chunks: list[Struct] = group[_COLUMNS][1][1]
    return not any(
        _OFFSET_INDEX in chunk or _COLUMN_INDEX in chunk or _BLOOM_FILTER in chunk[_CHUNK_META][1] for chunk in chunks
    )


def _move_group(group: Struct, shift: int) -> Struct:
    """The description of a group whose bytes lie so many bytes further on."""
    chunks = [
        _move(chunk, (_CHUNK_OFFSET,), shift)
        | {_CHUNK_META: (_STRUCT, _move(chunk[_CHUNK_META][1], _PAGE_OFFSETS, shift))}
        for chunk in group[_COLUMNS][1][1]
    ]
    return _move(group, (_GROUP_OFFSET,), shift) | {_COLUMNS: (_LIST, (_STRUCT, chunks))}


def _move(fields: Struct, numbers: Sequence[int], shift: int) -> Struct:
    # A place of zero says nothing: no column begins before the file's first four bytes.
    moved = {
        number: (fields[number][0], fields[number][1] + shift) for number in numbers if fields.get(number, (0, 0))[1]
    }
    return {number: moved.get(number, field) for number, field in fields.items()}


def _read_footer(part: Path) -> tuple[Struct, int]:
    """The footer of a file, and where it begins."""
    with part.open("rb") as stream:
        stream.seek(-8, os.SEEK_END)
        tail = stream.read(8)
        if tail[4:] != _MAGIC:
            raise ValueError(f"{part} is not a Parquet file")
        (size,) = struct.unpack("<I", tail[:4])
        begin = stream.seek(-8 - size, os.SEEK_END)
        return _Reader(stream.read(size)).read_struct(), begin


def _copy(part: Path, begin: int, end: int, out: IO[bytes]) -> None:
    with part.open("rb") as stream:
        out.flush()
        copy: Callable[..., int] | None = getattr(os, "copy_file_range", None)
        try:
            while copy is not None and begin < end:
                copied = copy(stream.fileno(), out.fileno(), end - begin, begin)
                if not copied:
                    break
                begin += copied
        except OSError:  # not between these file systems
            pass
        out.seek(0, os.SEEK_END)
        stream.seek(begin)
        while begin < end:
            piece = stream.read(min(end - begin, shutil.COPY_BUFSIZE))  # type: ignore[attr-defined]
            out.write(piece)
            begin += len(piece)


class _Reader:
    """Reads what was written in Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def read_struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while (head := self._read_byte()) != 0:
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._read_signed()
            fields[number] = kind, self._read_field(kind)
        return fields

    def _read_field(self, kind: int) -> Any:
        # A truth value of a field is its type.
        return kind == _TRUE if kind in (_TRUE, _FALSE) else self._read_value(kind)

    def _read_value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._read_byte()
        if kind in (_I16, _I32, _I64):
            return self._read_signed()
        if kind == _DOUBLE:
            return self._read_bytes(8)
        if kind == _BINARY:
            return self._read_bytes(self._read_unsigned())
        if kind in (_LIST, _SET):
            head = self._read_byte()
            size = head >> 4 if head >> 4 < 15 else self._read_unsigned()
            return head & 15, [self._read_value(head & 15) for _ in range(size)]
        if kind == _MAP:
            size = self._read_unsigned()
            kinds = self._read_byte() if size else 0
            return kinds, [(self._read_value(kinds >> 4), self._read_value(kinds & 15)) for _ in range(size)]
        if kind == _STRUCT:
            return self.read_struct()
        raise ValueError(f"the footer has a field of type {kind}, which is unknown")

    def _read_byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def _read_bytes(self, size: int) -> bytes:
        self._place += size
        return self._content[self._place - size : self._place]

    def _read_unsigned(self) -> int:
        found = shift = 0
        while True:
            byte = self._read_byte()
            found |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return found

    def _read_signed(self) -> int:
        found = self._read_unsigned()
        return (found >> 1) ^ -(found & 1)


def _write_struct(fields: Struct) -> bytes:
    written = bytearray()
    last = 0
    for number, (kind, value) in sorted(fields.items()):
        step = number - last
        written += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _write_signed(number)
        if kind not in (_TRUE, _FALSE):
            written += _write_value(kind, value)
        last = number
    return bytes(written) + b"\0"


def _write_value(kind: int, value: Any) -> bytes:
    if kind in (_TRUE, _FALSE, _BYTE):
        return bytes([value])
    if kind in (_I16, _I32, _I64):
        return _write_signed(value)
    if kind == _DOUBLE:
        return bytes(value)
    if kind == _BINARY:
        return _write_unsigned(len(value)) + bytes(value)
    if kind in (_LIST, _SET):
        inner, items = value
        short = len(items) < 15
        head = bytes([len(items) << 4 | inner]) if short else bytes([15 << 4 | inner]) + _write_unsigned(len(items))
        return head + b"".join(_write_value(inner, item) for item in items)
    if kind == _MAP:
        kinds, pairs = value
        content = b"".join(_write_value(kinds >> 4, key) + _write_value(kinds & 15, item) for key, item in pairs)
        return _write_unsigned(len(pairs)) + (bytes([kinds]) if pairs else b"") + content
    return _write_struct(value)


def _write_unsigned(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def _write_signed(value: int) -> bytes:
    return _write_unsigned(value << 1 if value >= 0 else (-value << 1) - 1)
