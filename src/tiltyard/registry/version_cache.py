"""This host's copies of registered versions: one folder a version, fetched once, whole or not there."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tiltyard.errors import ArtifactError, TiltyardError, UnavailableError
from tiltyard.files import make_folder, move_folder
from tiltyard.registry.package.manifest import verify

if TYPE_CHECKING:
    from tiltyard.registry.package.signing import KeyRing
    from tiltyard.registry.ports import VersionInfo

LOCK = ".lock"


def fetch_version(info: VersionInfo, cache: Path, keys: KeyRing, download: Callable[[Path], Path]) -> Path:
    """A folder of this host with the version's files; a whole copy that is there is used again.

    Threads and processes that ask at once wait for one download. A copy that others may be reading is replaced only
    where it was found damaged.

    Args:
        info: the version.
        cache: folder of all copies; copies of one model share a folder in it.
        keys: keys that verify the copy's signature.
        download: brings the files below the folder that it is given, and says where they are.

    Raises:
        TiltyardError: the version is not here, and ``download`` failed.
        UnavailableError: the copy cannot be written (``cache.unwritable``).
    """
    whole = find_copy(info, cache, keys)
    if whole is not None:
        return whole
    target = _copy_folder(info, cache)
    try:
        make_folder(target.parent)
        with _lock_file(target.parent / LOCK):
            if not _is_whole(target, keys):
                _renew(target, download)
    except TiltyardError:
        # Damaged here or stored so: only a fresh copy could show it. Without the registry the damaged one stays, and
        # its reader reports that.
        if not target.is_dir():
            raise
    except OSError as error:
        raise UnavailableError(
            f"Version {info.version} of {info.name} cannot be written to {target}: {error.strerror or error}",
            next_step=f"Make room below {cache}, and let this user write there.",
            code="cache.unwritable",
        ) from error
    return target


def find_copy(info: VersionInfo, cache: Path, keys: KeyRing) -> Path | None:
    """The folder of this host that holds the version's files; None where there is none, or they are not whole."""
    target = _copy_folder(info, cache)
    return target if _is_whole(target, keys) else None


def _copy_folder(info: VersionInfo, cache: Path) -> Path:
    # A registry that was made anew counts its versions from one again.
    identity = hashlib.sha256(f"{info.run_id}|{info.source}|{info.created_at}".encode()).hexdigest()[:12]
    return cache / info.name / f"{info.version}-{identity}"


def _is_whole(target: Path, keys: KeyRing) -> bool:
    if not target.is_dir():
        return False
    try:
        verify(target, keys)
    except ArtifactError:
        return False
    return True


def _renew(target: Path, download: Callable[[Path], Path]) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        fetched = download(Path(folder) / "new")
        if not fetched.is_relative_to(folder):
            # MLflow hands out local files where they lie; the cache keeps its own copies.
            fetched = Path(shutil.copytree(fetched, Path(folder) / "copy"))
        if target.exists():
            target.rename(Path(folder) / "old")
        move_folder(fetched, target)


@contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    """Hold the lock of a file, against other processes and other threads of this one."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
