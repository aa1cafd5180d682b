"""One command starts server, console and loop, keeps them running, and ends them in order."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests import fork_server
from tests.films import PROJECT, Films, environment, make_films
from tests.zygote import list_children, list_workers

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
    """A running ``tiltyard up --json`` and its output."""

    def __init__(self, films: Films, *options: str) -> None:
        # Its folder of heartbeat files is made here.
        self.temporary = Path(tempfile.mkdtemp(dir=films.root))
        self.process = fork_server.popen(
            [sys.executable, "-m", "tiltyard", "up", "--json", *options],
            cwd=films.root,
            env=environment() | {"TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.lines: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """The next line with these fields."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line with {wanted}; the last lines: {self.lines[-10:]}") from None
            self.lines.append(line)
            if all(line.get(name) == value for name, value in wanted.items()):
                return line

    def wait_for_heartbeats(self, name: str, times: int) -> None:
        """Wait until a program has touched its heartbeat file so often; it does that once a second."""
        deadline, seen = time.monotonic() + PATIENCE, set[int]()
        while len(seen) < times:
            assert time.monotonic() < deadline
            seen.update(file.stat().st_mtime_ns for file in self.temporary.glob(f"tiltyard-up-*/{name}"))
            time.sleep(0.1)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(json.loads(line))


@contextmanager
def up(films: Films, *options: str) -> Iterator[Up]:
    running = Up(films, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=60)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, whose loop runs every second."""
    made = make_films(
        tmp_path_factory.mktemp("films"),
        rows=300,
        store=fresh_store,
        project=PROJECT + "hang_seconds = 8\n[monitoring]\nevery_minutes = 0.02\n",
    )
    made.call("train", "--champion")
    return made


@pytest.mark.requirement("R-MON-07", "R-MON-20")
def test_up_starts_all_restarts_what_dies_and_ends_in_order(films: Films) -> None:
    """Server, console and loop start; a killed server is back on its port; the end leaves no process behind."""
    with up(films, "--port", "0", "--console-port", "0") as running:
        parts = {line["part"]: line for line in (running.wait_for(event="listening") for _ in range(2))}
        assert set(parts) == {"server", "console"}
        url = parts["server"]["url"]
        assert _predict(url)["prediction_id"]
        assert running.wait_for(event="pass")["version"] == "1"
        os.kill(parts["server"]["pid"], signal.SIGKILL)
        died = running.wait_for(event="died")
        assert (died["part"], died["code"]) == ("server", -9)
        again = running.wait_for(event="listening", part="server")
        assert again["url"] == url
        assert _predict(url)["prediction_id"]
        children = list_children(running.process.pid, recursive=True)
        assert len(children) >= 3
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_for(event="ended")
        assert running.process.wait(timeout=60) == 0
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    history: Any = films.call_json("history")
    assert "The server died (signal 9)" in next(event["reason"] for event in history if event["kind"] == "part-died")


@pytest.mark.requirement("R-MON-20")
def test_a_server_that_hangs_is_replaced_with_its_workers(films: Films) -> None:
    """Two workers respond; when their supervisor is stopped it is replaced, recorded and an alert; all end."""
    with up(films, "--port", "0", "--no-console", "--workers", "2") as running:
        server = running.wait_for(event="listening", part="server")
        workers = list_workers(server["pid"])
        assert len(workers) == 2
        responding: set[str] = set()
        deadline = time.monotonic() + PATIENCE
        while len(responding) < 2:
            assert time.monotonic() < deadline
            assert _predict(server["url"])["prediction_id"]
            with urlopen(f"{server['url']}/metrics", timeout=30) as metrics:
                lines = metrics.read().decode().splitlines()
            counted = [line for line in lines if line.startswith("tiltyard_requests_total") and '"/predict"' in line]
            responding = {worker for worker in ("0", "1") for line in counted if f'worker="{worker}"' in line}
            time.sleep(0.02)
        running.wait_for_heartbeats("server", 6)  # more than the health check needs to see it alive
        os.kill(server["pid"], signal.SIGSTOP)
        hung = running.wait_for(event="hung")
        assert (hung["part"], hung["pid"]) == ("server", server["pid"])
        again = running.wait_for(event="listening", part="server")
        assert again["url"] == server["url"]
        assert _predict(again["url"])["prediction_id"]
        assert not [worker for worker in workers if worker.is_running() and worker.status() != "zombie"]
        children = list_children(running.process.pid, recursive=True)
        assert len(children) >= 4  # the server, its workers, the loop; for a while also what calls the registry
        running.process.send_signal(signal.SIGTERM)
        assert running.wait_for(event="ended")
        assert running.process.wait(timeout=60) == 0
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    history: Any = films.call_json("history")
    assert "hung (its heartbeat stopped)" in next(event["reason"] for event in history if event["kind"] == "part-hung")
    alerts: Any = json.loads(films.call("alerts", "--json", check=False).stdout)
    assert "A program had to be started again" in str(alerts)


@pytest.mark.requirement("R-MON-21")
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
            assert _predict(url, key=made["key"])["model_version"] == "2"
            for number in range(60):
                with pytest.raises(HTTPError, match="500"):
                    _predict(url, f"This fails. {number}", key=made["key"])
            deadline = time.monotonic() + PATIENCE
            actions: list[Any] = []
            while not actions:
                assert time.monotonic() < deadline
                actions = running.wait_for(event="pass")["response"]["actions"]
            assert [action["kind"] for action in actions] == ["roll-back"]
            # How many had failed when the loop looked depends on the machine.
            assert "requests since version 2 is champion" in actions[0]["reason"]
            served = "2"
            while served != "1":
                assert time.monotonic() < deadline
                served = _predict(url, key=made["key"])["model_version"]
                time.sleep(0.05)
    finally:
        (films.root / ".tiltyard" / "api-keys.json").unlink()
        settings.write_text(before, encoding="utf-8")


def test_a_port_in_use_is_an_error_before_anything_starts(films: Films) -> None:
    """A port that another program listens on is named with the next step, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = films.run("up", "--port", str(port), "--json", check=False)
    assert refused.returncode == 1
    error = json.loads(refused.stdout)["error"]
    assert error["code"] == "port.taken"
    assert "--port" in error["next_step"]


def _predict(url: str, text: str = "Fine.", key: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    request = Request(f"{url}/predict", json.dumps({"text": text}).encode(), headers)
    with urlopen(request, timeout=30) as response:
        return json.loads(response.read())
