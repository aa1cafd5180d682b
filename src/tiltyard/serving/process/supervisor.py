"""The supervisor of a server: it starts workers, calls the registry for them, ships their spools, and ends them.

It takes no requests itself. A worker that hangs is ended and started again like one that died. Workers start at once;
so does the process that calls the registry, which takes seconds to import MLflow.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tiltyard.errors import TiltyardError, UnavailableError, UsageError
from tiltyard.processes.heartbeat import Heartbeat
from tiltyard.processes.ipc import Handler
from tiltyard.processes.stop_signal import StopSignal
from tiltyard.processes.supervisor import ProcessExit, RestartPolicy, Supervisor
from tiltyard.project import Project, ServingSection
from tiltyard.serving.auth.key_reloader import KeyReloader
from tiltyard.serving.auth.keys_mark import KeysMark
from tiltyard.serving.process.registry_process import RegistryProcessConfig
from tiltyard.serving.process.registry_service import RegistryService
from tiltyard.serving.process.sockets import Address, bind, reserve
from tiltyard.serving.process.worker_config import FAILED, WorkerConfig
from tiltyard.serving.process.worker_handle import WorkerHandle
from tiltyard.settings import Settings, this_actor
from tiltyard.sqlite import log_library
from tiltyard.tasks import reads_text
from tiltyard.wiring import needs_spools

if TYPE_CHECKING:
    from tiltyard.ledger.spools.spool_shipper import Shipper
    from tiltyard.serving.process.batch_runner import BatchRunner

RESTARTS = RestartPolicy(first_seconds=0.1, longest_seconds=10.0, stable_seconds=10.0)
# So many deaths before any worker ever listened mean that none will.
HOPELESS = 3

HUNG = "worker-hung"

log = logging.getLogger(__name__)


class WorkerSupervisor:
    """Runs the workers of a project's server.

    Args:
        project: what is served, and how.
        options: the project's ``[serving]``, with the host, port and workers that are in use.
        settings: this host's settings.
        on_listening: receives the address once all workers take requests there.
        insecure_open: whether the server may listen beyond loopback without API keys.
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
        self._server = uuid4().hex
        self._uses_spools = needs_spools(settings, options.workers)
        self._stop = StopSignal()
        self._lock = threading.Lock()
        log_kind = settings.log or options.log
        texts = project.has_rows and reads_text(project.task)
        config = RegistryProcessConfig(root=project.root, log=log_kind, reads_texts=texts)
        self._registry = RegistryService(settings, config)
        self._workers: list[WorkerHandle] = []
        self._all_listened = False
        self._reported: TiltyardError | None = None
        self._failure: TiltyardError | None = None

    def run(self) -> None:
        """Run the workers until SIGTERM, SIGINT or ``stop``; then end them in order, and ship what they recorded.

        Raises:
            UnavailableError: the port is in use, or no worker can work.
            UsageError: the address cannot be listened on, or another setting cannot be used.
        """
        shared = self._options.workers > 1 and hasattr(socket, "SO_REUSEPORT")
        hold = reserve if shared else bind
        log_library()
        with contextlib.closing(hold(self._options.host, self._options.port)) as listener, self._signals():
            configs = [self._config(number, listener, shared=shared) for number in range(self._options.workers)]
            keys = _KnownKeys(self._settings)
            self._workers = [WorkerHandle(config, self._handlers, keys.check) for config in configs]
            supervisor = Supervisor(
                [worker.as_managed() for worker in self._workers], self._on_exit, RESTARTS, stop_together=True
            )
            shipper: Shipper | None = None
            batches: BatchRunner | None = None
            try:
                supervisor.start()
                # Workers call in a few seconds: by then MLflow is imported there, too.
                name = self._project.model_name
                threading.Thread(target=self._registry.warm_up, args=(name,), name="tiltyard-warm", daemon=True).start()
                shipper = self._start_shipper()
                batches = self._start_batches()
                with Heartbeat(self._options.hang_seconds) as heartbeat:

                    def tick() -> None:
                        heartbeat.beat()
                        keys.check()

                    supervisor.run(self._stop, tick)
            finally:
                supervisor.end()
                if batches is not None:
                    batches.stop()
                self._registry.close()
                if shipper is not None:
                    shipper.stop()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End as a signal would; from any thread."""
        self._stop.set()

    def _config(self, number: int, listener: socket.socket, *, shared: bool) -> WorkerConfig:
        host, port = listener.getsockname()[:2]
        return WorkerConfig(
            root=self._project.root,
            model_name=self._project.model_name,
            alias="champion",
            task=self._project.task if self._project.has_rows else None,
            options=self._options.model_copy(update={"host": host, "port": port}),
            batch=self._project.batch,
            number=number,
            workers=self._options.workers,
            listener=None if shared else listener.fileno(),
            ledger="spool" if self._uses_spools else "direct",
            insecure_open=self._insecure_open,
            server=self._server,
        )

    def _handlers(self, worker: WorkerHandle) -> dict[str, Handler]:
        """The functions that a worker may call."""
        return {
            **self._registry.handlers,
            "refresh_others": lambda: self._refresh_others(worker),
            "report_listening": lambda host, port: self._report_listening(worker, Address(host, port)),
            "report_failure": self._report_failure,
        }

    def _on_exit(self, exit_: ProcessExit) -> None:
        if exit_.hung:
            reason = f"{exit_.name.capitalize()} hung ({exit_.hung}); it was ended and is started again."
            log.error(reason)
            # The ledger may be unavailable, and SQLAlchemy takes a second: the supervision does not wait for them.
            call = next((worker.hung_call for worker in self._workers if worker.name == exit_.name), None)
            arguments = (exit_, reason, call)
            threading.Thread(target=self._record_hang, args=arguments, name="tiltyard-event", daemon=True).start()
        if not self._all_listened and (exit_.code == FAILED or exit_.deaths >= HOPELESS):
            self._failure = self._reported or _no_worker_starts(exit_.code)
            self._stop.set()
            return
        log.error("%s ended with code %d; it is started again in %.1f s", exit_.name, exit_.code, exit_.wait_seconds)

    def _record_hang(self, exit_: ProcessExit, reason: str, call: tuple[str, int] | None) -> None:
        from tiltyard.ledger.records import Event  # noqa: PLC0415 - SQLAlchemy takes a second
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - likewise

        evidence: dict[str, Any] = {"part": exit_.name, "pid": exit_.pid, "missing": exit_.hung}
        if call is not None:
            evidence |= {"version": call[0], "requests": call[1]}
        event = Event(HUNG, self._project.model_name, datetime.now(UTC), this_actor(), reason, evidence)
        try:
            with open_ledger(self._settings) as ledger:
                ledger.append(event)
        except TiltyardError as error:
            log.warning("The hang of a worker could not be recorded in the ledger: %s", error.message)

    def _report_listening(self, worker: WorkerHandle, address: Address) -> None:
        with self._lock:
            worker.listening = True
            all_listen = all(each.listening for each in self._workers)
            first, self._all_listened = not self._all_listened and all_listen, self._all_listened or all_listen
        if first and self._on_listening is not None:
            self._on_listening(address)

    def _report_failure(self, kind: str, message: str, next_step: str, code: str) -> None:
        of_usage = kind in ("UsageError", "ProjectError")
        self._reported = (UsageError if of_usage else UnavailableError)(message, next_step=next_step, code=code)
        log.error("A worker cannot work: %s", message)

    def _refresh_others(self, caller: WorkerHandle) -> None:
        """Let all workers but the caller look the alias up; returns when they have."""
        others = [worker for worker in self._workers if worker is not caller]
        threads = [threading.Thread(target=worker.refresh, daemon=True) for worker in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _start_shipper(self) -> Shipper | None:
        """Ship the spools, if there are any: also those that an earlier server left."""
        if not self._uses_spools and not self._settings.spool.is_dir():
            return None
        from tiltyard.wiring.ledger import start_shipper  # noqa: PLC0415 - SQLAlchemy takes a second

        return start_shipper(self._settings, spooled=self._uses_spools)

    def _start_batches(self) -> BatchRunner | None:
        """Run the batch jobs of callers, where the project lets them have files scored."""
        if not self._project.batch.readable:
            return None
        from tiltyard.serving.process.batch_runner import BatchRunner  # noqa: PLC0415 - SQLAlchemy takes a second

        runner = BatchRunner(self._project, self._settings)
        runner.start()
        return runner

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


class _KnownKeys:
    """Whether API keys are known of: this process outlives its workers, and the state folder may be cleared."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: KeyReloader | None = None

    def check(self) -> bool:
        """Read the files of the keys, and write the mark again where it is gone; whether keys are known of."""
        if self._keys is None:
            try:
                self._keys = KeyReloader(self._settings.api_key_file, mark=KeysMark(self._settings.api_keys_mark))
            except TiltyardError:
                return False  # the worker reports it
        self._keys.current()
        return self._keys.knew_keys


def _no_worker_starts(code: int) -> TiltyardError:
    return UnavailableError(
        f"The workers end with code {code} before they respond to any request.",
        next_step="Look above for what they reported; TILTYARD_LOG=text shows more. Then: tiltyard doctor",
        code="server.workers",
    )
