"""Files of a source: on this machine or behind a URL, one or many, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from tiltyard.data.sources.location import Location
from tiltyard.errors import DataError
from tiltyard.formatting import format_count


def _open_zstandard(stream: IO[bytes]) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


@contextmanager
def _open_zip(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(stream) as archive, archive.open(_find_member(archive)) as member:
        yield member


def _find_member(archive: zipfile.ZipFile) -> str:
    """The one file in an archive.

    Raises:
        DataError: there is none, or there are several (``data.archive``).
    """
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise DataError(
            f"The ZIP archive holds {format_count(len(names), 'file')}{': ' * bool(names)}{listed}.",
            next_step="Unpack it, and name the file of rows.",
            code="data.archive",
        )
    return names[0]


_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstandard,
    ".zip": _open_zip,
}

COMPRESSED = tuple(_DECOMPRESSORS)
"""Endings of compressed files."""

_REMOVED = "removed"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        files: the files in it and in the folders below it, by their paths in the folder, with slashes.
        hidden: the names of files and folders that do not count (``is_hidden``); what is in them is not listed.
    """

    files: Mapping[str, SourceFile]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SourceFile:
    """One file, or a folder.

    Attributes:
        name: as people see it.
        size: bytes, or None where its place does not say.
        opener: opens it for reading from its start.
        path: where it is on this machine; None for one behind a URL.
        find_state: what differs after the file was written, replaced or removed; None where that is not known.
        head: how many of its decompressed bytes are a first line that is not read.
        mark: what is read in their place: a byte order mark that the encoding needs.
        lines_before: lines of the whole file that stand before it, where it is a part of one.
        columns: names and values of the columns that the names of its folders hold; None for a missing value.
        lister: of a folder, lists the files in it.
    """

    name: str
    size: int | None
    opener: Callable[[], IO[bytes]]
    path: Path | None = None
    find_state: Callable[[], object] = lambda: None
    head: int = 0
    mark: bytes = b""
    lines_before: int = 0
    columns: tuple[tuple[str, str | None], ...] = ()
    lister: Callable[[], Listing] | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.lister is not None

    def list_files(self) -> Listing:
        """The files in it; none where it is a file."""
        return Listing({}) if self.lister is None else self.lister()

    @property
    def first_line(self) -> int:
        """The number of the first line that is read."""
        return self.lines_before + (2 if self.head else 1)

    @property
    def compressed(self) -> bool:
        """Whether its name says that it is compressed."""
        return self._endings[-1:] != [] and self._endings[-1] in _DECOMPRESSORS

    @property
    def ending(self) -> str:
        """The ending that tells the format, in small letters: ``.csv`` of ``rows.CSV.gz``."""
        endings = self._endings[:-1] if self.compressed else self._endings
        if not endings and self._endings == [".zip"]:
            with self.opener() as stream, zipfile.ZipFile(stream) as archive:
                return PurePosixPath(_find_member(archive)).suffix.lower()
        return endings[-1] if endings else ""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's bytes, decompressed."""
        with self.opener() as stream:
            if not self.compressed:
                yield self._skip_head(stream)
                return
            with _DECOMPRESSORS[self._endings[-1]](stream) as plain:
                yield self._skip_head(plain)

    def _skip_head(self, stream: IO[bytes]) -> IO[bytes]:
        if not self.head:
            return stream
        stream.read(self.head)
        return io.BufferedReader(_MarkedStream(stream, self.mark), _BLOCK)

    @property
    def _endings(self) -> list[str]:
        return [ending.lower() for ending in PurePosixPath(self.name.split("?", 1)[0]).suffixes]


class _MarkedStream(io.RawIOBase):
    """The rest of a stream after a byte order mark."""

    def __init__(self, stream: IO[bytes], mark: bytes) -> None:
        super().__init__()
        self._stream = stream
        self._mark = mark

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._mark[: len(buffer)] or self._stream.read(len(buffer))
        self._mark = self._mark[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)


def local_files(location: Location, root: Path) -> list[SourceFile]:
    """The files, or the one folder, that a path or glob on this machine stands for, in the order of their names.

    Raises:
        DataError: there is none.
    """
    source = location.meant.removeprefix("file://")
    if any(character in source for character in "*?["):
        # Path.glob takes no absolute patterns; those start at their own anchor.
        start = Path(Path(source).anchor) if Path(source).is_absolute() else root
        pattern = str(Path(source).relative_to(start)) if Path(source).is_absolute() else source
        found = sorted(path for path in start.glob(pattern) if path.is_file())
        if not found:
            raise DataError(
                f"No file fits data.source = {location.written!r} under {start}.",
                next_step="Check the pattern and the folder.",
                code="data.missing",
            )
        return [local_file(path, location.hide(path)) for path in found]
    path = _shorten_path(root / source)
    if not path.exists():
        raise DataError(
            f"The data file {location.hide(path)} does not exist.",
            next_step="Check data.source in the project file; it is relative to that file.",
            code="data.missing",
        )
    return [local_file(path, location.hide(path))]


def _shorten_path(path: Path) -> Path:
    """The same path without ``..``, unless a symbolic link makes that another file."""
    plain = Path(os.path.normpath(path))
    return plain if plain.exists() and path.exists() and plain.samefile(path) else path


@contextmanager
def refuse_changes(file: SourceFile) -> Iterator[None]:
    """Refuse a file that is written, replaced or removed within the block, whatever else went wrong there.

    Raises:
        DataError: it was (``data.changed``).
    """
    before = file.find_state()
    try:
        yield
    except Exception:
        _require_state(file, before)
        raise
    _require_state(file, before)


def _require_state(file: SourceFile, before: object) -> None:
    after = file.find_state()
    if None not in (before, after) and after != before:
        raise DataError(
            f"{file.name} was {'removed' if after == _REMOVED else 'changed'} while it was read.",
            next_step="Try again when it is complete. To replace it under a reader, write another file and rename it.",
            code="data.changed",
        ) from None


def local_file(path: Path, name: str) -> SourceFile:
    """A file, or a folder, on this machine."""
    if path.is_dir():
        return SourceFile(name, None, lambda: path.open("rb"), path, lister=lambda: _list_local(path, name))
    size = path.stat().st_size if path.is_file() else None
    return SourceFile(name, size, lambda: path.open("rb"), path, lambda: _find_local_state(path))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name does not count as data: by the customs of Unix, Hadoop and file systems."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name == "lost+found"


def _list_local(folder: Path, name: str) -> Listing:
    files: dict[str, SourceFile] = {}
    hidden: set[str] = set()
    waiting = [(folder, "")]
    entered: set[tuple[int, int]] = set()
    while waiting:
        place, before = waiting.pop()
        state = place.stat()
        if (state.st_dev, state.st_ino) in entered:  # a symbolic link that leads back
            continue
        entered.add((state.st_dev, state.st_ino))
        for entry in place.iterdir():
            if is_hidden(entry.name):
                hidden.add(entry.name)
            elif entry.is_dir():
                waiting.append((entry, f"{before}{entry.name}/"))
            elif entry.is_file():
                files[before + entry.name] = local_file(entry, f"{name.rstrip('/')}/{before}{entry.name}")
    return Listing(files, frozenset(hidden))


def _find_local_state(path: Path) -> object:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _REMOVED
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev
