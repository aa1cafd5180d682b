"""Replays the system calls of a story over the model of a disk, one after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.power.disk import Disk, Node, Write
from benchmarks.power.syscalls import DESCRIPTORS, LENGTHS, NAMES, OPENS, PROCESSES, SYNCS, WRITES, Call

MARKS = 900
"""The file descriptor to which a story writes its marks, before its first system call is recorded."""

Boundary = Literal["", "sync", "mark"]


@dataclass(slots=True, eq=False)
class _OpenFile:
    """An open file; several descriptors may share it. ``node`` is None outside of the root, ``path`` is its name."""

    node: Node | None
    path: str
    position: int = 0
    appends: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a story, after something that the disk model knows has begun or ended.

    Attributes:
        number: of the moment, from 0.
        boundary: whether a sync begins or has ended here, or the story has just set a mark.
        marks: how many marks the story had set.
    """

    number: int
    boundary: Boundary
    marks: int


@dataclass
class Replay:
    """The disk of a story, and how far the replay has come.

    Args:
        root: the folder that the story writes to; what is there before it starts is durable.
        calls: what it called, by ``read_calls``.
        forgets_after_error: whether a failed sync loses what it should have made durable for good: a later sync that
            works does not bring it back. That is what Linux does.
    """

    root: Path
    calls: list[Call]
    forgets_after_error: bool = False
    disk: Disk = field(default_factory=Disk)
    marks: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._root = os.fspath(self.root)
        self._tables: dict[int, dict[int, _OpenFile]] = {}
        self._parents = self._read_parents()
        self._began: dict[int, tuple[Node, list[Write]]] = {}

    def load(self, folder: Path) -> None:
        """Take over what is in a folder, as durable content of the root."""
        _load(self.disk.root, folder)
        self.disk.settle()

    def run(self) -> Iterator[Moment]:
        """Apply each call in turn; each moment may be one of a power cut."""
        number = 0
        for line, begins, call in self._order_calls():
            del line
            boundary = self._begin(call) if begins else self._end(call)
            if boundary is None:
                continue
            yield Moment(number, boundary, len(self.marks))
            number += 1

    def concerned(self) -> list[Call]:
        """The calls that meant a file or folder of the root, whether they worked or not; runs the whole replay."""
        found: list[Call] = []
        for _, begins, call in self._order_calls():
            if not begins and self._concerns(call):
                found.append(call)
            if begins:
                self._begin(call)
            else:
                self._end(call)
        return found

    def _concerns(self, call: Call) -> bool:
        if call.name in NAMES or call.name in OPENS or call.name == "truncate":
            at = 0 if call.name in ("openat", "unlinkat", "mkdirat", "renameat", "renameat2") else None
            return self._locate(self._path(call, call.texts[0], at))[0] is not None
        if call.name in DESCRIPTORS or call.name in PROCESSES:
            return False
        return call.descriptor() != MARKS and self._file(call, call.descriptor()).node is not None

    def _order_calls(self) -> list[tuple[int, bool, Call]]:
        # A sync that another thread's write overtakes need not have made it durable.
        begins = [(call.began, True, call) for call in self.calls if call.name in SYNCS]
        ends = [(call.ended, False, call) for call in self.calls]
        return sorted(begins + ends, key=lambda event: (event[0], not event[1]))

    def _begin(self, call: Call) -> Boundary | None:
        node = self._file(call, call.descriptor()).node
        if node is None:
            return None
        self._began[id(call)] = node, list(node.pending)
        return "sync"

    def _end(self, call: Call) -> Boundary | None:
        if call.name in SYNCS:
            return self._end_sync(call)
        if not call.worked:
            return None
        if call.name in WRITES:
            return self._write(call)
        for names, apply in (
            (LENGTHS, self._change_length),
            (OPENS, self._open),
            (NAMES, self._change_names),
        ):
            if call.name in names:
                return "" if apply(call) else None
        self._change_descriptors(call)
        return None

    def _end_sync(self, call: Call) -> Boundary | None:
        if id(call) not in self._began:
            return None
        node, writes = self._began.pop(id(call))
        if call.worked:
            self.disk.sync(node, writes)
        elif self.forgets_after_error:
            gone = set(map(id, writes))
            node.pending = [write for write in node.pending if id(write) not in gone]
        return "sync"

    def _write(self, call: Call) -> Boundary | None:
        if call.descriptor() == MARKS:
            self.marks.append(json.loads(b"".join(call.texts)))
            return "mark"
        file = self._file(call, call.descriptor())
        assert call.result is not None
        if call.name in ("sendfile", "copy_file_range"):
            content = self._copied(call)
        else:
            content = b"".join(call.texts)[: call.result]
        if file.node is None:
            return None
        if call.name in ("pwrite64", "pwritev", "pwritev2"):
            file.node.write(int(call.arguments()[-1]), content)
            return ""
        offset = len(file.node.content) if file.appends else file.position
        file.node.write(offset, content)
        file.position = offset + len(content)
        return ""

    def _copied(self, call: Call) -> bytes:
        """The bytes that were copied from one file to another in the kernel."""
        assert call.result is not None
        reading = 1 if call.name == "sendfile" else 0
        source = self._file(call, call.descriptor(reading))
        given = call.arguments()[reading + 1]
        offset = source.position if given == "NULL" else int(given.strip("[]").split("]")[0])
        if given == "NULL":
            source.position += call.result
        whole = bytes(source.node.content) if source.node is not None else Path(source.path).read_bytes()
        return whole[offset : offset + call.result]

    def _change_length(self, call: Call) -> bool:
        node = self._find(call.texts[0]) if call.name == "truncate" else self._file(call, call.descriptor()).node
        if node is None:
            return False
        if call.name == "fallocate":
            _, mode, offset, length = call.arguments()
            if mode != "0":
                raise ValueError(f"The model of a disk does not know fallocate({mode})")
            if int(offset) + int(length) > len(node.content):
                node.resize(int(offset) + int(length))
            return True
        node.resize(int(call.arguments()[-1]))
        return True

    def _open(self, call: Call) -> bool:
        assert call.result is not None
        path = self._path(call, call.texts[0], 0 if call.name == "openat" else None)
        flags = call.arguments()[2 if call.name == "openat" else 1]
        folder, name = self._locate(path)
        node = folder.entries.get(name) if folder is not None and name else folder
        made = node is None and folder is not None and "O_CREAT" in flags
        if made:
            assert folder is not None
            node = Node(is_folder=False)
            self.disk.change_names(folder, {name: node})
        cut = node is not None and "O_TRUNC" in flags and bool(node.content)
        if cut:
            assert node is not None
            node.resize(0)
        self._table(call.pid)[call.result] = _OpenFile(node, path, appends="O_APPEND" in flags)
        return made or cut

    def _change_names(self, call: Call) -> bool:
        at_folder = call.name.endswith("at") or call.name == "renameat2"
        first = self._path(call, call.texts[0], 0 if at_folder else None)
        folder, name = self._locate(first)
        if call.name in ("unlink", "unlinkat", "rmdir"):
            if folder is not None:
                self.disk.change_names(folder, {name: None})
            return folder is not None
        if call.name in ("mkdir", "mkdirat"):
            if folder is not None:
                self.disk.change_names(folder, {name: Node(is_folder=True)})
            return folder is not None
        if call.name.startswith("symlink"):
            raise ValueError("The model of a disk does not know symbolic links")
        target, new_name = self._locate(self._path(call, call.texts[1], 2 if at_folder else None))
        if folder is None and target is None:
            return False
        if folder is None or target is None:
            raise ValueError(f"A file crosses the border of the story's folder: {first}")
        node = folder.entries[name]
        if call.name.startswith("link"):
            self.disk.change_names(target, {new_name: node})
        elif folder is target:
            self.disk.change_names(folder, {name: None, new_name: node})
        else:
            self.disk.change_names(target, {new_name: node})
            self.disk.change_names(folder, {name: None})
        return True

    def _change_descriptors(self, call: Call) -> None:
        table = self._table(call.pid)
        assert call.result is not None
        if call.name == "close":
            table.pop(call.descriptor(), None)
        elif call.name == "close_range":
            first, last = (int(word) for word in call.arguments()[:2])
            for number in [number for number in table if first <= number <= last]:
                del table[number]
        elif call.name == "lseek":
            self._file(call, call.descriptor()).position = call.result
        elif call.name.startswith("dup") or (call.name == "fcntl" and "F_DUPFD" in call.written):
            table[call.result] = self._file(call, call.descriptor())

    def _file(self, call: Call, descriptor: int) -> _OpenFile:
        # What was open before the record began is outside of the root.
        return self._table(call.pid).setdefault(descriptor, _OpenFile(None, ""))

    def _table(self, pid: int) -> dict[int, _OpenFile]:
        if pid not in self._tables:
            parent, shares = self._parents.get(pid, (None, False))
            inherited = {} if parent is None else self._table(parent)
            self._tables[pid] = inherited if shares else dict(inherited)
        return self._tables[pid]

    def _read_parents(self) -> dict[int, tuple[int, bool]]:
        return {
            call.result: (call.pid, "CLONE_FILES" in call.written)
            for call in self.calls
            if call.name in ("clone", "clone3", "fork", "vfork") and call.result is not None and call.result > 0
        }

    def _path(self, call: Call, text: bytes, at: int | None) -> str:
        path = os.fsdecode(text)
        if path.startswith("/"):
            return os.path.normpath(path)
        if at is None or call.descriptor(at) == -100:
            return os.path.normpath(Path.cwd() / path)
        return os.path.normpath(f"{self._file(call, call.descriptor(at)).path}/{path}")

    def _locate(self, path: str) -> tuple[Node | None, str]:
        """The folder that has a path's last name, and that name; None outside of the root or where it is missing."""
        if path == self._root:
            return self.disk.root, ""
        if not path.startswith(self._root + "/"):
            return None, ""
        *folders, name = path[len(self._root) + 1 :].split("/")
        node: Node | None = self.disk.root
        for folder in folders:
            node = None if node is None else node.entries.get(folder)
        return node, name

    def _find(self, text: bytes) -> Node | None:
        folder, name = self._locate(os.path.normpath(os.fsdecode(text)))
        return folder.entries.get(name) if folder is not None else None


def _load(node: Node, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        inner = Node(is_folder=path.is_dir())
        node.entries[path.name] = inner
        if inner.is_folder:
            _load(inner, path)
        else:
            inner.content = bytearray(path.read_bytes())
