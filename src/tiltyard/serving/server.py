"""A server in this process, as Python callers run it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tiltyard.aliases import alias_of
from tiltyard.arguments import check_arguments, require_words
from tiltyard.ledger.ports import Ledger
from tiltyard.processes.worker_identity import WorkerIdentity
from tiltyard.project import Project, ServingSection, find_project_of
from tiltyard.registry.package.signing import NO_KEYS, KeyRing, host_keys
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.registry.ports import Registry
from tiltyard.serving.auth import guard_for
from tiltyard.serving.model.champion_check import champion_check
from tiltyard.serving.model.manager import ServedAlias
from tiltyard.serving.process.http_server import HttpServer, ServerDependencies
from tiltyard.serving.process.sockets import Address, bind
from tiltyard.settings import Settings
from tiltyard.sqlite import log_library
from tiltyard.wiring import needs_spools
from tiltyard.wiring.ledger import open_ledger, open_spooled_ledger, start_shipper
from tiltyard.wiring.registry import open_registry

DASHBOARD_PORT = 8050


@dataclass(frozen=True, slots=True)
class ServerBackends:
    """The registry, ledger and files of a server.

    Attributes:
        registry: where versions come from.
        ledger: where predictions are recorded; closed when the server ends.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        trusted_keys: the keys by which this host checks signatures.
        api_keys: file of the API keys that the server accepts; None for none.
        api_keys_mark: file that says that this host has had keys; None where it keeps no such file.
    """

    registry: Registry
    ledger: Ledger
    cache: Path
    trusted_types: tuple[str, ...] = ()
    trusted_keys: KeyRing = NO_KEYS
    api_keys: Path | None = None
    api_keys_mark: Path | None = None


class ModelServer:
    """Serves a registered model over HTTP, records every prediction, and follows the alias.

    Args:
        model_name: name of the registered model.
        model_stage: ``Production`` (the champion) or ``Staging`` (the challenger) in any case, or any alias.
        port: port to listen on, 0 for any free one; default: the one that the options or the project state, else 8050.
        options: host, port, limits and the rest; default: the project's, or the defaults.
        project: the model's project; default: the project found from the working folder upwards, if it is about
            this model.
        backends: registry, ledger and files; default: those that the host's settings name.
        insecure_open: whether it may listen beyond loopback without API keys.
    """

    @check_arguments(model_name=require_words, model_stage=require_words)
    def __init__(  # noqa: PLR0913 - the requirements' arguments, and more by name
        self,
        model_name: str,
        model_stage: str = "Production",
        port: int | None = None,
        *,
        options: ServingSection | None = None,
        project: Project | None = None,
        backends: ServerBackends | None = None,
        insecure_open: bool = False,
    ) -> None:
        self._project = project or find_project_of(model_name)
        alias = alias_of(model_stage)
        self._served = ServedAlias(model_name, alias, self._project.task if self._project else None)
        serving = options or (self._project.serving if self._project else ServingSection())
        stated = serving.port if "port" in serving.model_fields_set else DASHBOARD_PORT
        self._options = serving.model_copy(update={"port": stated if port is None else port})
        self._backends = backends
        self._insecure_open = insecure_open
        self._http_server: HttpServer | None = None

    def run(self, on_listening: Callable[[Address], None] | None = None) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; then finish what was accepted and close the ledger.

        Args:
            on_listening: called with the address once the server responds there; default: write the address, the
                version and the pages to standard error.

        Raises:
            UnavailableError: the port is in use.
            UsageError: the address cannot be listened on, or would be open to others without an API key.
        """
        listener = bind(self._options.host, self._options.port)
        log_library()
        with contextlib.closing(listener), contextlib.ExitStack() as stack:
            backends = self._backends or _open_backends(self._project, stack)
            with contextlib.closing(backends.ledger):
                guard = guard_for(
                    self._options,
                    backends.api_keys,
                    host=self._options.host,
                    insecure_open=self._insecure_open,
                    mark=backends.api_keys_mark,
                )
                dependencies = ServerDependencies(
                    VersionLoader(backends.registry, backends.cache, backends.trusted_types, backends.trusted_keys),
                    backends.ledger,
                    champion_check(backends.registry, backends.ledger) if backends.trusted_keys.trusted else None,
                    WorkerIdentity(self._project.root if self._project else None),
                )
                self._http_server = HttpServer(self._served, self._options, dependencies, guard)
                self._http_server.run(listener, on_listening or self._announce)

    def describe(self, address: Address) -> str:
        """What is served where, in two lines: model, version, alias and address; the pages."""
        served, server = self._served, self._http_server
        version = server.version if server is not None else None
        what = f"version {version}, alias {served.alias}" if version else f"alias {served.alias}: no version yet"
        return (
            f"Serving {served.model_name} ({what}) at {address.url}\n"
            f"  dashboard {address.url}/  API {address.url}/docs  health {address.url}/health"
        )

    def _announce(self, address: Address) -> None:
        sys.stderr.write(f"{self.describe(address)}\n")
        sys.stderr.flush()

    def stop(self) -> None:
        """End a running server as a signal would; from any thread."""
        if self._http_server is not None:
            self._http_server.stop()


def _open_backends(project: Project | None, stack: contextlib.ExitStack) -> ServerBackends:
    """Registry and ledger as the host's settings name them; predictions for a ledger elsewhere go through a spool."""
    settings = Settings.load(project.root if project else None)
    keys = host_keys(settings)  # before the ledger is opened: it would stay open if a key cannot be used
    registry = open_registry(settings)
    spooled = needs_spools(settings)
    ledger: Ledger = open_spooled_ledger(settings, "module") if spooled else open_ledger(settings)
    if shipper := start_shipper(settings, spooled=spooled):
        stack.callback(shipper.stop)
    files = settings.api_key_file, settings.api_keys_mark
    return ServerBackends(registry, ledger, settings.cache, settings.trusted_types, keys, *files)
