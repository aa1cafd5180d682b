"""What must hold under load: kills, promotions, and a ledger or registry that is away."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.films import Films, make_films, serving
from tests.postgres import PostgresServer
from tests.zygote import list_workers
from tiltyard.ledger import SqlLedger
from tiltyard.registry import MlflowRegistry
from tiltyard.settings import Settings

pytestmark = pytest.mark.journey

CLIENTS = 4
MODEL = "films-classifier"
LONG = (pytest.mark.proof, pytest.mark.timeout(1800))


class Load:
    """Clients that send requests in a tight loop, or with a pause in seconds after each, on one connection each."""

    def __init__(self, address: str, pause: float = 0) -> None:
        self.predicted: list[str] = []
        self.versions: list[str] = []
        self.failures: list[str] = []
        self._address = address
        self._pause = pause
        self._done = threading.Event()
        self._clients = [threading.Thread(target=self._send_requests) for _ in range(CLIENTS)]

    def _send_requests(self) -> None:
        while not self._done.is_set():
            try:
                # No TLS here: its certificates would be read anew for every connection that was cut.
                with httpx.Client(timeout=60, verify=False) as client:
                    while not self._done.is_set():
                        self._count_response(
                            client.post(f"{self._address}/predict", json={"text": "not a bad film at all"})
                        )
                        time.sleep(self._pause)
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                time.sleep(0.05)

    def _count_response(self, response: httpx.Response) -> None:
        if response.status_code == 200:
            self.predicted.append(response.json()["prediction_id"])
            self.versions.append(response.json()["model_version"])
        else:
            self.failures.append(response.text)

    @contextmanager
    def on(self) -> Iterator[Load]:
        for client in self._clients:
            client.start()
        try:
            yield self
        finally:
            self._done.set()
            for client in self._clients:
                client.join(90)

    def wait_for_rows(self, rows: int, seconds: float = 90) -> None:
        enough, deadline = len(self.predicted) + rows, time.monotonic() + seconds
        while len(self.predicted) < enough:
            assert time.monotonic() < deadline, self.failures[-3:]
            time.sleep(0.01)


@pytest.mark.parametrize(("kills", "pause"), [(2, 0.01), pytest.param(20, 0, marks=LONG)])
def test_every_prediction_sent_survives_sigkill(films: Films, kills: int, pause: float) -> None:
    """Workers are killed under load again and again; no prediction sent is missing, and none is there twice."""
    chance = random.Random(5)
    with serving(films, "--workers", "2") as (address, process):
        supervisor, load = psutil.Process(process.pid), Load(address, pause)
        with load.on():
            for _ in range(kills):
                load.wait_for_rows(50)
                os.kill(chance.choice(list_workers(supervisor.pid)).pid, signal.SIGKILL)
            load.wait_for_rows(50)
        # The supervisor too: what it has not shipped is shipped by the command that reads next.
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    exported = films.root / "killed.jsonl"
    films.call("predictions", "export", "--to", str(exported))
    recorded = Counter(json.loads(line)["prediction_id"] for line in exported.read_text("utf-8").splitlines())
    assert set(recorded.values()) == {1}
    assert set(load.predicted) <= recorded.keys()
    assert len(load.predicted) == len(set(load.predicted)) > 50 * kills


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_hundred_promotions_fail_no_request(tmp_path: Path, fresh_store: Path) -> None:
    """While requests come in a tight loop the champion changes a hundred times, in two workers: none fails."""
    films = make_films(tmp_path / "films", store=fresh_store)
    films.call("train", "--champion")
    films.call("train", "--candidate", "tfidf-naive-bayes")
    settings = Settings.load(films.root)
    registry = MlflowRegistry(tracking_uri=settings.tracking_uri, settings=settings)
    with serving(films, "--workers", "2") as (address, _):
        load = Load(address)
        with load.on():
            for number in range(100):
                registry.set_alias(MODEL, "champion", "12"[(number + 1) % 2])
                httpx.post(f"{address}/admin/reload", timeout=60).raise_for_status()
                load.wait_for_rows(5)
    assert load.failures == []
    changes = sum(before != after for before, after in zip(load.versions, load.versions[1:], strict=False))
    assert changes >= 99


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=LONG)])
def test_database_and_registry_away_fail_no_request(
    tmp_path: Path, fresh_store: Path, postgres: PostgresServer, seconds: float
) -> None:
    """PostgreSQL and the registry stop under load: no request fails, and afterwards every prediction is there once."""
    films = make_films(tmp_path / "films", rows=300, store=fresh_store)
    films.call("train", "--champion")
    toml = films.root / "tiltyard.toml"
    toml.write_text(toml.read_text("utf-8").replace("[serving]", '[serving]\nledger = "available"'), encoding="utf-8")
    url = postgres.database()
    (films.root / ".env").write_text(f"TILTYARD_LEDGER={url}\n", encoding="utf-8")
    with serving(films, "--workers", "2") as (address, _):
        load = Load(address, 0.01 if seconds < 10 else 0)
        with load.on():
            load.wait_for_rows(50)
            _hide_registry(films, True)
            postgres.pause()
            try:
                time.sleep(seconds)
                load.wait_for_rows(50)
                state = httpx.get(f"{address}/health", timeout=60).json()
            finally:
                postgres.resume()
                _hide_registry(films, False)
            load.wait_for_rows(50)
        assert (state["ready"], state["ledger"]["lag_rows"] > 0) == (True, True)
    assert load.failures == []
    with SqlLedger.open(url) as ledger:
        recorded = Counter(row.id for row in ledger.predictions())
    assert set(recorded.values()) == {1}
    assert set(load.predicted) <= recorded.keys()


def _hide_registry(films: Films, hide: bool) -> None:
    """Make MLflow's database of the project unreadable, or bring it back."""
    database, hidden = films.root / ".tiltyard" / "mlflow.db", films.root / ".tiltyard" / "mlflow.hidden"
    if hide:
        database.rename(hidden)
        database.mkdir()
    else:
        database.rmdir()
        hidden.rename(database)


def test_a_full_disk_refuses_or_predicts_unrecorded(films: Films) -> None:
    """With no room for the ledger 'durable' responds 503, and never sends a prediction that is not recorded."""
    import resource

    limit = 40 * 1024 * 1024
    with serving(films) as (address, process):
        [worker] = list_workers(process.pid)
        ledger = films.root / ".tiltyard" / "ledger.db"
        room = max(path.stat().st_size for path in ledger.parent.glob("ledger.db*")) + 200_000
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (min(room, limit), limit))
        text = "a good film " * 2000
        responses: list[Any] = []
        for _ in range(100):
            responses.append(httpx.post(f"{address}/predict", json={"text": text}, timeout=60))
            if responses[-1].status_code != 200:
                break
        refused = responses[-1]
        assert (refused.status_code, refused.json()["code"]) == (503, "ledger.unavailable")
        assert httpx.get(f"{address}/health").json()["ledger"]["ok"] is False
        assert httpx.get(f"{address}/v2/health/ready").status_code == 503
        assert httpx.get(f"{address}/v2/health/live").status_code == 200
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (limit, limit))
        deadline = time.monotonic() + 60
        while httpx.get(f"{address}/v2/health/ready").status_code != 200:
            assert time.monotonic() < deadline, (
                "a server that is not ready gets no request, and has to find out by itself"
            )
            time.sleep(0.05)
        assert httpx.get(f"{address}/health").json()["ledger"]["ok"] is True
        assert httpx.post(f"{address}/predict", json={"text": "room again"}, timeout=60).status_code == 200
        predicted = [response.json()["prediction_id"] for response in responses[:-1]]
    exported = films.root / "full.jsonl"
    films.call("predictions", "export", "--to", str(exported))
    ids = [json.loads(line)["prediction_id"] for line in exported.read_text("utf-8").splitlines()]
    assert set(predicted) <= set(ids)
    assert len(ids) == len(set(ids))
