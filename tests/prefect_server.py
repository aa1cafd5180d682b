"""A Prefect server for tests: a real one, on loopback, with its own database, that phones nowhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE = 120


@dataclass(frozen=True)
class PrefectServer:
    """A server that runs.

    Attributes:
        api_url: address of its API.
        home: Prefect's home of this server.
    """

    api_url: str
    home: Path

    def all(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        """Everything of a kind: ``flows``, ``flow_runs``, ``task_runs``, ``logs``, ``artifacts``, ``deployments``."""
        found: list[dict[str, Any]] = self.request("POST", f"{what}/filter", filters).json()
        return found

    def request(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """A response of its API; repeated, as Prefect's own clients do, while its database is busy (503)."""
        deadline = time.monotonic() + PATIENCE
        while True:
            response = httpx.request(method, f"{self.api_url}/{path}", json=body, timeout=30)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                response.raise_for_status()
                return response
            time.sleep(0.2)

    def wait_for(self, what: str, found: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> dict[str, Any]:
        """The first of a kind that fits, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for one in self.all(what):
                if found(one):
                    return one
            time.sleep(0.1)
        raise AssertionError(f"There is none:\n{(self.home / 'server.log').read_text()[-4000:]}")

    @property
    def environment(self) -> dict[str, str]:
        """For programs that are to use it."""
        return {"PREFECT_API_URL": self.api_url, "PREFECT_HOME": str(self.home), **QUIET}


QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
}

# What no test waits for: pages, and services that look into the database again and again.
IDLE = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    **{
        f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
        for service in ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "REPOSSESSOR", "TRIGGERS")
    },
    # The scheduler looks for new deployments at once.
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One server for all tests of a module: it takes seconds to start, and is never quite idle."""
    pytest.importorskip("prefect")
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PrefectServer(f"http://127.0.0.1:{port}/api", home)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env={**environment, **server.environment, **IDLE}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: PrefectServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{server.api_url}/health", timeout=2, verify=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"Prefect did not start:\n{(server.home / 'server.log').read_text()}")
