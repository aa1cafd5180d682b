"""A worker: the process that answers requests, started and kept by ``keeper``.

It imports neither MLflow nor anything that trains: aliases are looked up and versions fetched by the keeper.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from pathlib import Path

from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.registry.package.signing import host_keys
from tiltyard.registry.ports import VersionInfo
from tiltyard.serving.auth import guard_for
from tiltyard.serving.model.manager import ServedAlias
from tiltyard.serving.process.http_server import HttpServer, ServerDependencies
from tiltyard.serving.process.ipc import IpcChannel
from tiltyard.serving.process.sockets import Address, bind
from tiltyard.serving.process.wire import VERSION
from tiltyard.serving.process.worker_config import FAILED, WorkerConfig
from tiltyard.serving.telemetry.logs import set_up_logs
from tiltyard.serving.telemetry.user_metrics import WorkerIdentity
from tiltyard.settings import Settings
from tiltyard.wiring.ledger import open_ledger, open_spooled_ledger

# Importing MLflow takes the keeper seconds; then it answers in milliseconds, or the registry is away.
LOOK_SECONDS = 30.0
# Where no version was good on this host yet, there is nothing to answer with instead: the first look may take longer.
FIRST_LOOK_SECONDS = 240.0
FETCH_SECONDS = 600.0
TELL_SECONDS = 30.0


class RemoteRegistry:
    """A registry at the other end of a line, as far as serving needs one.

    Args:
        line: the line to the keeper.
        first_seconds: how long the first look may take.
    """

    def __init__(self, line: IpcChannel, first_seconds: float = LOOK_SECONDS) -> None:
        self._line = line
        self._seconds = first_seconds

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """Look a version up; see ``Registry.get_version``."""
        seconds, self._seconds = self._seconds, LOOK_SECONDS
        found = self._line.ask("get_version", seconds=seconds, name=name, version=version, alias=alias)
        return VERSION.validate_python(found)

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """Bring a version's files into the cache; see ``Registry.fetch``."""
        given = VERSION.dump_python(info, mode="json")
        return Path(self._line.ask("fetch", seconds=FETCH_SECONDS, info=given, cache=str(cache)))


def main(descriptor: int) -> int:
    """Work until told to stop, or until the keeper is gone; returns the exit code.

    Args:
        descriptor: the socket of the line; the first thing on it is the order.
    """
    # Ctrl-C reaches the whole group; the keeper ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    order = WorkerConfig.model_validate_json(_first_line(connection))
    worker = _Worker()
    line = IpcChannel(connection, {"refresh": worker.refresh, "ping": worker.ping, "modules": _modules}, worker.end)
    line.start()
    try:
        settings = Settings.load(order.root)
        set_up_logs(settings.log or order.options.log)
        keys = host_keys(settings)  # before the ledger is opened: it would stay open if a key cannot be used
        guard = guard_for(
            order.options,
            settings.api_key_file,
            host=order.options.host,
            workers=order.workers,
            insecure_open=order.insecure_open,
            own_key=settings.own_key,
        )
        listener = _listener(order)
        with contextlib.closing(listener), _ledger(order, settings) as ledger:
            standing = ServerDependencies(
                RemoteRegistry(line, LOOK_SECONDS if _was_good(settings, order) else FIRST_LOOK_SECONDS),
                ledger,
                settings.cache,
                settings.trusted_types,
                keys,
                (lambda info: _ask_right(line, info)) if keys.trusted else None,
                WorkerIdentity(order.root, order.slot, settings.state / "metrics" if order.workers > 1 else None),
                lambda: _spread(line),
            )
            served = ServedAlias(order.model, order.alias, order.task)
            worker.engine = HttpServer(served, order.options, standing, guard)
            if worker.ended:
                return 0
            worker.engine.run(listener, lambda address: _announce(line, address))
    except TiltyardError as error:
        _tell_failure(line, error)
        return FAILED
    finally:
        line.close()
    return 0


class _Worker:
    """What the line reaches, from before there is an engine."""

    def __init__(self) -> None:
        self.engine: HttpServer | None = None
        self.ended = False

    def refresh(self) -> bool:
        """Look the alias up; whether another version answers now."""
        return self.engine.refresh().changed if self.engine else False

    def ping(self) -> float:
        """Come back if requests are taken, with the seconds of the model call that is under way.

        Before there is an engine it comes back if this process runs at all.
        """
        return 0.0 if self.engine is None else self.engine.ping(LOOK_SECONDS)

    def end(self) -> None:
        """The keeper is gone, and nobody else would ever end this process."""
        self.ended = True
        if self.engine is not None:
            self.engine.stop()


def _modules() -> list[str]:
    """What is imported here, so that a test can hold it against what may be."""
    return sorted(sys.modules)


def _tell_failure(line: IpcChannel, error: TiltyardError) -> None:
    with contextlib.suppress(TiltyardError):
        line.ask(
            "failed",
            seconds=TELL_SECONDS,
            kind=type(error).__name__,
            message=error.message,
            next_step=error.next_step,
            code=error.code,
        )


def _listener(order: WorkerConfig) -> socket.socket:
    if order.listener is None:
        return bind(order.options.host, order.options.port, shared=True)
    return socket.socket(fileno=order.listener)


def _ledger(order: WorkerConfig, settings: Settings) -> Ledger:
    if order.ledger == "direct":
        return open_ledger(settings)
    return open_spooled_ledger(settings, str(order.slot))


def _was_good(settings: Settings, order: WorkerConfig) -> bool:
    """Whether some version was good on this host, so that it can answer while the registry does not."""
    return (settings.cache / order.model / f"serving-{order.alias}.json").exists()


def _ask_right(line: IpcChannel, info: VersionInfo) -> None:
    line.ask("right", seconds=LOOK_SECONDS, info=VERSION.dump_python(info, mode="json"))


def _spread(line: IpcChannel) -> None:
    """Let the other workers look too: one that has taken over a version should not be alone with it for long."""
    with contextlib.suppress(TiltyardError):
        line.ask("spread", seconds=TELL_SECONDS)


def _announce(line: IpcChannel, address: Address) -> None:
    line.ask("listening", seconds=TELL_SECONDS, host=address.host, port=address.port)


def _first_line(connection: socket.socket) -> bytes:
    """The order, read byte by byte: what follows it belongs to the line."""
    read = bytearray()
    while not read.endswith(b"\n"):
        some = connection.recv(1)
        if not some:
            raise SystemExit(FAILED)
        read += some
    return bytes(read)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
