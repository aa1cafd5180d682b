"""One command brings all of it up, keeps it up, and ends it in order."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.films import PROJECT, Films, environment, make_films

pytestmark = pytest.mark.journey

PATIENCE = 90

# A project's own module, by which the model fails on some inputs as one with a bug would.
FAILING = """
from tiltyard.scoring.sklearn_scorer import SklearnScorer
from tiltyard.scoring.text.text_scorer import TextScorer

def register(registry):
    for kind in (SklearnScorer, TextScorer):
        def score(self, inputs, scored=kind.score):
            if "This fails." in str(list(inputs)):
                raise RuntimeError("a bug")
            return scored(self, inputs)
        kind.score = score
"""


class Up:
    """A running ``tiltyard up --json`` and what it said."""

    def __init__(self, films: Films, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tiltyard", "up", "--json", *words],
            cwd=films.root,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """The next line that says so."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                told = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"nothing said {wanted}; the last lines: {self.told[-10:]}") from None
            self.told.append(told)
            if all(told.get(name) == value for name, value in wanted.items()):
                return told

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(json.loads(line))


@contextmanager
def up(films: Films, *words: str) -> Iterator[Up]:
    running = Up(films, *words)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=60)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, whose loop looks every second."""
    made = make_films(
        tmp_path_factory.mktemp("films"),
        rows=300,
        store=fresh_store,
        project=PROJECT + "hang_seconds = 8\n[monitoring]\nevery_minutes = 0.02\n",
    )
    made.call("train", "--champion")
    return made


def test_up_serves_looks_heals_and_ends(films: Films) -> None:
    """Server, console and loop come up; a killed server is back on its port; the end leaves no process behind."""
    with up(films, "--port", "0", "--console-port", "0") as running:
        parts = {told["part"]: told for told in (running.wait_for(event="listening") for _ in range(2))}
        assert set(parts) == {"server", "console"}
        url = parts["server"]["url"]
        assert _ask(url)["prediction_id"]
        assert running.wait_for(event="pass")["version"] == "1"
        os.kill(parts["server"]["pid"], signal.SIGKILL)
        died = running.wait_for(event="died")
        assert (died["part"], died["code"]) == ("server", -9)
        again = running.wait_for(event="listening", part="server")
        assert again["url"] == url
        assert _ask(url)["prediction_id"]
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert len(children) >= 3
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_for(event="ended")
        assert running.process.wait(timeout=60) == 0
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    told: Any = films.call_json("history")
    assert "The server died (signal 9)" in next(event["reason"] for event in told if event["kind"] == "part-died")


def test_several_workers_answer_and_a_server_that_hangs_is_replaced(films: Films) -> None:
    """Two workers answer; when the process that keeps them is stopped it is replaced, told and an alert; all end."""
    with up(films, "--port", "0", "--no-console", "--workers", "2") as running:
        server = running.wait_for(event="listening", part="server")
        workers = psutil.Process(server["pid"]).children()
        assert len(workers) == 2
        answering: set[str] = set()
        deadline = time.monotonic() + PATIENCE
        while len(answering) < 2:
            assert time.monotonic() < deadline
            assert _ask(server["url"])["prediction_id"]
            with urlopen(f"{server['url']}/metrics", timeout=30) as metrics:
                lines = metrics.read().decode().splitlines()
            counted = [line for line in lines if line.startswith("tiltyard_requests_total") and '"/predict"' in line]
            answering = {worker for worker in ("0", "1") for line in counted if f'worker="{worker}"' in line}
        time.sleep(4)  # its heart was seen to beat
        os.kill(server["pid"], signal.SIGSTOP)
        hung = running.wait_for(event="hung")
        assert (hung["part"], hung["pid"]) == ("server", server["pid"])
        again = running.wait_for(event="listening", part="server")
        assert again["url"] == server["url"]
        assert _ask(again["url"])["prediction_id"]
        assert not [worker for worker in workers if worker.is_running() and worker.status() != "zombie"]
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert len(children) == 4  # the server, its workers, the loop
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_for(event="ended")
        assert running.process.wait(timeout=60) == 0
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    told: Any = films.call_json("history")
    assert "hung (its heartbeat stopped)" in next(event["reason"] for event in told if event["kind"] == "part-hung")
    alerts: Any = json.loads(films.call("alerts", "--json", check=False).stdout)
    assert "A program had to be started again" in str(alerts)


def test_with_api_keys_a_champion_that_fails_is_rolled_back(films: Films) -> None:
    """Where callers need keys the loop still reads what failed: a new champion whose requests fail goes back."""
    (films.root / "spoilt.py").write_text(FAILING, encoding="utf-8")
    settings = films.root / "tiltyard.toml"
    before = settings.read_text(encoding="utf-8")
    settings.write_text(before.replace("hang_", 'metrics = ["spoilt:register"]\nhang_'), encoding="utf-8")
    made: Any = films.call_json("keys", "api", "new", "--scope", "predict", "--name", "shop")
    films.call("train", "--candidate", "tfidf-naive-bayes")
    films.call("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    try:
        with up(films, "--port", "0", "--no-console") as running:
            url = running.wait_for(event="listening", part="server")["url"]
            with pytest.raises(HTTPError, match="401"):
                urlopen(f"{url}/metrics", timeout=30)
            assert _ask(url, key=made["key"])["model_version"] == "2"
            running.wait_for(event="pass")
            running.wait_for(event="pass")  # from here on it counts
            for _ in range(40):
                with pytest.raises(HTTPError, match="500"):
                    _ask(url, "This fails.", key=made["key"])
            deadline = time.monotonic() + PATIENCE
            actions: list[Any] = []
            while not actions:
                assert time.monotonic() < deadline
                actions = running.wait_for(event="pass")["response"]["actions"]
            assert [action["kind"] for action in actions] == ["roll-back"]
            assert "40 failed" in actions[0]["reason"]
            served = "2"
            while served != "1":
                assert time.monotonic() < deadline
                served = _ask(url, key=made["key"])["model_version"]
    finally:
        (films.root / ".tiltyard" / "api-keys.json").unlink()
        settings.write_text(before, encoding="utf-8")


def test_a_port_in_use_is_told_before_anything_starts(films: Films) -> None:
    """A port that somebody listens on is named with what to do, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = films.run("up", "--port", str(port), "--json", check=False)
    assert refused.returncode == 1
    error = json.loads(refused.stdout)["error"]
    assert error["code"] == "port.taken"
    assert "--port" in error["next_step"]


def _ask(url: str, text: str = "Fine.", key: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    request = Request(f"{url}/predict", json.dumps({"text": text}).encode(), headers)
    with urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
