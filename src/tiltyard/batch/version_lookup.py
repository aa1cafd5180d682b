"""Looks the version of a run up, fetches and compiles it, in a process that has MLflow: this one need not.

It is the registry's process of servers with what it keeps on this host (``RegistryService``): while nothing is
registered or promoted, no process starts at all.
"""

from __future__ import annotations

import logging
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tiltyard.errors import ArtifactError, TiltyardError
from tiltyard.registry.package.signing import host_keys
from tiltyard.registry.ports import VersionInfo
from tiltyard.serving.process.registry_process import RegistryProcessConfig
from tiltyard.serving.process.registry_service import RegistryService
from tiltyard.serving.process.remote_registry import FIRST_LOOKUP_SECONDS, RemoteRegistry

if TYPE_CHECKING:
    from tiltyard.settings import Settings

log = logging.getLogger(__name__)

_Question = tuple[str, str | None, str | None]


class VersionLookup:
    """The versions of a registry, for one run.

    Args:
        settings: of this host.

    Raises:
        UsageError: a key by which this host verifies versions cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        settings.make_state()
        config = RegistryProcessConfig(root=settings.root, log="quiet", settings=settings.to_values())
        self._service = RegistryService(settings, config)
        self._registry = RemoteRegistry(_SameProcessCalls(self._service), FIRST_LOOKUP_SECONDS, host_keys(settings))
        self._cache = settings.cache
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tiltyard-lookup")
        self._requested: dict[_Question, Future[VersionInfo]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._service.close()
        self._thread.shutdown(cancel_futures=True)

    @property
    def has_process(self) -> bool:
        """Whether the process that has MLflow runs."""
        return self._service.pid is not None

    def begin(self, name: str, *, version: str | None = None, alias: str | None = None) -> None:
        """Begin to look a version up, while the caller does something else."""
        self._ask((name, version, alias))

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number or alias; see ``Registry.get_version``."""
        for (model, _, _), found in self._requested.items():
            if version is not None and model == name and found.done() and found.exception() is None:
                info = found.result()
                if info.version == version:
                    return info
        return self._ask((name, version, alias)).result()

    def fetch(self, info: VersionInfo) -> Path:
        """The folder of this host that holds the version's files; see ``Registry.fetch``."""
        return self._registry.fetch(info, self._cache)

    def compile_version(self, info: VersionInfo, copy: Path, digest: str, file: Path) -> Path | None:
        """Write the compiled form of a version into a file; None where it has none.

        Args:
            info: the version.
            copy: the folder of its files.
            digest: of the manifest, as the caller has verified it.
            file: where it is written; one that is there is replaced.

        Raises:
            ArtifactError: the copy must not be loaded.
        """
        file.unlink(missing_ok=True)
        try:
            found = self._registry.compile_version(info, copy, digest)
            if found.file is None or found.digest != digest:
                return None
            # What this host keeps may be removed while the run lasts, and other machines of a cluster do not have it.
            return Path(shutil.copyfile(found.file, file))
        except ArtifactError:
            raise
        except (TiltyardError, OSError, ValueError) as error:
            log.warning("Version %s of %s was not compiled ahead: %s", info.version, info.name, error)
            return None

    def end_process(self) -> None:
        """End the process, if one runs; nothing can be looked up afterwards."""
        self._thread.submit(self._service.close)

    def _ask(self, question: _Question) -> Future[VersionInfo]:
        if question not in self._requested:
            name, version, alias = question
            self._requested[question] = self._thread.submit(
                self._registry.get_version, name, version=version, alias=alias
            )
        return self._requested[question]


class _SameProcessCalls:
    """Calls of the service's functions, in the form of a channel."""

    def __init__(self, service: RegistryService) -> None:
        self._handlers = service.handlers

    def call(self, name: str, /, *, seconds: float, **arguments: Any) -> Any:  # noqa: ARG002 - the service has its own
        return self._handlers[name](**arguments)
