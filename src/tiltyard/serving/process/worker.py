"""A worker: the process that serves requests, started by ``supervisor``.

It imports neither MLflow nor anything that trains: the supervisor looks aliases up and fetches versions.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys

from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.processes.ipc import IpcChannel, read_first_line
from tiltyard.processes.model_calls import ModelCalls
from tiltyard.processes.worker_identity import WorkerIdentity
from tiltyard.registry.package.signing import host_keys
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.auth import guard_for
from tiltyard.serving.auth.forwarded import note_untrusted_proxy
from tiltyard.serving.batch_jobs import BatchDesk, BatchJobs
from tiltyard.serving.model.compiled_scorers import CompiledScorers
from tiltyard.serving.model.manager import ServedAlias
from tiltyard.serving.process.http_server import HttpServer, ServerDependencies
from tiltyard.serving.process.remote_registry import FIRST_LOOKUP_SECONDS, LOOKUP_SECONDS, RemoteRegistry
from tiltyard.serving.process.sockets import Address, bind
from tiltyard.serving.process.worker_config import FAILED, WorkerConfig
from tiltyard.serving.telemetry.logs import set_up_logs
from tiltyard.settings import Settings
from tiltyard.wiring.ledger import open_ledger, open_spooled_ledger

REPORT_SECONDS = 30.0
PING_SECONDS = 30.0


def run_worker(descriptor: int) -> int:
    """Serve until a signal ends the worker, or until the supervisor is gone; returns the exit code.

    Args:
        descriptor: the socket of the channel to the supervisor; the first message on it is the configuration.
    """
    # Ctrl-C reaches the whole group; the supervisor ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    first = read_first_line(connection)
    if not first.endswith(b"\n"):
        return FAILED
    config = WorkerConfig.model_validate_json(first)
    worker = _Worker()
    handlers = {"refresh": worker.refresh, "ping": worker.ping, "modules": _list_modules}
    channel = IpcChannel(connection, handlers, worker.end, peer="supervisor of the server")
    channel.start()
    try:
        settings = Settings.load(config.root)
        set_up_logs(settings.log or config.options.log)
        keys = host_keys(settings)  # before the ledger is opened: it would stay open if a key cannot be used
        guard = guard_for(
            config.options,
            settings.api_key_file,
            host=config.options.host,
            workers=config.workers,
            insecure_open=config.insecure_open,
            own_key=settings.own_key,
            mark=settings.api_keys_mark,
            knew_keys=config.knew_keys,
        )
        guard.proxies.on_untrusted = lambda address: note_untrusted_proxy(settings.state, address)
        listener = _open_listener(config)
        with contextlib.closing(listener), _open_ledger(config, settings) as ledger:
            served_before = _has_served(settings, config)
            registry = RemoteRegistry(channel, LOOKUP_SECONDS if served_before else FIRST_LOOKUP_SECONDS, keys)
            dependencies = ServerDependencies(
                VersionLoader(registry, settings.cache, settings.trusted_types, keys),
                ledger,
                registry.check_champion if keys.trusted else None,
                WorkerIdentity(
                    config.root,
                    config.number,
                    settings.state / "metrics" if config.workers > 1 else None,
                    config.server,
                    ModelCalls() if config.calls is None else ModelCalls.attach(config.calls),
                ),
                lambda: _refresh_others(channel),
                CompiledScorers(registry),
                BatchDesk(
                    config.batch,
                    config.root,
                    config.root / config.batch.results,
                    BatchJobs(ledger, config.model_name),
                    ledger,
                ),
            )
            served = ServedAlias(config.model_name, config.alias, config.task)
            worker.server = HttpServer(served, config.options, dependencies, guard)
            if worker.ended:
                return 0
            worker.server.run(listener, lambda address: _report_listening(channel, address))
    except TiltyardError as error:
        _report_failure(channel, error)
        return FAILED
    finally:
        channel.close()
    return 0


class _Worker:
    """What the supervisor may call, also before there is a server."""

    def __init__(self) -> None:
        self.server: HttpServer | None = None
        self.ended = False

    def refresh(self) -> bool:
        """Look the alias up; whether another version is served now."""
        return self.server.refresh().changed if self.server else False

    def ping(self) -> float:
        """Return once the event loop runs, with the seconds of the model call that is under way.

        Before there is a server it returns at once.
        """
        return 0.0 if self.server is None else self.server.ping(PING_SECONDS)

    def end(self) -> None:
        """The supervisor is gone, and nothing else would ever end this process."""
        self.ended = True
        if self.server is not None:
            self.server.stop()


def _list_modules() -> list[str]:
    """The imported modules, so that a test can compare them with those that are allowed."""
    return sorted(sys.modules)


def _open_listener(config: WorkerConfig) -> socket.socket:
    if config.listener is None:
        return bind(config.options.host, config.options.port, shared=True)
    return socket.socket(fileno=config.listener)


def _open_ledger(config: WorkerConfig, settings: Settings) -> Ledger:
    if config.ledger == "direct":
        return open_ledger(settings)
    return open_spooled_ledger(settings, str(config.number))


def _has_served(settings: Settings, config: WorkerConfig) -> bool:
    """Whether a version was served on this host before, so that it can be served while the registry is unavailable."""
    return (settings.cache / config.model_name / f"serving-{config.alias}.json").exists()


def _refresh_others(channel: IpcChannel) -> None:
    """Let the other workers look the alias up too, so that all serve the new version soon."""
    with contextlib.suppress(TiltyardError):
        channel.call("refresh_others", seconds=REPORT_SECONDS)


def _report_listening(channel: IpcChannel, address: Address) -> None:
    channel.call("report_listening", seconds=REPORT_SECONDS, host=address.host, port=address.port)


def _report_failure(channel: IpcChannel, error: TiltyardError) -> None:
    with contextlib.suppress(TiltyardError):
        channel.call(
            "report_failure",
            seconds=REPORT_SECONDS,
            kind=type(error).__name__,
            message=error.message,
            next_step=error.next_step,
            code=error.code,
        )


if __name__ == "__main__":
    sys.exit(run_worker(int(sys.argv[1])))
