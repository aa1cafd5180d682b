"""Universal Binary JSON, draft 12 (https://ubjson.org), as XGBoost writes it: read as plain data."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tiltyard.formatting import format_count

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_DEEPEST = 64


def read_ubjson(content: bytes) -> Any:
    """Read a document; arrays of numbers of one type become lists as well.

    Raises:
        ValueError: it is not such a document, or nests deeper than any model.
    """
    reader = _Reader(content)
    try:
        return reader.read_value(reader.take(1), 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"it is not Universal Binary JSON at byte {reader.place}: {error}") from None


class _Reader:
    """Reads values from a place on."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def take(self, count: int) -> str:
        """The next characters, one byte each."""
        return self._take_bytes(count).decode("ascii", "replace")

    def _take_bytes(self, count: int) -> bytes:
        if count < 0 or self.place + count > len(self._content):
            raise ValueError(f"it ends within a value, at byte {self.place}")
        self.place += count
        return self._content[self.place - count : self.place]

    def read_value(self, kind: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"it nests deeper than {_DEEPEST} levels")
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _NUMBERS:
            return self._read_numbers(kind, 1)[0]
        if kind == "C":
            return self.take(1)
        if kind == "S":
            return self._read_text()
        if kind in "[{":
            return self._read_list(depth) if kind == "[" else self._read_map(depth)
        raise ValueError(f"it has a value of the unknown type {kind!r} at byte {self.place}")

    def _read_numbers(self, kind: str, count: int) -> list[Any]:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._take_bytes(count * dtype.itemsize), dtype).tolist()  # type: ignore[no-any-return]

    def _read_count(self) -> int:
        kind = self.take(1)
        if kind not in "iUIlL":
            raise ValueError(f"it counts by the type {kind!r} at byte {self.place}")
        return int(self._read_numbers(kind, 1)[0])

    def _read_text(self) -> str:
        return self._take_bytes(self._read_count()).decode("utf-8")

    def _read_list(self, depth: int) -> list[Any]:
        kind, count = self._read_shape()
        if kind and kind in _NUMBERS and count is not None:
            return self._read_numbers(kind, count)
        return list(self._read_items(kind, count, "]", depth))

    def _read_map(self, depth: int) -> dict[str, Any]:
        kind, count = self._read_shape()
        found: dict[str, Any] = {}
        while len(found) != count and not (count is None and self._ends("}")):
            name = self._read_text()
            if name in found:
                raise ValueError(f"it names {name!r} twice")
            found[name] = self.read_value(kind or self.take(1), depth + 1)
        return found

    def _read_items(self, kind: str, count: int | None, end: str, depth: int) -> Any:
        read = 0
        while read != count and not (count is None and self._ends(end)):
            if count is not None and count > len(self._content):
                raise ValueError(f"it counts {format_count(count, 'item')}, more than it has bytes")
            yield self.read_value(kind or self.take(1), depth + 1)
            read += 1

    def _read_shape(self) -> tuple[str, int | None]:
        """The type of all items, empty where each has its own, and their number, None where they end by a mark."""
        kind = self.take(1) if self._ends("$") else ""
        if self._ends("#"):
            return kind, self._read_count()
        if kind:
            raise ValueError(f"it states a type without a number at byte {self.place}")
        return "", None

    def _ends(self, mark: str) -> bool:
        """Whether the next character is this one, which is taken then."""
        if self._content[self.place : self.place + 1] != mark.encode():
            return False
        self.place += 1
        return True
