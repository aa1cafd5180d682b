"""The process that keeps a server: it starts workers, asks the registry for them, ships their spools, ends them.

A worker that hangs is ended and started again like one that died. It listens to nobody. Workers start at once; what
takes seconds to import here (MLflow, SQLAlchemy) is imported meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from tiltyard.errors import TiltyardError, UnavailableError, UsageError
from tiltyard.processes.heartbeat import Heartbeat
from tiltyard.project import Project, ServingSection
from tiltyard.serving.process.ipc import IpcChannel
from tiltyard.serving.process.liveness import LivenessProbe
from tiltyard.serving.process.sockets import Address, bind, reserve
from tiltyard.serving.process.worker_config import FAILED, WorkerConfig
from tiltyard.settings import Settings, this_actor
from tiltyard.wiring import needs_spools

if TYPE_CHECKING:
    from tiltyard.ledger.spools.spool_shipper import Shipper
    from tiltyard.registry.mlflow_backend.model_registry import ModelRegistry

TICK_SECONDS = 0.05
# A worker that dies is started again after a pause that doubles until it has lived for a while.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
LIVED_SECONDS = 10.0
# So many deaths before any worker ever listened mean that none will.
HOPELESS = 3
END_SECONDS = 40.0
# A worker that does not listen yet has accepted nothing, and may be at a step that no signal cuts short: the first
# start on a machine compiles for many seconds.
UNUSED_SECONDS = 2.0
# A worker may fetch a large version before it listens.
START_SECONDS = 900.0
# How long a worker that hangs is given to end by itself before it is killed.
HUNG_SECONDS = 5.0
REFRESH_SECONDS = 120.0

HUNG = "worker-hung"

log = logging.getLogger(__name__)


class WorkerSupervisor:
    """Keeps the workers of a project's server.

    Args:
        project: what is served, and how.
        options: the project's ``[serving]``, with the host, port and workers that are meant.
        settings: this host's settings.
        on_listening: told the address once all workers answer there.
        insecure_open: whether it may listen beyond loopback without API keys.
    """

    def __init__(
        self,
        project: Project,
        options: ServingSection,
        settings: Settings,
        on_listening: Callable[[Address], object] | None = None,
        *,
        insecure_open: bool = False,
    ) -> None:
        self._project = project
        self._options = options
        self._settings = settings
        self._on_listening = on_listening
        self._insecure_open = insecure_open
        self._spooled = needs_spools(settings, options.workers)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._registry: ModelRegistry | None = None
        self._listened = False
        self._failure: TiltyardError | None = None
        self._slots = [_Slot(number) for number in range(options.workers)]

    def run(self) -> None:
        """Keep the workers until SIGTERM, SIGINT or ``stop``; then end them in order, and ship what they left.

        Raises:
            UnavailableError: the port is in use, or no worker can work.
            UsageError: the address cannot be listened on, or another setting cannot be meant.
        """
        several = self._options.workers > 1
        hold = reserve if several and hasattr(socket, "SO_REUSEPORT") else bind
        with contextlib.closing(hold(self._options.host, self._options.port)) as listener, self._signals():
            self._listener = listener
            self._inherited = hold is bind
            shipper: Shipper | None = None
            try:
                for slot in self._slots:
                    self._begin(slot)
                # Workers ask in a few seconds: by then MLflow is imported here, too.
                threading.Thread(target=self._warm, name="tiltyard-warm", daemon=True).start()
                shipper = self._shipper()
                with Heartbeat(self._options.hang_seconds) as heart:
                    self._watch(heart)
            finally:
                self._end()
                if shipper is not None:
                    shipper.stop()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End as a signal would; from any thread."""
        self._stop.set()

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        return [slot.process.pid for slot in self._slots if slot.process is not None and slot.process.poll() is None]

    def _begin(self, slot: _Slot) -> None:
        ours, theirs = socket.socketpair()
        passed = [theirs.fileno(), *([self._listener.fileno()] if self._inherited else [])]
        command = [sys.executable, "-m", "tiltyard.serving.process.worker", str(theirs.fileno())]
        with theirs:
            slot.process = subprocess.Popen(command, pass_fds=passed, stdin=subprocess.DEVNULL)  # noqa: S603
        slot.began = monotonic()
        slot.listening = False
        slot.killed_at = None
        handlers: dict[str, Callable[..., Any]] = {
            "get_version": self._get_version,
            "fetch": self._fetch,
            "right": self._right,
            "spread": lambda: self._spread(slot),
            "listening": lambda host, port: self._heard(slot, Address(host, port)),
            "failed": self._failed,
        }
        slot.line = IpcChannel(ours, handlers)
        ours.sendall(self._order(slot).model_dump_json().encode() + b"\n")
        slot.line.start()
        # It is asked once it listens: to import and to load a model is to keep silent for a while.
        slot.pinger = LivenessProbe(slot.line, self._options.hang_seconds)

    def _order(self, slot: _Slot) -> WorkerConfig:
        host, port = self._listener.getsockname()[:2]
        return WorkerConfig(
            root=self._project.root,
            model=self._project.model_name,
            alias="champion",
            task=self._project.task,
            options=self._options.model_copy(update={"host": host, "port": port}),
            slot=slot.number,
            workers=self._options.workers,
            listener=self._listener.fileno() if self._inherited else None,
            ledger="spool" if self._spooled else "direct",
            insecure_open=self._insecure_open,
        )

    def _watch(self, heart: Heartbeat) -> None:
        while not self._stop.wait(TICK_SECONDS) and self._failure is None:
            now = monotonic()
            heart.beat()
            for slot in self._slots:
                if slot.process is None:
                    if now >= slot.due:
                        self._begin(slot)
                elif (code := slot.process.poll()) is not None:
                    self._lost(slot, code, now)
                else:
                    self._end_if_it_hangs(slot, slot.process, now)

    def _end_if_it_hangs(self, slot: _Slot, process: subprocess.Popen[bytes], now: float) -> None:
        if slot.killed_at is not None:
            if now >= slot.killed_at:
                process.kill()
            return
        missing = slot.pinger.missing if slot.pinger else ""
        if not slot.listening and now - slot.began > START_SECONDS:
            missing = f"it did not listen within {START_SECONDS:g} seconds"
        if not missing:
            return
        slot.killed_at = now + HUNG_SECONDS
        process.terminate()
        reason = f"Worker {slot.number} hung ({missing}); it is ended and started again."
        log.error(reason)
        told = {"part": f"worker {slot.number}", "pid": process.pid, "missing": missing}
        # The ledger may be away, and SQLAlchemy takes a second: nobody waits for either.
        threading.Thread(target=self._write_down, args=(reason, told), name="tiltyard-event", daemon=True).start()

    def _write_down(self, reason: str, told: dict[str, Any]) -> None:
        from tiltyard.ledger.records import Event  # noqa: PLC0415 - SQLAlchemy takes a second
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - likewise

        event = Event(HUNG, self._project.model_name, datetime.now(UTC), this_actor(), reason, told)
        try:
            with open_ledger(self._settings) as ledger:
                ledger.append(event)
        except TiltyardError as error:
            log.warning("The ledger was not told of it: %s", error.message)

    def _lost(self, slot: _Slot, code: int, now: float) -> None:
        slot.hang_up()
        slot.process = None
        slot.deaths = 1 if now - slot.began > LIVED_SECONDS else slot.deaths + 1
        pause = min(FIRST_PAUSE * 2 ** (slot.deaths - 1), LONGEST_PAUSE)
        slot.due = now + pause
        if not self._listened and (code == FAILED or slot.deaths >= HOPELESS):
            self._failure = slot.error or _hopeless(code)
            return
        log.error("Worker %d ended with code %d; it is started again in %.1f s", slot.number, code, pause)

    def _end(self) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.terminate()
        told = monotonic()
        for slot in self._slots:
            while slot.process is not None and slot.process.poll() is None:
                if monotonic() - told > (END_SECONDS if slot.listening else UNUSED_SECONDS):
                    slot.process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    slot.process.wait(TICK_SECONDS)
            slot.hang_up()

    def _heard(self, slot: _Slot, address: Address) -> None:
        with self._lock:
            slot.listening = True
            if slot.pinger is not None:
                slot.pinger.start()
            all_listen = all(other.listening for other in self._slots)
            first, self._listened = not self._listened and all_listen, self._listened or all_listen
        if first and self._on_listening is not None:
            self._on_listening(address)

    def _failed(self, kind: str, message: str, next_step: str, code: str) -> None:
        for slot in self._slots:
            slot.error = (UsageError if kind in ("UsageError", "ProjectError") else UnavailableError)(
                message, next_step=next_step, code=code
            )
        log.error("A worker cannot work: %s", message)

    def _spread(self, asking: _Slot) -> None:
        """Let all workers but the one that asks look the alias up; returns when they have."""
        others = [slot.line for slot in self._slots if slot is not asking and slot.listening and slot.line is not None]

        def tell(line: IpcChannel) -> None:
            with contextlib.suppress(TiltyardError):
                line.ask("refresh", seconds=REFRESH_SECONDS)

        threads = [threading.Thread(target=tell, args=(line,), daemon=True) for line in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _get_version(self, name: str, version: str | None, alias: str | None) -> Any:
        from tiltyard.serving.process.wire import VERSION  # noqa: PLC0415 - as heavy as the registry itself

        return VERSION.dump_python(self._asked().get_version(name, version=version, alias=alias), mode="json")

    def _fetch(self, info: dict[str, Any], cache: str) -> str:
        from tiltyard.serving.process.wire import VERSION  # noqa: PLC0415 - as heavy as the registry itself

        return str(self._asked().fetch(VERSION.validate_python(info), Path(cache)))

    def _warm(self) -> None:
        with contextlib.suppress(Exception):  # whoever asks meets the same, and reports it
            self._asked().get_version(self._project.model_name, alias="champion")

    def _right(self, info: dict[str, Any]) -> None:
        from tiltyard.serving.model.champion_check import champion_check  # noqa: PLC0415 - as heavy as the registry itself
        from tiltyard.serving.process.wire import VERSION  # noqa: PLC0415 - as heavy as the registry itself
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy takes a second

        with open_ledger(self._settings) as ledger:
            champion_check(self._asked(), ledger)(VERSION.validate_python(info))

    def _asked(self) -> ModelRegistry:
        from tiltyard.wiring.registry import open_registry  # noqa: PLC0415 - takes seconds, while workers start

        with self._lock:
            if self._registry is None:
                self._registry = open_registry(self._settings)
            return self._registry

    def _shipper(self) -> Shipper | None:
        """Who ships the spools, if there are any: also those that an earlier server left."""
        if not self._spooled and not self._settings.spool.is_dir():
            return None
        from tiltyard.wiring.ledger import start_shipper  # noqa: PLC0415 - SQLAlchemy takes a second

        return start_shipper(self._settings, spooled=self._spooled)

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, lambda *_: self.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(slots=True, eq=False)
class _Slot:
    """A place for a worker, and who is there."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    line: IpcChannel | None = None
    listening: bool = False
    began: float = 0.0
    due: float = 0.0
    deaths: int = 0
    error: TiltyardError | None = field(default=None)
    pinger: LivenessProbe | None = None
    killed_at: float | None = None

    def hang_up(self) -> None:
        """Its worker is gone."""
        if self.pinger is not None:
            self.pinger.stop()
        if self.line is not None:
            self.line.close()


def _hopeless(code: int) -> TiltyardError:
    return UnavailableError(
        f"The workers end with code {code} before they answer anything.",
        next_step="Look above for what they said; TILTYARD_LOG=text says more. Then: tiltyard doctor",
        code="server.workers",
    )
