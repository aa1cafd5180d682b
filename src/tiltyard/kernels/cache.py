"""Numba's cache of compiled kernels, in folders of ``places``: for processes that compile kernels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache

from tiltyard.kernels.kept_code import keep_code
from tiltyard.kernels.places import find_places
from tiltyard.kernels.sources import stamp_sources

log = logging.getLogger(__name__)


class KernelCache:
    """The cache of one function, in the form in which numba's dispatchers use one.

    A file that cannot be read, as after a power cut, is compiled and written again. What is loaded or compiled is also
    kept as machine code, for processes without numba.

    Args:
        function: the function before it is compiled.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        places = find_places(function)
        self._function = function
        self._caches: list[Any] = [_open_cache(function, place) for place in places.read]
        self._writes = places.writes

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
                keep_code(self._function, signature, found, cache._impl.code)  # noqa: SLF001 - ours
                return found
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled; without a place for it, nothing is kept."""
        if not self._writes:
            return
        code = compiled.library._get_compiled_object()  # noqa: SLF001 - numba has no other way
        keep_code(self._function, signature, compiled, code)
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


def _open_cache(function: Callable[..., Any], place: Path) -> Any:
    """numba's cache of a function in one folder."""

    class Place(_Place):
        folder = place
        stamp = stamp_sources(function)

    class Implementation(FunctionCache._impl_class):  # type: ignore[misc] # noqa: SLF001 - numba has no other way
        _locator_classes = (Place,)
        code = b""

        def rebuild(self, target_context: Any, payload: Any) -> Any:
            """What was kept; its object file stays here, since numba forgets it when it has loaded it."""
            (_, _, (self.code, _)), *_ = payload
            return super().rebuild(target_context, payload)

    class Cache(FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return Cache(function)


class _Place:
    """Says to numba where a function's cache is, and whether it is of the function as it is now."""

    folder: Path
    stamp: str

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], _source: str) -> _Place:
        return cls(function)

    def ensure_cache_path(self) -> None:
        """Nothing: the folder was made and checked before."""

    def get_cache_path(self) -> str:
        return str(self.folder)

    def get_source_stamp(self) -> str:
        return self.stamp

    def get_disambiguator(self) -> str:
        return str(self._line)
