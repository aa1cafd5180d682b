"""What a stored model's archive would cost to read, worked out before skops reads it.

skops checks types. It reads a member again for each node that names it, visits a shared node once for each way that
leads to it, and leaves the size of a packed member to its author: a crafted file of a megabyte can take all
memory, or an hour. Here each of these is counted first, in time and memory that the file's own size bounds.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiltyard.errors import ArtifactError

SCHEMA = "schema.json"

# A stored model that unpacks to more than this, or to much more than it takes on the disk, is refused rather than let
# it fill the memory. What is written here is hardly compressed at all.
MAX_UNPACKED = 4 * 1024**3
MAX_RATIO = 50
MAX_SCHEMA = 256 * 1024**2
# Objects of the description: a forest of 1,000 trees has some 50,000, a vocabulary that skops wrote itself two a term.
MAX_OBJECTS = 5_000_000
# How often a description may be walked through for what is shared in it. What skops writes is walked through once.
MAX_SHARING = 10

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 1024**2


def check_archive(file: Path) -> set[str]:
    """Make sure that a stored model can be inspected without filling memory or time.

    Returns:
        Names of what the description would call rather than build: for a function that is a call, whatever the list of
        trusted types says of it.

    Raises:
        ArtifactError: it is not an archive (``artifact.not-skops``), would take far too much (``artifact.too-large``),
            or is not as skops writes one (``artifact.unreadable``).
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            limit = _check_claims(file, entries)
            for entry in entries:
                _check_size(file, archive, entry)
            schema = _schema(file, archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise ArtifactError(
            f"The stored model {file.name} is not in the skops format; nothing of it was loaded.",
            next_step="Train a new version with: tiltyard train",
            code="artifact.not-skops",
        ) from error
    nodes = _Nodes({entry.filename: entry.file_size for entry in entries})
    nodes.read(schema)
    if nodes.named_bytes > limit:
        raise _too_large_error(
            file, f"names its arrays so often that they would take {nodes.named_bytes / 1e6:,.0f} MB"
        )
    if nodes.visits() > MAX_SHARING * nodes.count:
        raise _too_large_error(file, "shares its parts so that an inspection would not end")
    return nodes.called


def _check_claims(file: Path, entries: list[zipfile.ZipInfo]) -> int:
    """Hold what an archive says of itself against the limits; the bytes that it may take."""
    name, times = Counter(entry.filename for entry in entries).most_common(1)[0] if entries else ("", 0)
    if times > 1:
        raise _malformed_error(file, f"has {times} members named {name!r}")
    packed = next((entry.filename for entry in entries if entry.compress_type not in _PACKINGS), None)
    if packed is not None:
        raise _malformed_error(file, f"has {packed!r} packed in a way that skops does not use here")
    unpacked = sum(entry.file_size for entry in entries)
    schema = sum(entry.file_size for entry in entries if entry.filename == SCHEMA)
    limit = min(MAX_UNPACKED, MAX_RATIO * max(file.stat().st_size, _CHUNK))
    if unpacked > limit or schema > MAX_SCHEMA:
        size = file.stat().st_size / 1e6
        raise _too_large_error(file, f"has {size:.1f} MB and would unpack to {unpacked / 1e6:,.0f} MB")
    return limit


def _check_size(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Hold a member against the size that it claims: what reads it whole unpacks all of it, whatever it claims."""
    claimed = entry.file_size
    if entry.compress_type == zipfile.ZIP_STORED:
        if entry.compress_size != claimed:
            raise _malformed_error(file, f"has another size of {entry.filename!r} than it claims")
        return
    seen = 0
    entry.file_size = claimed + 1  # zipfile stops at the claimed size: one byte more tells whether there is more
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK):
                seen += len(chunk)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise _malformed_error(file, f"has a damaged {entry.filename!r} ({error})") from error
    finally:
        entry.file_size = claimed
    if seen != claimed:
        raise _malformed_error(file, f"has another size of {entry.filename!r} than it claims")


def _schema(file: Path, archive: zipfile.ZipFile) -> Any:
    try:
        content = archive.read(SCHEMA)
        if content.count(b"{") + content.count(b"[") > MAX_OBJECTS:
            raise _too_large_error(file, f"describes more than {MAX_OBJECTS:,} objects")
        return json.loads(content)
    except (KeyError, ValueError, RecursionError, RuntimeError) as error:
        raise _malformed_error(file, f"cannot be read: {type(error).__name__}: {str(error).splitlines()[0]}") from error


@dataclass
class _Nodes:
    """The nodes of a description: dicts that name a loader. Those of one ``__id__`` are one object to skops.

    Attributes:
        sizes: bytes of the archive's members.
        named_bytes: what reading every named member takes.
        called: names of what would be called.
        count: nodes as they are written down, one by one.
    """

    sizes: dict[str, int]
    named_bytes: int = 0
    called: set[str] = field(default_factory=set)
    count: int = 0
    _parts: list[list[int]] = field(default_factory=list)
    _same: dict[Any, list[int]] = field(default_factory=dict)
    _object: list[Any] = field(default_factory=list)

    def read(self, schema: Any) -> None:
        """Take up all nodes of a description; not by recursion, for it may be deep."""
        seen: set[tuple[Any, str]] = set()
        waiting: list[tuple[Any, int | None]] = [(schema, None)]
        while waiting:
            value, owner = waiting.pop()
            if isinstance(value, dict) and "__loader__" in value:
                owner = self._add(value, owner, seen)
            inner = value.values() if isinstance(value, dict) else value
            waiting.extend((item, owner) for item in inner if isinstance(item, dict | list))

    def visits(self) -> float:
        """How many nodes a walk visits that goes into a shared one each time; infinite where it goes in circles.

        Of an object that is written down several times the costliest counts.
        """
        cost: dict[int, float] = {}
        open_: set[Any] = set()
        ways: list[tuple[int, Iterator[int]]] = []
        for root in range(len(self._parts)):
            if root not in cost:
                ways.append((root, iter(self._below(root))))
                open_.add(self._object[root])
            while ways:
                node, parts = ways[-1]
                following = next(parts, None)
                if following is None:
                    ways.pop()
                    self._settle(node, cost)
                    open_.discard(self._object[node])
                elif following not in cost:
                    if self._object[following] in open_:
                        return float("inf")
                    ways.append((following, iter(self._below(following))))
                    open_.add(self._object[following])
        return max(cost.values(), default=0)

    def _add(self, node: dict[str, Any], owner: int | None, seen: set[tuple[Any, str]]) -> int:
        number = self.count
        self.count += 1
        identity = node.get("__id__")
        known = isinstance(identity, int) and bool(identity)
        self._object.append(identity if known else ("", number))
        self._same.setdefault(self._object[-1], []).append(number)
        self._parts.append([])
        if owner is not None:
            self._parts[owner].append(number)
        named = node.get("file")
        if isinstance(named, str) and (self._object[-1], named) not in seen:
            seen.add((self._object[-1], named))
            self.named_bytes += self.sizes.get(named, 0)
        if node["__loader__"] == "ConstructorFromReduceNode":
            self.called.add(f"{node.get('__module__')}.{node.get('__class__')}")
        return number

    def _below(self, node: int) -> list[int]:
        return [part for same in self._same[self._object[node]] for part in self._parts[same]]

    def _settle(self, node: int, cost: dict[int, float]) -> None:
        same = self._same[self._object[node]]
        most = 1.0 + max(sum(cost[part] for part in self._parts[one]) for one in same)
        cost.update(dict.fromkeys(same, most))


def _too_large_error(file: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"The stored model {file.name} {why}; nothing of it was loaded.",
        next_step="Find out who made it, or train a smaller version.",
        code="artifact.too-large",
    )


def _malformed_error(file: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"The stored model {file.name} {why}; nothing of it was loaded.",
        next_step="Find out who made it; fetch the version again, or train a new one.",
        code="artifact.unreadable",
    )
