"""A worker: the process that answers requests, started and kept by ``keeper``.

It imports neither MLflow nor anything that trains: aliases are looked up and versions fetched by the keeper.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.spool import SpooledLedger
from tiltyard.ledger.store import SqlLedger
from tiltyard.project import ServingSection, Task
from tiltyard.registry.ports import VersionInfo
from tiltyard.registry.signing import host_keys
from tiltyard.serving.line import Line
from tiltyard.serving.live import Served
from tiltyard.serving.server import Address, Backing, ModelServer, bind
from tiltyard.settings import Settings

# Importing MLflow takes the keeper seconds; then it answers in milliseconds, or the registry is away.
LOOK_SECONDS = 30.0
FETCH_SECONDS = 600.0
TELL_SECONDS = 30.0

FAILED = 70
"""The exit code of a worker that told why it cannot work."""


class Order(BaseModel):
    """What a worker is to do.

    Attributes:
        root: folder of the project file, where settings are read.
        served: model, alias and task.
        options: the project's ``[serving]``, with host and port as they are listened on.
        slot: which of the workers it is, from 0.
        workers: how many there are.
        listener: descriptor of a socket that listens; None to bind one of its own to the shared port.
        ledger: ``direct`` into the ledger, or through a ``spool`` of its own.
        insecure_open: whether it may listen beyond loopback without API keys.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    model: str
    alias: str
    task: Task | None
    options: ServingSection
    slot: int
    workers: int
    listener: int | None
    ledger: Literal["direct", "spool"]
    insecure_open: bool = False


class AskedRegistry:
    """A registry at the other end of a line, as far as serving needs one."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """Look a version up; see ``Registry.get_version``."""
        found = self._line.ask("get_version", seconds=LOOK_SECONDS, name=name, version=version, alias=alias)
        return VERSION.validate_python(found)

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """Bring a version's files into the cache; see ``Registry.fetch``."""
        given = VERSION.dump_python(info, mode="json")
        return Path(self._line.ask("fetch", seconds=FETCH_SECONDS, info=given, cache=str(cache)))


VERSION: TypeAdapter[VersionInfo] = TypeAdapter(VersionInfo)


def main(descriptor: int) -> int:
    """Work until told to stop, or until the keeper is gone; returns the exit code.

    Args:
        descriptor: the socket of the line; the first thing on it is the order.
    """
    logging.basicConfig(level=os.environ.get("TILTYARD_LOG", "WARNING").upper(), format="%(levelname)s %(message)s")
    connection = socket.socket(fileno=descriptor)
    order = Order.model_validate_json(_first_line(connection))
    worker: list[ModelServer] = []

    def end() -> None:
        for server in worker:
            server.stop()

    line = Line(connection, {"refresh": lambda: _refresh(worker)}, end)
    line.start()
    try:
        with _backing(order, line) as backing:
            worker.append(_server(order, backing, line))
            listener = socket.socket(fileno=order.listener) if order.listener is not None else _shared(order)
            worker[0].run(lambda address: _announce(line, address), listener)
    except TiltyardError as error:
        with contextlib.suppress(TiltyardError):
            line.ask("failed", seconds=TELL_SECONDS, **{key: str(value) for key, value in error.to_dict().items()})
        return FAILED
    finally:
        line.close()
    return 0


def _backing(order: Order, line: Line) -> Any:
    settings = Settings.load(order.root)
    backing = Backing(
        AskedRegistry(line),
        _ledger(order, settings),
        settings.cache,
        settings.trusted_types,
        host_keys(settings),
        settings.api_key_file,
    )
    return contextlib.nullcontext(backing)


def _ledger(order: Order, settings: Settings) -> Ledger:
    if order.ledger == "direct":
        return SqlLedger.open(settings.ledger_url)
    return SpooledLedger.open(settings.spool, str(order.slot), lambda: SqlLedger.open(settings.ledger_url))


def _server(order: Order, backing: Backing, line: Line) -> ModelServer:
    return ModelServer(
        order.model,
        order.alias,
        options=order.options,
        served=Served(order.model, order.alias, order.task),
        backing=backing,
        insecure_open=order.insecure_open,
        workers=order.workers,
        on_change=lambda: _spread(line),
    )


def _shared(order: Order) -> socket.socket:
    return bind(order.options.host, order.options.port, shared=True)


def _refresh(worker: list[ModelServer]) -> str | None:
    return worker[0].refresh() if worker else None


def _spread(line: Line) -> None:
    """Let the other workers look too: one that has taken over a version should not be alone with it for long."""
    with contextlib.suppress(TiltyardError):
        line.ask("spread", seconds=TELL_SECONDS)


def _announce(line: Line, address: Address) -> None:
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
