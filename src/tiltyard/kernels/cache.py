"""The cache of compiled kernels, opened only where no other user could have written it.

numba keeps machine code in pickles, and opening a pickle runs what it says. So a cache is opened only in a folder that
none but this user and root can write to, every folder above it included. Without such a folder the kernels are
compiled anew.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import config
from numba.core.caching import FunctionCache

from tiltyard.files import find_writer

FOLDER, OWN_FOLDER = 0o777, 0o700

log = logging.getLogger(__name__)
_reported: set[str] = set()


class KernelCache:
    """The cache of one function, in the form in which numba's dispatchers use one.

    It reads what came with the package, as in an image, and what this user compiled; it writes to the first folder that
    can be written: the one of ``NUMBA_CACHE_DIR``, the package's, the user's, or one of the user's in the folder for
    temporary files. A file that cannot be read, as after a power cut, is compiled and written again.

    Args:
        function: the function before it is compiled.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        packaged, *others = _places(function)
        self._caches: list[Any] = []
        if getattr(config, "CACHE_LOCATOR_CLASSES", ""):
            others = []
            _report("NUMBA_CACHE_LOCATOR_CLASSES is set: its caches are not opened, since anyone may write them.")
        elif not os.access(packaged, os.W_OK) and _is_safe(packaged):
            self._caches.append(_open_cache(function, packaged))
        self._writes = False
        for place in others:
            if _make_folder(place, FOLDER if place == packaged else OWN_FOLDER) and _is_safe(place):
                self._caches.append(_open_cache(function, place))
                self._writes = True
                break
        else:
            _report("No cache of compiled kernels can be used: each start compiles them anew, for some seconds.")

    @property
    def cache_path(self) -> str:
        """The folder that is written to; else the one that is read; empty where there is none."""
        return str(self._caches[-1].cache_path) if self._caches else ""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """What was compiled for a signature; None where nothing was."""
        for cache in self._caches:
            try:
                found = cache.load_overload(signature, context)
            except Exception as error:  # noqa: BLE001 - a damaged pickle raises anything
                log.info("A compiled kernel in %s cannot be read, and is compiled again: %r", cache.cache_path, error)
                continue
            if found is not None:
                return found
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled; without a place for it, nothing is kept."""
        if not self._writes:
            return
        cache = self._caches[-1]
        for attempt in ("add", "begin anew"):
            try:
                if attempt == "begin anew":
                    cache.flush()
                cache.save_overload(signature, compiled)
            except OSError as error:
                log.info("A compiled kernel cannot be kept in %s: %s", cache.cache_path, error)
                return
            except Exception as error:  # noqa: BLE001 - the index that it is added to is damaged
                log.info("The index of compiled kernels in %s cannot be read: %r", cache.cache_path, error)
            else:
                return

    def enable(self) -> None:
        """Nothing: it is in use for as long as its dispatcher is."""

    def disable(self) -> None:
        """Forget all caches."""
        self._caches, self._writes = [], False

    def flush(self) -> None:
        """Empty the cache that is written to."""
        if self._writes:
            self._caches[-1].flush()


def _places(function: Callable[..., Any]) -> Iterator[Path]:
    """The folders of a function's cache: the package's, then all in the order in which they are tried for writing."""
    source = Path(function.__code__.co_filename).absolute()
    packaged = source.parent / "__pycache__"
    # Copies of the package on one host have their own.
    name = f"{source.parent.name}_{sha256(str(source.parent).encode()).hexdigest()[:40]}"
    yield packaged
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR) / name
    yield packaged
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - it never raises
    if os.path.isabs(home):  # noqa: PTH117 - likewise
        yield Path(home) / "tiltyard" / "kernels" / name
    yield Path(tempfile.gettempdir()) / f"tiltyard-kernels-{os.geteuid()}" / name


def _make_folder(place: Path, mode: int) -> bool:
    """Make a folder where it is not there, with this mode without what the umask takes; whether it can be written."""
    try:
        for folder in (*reversed(place.parents), place):
            if not folder.exists():
                folder.mkdir(mode, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _is_safe(place: Path) -> bool:
    try:
        why = find_writer(place)
    except OSError:
        return False
    if not why:
        return True
    if config.CACHE_DIR and place.is_relative_to(config.CACHE_DIR):
        _report(f"The cache of compiled kernels in NUMBA_CACHE_DIR is not used: {why}. Another one is.")
    else:
        log.info("The cache of compiled kernels in %s is not used: %s.", place, why)
    return False


def _report(text: str) -> None:
    if text not in _reported:
        _reported.add(text)
        log.warning(text)


def _open_cache(function: Callable[..., Any], place: Path) -> Any:
    """numba's cache of a function in one folder."""

    class Place(_Place):
        folder = place

    class Implementation(FunctionCache._impl_class):  # type: ignore[misc] # noqa: SLF001 - numba has no other way
        _locator_classes = (Place,)

    class Cache(FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return Cache(function)


class _Place:
    """Says to numba where a function's cache is, and whether it is of the function as it is now."""

    folder: Path

    def __init__(self, function: Callable[..., Any], source: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._source = source

    @classmethod
    def from_function(cls, function: Callable[..., Any], source: str) -> _Place:
        return cls(function, source)

    def ensure_cache_path(self) -> None:
        """Nothing: the folder was made and checked before."""

    def get_cache_path(self) -> str:
        return str(self.folder)

    def get_source_stamp(self) -> str:
        return sha256(Path(self._source).read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        return str(self._line)
