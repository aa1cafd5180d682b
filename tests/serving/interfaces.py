"""Servers of texts and of tables that a module of tests shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.serving.conftest import Running
from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.project import ServingSection
from tiltyard.serving.server import ModelServer, ServerBackends

ROW = {"age": 40, "income": 38.5, "town": "York", "member": True}


@dataclass(frozen=True)
class ServerUnderTest:
    """A server whose champion is version 1, with its ledger and a client."""

    client: httpx.Client
    ledger: TestLedger
    port: int


@contextmanager
def run_server(
    folder: Path, package: Path | None, api_keys: Path | None = None, **options: object
) -> Iterator[ServerUnderTest]:
    """Serve a package, or nothing."""
    registry, ledger = FakeRegistry(folder / "registry"), TestLedger()
    if package is not None:
        registry.point_alias("champion", registry.add(package))
    serving = ServingSection.model_validate({"port": 0, "reload_seconds": 3600, **options})
    backends = ServerBackends(registry, ledger, folder / "cache", TRUSTED, api_keys=api_keys)
    running = Running(ModelServer(MODEL, options=serving, backends=backends))
    try:
        with httpx.Client(base_url=running.url, timeout=30) as client:
            yield ServerUnderTest(client, ledger, running.port)
    finally:
        running.stop()
