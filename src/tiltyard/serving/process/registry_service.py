"""The supervisor's side of ``RemoteRegistry``: it makes the calls of the workers at the registry.

What takes seconds to import (MLflow, SQLAlchemy) is imported when the first call needs it, while workers start.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiltyard.processes.ipc import Handler
from tiltyard.settings import Settings

if TYPE_CHECKING:
    from tiltyard.registry.mlflow_backend.mlflow_registry import MlflowRegistry


class RegistryService:
    """Looks versions up and fetches them for workers. Safe to use from several threads.

    Args:
        settings: the settings of this host.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: MlflowRegistry | None = None

    @property
    def handlers(self) -> dict[str, Handler]:
        """The functions that a worker may call."""
        return {"get_version": self._get_version, "fetch": self._fetch, "check_champion": self._check_champion}

    def warm_up(self, model_name: str) -> None:
        """Import and connect, so that the first call of a worker need not wait for that."""
        with contextlib.suppress(Exception):  # the worker meets the same error, and reports it
            self._registry().get_version(model_name, alias="champion")

    def _get_version(self, name: str, version: str | None, alias: str | None) -> Any:
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - as heavy as the registry

        return VERSION_INFO.dump_python(self._registry().get_version(name, version=version, alias=alias), mode="json")

    def _fetch(self, info: dict[str, Any], cache: str) -> str:
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - as heavy as the registry

        return str(self._registry().fetch(VERSION_INFO.validate_python(info), Path(cache)))

    def _check_champion(self, info: dict[str, Any]) -> None:
        from tiltyard.serving.model.champion_check import champion_check  # noqa: PLC0415 - as heavy as the registry
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - likewise
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy takes a second

        with open_ledger(self._settings) as ledger:
            champion_check(self._registry(), ledger)(VERSION_INFO.validate_python(info))

    def _registry(self) -> MlflowRegistry:
        from tiltyard.wiring.registry import open_registry  # noqa: PLC0415 - takes seconds

        with self._lock:
            if self._opened is None:
                self._opened = open_registry(self._settings)
            return self._opened
