"""Several workers on one port, each with its own spool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import fork_server
from tests.films import Films, environment, make_films, serving
from tests.zygote import list_children, list_workers
from tiltyard.serving.process.worker_handle import STOP_SECONDS

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def two(films: Films) -> Iterator[tuple[str, psutil.Process]]:
    """A server with two workers: its address and their supervisor."""
    with serving(films, "--workers", "2") as (address, process):
        yield address, psutil.Process(process.pid)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def predict(address: str, text: str = "a good film") -> dict[str, Any]:
    """Predict on a new connection, so that either worker may take it."""
    response = httpx.post(f"{address}/predict", json={"text": text}, timeout=60, verify=False)
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    return content


def predict_until(address: str, seen: Callable[[], bool]) -> None:
    until(lambda: (predict(address), seen())[1])


def test_both_workers_respond_and_their_spools_are_shipped(films: Films, two: tuple[str, psutil.Process]) -> None:
    """Both workers respond on one port; what they record reaches the ledger, and /health shows when it has."""
    address, _ = two
    predicted = {predict(address)["prediction_id"] for _ in range(30)}
    until(lambda: httpx.get(f"{address}/health", verify=False).json()["ledger"]["lag_rows"] == 0)
    exported = films.root / "both.jsonl"
    films.call("predictions", "export", "--to", str(exported))
    assert all(id_ in exported.read_text("utf-8") for id_ in predicted)
    assert {path.name for path in (films.root / ".tiltyard" / "spool").glob("*.db")} == {"0.db", "1.db"}


def test_metrics_are_those_of_all_workers(two: tuple[str, psutil.Process]) -> None:
    """/metrics of either worker counts the requests of all."""
    address, _ = two

    def count_predictions() -> dict[str, float]:
        families = text_string_to_metric_families(httpx.get(f"{address}/metrics", verify=False).text)
        samples = [sample for family in families for sample in family.samples]
        return {
            sample.labels["worker"]: sample.value
            for sample in samples
            if sample.name == "tiltyard_requests_total" and sample.labels["route"] == "/predict"
        }

    predict_until(address, lambda: set(count_predictions()) == {"0", "1"})
    before = sum(count_predictions().values())
    for _ in range(20):
        predict(address)
    until(lambda: sum(count_predictions().values()) >= before + 20)


@pytest.mark.requirement("R-MON-20")
def test_a_worker_that_dies_is_started_again(two: tuple[str, psutil.Process]) -> None:
    """A killed worker is replaced, and the other responds meanwhile."""
    address, supervisor = two
    before = {child.pid for child in list_workers(supervisor.pid)}
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len({child.pid for child in list_workers(supervisor.pid)} - before) == 1)
    for _ in range(5):
        predict(address)


def test_a_worker_that_hangs_is_replaced(films: Films) -> None:
    """A stopped worker responds to nobody and cannot end by itself: it is killed and replaced, and that is an event."""
    settings = films.root / "tiltyard.toml"
    before = settings.read_text(encoding="utf-8")
    settings.write_text(before + "hang_seconds = 6\n", encoding="utf-8")
    try:
        with serving(films, "--workers", "2") as (address, process):
            supervisor = psutil.Process(process.pid)
            first = {child.pid for child in list_workers(supervisor.pid)}
            os.kill(min(first), signal.SIGSTOP)
            until(lambda: min(first) not in {child.pid for child in list_workers(supervisor.pid)})
            until(lambda: len(list_workers(supervisor.pid)) == 2)
            assert max(first) in {child.pid for child in list_workers(supervisor.pid)}
            for _ in range(5):
                predict(address)
            until(lambda: "worker-hung" in films.call("history", "--json").stdout)
    finally:
        settings.write_text(before, encoding="utf-8")


def test_all_workers_take_over(films: Films, two: tuple[str, psutil.Process]) -> None:
    """A new champion that one worker finds is served by all of them; /admin/reload returns when it is."""
    address, _ = two
    films.call("train", "--candidate", "tfidf-naive-bayes")
    films.call("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    httpx.post(f"{address}/admin/reload", timeout=60)
    assert {predict(address)["model_version"] for _ in range(20)} == {"2"}


def test_workers_end_with_their_supervisor(films: Films, two: tuple[str, psutil.Process]) -> None:
    """When the supervisor is killed its workers end too, and the next command sees what they had not shipped."""
    address, supervisor = two  # this law is the last one about the two
    workers, children = list_workers(supervisor.pid), list_children(supervisor.pid)
    predicted = predict(address, "the last words")["prediction_id"]
    supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert len(workers) == 2
    assert alive == []
    exported = films.root / "last.jsonl"
    films.call("predictions", "export", "--to", str(exported))
    assert predicted in exported.read_text("utf-8")


SLOW = """
import time
from pathlib import Path
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

class Slow(LogisticRegression):
    def predict_proba(self, rows):
        while Path(__file__).with_name("asleep").exists():
            Path(__file__).with_name("waits").touch()
            time.sleep(0.1)
        return super().predict_proba(rows)

def make():
    return make_pipeline(TfidfVectorizer(), Slow())
"""


def test_a_server_that_is_still_starting_ends_at_once(tmp_path: Path, fresh_store: Path) -> None:
    """A worker that is held up while it loads its version has accepted nothing, and the server does not wait for it."""
    films = make_films(tmp_path / "slow", store=fresh_store)
    (films.root / "slow_films.py").write_text(SLOW, encoding="utf-8")
    (films.root / ".env").write_text("TILTYARD_TRUSTED_TYPES='[\"slow_films.Slow\"]'\n", encoding="utf-8")
    films.run("train", "--champion", "--candidate", "slow_films:make")
    (films.root / "asleep").touch()
    command = [sys.executable, "-m", "tiltyard", "serve", "--json"]
    with fork_server.popen(command, cwd=films.root, env=environment(), stdout=subprocess.PIPE) as process:
        until((films.root / "waits").exists)
        (worker,) = list_workers(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_SECONDS - 5)  # it would wait so long for a worker that took requests
        assert not worker.is_running()


def test_a_worker_that_cannot_work_says_why(films: Films, tmp_path: Path) -> None:
    """The reason why a worker cannot work is the error of the command, with a next step."""
    (films.root / ".env").write_text(f"TILTYARD_API_KEYS={tmp_path}\n", encoding="utf-8")
    try:
        done = films.run("serve", check=False)
    finally:
        (films.root / ".env").unlink()
    assert done.returncode == 2
    assert "file of API keys" in done.stderr
    assert "next:" in done.stderr
