"""The process that calls the registry for a server: it has MLflow, and the supervisor need not.

It is started for a call of a worker, and ended after a while without calls (``RegistryService``).
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tiltyard.processes.ipc import Handler, IpcChannel, read_first_line
from tiltyard.serving.telemetry.logs import LogKind, set_up_logs
from tiltyard.settings import Settings

if TYPE_CHECKING:
    from tiltyard.registry.mlflow_backend.mlflow_registry import MlflowRegistry
    from tiltyard.serving.process.compile_ahead import CompilingAhead


class RegistryProcessConfig(BaseModel):
    """What the process is started with.

    Attributes:
        root: folder of the project file, where settings are read.
        log: what is logged to standard error.
        settings: the caller's own, as ``Settings.to_values``; None to read them.
        compiles: whether it will load a model, since this host has compiled none.
        reads_texts: whether its versions are models of texts, whose loops are compiled while MLflow is imported.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    log: LogKind
    settings: dict[str, Any] | None = Field(default=None, repr=False)
    compiles: bool = False
    reads_texts: bool = False


class RegistryCalls:
    """The functions that may be called over the channel. Safe to use from several threads.

    Args:
        settings: the settings of this host.
        ahead: compiles loops meanwhile; default: nothing does.
    """

    def __init__(self, settings: Settings, ahead: CompilingAhead | None = None) -> None:
        self._settings = settings
        self._ahead = ahead
        self._lock = threading.Lock()

    def get_version(self, name: str, version: str | None, alias: str | None) -> Any:
        """The version of that number or alias, as JSON values; see ``Registry.get_version``."""
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - as heavy as the registry

        return VERSION_INFO.dump_python(self._registry.get_version(name, version=version, alias=alias), mode="json")

    def fetch(self, info: dict[str, Any], cache: str) -> str:
        """The folder in the cache that holds the version's files; see ``Registry.fetch``."""
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - as heavy as the registry

        return str(self._registry.fetch(VERSION_INFO.validate_python(info), Path(cache)))

    def check_champion(self, info: dict[str, Any]) -> None:
        """Check that a decision made the version champion; see ``champion_check``."""
        from tiltyard.serving.model.champion_check import champion_check  # noqa: PLC0415 - as heavy as the registry
        from tiltyard.serving.process.remote_registry import VERSION_INFO  # noqa: PLC0415 - likewise
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy takes a second

        with open_ledger(self._settings) as ledger:
            champion_check(self._registry, ledger)(VERSION_INFO.validate_python(info))

    def compile_version(self, info: dict[str, Any], folder: str, file: str) -> Any:
        """Load a verified copy of a version, and write its compiled scorer; see ``Compiler``.

        Args:
            info: the version.
            folder: the copy.
            file: where the scorer is written; must not exist.
        """
        from tiltyard.scoring.factory import (  # noqa: PLC0415 - as heavy as the registry
            accept_scorer,
            compile_package,
            read_columns,
        )
        from tiltyard.scoring.scorer import NotCompilableError  # noqa: PLC0415 - likewise
        from tiltyard.scoring.stored_scorer import read_scorer, write_scorer  # noqa: PLC0415 - likewise
        from tiltyard.serving.model.compiled_scorers import CompiledFile  # noqa: PLC0415 - likewise
        from tiltyard.serving.process.remote_registry import COMPILED_FILE, VERSION_INFO  # noqa: PLC0415 - likewise
        from tiltyard.wiring.registry import open_version_loader  # noqa: PLC0415 - likewise

        loader = open_version_loader(self._settings, self._registry)
        package = loader.load_copy(VERSION_INFO.validate_python(info), Path(folder))
        if self._ahead is not None:
            self._ahead.wait()
        made = CompiledFile(Path(file), package.digest)
        try:
            write_scorer(Path(file), compile_package(package))
            # Its kernels are compiled here, where numba goes with the process, and workers load what was compiled.
            accept_scorer(read_scorer(Path(file), read_columns(package.manifest)), package.manifest)
        except NotCompilableError as none:
            made = CompiledFile(None, package.digest, none.reason)
        return COMPILED_FILE.dump_python(made, mode="json")

    @property
    def _registry(self) -> MlflowRegistry:
        with self._lock:
            return self._opened

    @cached_property
    def _opened(self) -> MlflowRegistry:
        from tiltyard.wiring.registry import open_registry  # noqa: PLC0415 - takes seconds

        return open_registry(self._settings)


def run_registry_process(descriptor: int) -> None:
    """Respond to calls until the supervisor closes the channel, or is gone.

    Args:
        descriptor: the socket of the channel to the supervisor; the first message on it is the configuration.
    """
    # Ctrl-C reaches the whole group; the supervisor closes the channel when no call is left.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    first = read_first_line(connection)
    if not first.endswith(b"\n"):
        return
    config = RegistryProcessConfig.model_validate_json(first)
    set_up_logs(config.log)
    from tiltyard.serving.process.compile_ahead import CompilingAhead  # noqa: PLC0415 - the supervisor imports this module

    ahead = CompilingAhead()
    if config.reads_texts:
        ahead.start()
    if config.compiles:
        from tiltyard.registry.package.skops_file import import_early  # noqa: PLC0415 - the supervisor, as above

        import_early()
    given = config.settings
    calls = RegistryCalls(Settings.load(config.root) if given is None else Settings.from_values(given), ahead)
    handlers: dict[str, Handler] = {
        "get_version": calls.get_version,
        "fetch": calls.fetch,
        "check_champion": calls.check_champion,
        "compile_version": calls.compile_version,
    }
    ended = threading.Event()
    channel = IpcChannel(connection, handlers, ended.set, peer="supervisor of the server")
    channel.start()
    ended.wait()
    channel.close()
    ahead.end()


if __name__ == "__main__":
    run_registry_process(int(sys.argv[1]))
