"""A server whose state folder is cleared while it runs."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from tests.films import Films, serving
from tests.journeys.test_workers import until
from tests.zygote import list_workers

pytestmark = pytest.mark.journey


def test_workers_that_start_after_the_state_folder_was_cleared_are_closed(films: Films, tmp_path: Path) -> None:
    """Where the whole folder is gone and all workers are new before any request, a server that had keys is not open."""
    films.call("keys", "api", "new", "--scope", "predict")
    with serving(films, "--workers", "2") as (address, process):
        supervisor = psutil.Process(process.pid)
        before = {worker.pid for worker in list_workers(supervisor.pid)}
        (films.root / ".tiltyard").rename(tmp_path / "gone")
        shutil.rmtree(tmp_path / "gone")
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        statuses: set[tuple[int, str]] = set()

        def responds() -> bool:
            try:
                response = httpx.post(f"{address}/predict", json={"text": "a good film"}, timeout=60)
            except httpx.TransportError:
                return False
            statuses.add((response.status_code, response.json()["code"]))
            return True

        until(lambda: len({worker.pid for worker in list_workers(supervisor.pid)} - before) == 2)
        until(responds)
        for _ in range(10):
            responds()
        assert statuses == {(503, "api-key.lost")}
