"""The model calls that are under way in a process, in memory that another process can read.

Foreign code that holds the interpreter keeps a process from responding to anything, so what it was doing has to be
known without it. Each kind of work notes its call in a few bytes before it begins; that takes less than a microsecond.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic
from typing import Literal

Work = Literal["batch", "shadow", "other"]

# When it began on the clock that all processes of a host share, in seconds (0: none is under way); the number of its
# requests; the version.
_CALL = struct.Struct("=dI52s")
_LONGEST_NAME = 52
_NONE = bytes(8)
_PLACES: dict[Work, int] = {"batch": 0, "shadow": _CALL.size, "other": 2 * _CALL.size}
_BYTES = _CALL.size * len(_PLACES)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model call that is under way.

    Attributes:
        version: the version that is called.
        requests: for how many requests; 0 where it is for none.
        since: when it began, in seconds of ``time.monotonic``.
    """

    version: str
    requests: int
    since: float


class CallSlot:
    """Where one kind of work notes its call; one at a time."""

    __slots__ = ("_begin", "_memory")

    def __init__(self, memory: mmap.mmap | bytearray, begin: int) -> None:
        self._memory, self._begin = memory, begin

    def begin(self, version: str, requests: int) -> None:
        """Note a call; in the place of the one before."""
        _CALL.pack_into(self._memory, self._begin, monotonic(), requests, version.encode()[:_LONGEST_NAME])

    def end(self) -> None:
        """Note that no call is under way."""
        self._memory[self._begin : self._begin + len(_NONE)] = _NONE

    @contextlib.contextmanager
    def call(self, version: str, requests: int = 0) -> Generator[None]:
        """Note a call for as long as the block runs."""
        self.begin(version, requests)
        try:
            yield
        finally:
            self.end()


class ModelCalls:
    """The calls under way in one process, one for each kind of work.

    Args:
        memory: where they are noted; None: in this process alone.
    """

    def __init__(self, memory: mmap.mmap | None = None) -> None:
        self._memory: mmap.mmap | bytearray = bytearray(_BYTES) if memory is None else memory

    @classmethod
    def attach(cls, descriptor: int) -> ModelCalls:
        """The calls in the memory of an open file that ``open_shared_memory`` made."""
        return cls(mmap.mmap(descriptor, _BYTES))

    def slot(self, work: Work) -> CallSlot:
        """Where this kind of work notes its calls."""
        return CallSlot(self._memory, _PLACES[work])

    def under_way(self) -> dict[Work, ModelCall]:
        """The calls that are under way, by kind of work."""
        found = {}
        for work, begin in _PLACES.items():
            since, requests, name = _CALL.unpack_from(self._memory, begin)
            if since:
                found[work] = ModelCall(name.rstrip(b"\0").decode(errors="replace"), requests, since)
        return found


def open_shared_memory() -> int:
    """The descriptor of a new file in memory, empty of calls, for two processes; the caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tiltyard-model-calls")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, _BYTES)
    return descriptor
