"""Running the application: a socket, uvicorn, signals, and an orderly end."""

from __future__ import annotations

import contextlib
import errno
import gc
import signal
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from tiltyard.errors import ProjectError, TiltyardError, UnavailableError, UsageError
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.store import SqlLedger
from tiltyard.project import Project, ServingSection, find_project_file, load_project
from tiltyard.registry.models import ModelRegistry
from tiltyard.registry.ports import Registry
from tiltyard.registry.signing import NO_KEYS, KeyRing, host_keys
from tiltyard.serving.app import create_app
from tiltyard.serving.live import LiveModel, Served
from tiltyard.serving.right import ask_decisions
from tiltyard.serving.security import Guard, guard_for
from tiltyard.serving.telemetry.custom import Place
from tiltyard.settings import Settings

# The requirements' stage names, as the aliases that stand for them.
STAGES = {"Production": "champion", "Staging": "challenger"}

BACKLOG = 2048
# Longest that a client which does not finish its request can hold up the end.
GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Backing:
    """What a server stands on.

    Attributes:
        registry: where versions come from.
        ledger: where answers are recorded; closed when the server ends.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        trusted_keys: the keys by which this host judges signatures.
        api_keys: file of the API keys that are let in; None for none.
    """

    registry: Registry
    ledger: Ledger
    cache: Path
    trusted_types: tuple[str, ...] = ()
    trusted_keys: KeyRing = NO_KEYS
    api_keys: Path | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as people open it."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - a name, not a choice
        return f"http://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{self.port}"


class ModelServer:
    """Serves a registered model over HTTP, records every answer, and follows the alias.

    Args:
        model_name: name of the registered model.
        model_stage: ``Production`` (the champion) or ``Staging`` (the challenger), or any alias.
        port: port to listen on, 0 for any free one; default: the options'.
        options: host, port, limits and the rest; default: the project's, or the defaults.
        project: what is served; default: the project found from the working folder upwards, if it is about
            this model.
        backing: what it stands on; default: the registry and ledger that the host's settings name.
        insecure_open: whether it may listen beyond loopback without API keys.
    """

    def __init__(  # noqa: PLR0913 - what the requirements pass, and what stands beside it
        self,
        model_name: str,
        model_stage: str = "Production",
        port: int | None = None,
        *,
        options: ServingSection | None = None,
        project: Project | None = None,
        backing: Backing | None = None,
        insecure_open: bool = False,
    ) -> None:
        self._project = project or _project_of(model_name)
        alias = STAGES.get(model_stage, model_stage)
        self._served = Served(model_name, alias, self._project.task if self._project else None)
        chosen = options or (self._project.serving if self._project else ServingSection())
        self._options = chosen if port is None else chosen.model_copy(update={"port": port})
        self._backing = backing
        self._insecure_open = insecure_open
        self._server: _Server | None = None

    def run(self, on_listening: Callable[[Address], None] | None = None) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; then answer what was accepted and close the ledger.

        Args:
            on_listening: told the address once requests are answered there.

        Raises:
            UnavailableError: the port is in use.
            UsageError: the address cannot be listened on, or would be open to others without an API key.
        """
        listener = bind(self._options.host, self._options.port)
        with contextlib.closing(listener):
            backing = self._backing or _default_backing(self._project)
            with contextlib.closing(backing.ledger):
                guard = guard_for(
                    self._options, backing.api_keys, host=self._options.host, insecure_open=self._insecure_open
                )
                self._serve(listener, backing, guard, on_listening)

    def stop(self) -> None:
        """End a running server as a signal would; from any thread."""
        if self._server is not None:
            self._server.should_exit = True

    def _serve(
        self,
        listener: socket.socket,
        backing: Backing,
        guard: Guard,
        on_listening: Callable[[Address], None] | None,
    ) -> None:
        live = LiveModel(
            self._served,
            backing.registry,
            backing.cache,
            backing.trusted_types,
            backing.ledger.append,
            trusted_keys=backing.trusted_keys,
            right=ask_decisions(backing.registry, backing.ledger) if backing.trusted_keys.trusted else None,
        )
        config = uvicorn.Config(
            create_app(
                live, backing.ledger, self._options, guard, Place(self._project.root if self._project else None)
            ),
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        host, port = listener.getsockname()[:2]
        self._server = _Server(config, lambda: on_listening and on_listening(Address(host, port)))
        self._server.run(sockets=[listener])


def run(  # noqa: PLR0913 - the parts of a server, which only the composition root puts together
    project: Project,
    registry: Registry,
    ledger: Ledger,
    *,
    cache: Path,
    trusted_types: tuple[str, ...] = (),
    trusted_keys: KeyRing = NO_KEYS,
    api_keys: Path | None = None,
    insecure_open: bool = False,
    host: str | None = None,
    port: int | None = None,
    on_listening: Callable[[Address], None] | None = None,
) -> None:
    """Serve a project's champion until SIGTERM or SIGINT, and close the ledger; see ``ModelServer.run``.

    Args:
        project: what to serve, and how.
        registry: where versions come from.
        ledger: where answers are recorded; closed when the server ends.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        trusted_keys: the keys by which this host judges signatures.
        api_keys: file of the API keys that are let in; None for none.
        insecure_open: whether it may listen beyond loopback without API keys.
        host: address to listen on; default: the project's.
        port: port to listen on, 0 for any free one; default: the project's.
        on_listening: told the address once requests are answered there.
    """
    backing = Backing(registry, ledger, cache, trusted_types, trusted_keys, api_keys)
    options = project.serving.model_copy(update={"host": host or project.serving.host})
    server = ModelServer(
        project.model_name,
        port=port,
        options=options,
        project=project,
        backing=backing,
        insecure_open=insecure_open,
    )
    server.run(on_listening)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens: taken before anything is loaded, so that a port in use is known at once.

    Raises:
        UnavailableError: the port is in use.
        UsageError: the address cannot be listened on.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise UsageError(
            f"The address {host!r} cannot be listened on: {error}.",
            next_step="Name an address of this machine, such as 127.0.0.1.",
            code="server.address",
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens, and ending by a return instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if threading.current_thread() is threading.main_thread():
            # The libraries and the model are here to stay: looking for garbage among their objects would only
            # make requests wait, and the end of the process too.
            gc.freeze()
        self._on_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take signals while serving; afterwards the caller still has a ledger to close."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.should_exit and number == signal.SIGINT:
            # Pressed twice: whoever presses it does not want to wait for open connections.
            self.force_exit = True
        self.should_exit = True


def _cannot_listen(host: str, port: int, error: OSError) -> TiltyardError:
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(
            f"Port {port} on {host} is in use.",
            next_step="End what listens there, or choose another: --port 0 takes any free one.",
            code="server.port-in-use",
            port=port,
        )
    return UsageError(
        f"Port {port} on {host} cannot be listened on: {error.strerror}.",
        next_step="Name an address of this machine and a port above 1023.",
        code="server.address",
    )


def _project_of(model_name: str) -> Project | None:
    """The project around the working folder, if there is one and it is about this model."""
    try:
        project = load_project(find_project_file())
    except ProjectError as error:
        if error.code == "project.missing":
            return None
        raise
    return project if project.model_name == model_name else None


def _default_backing(project: Project | None) -> Backing:
    """Registry and ledger as the host's settings name them."""
    settings = Settings.load(project.root if project else None)
    keys = host_keys(settings)  # before the ledger is opened: it would stay open if a key cannot be used
    registry = ModelRegistry(tracking_uri=settings.tracking_uri, registry_uri=settings.registry_uri, settings=settings)
    ledger = SqlLedger.open(settings.ledger_url)
    return Backing(registry, ledger, settings.cache, settings.trusted_types, keys, settings.api_key_file)
