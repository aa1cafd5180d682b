"""Compiled scorers as files of this host, for all workers of its servers.

A scorer is compiled once for a version's files and a build. A server that starts again maps the file that an earlier
one had written, and need not import the libraries of models.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tiltyard._version import __version__
from tiltyard.files import find_writer, make_private_folder, write_atomically

_MOST_KNOWN = 3  # of the champion, the challenger, and the next of either
_LEFT_SECONDS = 86_400.0
_MOST_KEPT = 8  # versions of all servers of this host that share a cache
_PACKAGE = Path(__file__).parents[2]
# Where the code lies that compiles models, and that predicts with what was compiled.
_COMPILING = ("kernels", "models", "scoring")
_BLOCK = 1 << 20

log = logging.getLogger(__name__)

Compiled = dict[str, Any]
"""A compiled file as JSON values: its name or None, the digest of the manifest, and why there is none."""


class CompiledFiles:
    """The compiled scorers of the versions that workers requested last. Safe to use from several threads.

    They are in a folder that no other user can write to. A worker that has mapped a file does not need it any more.

    Args:
        folder: where they are kept between servers; where another user could write there, they go with the server.
        trusted_types: Python types that this host allows in a stored model.
    """

    def __init__(self, folder: Path, trusted_types: Sequence[str]) -> None:
        self._folder = folder
        self._trusted_types = sorted(trusted_types)
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._found: dict[str, Compiled] = {}

    def find(self, digest: str, make: Callable[[Path], Compiled]) -> Compiled:
        """The compiled scorer of a version; others wait while it is made.

        Args:
            digest: of the version's manifest, as the worker has verified it.
            make: compiles it into the file that it is given, which does not exist.
        """
        key = self._name(digest)
        with self._lock:
            known = self._found.pop(key, None)
            if known is None or (known["file"] is not None and not Path(known["file"]).is_file()):
                known = self._read(key) or self._make(key, make)
            self._found[key] = known
            while len(self._found) > _MOST_KNOWN:
                self._forget(self._found.pop(next(iter(self._found))))
            return known

    def close(self) -> None:
        """Remove what goes with the server; closing twice is a no-op."""
        with self._lock:
            self._found.clear()
            if self._temporary is not None:
                self._temporary.cleanup()
                self._temporary = None

    def _name(self, digest: str) -> str:
        """A name that is another one for other files of a version, and for other code."""
        # The process that compiles a scorer compiles its kernels too, into the folder that is named here.
        parts = [digest, self._build, os.environ.get("NUMBA_CACHE_DIR", ""), *self._trusted_types]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @cached_property
    def _build(self) -> str:
        """The code that compiles: this package's, and the versions of all that is installed."""
        sources = sorted(file for name in _COMPILING for file in (_PACKAGE / name).rglob("*.py"))
        stamps = [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in sources]
        installed: set[str] = set()
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            with contextlib.suppress(OSError):
                installed |= {name for name in os.listdir(place) if name.endswith(".dist-info")}  # noqa: PTH208
        return hashlib.sha256(json.dumps([__version__, stamps, sorted(installed)]).encode()).hexdigest()

    def _read(self, key: str) -> Compiled | None:
        """What an earlier server kept, if it is whole."""
        try:
            if find_writer(self._folder):
                return None
            kept = json.loads((self._folder / f"{key}.json").read_bytes())
            found: Compiled = kept["compiled"]
            if found["file"] is not None:
                found["file"] = str(self._folder / f"{key}.scorer")
                if _digest(Path(found["file"])) != kept["sha256"]:
                    return None
            os.utime(self._folder / f"{key}.json")  # those that were not used for long are removed
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found

    def _make(self, key: str, make: Callable[[Path], Compiled]) -> Compiled:
        place = self._find_place()
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place) as new:
            made = make(Path(new) / "scorer")
            digest = None
            if made["file"] is not None:
                digest = _digest(Path(new) / "scorer")
                made["file"] = str((Path(new) / "scorer").replace(place / f"{key}.scorer"))
        if self._temporary is None:
            self._keep(key, made, digest)
        return made

    def _find_place(self) -> Path:
        """The folder of this host, or where others could write there, one of this server."""
        if self._temporary is None:
            try:
                if self._folder.is_dir() and find_writer(self._folder):
                    shutil.rmtree(self._folder)  # others may have written what is in it
                make_private_folder(self._folder)
                if not find_writer(self._folder):
                    return self._folder
            except OSError as error:
                log.info("Compiled scorers cannot be kept in %s: %s", self._folder, error)
            self._temporary = tempfile.TemporaryDirectory(prefix="tiltyard-")
        return Path(self._temporary.name)

    def _keep(self, key: str, made: Compiled, digest: str | None) -> None:
        try:
            write_atomically(
                self._folder / f"{key}.json", json.dumps({"compiled": made, "sha256": digest}), owner_only=True
            )
            for left in self._folder.glob(".new-*"):  # by a process that was killed
                if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
            others = (file for file in self._folder.glob("*.json") if file.stem != key)
            for old in sorted(others, key=lambda file: file.stat().st_mtime_ns)[: 1 - _MOST_KEPT]:
                old.unlink(missing_ok=True)
                old.with_suffix(".scorer").unlink(missing_ok=True)
        except OSError as error:
            log.info("That a scorer was compiled cannot be noted in %s: %s", self._folder, error)

    def _forget(self, compiled: Compiled) -> None:
        """Remove a file that goes with this server; those that are kept are removed when there are too many."""
        if self._temporary is not None and compiled["file"] is not None:
            file = Path(compiled["file"])
            if file.parent == Path(self._temporary.name):
                file.unlink(missing_ok=True)


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
