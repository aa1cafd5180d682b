"""The registry as a worker sees it: every call goes to the supervisor, which has MLflow's client."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from tiltyard.registry.package.signing import NO_KEYS, KeyRing
from tiltyard.registry.ports import VersionInfo
from tiltyard.registry.version_cache import find_copy
from tiltyard.serving.model.compiled_scorers import CompiledFile

VERSION_INFO: TypeAdapter[VersionInfo] = TypeAdapter(VersionInfo)
"""How a version is written on the channel between supervisor and worker."""

COMPILED_FILE: TypeAdapter[CompiledFile] = TypeAdapter(CompiledFile)
"""How a compiled scorer is named there."""

# The supervisor takes seconds to import MLflow; then it replies in milliseconds, or the registry is unavailable.
LOOKUP_SECONDS = 30.0
# Where no version was ever served on this host there is nothing to fall back on: the first lookup may take longer.
FIRST_LOOKUP_SECONDS = 240.0
FETCH_SECONDS = 600.0
COMPILE_SECONDS = 600.0


class Calls(Protocol):
    """What leads to the supervisor: a channel, or in its own process its functions."""

    def call(self, name: str, /, *, seconds: float, **arguments: Any) -> Any:
        """Call a function; see ``IpcChannel.call``."""


class RemoteRegistry:
    """The part of a registry that serving needs, over a channel.

    Args:
        channel: the channel to the supervisor.
        first_seconds: how long the first lookup may take.
        keys: the keys by which this host verifies signatures of versions.
    """

    def __init__(self, channel: Calls, first_seconds: float = LOOKUP_SECONDS, keys: KeyRing = NO_KEYS) -> None:
        self._channel = channel
        self._seconds = first_seconds
        self._keys = keys

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """Look a version up; see ``Registry.get_version``."""
        seconds, self._seconds = self._seconds, LOOKUP_SECONDS
        question = {"name": name, "version": version, "alias": alias}
        try:
            return VERSION_INFO.validate_python(self._channel.call("get_version", seconds=seconds, **question))
        except ValidationError:  # the supervisor kept what another build wrote
            found = self._channel.call("get_version", seconds=FIRST_LOOKUP_SECONDS, **question, again=True)
            return VERSION_INFO.validate_python(found)

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """Bring a version's files into the cache, where they are not there whole; see ``Registry.fetch``."""
        copy = find_copy(info, cache, self._keys)
        if copy is not None:
            return copy
        content = VERSION_INFO.dump_python(info, mode="json")
        return Path(self._channel.call("fetch", seconds=FETCH_SECONDS, info=content, cache=str(cache)))

    def compile_version(self, info: VersionInfo, folder: Path, digest: str) -> CompiledFile:
        """Let the registry's process compile a version; see ``Compiler``."""
        content = VERSION_INFO.dump_python(info, mode="json")
        arguments = {"info": content, "folder": str(folder), "digest": digest}
        found = self._channel.call("compile_version", seconds=COMPILE_SECONDS, **arguments)
        return COMPILED_FILE.validate_python(found)

    def check_champion(self, info: VersionInfo) -> None:
        """Check that a decision made the version champion; see ``champion_check``."""
        content = VERSION_INFO.dump_python(info, mode="json")
        self._channel.call("check_champion", seconds=LOOKUP_SECONDS, info=content)
