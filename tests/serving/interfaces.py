"""Servers of texts and of tables that a module of tests shares."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.project import ServingSection
from tiltyard.serving.process.sockets import Address
from tiltyard.serving.server import ModelServer, ServerBackends

ROW = {"age": 40, "income": 38.5, "town": "York", "member": True}


class Running:
    """A server on its own thread, at a free port of loopback."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._listening = threading.Event()
        self._thread = threading.Thread(target=server.run, args=(self._announce,))
        self._thread.start()
        assert self._listening.wait(120)

    def _announce(self, address: Address) -> None:
        self.url = address.url
        self.port = address.port
        self._listening.set()

    def ask_to_stop(self) -> None:
        self._server.stop()

    def begin_to_stop(self, caplog: pytest.LogCaptureFixture) -> None:
        """Ask it to stop; returns when it takes no more connections and waits for those that are open.

        uvicorn reports that in its log and nowhere else.
        """
        with caplog.at_level(logging.INFO, logger="uvicorn.error"):
            self.ask_to_stop()
            deadline = time.monotonic() + 30
            while not any("Waiting for connections" in message for message in caplog.messages):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def stop(self) -> None:
        self.ask_to_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


@dataclass(frozen=True)
class ServerUnderTest:
    """A server whose champion is version 1, with its ledger and a client."""

    client: httpx.Client
    ledger: TestLedger
    port: int


@contextmanager
def run_server(
    folder: Path,
    package: Path | None,
    api_keys: Path | None = None,
    *,
    insecure_open: bool = False,
    **options: object,
) -> Iterator[ServerUnderTest]:
    """Serve a package, or nothing."""
    registry, ledger = FakeRegistry(folder / "registry"), TestLedger()
    if package is not None:
        registry.point_alias("champion", registry.add(package))
    serving = ServingSection.model_validate({"port": 0, "reload_seconds": 3600, **options})
    backends = ServerBackends(registry, ledger, folder / "cache", TRUSTED, api_keys=api_keys)
    running = Running(ModelServer(MODEL, options=serving, backends=backends, insecure_open=insecure_open))
    try:
        with httpx.Client(base_url=running.url, timeout=30) as client:
            yield ServerUnderTest(client, ledger, running.port)
    finally:
        running.stop()
