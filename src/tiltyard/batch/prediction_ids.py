"""The ids of a run's predictions: UUIDv7 that follow from the run and the row, so that a row has the same id always."""

from __future__ import annotations

import hashlib
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROW_BITS = 24
"""Bits of the number of a row within its fragment."""

MOST_FRAGMENTS = 1 << 16

_DIGITS = 10  # hexadecimal, of the 40 bits that count fragments and rows
_LENGTH = 36
_AT_ONCE = 3  # digits that are looked up together: half of those of a row
_HEX = np.frombuffer("".join(f"{number:03x}" for number in range(1 << 12)).encode(), f"V{_AT_ONCE}")
_PARTS = np.dtype([("start", f"V{_LENGTH - 2 * _AT_ONCE}"), ("high", f"V{_AT_ONCE}"), ("low", f"V{_AT_ONCE}")])


class PredictionIds:
    """The ids of one run.

    A UUIDv7 (RFC 9562, section 5.7) has 48 bits of milliseconds, which are those of the run's begin, and 74 bits that
    may be chosen: 34 come from the run's id, and 40 count fragments and rows, so that ids rise with the rows.

    Args:
        run_id: of the run.
        started: when it began.
    """

    def __init__(self, run_id: str, started: datetime) -> None:
        milliseconds = int(started.timestamp() * 1000)
        digest = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big") >> 30
        high = (milliseconds << 16) | (7 << 12) | (digest >> 22)
        written = f"{high:016x}{(0b10 << 14) | ((digest & 0x3FFFFF) >> 8):04x}{digest & 0xFF:02x}"
        self._start = f"{written[:8]}-{written[8:12]}-{written[12:16]}-{written[16:20]}-{written[20:22]}".encode()

    def write(self, fragment: int, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The ids of rows of a fragment as characters, shape (n, 36)."""
        out = np.empty(len(rows), _PARTS)
        out["start"] = np.void(self._start + f"{fragment:0{_DIGITS - 2 * _AT_ONCE}x}".encode())
        out["high"] = _HEX[rows >> (4 * _AT_ONCE)]
        out["low"] = _HEX[rows & (len(_HEX) - 1)]
        return out.view(np.uint8).reshape(len(rows), _LENGTH)


def to_arrow(ids: NDArray[np.uint8]) -> pa.Array:
    """Ids as characters, (n, 36), as a column of text."""
    offsets = np.arange(0, _LENGTH * (len(ids) + 1), _LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(ids)))


def to_text(ids: NDArray[np.uint8]) -> list[str]:
    """Ids as characters, (n, 36), as n texts."""
    whole = ids.tobytes().decode("ascii")
    return [whole[start : start + _LENGTH] for start in range(0, len(whole), _LENGTH)]
