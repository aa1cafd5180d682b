"""Find a few short words, or a line end, among millions of texts: by their bytes, without a copy of the others."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

# What str.strip() takes off.
_WHITE_SPACE = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(
    map(chr, (*range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
)
_LINE_END = 10
_ZERO = np.uint8(48)
_BLOCK = 1 << 20  # bytes that are compared at a time, which a processor keeps at hand
_SCANNED = 1 << 18  # the same where several arrays of their size are made of them


def take_texts(column: pd.Series) -> pa.LargeStringArray:
    """The cells of a column that are texts, in one piece of Arrow's: without a copy where pandas keeps them so."""
    if column.dtype == object:
        # Booleans with gaps, and all texts before pandas 3.
        column = column[[isinstance(cell, str) for cell in column]]
    texts = pa.array(column, type=pa.large_string(), from_pandas=True)
    # A column that was joined of several files is in as many pieces.
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def find_words(column: pd.Series, words: Set[str]) -> set[str]:
    """Those of the words that are cells of a column of texts, but for outer white space.

    A cell can only be one of them if it begins and ends with a byte with which a word or white space begins and ends;
    of most columns that leaves few cells to check.
    """
    texts = take_texts(column)
    starts, ends, content = _read_buffers(texts)
    places = np.flatnonzero(starts == ends) if "" in words else np.zeros(0, np.int64)
    if len(content):
        # An empty cell has no first byte; that of the next cell does no harm, for every cell found is read.
        begin = starts if starts[-1] < len(content) else np.minimum(starts, len(content) - 1)
        likely = np.flatnonzero(_mark_bytes(words, 0)[content[begin]])
        likely = likely[_mark_bytes(words, -1)[content[ends[likely] - 1]]]
        places = np.concatenate([places, likely])
    cells = compute.utf8_trim_whitespace(texts.take(pa.array(places)).drop_null())
    return {word for word in cells.unique().to_pylist() if word in words}


def has_line_end(column: pd.Series) -> bool:
    """Whether a cell of a column holds a line feed."""
    starts, ends, content = _read_buffers(take_texts(column))
    within = content[starts[0] : ends[-1]] if len(starts) else content
    return any((within[place : place + _BLOCK] == _LINE_END).any() for place in range(0, len(within), _BLOCK))


def has_leading_zero(stream: IO[bytes], separator: bytes) -> bool:
    """Whether a cell of delimited text may begin with a zero that another digit follows, such as ``01234``.

    Args:
        stream: the bytes of the text, in an encoding that has ASCII's digits.
        separator: the one byte between cells.
    """
    before = np.zeros(256, dtype=np.bool_)
    before[[*separator, *b'\r\n"\t ']] = True
    # The last two bytes of a block stand before the next one.
    held = np.full(_SCANNED + 2, _LINE_END, dtype=np.uint8)
    while count := _fill(stream, held.data[2:]):
        content = held[: count + 2]
        # A digit is one of ten bytes from 48 on; what is less than 48 wraps around to more than 9.
        values = content - _ZERO
        digits = values < 10
        zeros = values[1:-1] == 0
        zeros &= digits[2:]
        zeros &= ~digits[:-2]  # most zeros stand within a number
        if zeros.any() and before[content[np.flatnonzero(zeros)]].any():
            return True
        held[:2] = content[-2:]
    return False


def _fill(stream: IO[bytes], target: memoryview) -> int:
    """Read as many bytes as there are, and fit; how many they were."""
    block = stream.read(len(target))
    target[: len(block)] = block
    return len(block)


def _mark_bytes(words: Iterable[str], place: int) -> NDArray[np.bool_]:
    """For each of the 256 bytes whether a word, or white space, has it first (0) or last (-1)."""
    marked = np.zeros(256, dtype=np.bool_)
    marked[[text.encode()[place] for text in (*words, *_WHITE_SPACE) if text]] = True
    return marked


def _read_buffers(texts: pa.LargeStringArray) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Where each text starts and ends in the bytes of all, and these bytes."""
    _, places, content = texts.buffers()
    if places is None or not len(texts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(places, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return offsets[:-1], offsets[1:], np.frombuffer(content or b"", np.uint8)
