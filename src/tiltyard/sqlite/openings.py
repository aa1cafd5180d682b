"""Which library has which file open, so that no file is ever open with two libraries in one process.

Locks on a file belong to the process (POSIX): when one library closes its descriptor of a file, the locks of the other
on that file are gone without a word, and two processes write at once (SQLite, "How To Corrupt An SQLite Database File",
section 2.2.1). Another package opens its file when it likes; such a file is claimed before, for Python's own library.
"""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.sqlite.libraries import SqliteLibrary, default_library, python_library

_turn = RLock()
_claimed: set[Path] = set()
_open: weakref.WeakKeyDictionary[Any, _Opening] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class _Opening:
    file: Path
    identity: tuple[int, int] | None
    library: SqliteLibrary


def claim_for_python(*urls: str | None) -> None:
    """Another package opens these databases with Python's own library: so does everything in this process from now on.

    Args:
        urls: of databases or servers. Only those of SQLite files count; these need not exist yet.

    Raises:
        UsageError: this process has such a file open with another library.
    """
    for file in filter(None, map(file_of_url, filter(None, urls))):
        _claim_file(file.resolve())


def file_of_url(url: str) -> Path | None:
    """The SQLite file that a URL like ``sqlite:///FILE`` names; None for any other URL."""
    scheme, _, name = url.partition(":///")
    file = name.partition("?")[0]
    return Path(file) if scheme.partition("+")[0] == "sqlite" and file not in ("", ":memory:") else None


def _claim_file(resolved: Path) -> None:
    with _turn:
        _claimed.add(resolved)
        for opening in list(_open.values()):
            if opening.library != python_library() and _is_same(opening, resolved):
                _claimed.discard(resolved)
                raise _mixed_error(resolved, opening.library, python_library())


def library_of(file: Path) -> SqliteLibrary:
    """The library with which a file has to be opened now.

    Raises:
        UsageError: the file is open with another library than the one that it was claimed for.
    """
    resolved = file.resolve()
    with _turn:
        claimed = is_claimed(resolved)
        opened = next((opening.library for opening in list(_open.values()) if _is_same(opening, resolved)), None)
    if claimed and opened not in (None, python_library()):
        raise _mixed_error(resolved, opened, python_library())
    return opened or (python_library() if claimed else default_library())


def is_open(file: Path) -> bool:
    """Whether this process has a file open through this package: opening and closing it otherwise loses its locks."""
    resolved = file.resolve()
    with _turn:
        return any(_is_same(opening, resolved) for opening in list(_open.values()))


def is_claimed(file: Path) -> bool:
    """Whether another package opens this file, or may do so at any time."""
    resolved = file.resolve()
    identity = _identify(resolved)
    with _turn:
        return resolved in _claimed or (identity is not None and identity in map(_identify, _claimed))


def connect_and_note(file: Path, library: SqliteLibrary, name: str, options: dict[str, Any]) -> Any:
    """Open a file with a library and note that it is open, until the connection is closed or gone.

    Args:
        file: the file.
        library: the library.
        name: what the library is given: the file's name, or a URI.
        options: of the library's own ``connect``.

    Raises:
        UsageError: another library has to open this file in this process.
    """
    with _turn:
        right = library_of(file)
        if right != library:
            raise _mixed_error(file, right, library)
        connection = library.module.connect(name, **options)
        resolved = file.resolve()
        _open[connection] = _Opening(resolved, _identify(resolved), library)
    return connection


def forget_opening(connection: Any) -> None:
    """A connection was closed."""
    with _turn:
        _open.pop(connection, None)


def noted_file(connection: Any) -> Path | None:
    """The file of a connection that is noted as open."""
    opening = _open.get(connection)
    return None if opening is None else opening.file


def _is_same(opening: _Opening, file: Path) -> bool:
    return opening.file == file or (opening.identity is not None and opening.identity == _identify(file))


def _identify(file: Path) -> tuple[int, int] | None:
    """Device and inode: two names may lead to one file."""
    try:
        status = os.stat(file)  # noqa: PTH116 - Path.stat makes no difference, and costs more
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _mixed_error(file: Path, first: SqliteLibrary, second: SqliteLibrary) -> UsageError:
    return UsageError(
        f"The file {file} is open with {first} in this process, and {second} would open it too.",
        next_step="Keep the ledger in a separate file: set TILTYARD_LEDGER to another file than MLflow's.",
        code="sqlite.two-libraries",
    )
