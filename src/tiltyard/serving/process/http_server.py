"""The HTTP server of one process: the application, uvicorn, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import FrameType

import uvicorn

from tiltyard.ledger.ports import Ledger
from tiltyard.processes.worker_identity import SINGLE_PROCESS, WorkerIdentity
from tiltyard.project import ServingSection
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.auth import Guard
from tiltyard.serving.batch_jobs import BatchDesk
from tiltyard.serving.connections.limits import IDLE_SECONDS, LARGEST_HEAD, most_connections
from tiltyard.serving.http.app import create_app
from tiltyard.serving.model.champion_check import ChampionCheck
from tiltyard.serving.model.compiled_scorers import CompiledScorers
from tiltyard.serving.model.manager import ModelManager, Refresh, ServedAlias
from tiltyard.serving.predict.endpoint import PredictEndpoint
from tiltyard.serving.predict.http_protocol import PLAIN_PROTOCOL, choose_http_protocol
from tiltyard.serving.process.guarded_server import GuardedServer
from tiltyard.serving.process.sockets import BACKLOG, Address

# How long a client that does not finish its request can hold up the end.
GRACE_SECONDS = 30
GC_OBJECTS, GC_ROUNDS = 50_000, 20


@dataclass(frozen=True, slots=True)
class ServerDependencies:
    """What the server of one process depends on.

    Attributes:
        loader: looks aliases up, and loads their versions.
        ledger: where predictions are recorded; it stays open.
        champion_check: checks that a decision made the alias' version champion; None for no check.
        identity: which of the workers that share a port this process is.
        on_change: called when another version has taken over here, or an admin requested a reload.
        compiled_scorers: where compiled scorers come from; None: versions are compiled here.
    """

    loader: VersionLoader
    ledger: Ledger
    champion_check: ChampionCheck | None = None
    identity: WorkerIdentity = SINGLE_PROCESS
    on_change: Callable[[], object] | None = None
    compiled_scorers: CompiledScorers | None = None
    batch: BatchDesk | None = None


class HttpServer:
    """Serves HTTP on a socket until it is stopped.

    Args:
        served: what is served.
        options: the project's ``[serving]``.
        dependencies: what it depends on.
        guard: decides which requests are let through.
    """

    def __init__(
        self, served: ServedAlias, options: ServingSection, dependencies: ServerDependencies, guard: Guard
    ) -> None:
        self._options = options
        self._dependencies = dependencies
        self._guard = guard
        self._manager = ModelManager(
            served,
            dependencies.loader,
            dependencies.ledger.append,
            champion_check=dependencies.champion_check,
            on_change=dependencies.on_change,
        )
        self._manager.compiled_scorers = dependencies.compiled_scorers
        self._manager.calls = dependencies.identity.calls.slot("other")
        if options.challenger is not None:
            self._manager.add_challenger()
        self._server: _Server | None = None
        self._endpoint: PredictEndpoint | None = None
        self._stopped = False

    def run(self, listener: socket.socket, on_listening: Callable[[Address], object] | None = None) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; then finish the requests that were accepted.

        Raises:
            UsageError: the installed uvicorn does not fit, and others than this machine reach the socket.
        """
        app = create_app(
            self._manager,
            self._dependencies.ledger,
            self._options,
            self._guard,
            self._dependencies.identity,
            self._dependencies.batch,
        )
        self._endpoint = app.predict_endpoint
        host, port = listener.getsockname()[:2]
        protocol = choose_http_protocol(host)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
            limit_concurrency=most_connections() if protocol == PLAIN_PROTOCOL else None,
        )
        self._server = _Server(config, self._guard, lambda: on_listening and on_listening(Address(host, port)))
        self._server.should_exit = self._stopped
        self._server.run(sockets=[listener])

    def stop(self) -> None:
        """End as a signal would; from any thread, also before it runs."""
        self._stopped = True
        if self._server is not None:
            self._server.should_exit = True

    @property
    def version(self) -> str | None:
        """The version in service; None where no version can predict."""
        current = self._manager.current
        return current.info.version if current is not None else None

    def ping(self, seconds: float) -> float:
        """Return when the event loop, which takes the requests, runs a task; at once while there is no loop.

        Returns:
            How long the model call that is under way has taken so far, in seconds; 0 where there is none.

        Raises:
            TimeoutError: it did not within these seconds.
        """
        loop = self._server.loop if self._server is not None else None
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(seconds)
        return self._endpoint.scoring_seconds if self._endpoint is not None else 0.0

    def refresh(self) -> Refresh:
        """Look the alias up now, because another worker did; the other workers are not called again."""
        return self._manager.refresh(force=True, notify=False)


class _Server(GuardedServer):
    """uvicorn that reports when it listens, and returns at the end instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, guard: Guard, on_listening: Callable[[], object]) -> None:
        super().__init__(config, guard)
        self._on_listening = on_listening
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if not self.started:
            return
        if threading.current_thread() is threading.main_thread():
            # The libraries and the model are here to stay: looking for garbage among their objects would only
            # make requests wait, and the end of the process too.
            gc.freeze()
            # What a request leaves behind goes with its last reference. Requests in flight would otherwise set off a
            # collection every few hundred objects, which never finds anything.
            gc.set_threshold(GC_OBJECTS, GC_ROUNDS, GC_ROUNDS)
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
            # Ctrl-C pressed twice: end without waiting for open connections.
            self.force_exit = True
        self.should_exit = True
