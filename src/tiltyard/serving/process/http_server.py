"""One process that answers: the application, uvicorn, signals, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from tiltyard.ledger.ports import Ledger
from tiltyard.project import ServingSection
from tiltyard.registry.package.signing import NO_KEYS, KeyRing
from tiltyard.serving.auth import Guard
from tiltyard.serving.http.app import create_app
from tiltyard.serving.model.champion_check import ChampionCheck
from tiltyard.serving.model.manager import ModelManager, Refresh, ServedAlias, VersionSource
from tiltyard.serving.predict.endpoint import PredictEndpoint
from tiltyard.serving.predict.http_protocol import choose_http_protocol
from tiltyard.serving.process.sockets import BACKLOG, Address
from tiltyard.serving.telemetry.user_metrics import SINGLE_PROCESS, WorkerIdentity

# Longest that a client which does not finish its request can hold up the end.
GRACE_SECONDS = 30
GC_OBJECTS, GC_ROUNDS = 50_000, 20


@dataclass(frozen=True, slots=True)
class ServerDependencies:
    """What one process that answers stands on.

    Attributes:
        source: where versions come from.
        ledger: where answers are recorded; it stays open.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        trusted_keys: the keys by which this host judges signatures.
        right: asked whether a decision made the alias' version champion; None to ask nobody.
        place: where it stands among the workers that share a port.
        on_change: told when another version has taken over here, or somebody asked for a look.
    """

    source: VersionSource
    ledger: Ledger
    cache: Path
    trusted_types: tuple[str, ...] = ()
    trusted_keys: KeyRing = NO_KEYS
    right: ChampionCheck | None = None
    place: WorkerIdentity = SINGLE_PROCESS
    on_change: Callable[[], object] | None = None


class HttpServer:
    """Answers on a socket until it is told to stop.

    Args:
        served: what is served.
        options: the project's ``[serving]``.
        standing: what it stands on.
        guard: whom to let in.
    """

    def __init__(
        self, served: ServedAlias, options: ServingSection, standing: ServerDependencies, guard: Guard
    ) -> None:
        self._options = options
        self._standing = standing
        self._guard = guard
        self._live = ModelManager(
            served,
            standing.source,
            standing.cache,
            standing.trusted_types,
            standing.ledger.append,
            trusted_keys=standing.trusted_keys,
            right=standing.right,
            on_change=standing.on_change,
        )
        if options.challenger is not None:
            self._live.add_challenger()
        self._server: _Server | None = None
        self._hot: PredictEndpoint | None = None
        self._stopped = False

    def run(self, listener: socket.socket, on_listening: Callable[[Address], object] | None = None) -> None:
        """Serve until SIGTERM, SIGINT or ``stop``; then answer what was accepted."""
        app = create_app(self._live, self._standing.ledger, self._options, self._guard, self._standing.place)
        self._hot = app.predict_endpoint
        config = uvicorn.Config(
            app,
            http=choose_http_protocol(),
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
        self._server.should_exit = self._stopped
        self._server.run(sockets=[listener])

    def stop(self) -> None:
        """End as a signal would; from any thread, also before it runs."""
        self._stopped = True
        if self._server is not None:
            self._server.should_exit = True

    def ping(self, seconds: float) -> float:
        """Come back when the event loop, which takes the requests, gets to it; at once while it does not run.

        Returns:
            How long the model call that is under way has taken so far, in seconds; 0 where there is none.

        Raises:
            TimeoutError: it did not within the time.
        """
        loop = self._server.loop if self._server is not None else None
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(seconds)
        return self._hot.scoring_seconds if self._hot is not None else 0.0

    def refresh(self) -> Refresh:
        """Look the alias up now, because another worker did; nobody else is told."""
        return self._live.refresh(force=True, spread=False)


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens, and ending by a return instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], object]) -> None:
        super().__init__(config)
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
            # Pressed twice: whoever presses it does not want to wait for open connections.
            self.force_exit = True
        self.should_exit = True
