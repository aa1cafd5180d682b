"""A worker process, supervised by the test."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from tests import fork_server
from tests.films import environment
from tests.serving import hanging_model
from tests.serving.fake_registry import MODEL, TRUSTED, FakeRegistry, package
from tests.serving.hanging_model import HangingClassifier
from tiltyard.ledger import SqlLedger
from tiltyard.processes.health_checks import Watchdog
from tiltyard.processes.ipc import IpcChannel
from tiltyard.processes.model_calls import ModelCalls, open_shared_memory
from tiltyard.project import ServingSection
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.registry.package.manifest import digest as digest_of
from tiltyard.serving.process.liveness import LivenessProbe
from tiltyard.serving.process.registry_process import RegistryCalls
from tiltyard.serving.process.remote_registry import VERSION_INFO
from tiltyard.serving.process.worker_config import WorkerConfig
from tiltyard.serving.process.worker_handle import STARTING_STOP_SECONDS, STOP_SECONDS, WorkerHandle
from tiltyard.settings import Settings

# What only training, MLflow, pages and orchestration need, and the libraries of models.
NOT_FOR_SERVING = (
    *("mlflow", "dash", "plotly", "matplotlib", "optuna", "prefect", "river", "alembic"),
    *("sklearn", "skops", "pandas", "pyarrow", "joblib", "narwhals"),
    # Elsewhere compiled kernels are loaded by numba.
    *(("numba", "llvmlite") if sys.platform == "linux" and platform.machine() == "x86_64" else ()),
)
OURS_NOT_FOR_SERVING = (
    "tiltyard.pipeline",
    "tiltyard.monitoring",
    "tiltyard.console",
    "tiltyard.app_wiring",
    "tiltyard.wiring.registry",
)


class RunningWorker:
    """A worker process, with the test at the other end of its channel."""

    def __init__(
        self, root: Path, registry: FakeRegistry, trusted: Sequence[str] = TRUSTED, *, fresh: bool = False
    ) -> None:
        self._root, self._trusted = root, tuple(trusted)
        ours, theirs = socket.socketpair()
        listener, memory = socket.create_server(("127.0.0.1", 0)), open_shared_memory()
        self.calls = ModelCalls.attach(memory)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = WorkerConfig(
            root=root,
            model_name=MODEL,
            alias="champion",
            task="text-classification",
            options=ServingSection(port=0, reload_seconds=3600),
            number=0,
            workers=1,
            listener=listener.fileno(),
            ledger="direct",
            calls=memory,
        )
        environ = environment() | {"TILTYARD_TRUSTED_TYPES": json.dumps(list(trusted))}
        with theirs, listener:
            command = [sys.executable, "-m", "tiltyard.serving.process.worker", str(theirs.fileno())]
            passed = [theirs.fileno(), listener.fileno(), memory]
            self.process = fork_server.popen(command, pass_fds=passed, env=environ, fresh=fresh)
        os.close(memory)
        self.listening = threading.Event()
        handlers: dict[str, Any] = {
            "get_version": lambda **what: VERSION_INFO.dump_python(registry.get_version(**what), mode="json"),
            "compile_version": self._compile_version,
            "fetch": lambda info, cache: str(registry.fetch(VERSION_INFO.validate_python(info), Path(cache))),
            "report_listening": lambda **_where: self.listening.set(),
            "refresh_others": lambda: None,
        }
        self.channel = IpcChannel(ours, handlers)
        ours.sendall(config.model_dump_json().encode() + b"\n")
        self.channel.start()
        assert self.listening.wait(180)

    def _compile_version(self, info: dict[str, Any], folder: str, digest: str) -> Any:
        assert digest == digest_of(Path(folder) / MANIFEST)
        settings = Settings.load(self._root).model_copy(update={"trusted_types": self._trusted})
        return RegistryCalls(settings).compile_version(info, folder, str(self._root / f"compiled-{info['version']}"))

    def end(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def worker(tmp_path: Path, registry: FakeRegistry, text_package: Path) -> Iterator[RunningWorker]:
    registry.point_alias("champion", registry.add(text_package))
    with SqlLedger.open(f"sqlite:///{tmp_path / '.tiltyard' / 'ledger.db'}"):
        running = RunningWorker(tmp_path, registry, fresh=True)  # what it imports is looked at
    yield running
    running.end()


def test_a_worker_serves_what_its_supervisor_fetches_and_ends_with_it(
    worker: RunningWorker, registry: FakeRegistry, other_text_package: Path
) -> None:
    """A worker predicts with what its supervisor fetches, imports no library of models, and ends when it is alone."""
    with httpx.Client(base_url=worker.url, timeout=30) as client:
        assert client.post("/predict", json={"text": "a warm film"}).json()["model_version"] == "1"
        registry.point_alias("champion", registry.add(other_text_package))
        assert worker.channel.call("refresh", seconds=30) is True
        assert client.post("/predict", json={"text": "a warm film"}).json()["model_version"] == "2"
        client.get("/health")
        assert client.post("/predict/batch", json={"texts": ["a"]}).status_code == 200
        assert client.post("/explain", json={"text": "a warm film"}).status_code == 200
        client.get("/openapi.json")
    modules = worker.channel.call("modules", seconds=30)
    heavy = {name for name in modules if name.partition(".")[0] in NOT_FOR_SERVING}
    ours = {name for name in modules if name.startswith(OURS_NOT_FOR_SERVING)}
    assert (heavy, ours) == (set(), set())
    worker.channel.close()
    assert worker.process.wait(30) == 0


@pytest.fixture
def hanging_worker(tmp_path: Path, registry: FakeRegistry) -> Iterator[RunningWorker]:
    """A worker whose model hangs on some inputs."""
    texts = pd.Series(["a warm film", "a cold film"])
    hanging = make_pipeline(HangingClassifier()).fit(texts, ["good", "bad"])
    trusted = (*TRUSTED, hanging_model.TYPE)
    registry.point_alias(
        "champion", registry.add(package(tmp_path / "hanging", hanging, "text-classification", texts, trusted))
    )
    with SqlLedger.open(f"sqlite:///{tmp_path / '.tiltyard' / 'ledger.db'}"):
        running = RunningWorker(tmp_path, registry, trusted)
    yield running
    running.end()


def hang(worker: RunningWorker, text: str) -> None:
    """Request what the model does not return from, and wait until the request has reached it."""

    def post() -> None:
        with suppress(httpx.HTTPError):  # the worker is killed in the end
            httpx.post(f"{worker.url}/predict", json={"text": text}, timeout=600)

    threading.Thread(target=post, daemon=True).start()
    deadline = time.monotonic() + 60
    while not worker.calls.under_way():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_model_that_holds_the_interpreter_is_seen(hanging_worker: RunningWorker) -> None:
    """The worker responds to nothing any more; in which version's call it hangs is known from shared memory."""
    worker, hung = hanging_worker, threading.Event()
    probe = LivenessProbe(worker.channel, 0.6, lambda: True, worker.calls)
    watchdog = Watchdog(probe.health_checks(), lambda _failure: hung.set())
    with httpx.Client(base_url=worker.url, timeout=30) as client:
        assert client.post("/predict", json={"text": "a warm film"}).status_code == 200
        assert worker.channel.call("ping", seconds=30) == 0.0
        assert worker.calls.under_way() == {}
    hang(worker, hanging_model.HOLD)
    watchdog.start()
    assert hung.wait(60)
    watchdog.stop()
    assert probe.hung_call == ("1", 1)


def test_a_model_that_does_not_return_is_seen(hanging_worker: RunningWorker) -> None:
    """The worker's event loop responds; that its model sleeps in a call is seen by its seconds, with its version."""
    worker = hanging_worker
    failures: dict[str, list[str]] = {"patient": [], "strict": []}
    hung = threading.Event()

    def report(failure: str) -> None:
        failures["strict"].append(failure)
        hung.set()

    slow = LivenessProbe(worker.channel, 600, lambda: True, worker.calls)
    patient = Watchdog(slow.health_checks(), failures["patient"].append)
    # Seconds in which the event loop responds on any machine; only the model is silent for so long.
    probe = LivenessProbe(worker.channel, 5.0, lambda: True, worker.calls)
    strict = Watchdog(probe.health_checks(), report)
    try:
        with httpx.Client(base_url=worker.url, timeout=30) as client:
            assert client.post("/predict", json={"text": "a warm film"}).status_code == 200
            assert worker.channel.call("ping", seconds=30) == 0.0
        hang(worker, hanging_model.TRIGGER)
        for watchdog in (patient, strict):
            watchdog.start()
        assert hung.wait(60)
        assert worker.channel.call("ping", seconds=30) > 1.0
        assert failures == {"patient": [], "strict": ["its model did not return from a call for 5 seconds"]}
        assert probe.hung_call == ("1", 1)
    finally:
        for watchdog in (patient, strict):
            watchdog.stop()


def test_a_worker_is_pinged_once_it_listens() -> None:
    """A worker that still loads its model may be silent; one that listens and is silent hangs."""
    ours, theirs = socket.socketpair()
    channel, listening = IpcChannel(ours, {}), threading.Event()
    channel.start()
    with theirs:
        listens, responds, returns = LivenessProbe(channel, 0.1, listening.is_set, ModelCalls()).health_checks()
        assert (listens.probe(), responds.probe(), returns.probe()) == (False, True, True)
        listening.set()
        assert (listens.probe(), responds.probe(), returns.probe()) == (True, False, True)
        channel.close()


def test_a_worker_that_hangs_as_soon_as_it_listens_is_found() -> None:
    """A worker that listened before its first ping and never responds hangs like one that responded for days."""
    ours, theirs = socket.socketpair()
    channel, failures, hung = IpcChannel(ours, {}), list[str](), threading.Event()

    def report(failure: str) -> None:
        failures.append(failure)
        hung.set()

    channel.start()
    watchdog = Watchdog(LivenessProbe(channel, 0.1, lambda: True, ModelCalls()).health_checks(), report)
    with theirs:
        watchdog.start()
        assert hung.wait(60)
        watchdog.stop()
        channel.close()
    assert failures == ["it did not respond for 0.1 seconds"]


def test_the_supervisor_imports_nothing_that_learns() -> None:
    """Looking aliases up needs MLflow's client, and neither scikit-learn nor numba, which would stay in memory."""
    code = (
        "import sys, tiltyard.registry.mlflow_backend.mlflow_registry, mlflow.tracking; "
        "print({'sklearn', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_the_supervisor_starts_workers_before_it_imports_anything_heavy(tmp_path: Path) -> None:
    """What `tiltyard serve` imports, and needs for its project and metrics, is neither a table nor a model library."""
    (tmp_path / "tiltyard.toml").write_text(
        '[project]\nname = "films"\ntask = "text-classification"\n[data]\nsource = "a.csv"\ntext = "text"\n',
        encoding="utf-8",
    )
    code = (
        "import sys, pathlib, tiltyard.cli.predictions.serve; "
        "from tiltyard.cli.versions.find_project import find_project; from tiltyard.settings import Settings; "
        "project = find_project(pathlib.Path(sys.argv[1])); Settings.load(project.root); "
        "from tiltyard.serving.telemetry import Metrics; list(Metrics().collect()); "
        "print({'sklearn', 'numba', 'pandas', 'pyarrow', 'scipy', 'mlflow', 'sqlalchemy', 'httpx'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_a_worker_is_given_time_to_end_once_it_listens(tmp_path: Path) -> None:
    """A worker that takes requests may finish them; one that still starts has accepted none and is soon killed."""
    config = WorkerConfig(
        root=tmp_path,
        model_name=MODEL,
        alias="champion",
        task=None,
        options=ServingSection(),
        number=1,
        workers=2,
        listener=None,
        ledger="spool",
    )
    handle = WorkerHandle(config, lambda _worker: {}, lambda: False)
    managed = handle.as_managed()
    assert managed.stop_seconds() == STARTING_STOP_SECONDS
    handle.listening = True
    assert managed.stop_seconds() == STOP_SECONDS
    assert not managed.leads_group
