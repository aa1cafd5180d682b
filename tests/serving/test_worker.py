"""A worker process, kept by the test."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from tests.films import environment
from tests.serving import hanging_model
from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry, package
from tests.serving.hanging_model import HangingClassifier
from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.ledger import SqlLedger
from tiltyard.project import ServingSection
from tiltyard.serving.process.ipc import IpcChannel
from tiltyard.serving.process.liveness import LivenessProbe
from tiltyard.serving.process.wire import VERSION
from tiltyard.serving.process.worker_config import WorkerConfig

# What only training, MLflow, pages and orchestration need.
NOT_FOR_SERVING = ("mlflow", "dash", "plotly", "matplotlib", "optuna", "prefect", "river", "alembic")
OURS_NOT_FOR_SERVING = (
    "tiltyard.pipeline",
    "tiltyard.monitoring",
    "tiltyard.console",
    "tiltyard.app_wiring",
    "tiltyard.wiring.registry",
)


class Kept:
    """A worker process, with the test at the other end of its line."""

    def __init__(self, root: Path, registry: FakeRegistry, trusted: Sequence[str] = TRUSTED) -> None:
        ours, theirs = socket.socketpair()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        order = WorkerConfig(
            root=root,
            model=MODEL,
            alias="champion",
            task="text-classification",
            options=ServingSection(port=0, reload_seconds=3600),
            slot=0,
            workers=1,
            listener=listener.fileno(),
            ledger="direct",
        )
        environ = environment() | {"TILTYARD_TRUSTED_TYPES": json.dumps(list(trusted))}
        with theirs, listener:
            command = [sys.executable, "-m", "tiltyard.serving.process.worker", str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno(), listener.fileno()], env=environ)
        self.listening = threading.Event()
        handlers: dict[str, Any] = {
            "get_version": lambda **what: VERSION.dump_python(registry.get_version(**what), mode="json"),
            "fetch": lambda info, cache: str(registry.fetch(VERSION.validate_python(info), Path(cache))),
            "listening": lambda **_where: self.listening.set(),
            "spread": lambda: None,
        }
        self.line = IpcChannel(ours, handlers)
        ours.sendall(order.model_dump_json().encode() + b"\n")
        self.line.start()
        assert self.listening.wait(60)

    def end(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def kept(tmp_path: Path, registry: FakeRegistry, text_package: Path) -> Iterator[Kept]:
    registry.point_alias("champion", registry.add(text_package))
    with SqlLedger.open(f"sqlite:///{tmp_path / '.tiltyard' / 'ledger.db'}"):
        worker = Kept(tmp_path, registry)
    yield worker
    worker.end()


def test_worker_answers_and_ends_with_its_keeper(kept: Kept, registry: FakeRegistry, other_text_package: Path) -> None:
    """A worker answers with what its keeper fetches, imports no MLflow and no training, and ends when alone."""
    with httpx.Client(base_url=kept.url, timeout=30) as client:
        assert client.post("/predict", json={"text": "a warm film"}).json()["model_version"] == "1"
        registry.point_alias("champion", registry.add(other_text_package))
        assert kept.line.ask("refresh", seconds=30) is True
        assert client.post("/predict", json={"text": "a warm film"}).json()["model_version"] == "2"
        client.get("/health")
        client.post("/predict/batch", json={"texts": ["a"]})
        client.get("/openapi.json")
    modules = kept.line.ask("modules", seconds=30)
    heavy = {name for name in modules if name.partition(".")[0] in NOT_FOR_SERVING}
    ours = {name for name in modules if name.startswith(OURS_NOT_FOR_SERVING)}
    assert (heavy, ours) == (set(), set())
    kept.line.close()
    assert kept.process.wait(30) == 0


def test_a_model_that_does_not_come_back_is_seen(tmp_path: Path, registry: FakeRegistry) -> None:
    """The worker's loop is well, and says so; that its model sleeps in a call is told by the seconds of the call."""
    texts = pd.Series(["a warm film", "a cold film"])
    hanging = make_pipeline(HangingClassifier()).fit(texts, ["good", "bad"])
    trusted = (*TRUSTED, hanging_model.TYPE)
    registry.point_alias(
        "champion", registry.add(package(tmp_path / "hanging", hanging, "text-classification", texts, trusted))
    )
    with SqlLedger.open(f"sqlite:///{tmp_path / '.tiltyard' / 'ledger.db'}"):
        worker = Kept(tmp_path, registry, trusted)
    patient, strict = LivenessProbe(worker.line, 600), LivenessProbe(worker.line, 1.5)
    try:
        for pinger in (patient, strict):
            pinger.start()
        with httpx.Client(base_url=worker.url, timeout=30) as client:
            assert client.post("/predict", json={"text": "a warm film"}).status_code == 200
            assert worker.line.ask("ping", seconds=30) == 0.0
            with pytest.raises(httpx.ReadTimeout):
                client.post("/predict", json={"text": hanging_model.TRIGGER}, timeout=0.5)
            deadline = time.monotonic() + 30
            while not strict.missing:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert worker.line.ask("ping", seconds=30) > 1.0
        assert strict.missing.startswith("its model has not come back from a call for ")
        assert patient.missing == ""
    finally:
        for pinger in (patient, strict):
            pinger.stop()
        worker.end()


def test_a_keeper_brings_nothing_that_learns() -> None:
    """Looking aliases up needs MLflow's client, and neither scikit-learn nor numba, which would stay in memory."""
    told = (
        "import sys, tiltyard.registry.mlflow_backend.model_registry, mlflow.tracking; "
        "print({'sklearn', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_the_line_carries_answers_and_errors_both_ways() -> None:
    """Questions are answered whoever asks, errors keep their kind, and a line that is cut says so to all who wait."""
    left, right = socket.socketpair()
    waiting = threading.Event()
    ended = threading.Event()

    def never() -> None:
        waiting.set()
        threading.Event().wait(20)

    def missing() -> None:
        raise NotFoundError("There is none.", next_step="Make one.", code="none")

    one = IpcChannel(left, {"double": lambda number: 2 * number})
    other = IpcChannel(right, {"missing": missing, "never": never, "broken": lambda: 1 / 0}, ended.set)
    one.start()
    other.start()
    assert other.ask("double", seconds=5, number=21) == 42
    with pytest.raises(NotFoundError, match=r"There is none\.") as caught:
        one.ask("missing", seconds=5)
    assert (caught.value.next_step, caught.value.code) == ("Make one.", "none")
    with pytest.raises(UnavailableError, match="ZeroDivisionError"):
        one.ask("broken", seconds=5)
    with pytest.raises(UnavailableError, match="did not answer"):
        one.ask("never", seconds=0.05)
    waiting.clear()

    def hang_up() -> None:
        waiting.wait(5)
        other.close()

    cut = threading.Thread(target=hang_up)
    cut.start()
    with pytest.raises(UnavailableError, match="is gone"):
        one.ask("never", seconds=20)
    assert ended.wait(5)
    cut.join()
    with pytest.raises(UnavailableError, match="is gone"):
        one.ask("missing", seconds=5)
    one.close()
