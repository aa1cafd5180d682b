"""Delimited text and JSON Lines in blocks of whole records, whatever the size of the file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from tiltyard.data.sources.delimited.layout import read_layout
from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import DataError
from tiltyard.project import DataSection

BLOCK = 16 << 20
"""Bytes of a block, about."""

LONGEST_RECORD = 256 << 20
"""Bytes of a record; a longer one is a quote that nobody closed."""

_READ = 1 << 20
_NEWLINE, _QUOTE = 10, 34


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    Attributes:
        first: number of the first of them in the file, from 1; lines without anything in them count.
        records: how many there are, about: empty lines count.
        content: their bytes, in the encoding of the file, after the header where there is one.
    """

    first: int
    records: int
    content: bytes


def can_be_cut(encoding: str) -> bool:
    """Whether the bytes of a line feed and of a quote mean these alone, as in all encodings but UTF-16, UTF-32 and
    those of East Asia, whose second bytes may be anything."""
    name = encoding.lower().replace("_", "-")
    return name in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii") or name.startswith(
        ("latin", "iso-8859", "iso8859", "cp125", "windows-125", "koi8", "mac")
    )


def cut_delimited(file: SourceFile, kind: str, section: DataSection, size: int = BLOCK) -> Iterator[Block]:
    """The records of delimited text in blocks that begin with the file's header.

    Args:
        file: in an encoding that ``can_be_cut``.
        kind: csv or tsv.
        section: says how it is written.
        size: bytes of a block, about.

    Raises:
        DataError: a quote is not closed (``data.quoting``).
    """
    file, dialect, layout = read_layout(file, kind, section)
    header = b""
    for block in _cut(file, size, quotes=dialect.quotes):
        if layout.header and not header:
            header, rest = _take_record(block.content, quotes=dialect.quotes)
            if rest:
                yield Block(1, block.records - 1, header + rest)
            continue
        first = block.first - 1 if layout.header else block.first
        yield Block(first, block.records, header + block.content)


def cut_lines(file: SourceFile, size: int = BLOCK) -> Iterator[Block]:
    """The lines of a file in blocks."""
    return _cut(file, size, quotes=False)


def block_file(file: SourceFile, block: Block) -> SourceFile:
    """A block as a separate file, which is not compressed."""
    stem = PurePosixPath(file.name).stem.removesuffix(file.ending) if file.compressed else ""
    return SourceFile(
        f"{stem}{file.ending}" if stem else file.name, len(block.content), lambda: io.BytesIO(block.content)
    )


def _cut(file: SourceFile, size: int, *, quotes: bool) -> Iterator[Block]:
    first, kept = 1, bytearray()
    with file.open() as stream:
        while True:
            more = stream.read(max(_READ, min(size, size - len(kept))))
            kept += more
            if more and len(kept) < size:
                continue
            if not kept:
                return
            end, records = (len(kept), _count_records(kept, quotes=quotes)) if not more else _find_end(kept, quotes)
            if end:
                yield Block(first, records, bytes(kept[:end]))
                first += records
                del kept[:end]
            elif len(kept) > LONGEST_RECORD:
                raise DataError(
                    f"{file.name}: record {first} is longer than {LONGEST_RECORD >> 20} MiB; a quote in it is not "
                    "closed, or the lines do not end.",
                    next_step='If quotes are characters like any other in this file, set data.quoting = "none".',
                    code="data.quoting",
                )
            else:
                size += BLOCK
            if not more:
                return


def _find_end(content: bytearray, quotes: bool) -> tuple[int, int]:
    """Where the last whole record ends, and how many end until there."""
    ends = _record_ends(content, quotes=quotes)
    return (int(ends[-1]) + 1, len(ends)) if len(ends) else (0, 0)


def _count_records(content: bytearray, *, quotes: bool) -> int:
    ends = _record_ends(content, quotes=quotes)
    return len(ends) + (not len(ends) or int(ends[-1]) + 1 < len(content))


def _record_ends(content: bytes | bytearray, *, quotes: bool) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The line feeds that are in no quoted cell: as many quotes stand before them as close again."""
    data = np.frombuffer(bytes(content), np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if not quotes:
        return ends
    marks = np.flatnonzero(data == _QUOTE)
    return ends if not len(marks) else ends[np.searchsorted(marks, ends) % 2 == 0]


def _take_record(content: bytes, *, quotes: bool) -> tuple[bytes, bytes]:
    ends = _record_ends(content, quotes=quotes)
    end = int(ends[0]) + 1 if len(ends) else len(content)
    return content[:end], content[end:]
