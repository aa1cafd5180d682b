"""The system calls of a story, as strace recorded them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range")
LENGTHS = ("ftruncate", "truncate", "fallocate")
SYNCS = ("fsync", "fdatasync")
NAMES = (
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat"),
)
OPENS = ("open", "openat", "creat")
DESCRIPTORS = ("close", "close_range", "dup", "dup2", "dup3", "fcntl", "lseek")
PROCESSES = ("clone", "clone3", "fork", "vfork")
READS = ("read", "pread64")
TRACED = (*WRITES, *LENGTHS, *SYNCS, *NAMES, *OPENS, *DESCRIPTORS, *PROCESSES, *READS, "sync_file_range")

_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$", re.DOTALL)
_RESULT = re.compile(r"\)\s*= (-?\d+|\?)(?: (E[A-Z]+))?[^=]*$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_UNFINISHED = "<unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        pid: which thread made it.
        name: its name.
        written: its arguments as strace writes them, without texts.
        texts: the texts among its arguments: paths, or bytes written.
        result: what it returned; None where the process died in it.
        error: the error's name, ``EIO``; empty where there was none.
        began: the line of the record on which it began.
        ended: the line on which it ended.
        injected: whether strace made it fail.
        number: the how many-th call of this name its thread made, from 1.
    """

    pid: int
    name: str
    written: str
    texts: tuple[bytes, ...]
    result: int | None
    error: str
    began: int
    ended: int
    injected: bool
    number: int

    @property
    def worked(self) -> bool:
        """Whether it did what it says."""
        return self.result is not None and self.result >= 0

    def arguments(self) -> list[str]:
        """Its arguments; a text is empty here."""
        return self.written.split(", ")

    def descriptor(self, position: int = 0) -> int:
        """An argument that is a file descriptor; -100 stands for the current folder."""
        word = self.arguments()[position]
        return -100 if word == "AT_FDCWD" else int(word)


def read_calls(record: Path) -> list[Call]:
    """The calls of a record, by the line on which they began.

    Raises:
        ValueError: a line cannot be understood, or a text was cut.
    """
    return sorted(_parse_lines(record), key=lambda call: call.began)


def _parse_lines(record: Path) -> Iterator[Call]:
    open_calls: dict[int, tuple[str, str, int, int]] = {}
    line_number = 0
    counts: dict[tuple[int, str], int] = {}
    with record.open(encoding="ascii", errors="replace") as lines:
        for line_number, line in enumerate(lines):
            match = _LINE.match(line.rstrip("\n"))
            if match is None:
                continue  # a signal, or the end of a process
            pid = int(match[1])
            if match[2] is not None:
                name, begun, began, number = open_calls.pop(pid)
                yield _make_call(pid, name, begun + match[3], (began, line_number), number)
                continue
            number = counts[pid, match[4]] = counts.get((pid, match[4]), 0) + 1
            if match[5].endswith(_UNFINISHED):
                open_calls[pid] = match[4], match[5].removesuffix(_UNFINISHED), line_number, number
                continue
            yield _make_call(pid, match[4], match[5], (line_number, line_number), number)
    for pid, (name, begun, began, number) in open_calls.items():  # the process was killed in it
        yield _make_call(pid, name, f"{begun}) = ?", (began, line_number), number)


def _make_call(pid: int, name: str, rest: str, lines: tuple[int, int], number: int) -> Call:
    injected = rest.endswith("(INJECTED)")
    result = _RESULT.search(rest.removesuffix(" (INJECTED)"))
    if result is None:
        raise ValueError(f"A line of the record of system calls cannot be understood: {name}({rest[:200]}")
    texts = []
    for text in _TEXT.finditer(rest):
        if text[2]:
            raise ValueError(f"strace cut what {name} wrote: its limit of text is too small")
        texts.append(bytes.fromhex(text[1].replace("\\x", "")))
    return Call(
        pid=pid,
        name=name,
        written=_TEXT.sub("", rest[: result.start()]),
        texts=tuple(texts),
        result=None if result[1] == "?" else int(result[1]),
        error=result[2] or "",
        began=lines[0],
        ended=lines[1],
        injected=injected,
        number=number,
    )
