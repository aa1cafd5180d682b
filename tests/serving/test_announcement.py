"""A server says that it listens when its version is there, or when it knows why there is none; not before."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry
from tests.serving.fakes import PATIENCE, TestLedger
from tiltyard.errors import UnavailableError
from tiltyard.project import ServingSection
from tiltyard.registry import VersionInfo
from tiltyard.serving.process.sockets import Address
from tiltyard.serving.server import ModelServer, ServerBackends


class SlowRegistry(FakeRegistry):
    """A registry whose files come when a test lets them; or an error in their place."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requested, self.gate = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        self.requested.set()
        assert self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return super().fetch(info, cache)


@pytest.mark.parametrize("away", [False, True])
def test_it_is_announced_when_the_version_is_there_or_the_reason_is_known(
    tmp_path: Path, text_package: Path, away: bool
) -> None:
    """While the version is fetched nothing is announced; then the first response is a prediction, or the reason."""
    registry = SlowRegistry(tmp_path / "registry")
    registry.point_alias("champion", registry.add(text_package))
    registry.error = UnavailableError("The registry is away.", next_step="Start it.") if away else None
    backends = ServerBackends(registry, TestLedger(), tmp_path / "cache", TRUSTED)
    server = ModelServer(MODEL, options=ServingSection(port=0), backends=backends)
    announced, where = threading.Event(), list[Address]()

    def announce(address: Address) -> None:
        where.append(address)
        announced.set()

    thread = threading.Thread(target=server.run, args=(announce,))
    thread.start()
    try:
        assert registry.requested.wait(PATIENCE)
        assert not announced.is_set()
        registry.gate.set()
        assert announced.wait(PATIENCE)
        response = httpx.post(f"{where[0].url}/predict", json={"text": "good"}, timeout=PATIENCE)
    finally:
        registry.gate.set()
        server.stop()
        thread.join(PATIENCE)
    assert response.status_code == (503 if away else 200)
    if away:
        assert "The registry is away." in response.json()["detail"]
