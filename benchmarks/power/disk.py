"""A disk that forgets what was not synced.

Contents survive from the last sync of their file on; of what was written after it, anything may survive: nothing, all,
some of the writes, some sectors of a write, or the new length without the bytes. Names (creating, renaming, removing)
survive by one of two rules:

- ``strict``, as POSIX has it: a name survives a sync of its folder, and names that were not synced survive in any
  selection.
- ``ordered``, as a journal of a file system such as ext4 has it: every sync of anything takes all earlier names with
  it, and of later ones the first so many survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeVar

NameRule = Literal["strict", "ordered"]
NAME_RULES: tuple[NameRule, ...] = ("strict", "ordered")
Kind = Literal["nothing", "all", "names", "lengths", "writes", "some", "torn"]
KINDS: dict[Kind, str] = {
    "nothing": "nothing that was not synced survives",
    "all": "everything survives, as when only the process dies",
    "names": "all names survive, and no contents",
    "lengths": "all names and lengths survive, and zeros instead of contents",
    "writes": "all contents survive, and no names",
    "some": "some names and some writes survive",
    "torn": "some names and some sectors of writes survive",
}
SECTORS = (512, 4096)
_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class Write:
    """A change of a file's content that is not synced: bytes at an offset, or a new length (no bytes)."""

    offset: int
    content: bytes | None
    finished: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """A file or a folder.

    Attributes:
        is_folder: which of the two.
        content: of a file, as processes see it.
        durable: of a file, what surely survives.
        pending: of a file, what was written since.
        entries: of a folder, as processes see it.
        synced: of a folder, the entries that surely survive by the strict rule.
        journaled: those that surely survive by the ordered rule.
    """

    is_folder: bool
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[Write] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    synced: dict[str, Node] = field(default_factory=dict)
    journaled: dict[str, Node] = field(default_factory=dict)

    def write(self, offset: int, content: bytes) -> Write:
        """Write bytes; what is between the end and the offset is zeros."""
        _put(self.content, offset, content)
        return self._keep(Write(offset, content))

    def resize(self, length: int) -> Write:
        """Cut or extend the content."""
        _resize(self.content, length)
        return self._keep(Write(length, None))

    def sync(self, writes: Sequence[Write]) -> None:
        """Make these writes durable: those that had ended when the sync began."""
        if not writes:
            return
        kept = bytearray(self.durable)
        gone = set(map(id, writes))
        for write in writes:
            _apply(kept, write)
        self.durable = bytes(kept)
        self.pending = [write for write in self.pending if id(write) not in gone]

    def survive(self, kind: Kind, random: Random) -> bytes:
        """Its content after a power cut."""
        if not self.pending or kind in ("nothing", "names"):
            return self.durable
        if kind in ("all", "writes"):
            return bytes(self.content)
        kept = bytearray(self.durable)
        if kind == "lengths":
            for write in self.pending:
                _resize(kept, write.offset if write.content is None else max(len(kept), _end(write)))
        else:
            for write in _select(self.pending, random):
                for part in _tear(write, random) if kind == "torn" else (write,):
                    _apply(kept, part)
        return bytes(kept)

    def _keep(self, write: Write) -> Write:
        self.pending.append(write)
        return write


@dataclass(slots=True, eq=False)
class NameChange:
    """Names of one folder that changed in one step; None where a name is gone."""

    folder: Node
    names: dict[str, Node | None]


@dataclass(frozen=True)
class State:
    """What is on the disk after a power cut: files by path below the root, and folders (parents first)."""

    files: dict[str, bytes]
    folders: tuple[str, ...]


class Disk:
    """The root folder of a story and what is in it. What is there at first is durable."""

    def __init__(self) -> None:
        self.root = Node(is_folder=True)
        self._unsynced: list[NameChange] = []
        self._unjournaled: list[NameChange] = []

    def settle(self) -> None:
        """Make everything durable, contents and names."""
        self._unsynced.clear()
        self._unjournaled.clear()
        for node in _walk(self.root):
            node.durable, node.pending = bytes(node.content), []
            node.synced, node.journaled = dict(node.entries), dict(node.entries)

    def change_names(self, folder: Node, names: dict[str, Node | None]) -> None:
        """Set or remove names of a folder, in one step."""
        change = NameChange(folder, names)
        _apply_names(folder.entries, change)
        self._unsynced.append(change)
        self._unjournaled.append(change)

    def sync(self, node: Node, writes: Sequence[Write]) -> None:
        """Sync a file (the writes that had ended when it began) or the names of a folder."""
        for change in self._unjournaled:
            _apply_names(change.folder.journaled, change)
        self._unjournaled.clear()
        if not node.is_folder:
            node.sync(writes)
            return
        for change in self._unsynced:
            if change.folder is node:
                _apply_names(node.synced, change)
        self._unsynced = [change for change in self._unsynced if change.folder is not node]

    def cut(self, kind: Kind, rule: NameRule, random: Random) -> State:
        """What is left of it after a power cut now."""
        changes = self._surviving_names(kind, rule, random)
        files: dict[str, bytes] = {}
        folders: list[str] = []
        waiting: list[tuple[str, Node]] = [("", self.root)]
        while waiting:
            path, folder = waiting.pop()
            entries = dict(folder.synced if rule == "strict" else folder.journaled)
            for change in changes:
                if change.folder is folder:
                    _apply_names(entries, change)
            for name, node in sorted(entries.items()):
                inner = f"{path}/{name}" if path else name
                if node.is_folder:
                    folders.append(inner)
                    waiting.append((inner, node))
                elif not name.endswith("-shm"):  # SQLite builds its index of the log anew
                    files[inner] = node.survive(kind, random)
        return State(files, tuple(folders))

    def _surviving_names(self, kind: Kind, rule: NameRule, random: Random) -> list[NameChange]:
        changes = self._unsynced if rule == "strict" else self._unjournaled
        if kind in ("nothing", "writes"):
            return []
        if kind in ("all", "names", "lengths"):
            return changes
        if rule == "ordered":
            return changes[: random.randint(0, len(changes))]
        return _select(changes, random)


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.entries.values())


def _select(changes: Sequence[_T], random: Random) -> list[_T]:
    """Some of them, in their order: the first so many, all but one, or any."""
    way = random.random()
    if way < 0.3:
        return list(changes[: random.randint(0, len(changes))])
    if way < 0.5 and changes:
        missing = random.randrange(len(changes))
        return [change for position, change in enumerate(changes) if position != missing]
    share = random.random()
    return [change for change in changes if random.random() < share]


def _tear(write: Write, random: Random) -> list[Write]:
    """Some sectors of a write, as whole sectors of the disk."""
    if write.content is None:
        return [write]
    sector = random.choice(SECTORS)
    parts = []
    begin, end = write.offset, _end(write)
    while begin < end:
        next_sector = min(end, (begin // sector + 1) * sector)
        if random.random() < 0.5:
            parts.append(Write(begin, write.content[begin - write.offset : next_sector - write.offset]))
        begin = next_sector
    return parts


def _end(write: Write) -> int:
    return write.offset + len(write.content or b"")


def _apply(content: bytearray, write: Write) -> None:
    if write.content is None:
        _resize(content, write.offset)
    else:
        _put(content, write.offset, write.content)


def _apply_names(entries: dict[str, Node], change: NameChange) -> None:
    for name, node in change.names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, length: int) -> None:
    if length < len(content):
        del content[length:]
    else:
        content.extend(bytes(length - len(content)))
