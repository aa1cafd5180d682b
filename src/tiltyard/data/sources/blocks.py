"""Delimited text and JSON Lines in blocks of whole records, whatever the size of the file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.sources.delimited.layout import read_layout
from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import DataError
from tiltyard.project import DataSection

BLOCK = 16 << 20
"""Bytes of a block, about."""

LONGEST_RECORD = 256 << 20
"""Bytes of a record; a longer one is a quote that nobody closed."""

_READ = 1 << 20
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_MOST_BEFORE = 1000  # empty lines before a header


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    Attributes:
        first: number of the first of them in the file, from 1.
        records: how many there are.
        line: number of the line in the file at which they begin.
        header: the file's header, which is read before them; empty without one.
        content: their bytes, in the encoding of the file.
    """

    first: int
    records: int
    line: int
    header: bytes
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
    for block in _cut(file, size, quotes=dialect.quotes, blank_lines=False):
        if not layout.header or header:
            yield replace(block, first=block.first - bool(header), header=header)
            continue
        header, rest = _take_record(block.content, quotes=dialect.quotes)
        line = block.line + header.count(b"\n")
        if rest:
            yield Block(1, block.records - 1, line, header, rest)


def cut_lines(file: SourceFile, size: int = BLOCK) -> Iterator[Block]:
    """The lines of a file in blocks; each is a record, also an empty one."""
    return _cut(file, size, quotes=False, blank_lines=True)


def block_file(file: SourceFile, block: Block) -> SourceFile:
    """A block as a separate file, which is not compressed, and whose lines have their numbers in the whole."""
    stem = PurePosixPath(file.name).stem.removesuffix(file.ending) if file.compressed else ""
    content = block.header + block.content
    return SourceFile(
        f"{stem}{file.ending}" if stem else file.name,
        len(content),
        lambda: io.BytesIO(content),
        lines_before=block.line - 1 - block.header.count(b"\n"),
    )


def _cut(file: SourceFile, size: int, *, quotes: bool, blank_lines: bool) -> Iterator[Block]:
    """Blocks of records; without ``blank_lines`` a line without anything in it is not a record."""
    first, line, kept = 1, file.first_line, bytearray()
    with file.open() as stream:
        while True:
            more = stream.read(max(_READ, min(size, size - len(kept))))
            kept += more
            if more and len(kept) < size:
                continue
            if not kept:
                return
            ends = _record_ends(kept, quotes=quotes)
            end = len(kept) if not more else int(ends[-1]) + 1 if len(ends) else 0
            if end:
                content = bytes(kept[:end])
                records = _count_records(content, ends, blank_lines=blank_lines)
                yield Block(first, records, line, b"", content)
                first, line = first + records, line + content.count(b"\n")
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


def _count_records(content: bytes, ends: NDArray[np.intp], *, blank_lines: bool) -> int:
    rest = not len(ends) or int(ends[-1]) + 1 < len(content)
    if blank_lines:
        return len(ends) + rest
    widths = np.diff(ends, prepend=-1)
    empty = int((widths == 1).sum())
    if b"\r" in content:
        pairs = ends[widths == 2]
        empty += int((np.frombuffer(content, np.uint8)[pairs - 1] == _RETURN).sum())
    return len(ends) + rest - empty


def _record_ends(content: bytes | bytearray, *, quotes: bool) -> NDArray[np.intp]:
    """The line feeds that are in no quoted cell: as many quotes stand before them as close again."""
    data = np.frombuffer(bytes(content), np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if not quotes:
        return ends
    marks = np.flatnonzero(data == _QUOTE)
    return ends if not len(marks) else ends[np.searchsorted(marks, ends) % 2 == 0]


def _take_record(content: bytes, *, quotes: bool) -> tuple[bytes, bytes]:
    """The first record with all that stands before it, and the rest."""
    ends = _record_ends(content, quotes=quotes)
    filled = [int(end) for end in ends[:_MOST_BEFORE] if content[: int(end)].strip()]
    end = filled[0] + 1 if filled else len(content)
    return content[:end], content[end:]
