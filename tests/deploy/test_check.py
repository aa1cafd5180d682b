"""The champion of a training, packed, served without a registry, and checked as a staged API is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from tests import fork_server
from tests.deploy.scripts import run
from tests.films import Films, environment, make_films
from tiltyard.registry import MlflowRegistry
from tiltyard.testing.registry import write_example_package

pytestmark = pytest.mark.journey


@dataclass(frozen=True)
class TrainingOutput:
    """What a training leaves for GitHub: the summary, the outputs, and what it printed."""

    summary: str
    output: str
    printed: str


def train(root: Path, films: Films, name: str) -> TrainingOutput:
    """Run the training of CI, which has to leave the run green."""
    summary, output = root / f"{name}-summary", root / f"{name}-output"
    files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    done = run("train.py", "--project", str(films.root), env=files)
    assert done.returncode == 0, done.stderr
    return TrainingOutput(summary.read_text(), output.read_text(), done.stdout)


@dataclass(frozen=True)
class Staged:
    """A server over a packed champion."""

    films: Films
    folder: Path
    url: str
    second: TrainingOutput
    third: TrainingOutput


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Staged]:
    """The second version of a project, packed, and served where the project, its registry and its files are gone."""
    root = tmp_path_factory.mktemp("staged")
    films = make_films(root / "films", rows=300, store=fresh_store)
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{films.root}/.tiltyard/mlflow.db")
    write_example_package(root / "first")
    registry.register_model(str(root / "first"), "films-classifier")
    # The same rows again make a third version, which is not better.
    trained = [train(root, films, name) for name in ("second", "third")]
    folder = root / "model"
    packed = run("carry.py", "--project", str(films.root), "--to", str(folder), "--at", str(folder))
    assert packed.returncode == 0, packed.stderr
    (films.root / ".tiltyard").rename(root / "gone")
    programs = fork_server.write_command(root / "programs")
    place = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "TILTYARD_HOME": str(root / "state")}
    server = subprocess.Popen(
        [folder / "start.sh", "serve", "--port", "0", "--json"],
        cwd=folder / "project",
        env={**environment(), **place},
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    with server.stdout:
        try:
            yield Staged(films, folder, json.loads(server.stdout.readline())["url"], trained[0], trained[1])
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0


@pytest.mark.requirement("R-REG-23", "R-CI-05")
def test_a_promotion_is_in_the_summary_and_the_outputs(staged: Staged) -> None:
    """In the summary with metrics and gates, and in the outputs that decide whether to deploy."""
    output = staged.second
    assert "films-classifier version 2: promoted" in output.summary
    assert "| accuracy | 0." in output.summary
    assert "| Better than always guessing (there is no champion yet) | yes |" in output.summary
    assert output.output == "promoted=true\nversion=2\n"


def test_a_version_that_is_not_promoted_leaves_the_run_green(staged: Staged) -> None:
    """The run stays green, says why the champion stays, and has nothing to deploy."""
    output = staged.third
    assert "version 3: not promoted" in output.summary
    assert output.output == "promoted=false\nversion=3\n"
    assert "::notice title=Not promoted::Not promoted (current champion is better or equal)" in output.printed


@pytest.mark.requirement("R-CI-05")
def test_a_training_that_fails_fails_the_run(tmp_path: Path) -> None:
    """With the training's own exit code."""
    done = run("train.py", "--project", str(tmp_path), env={"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    assert done.returncode == 2
    assert "Training failed (exit code 2)" in (tmp_path / "summary").read_text()


@pytest.mark.requirement("R-DEPLOY-20", "R-CI-09")
def test_a_packed_champion_passes_the_checks_of_a_staged_api(staged: Staged) -> None:
    """It keeps its number; every check passes; and what the checks sent is in the ledger of that server."""
    done = run("check.py", staged.url, "--wait", "60", "--expect-version", "2", "--json")
    found: Any = json.loads(done.stdout)
    assert (done.returncode, found["well"]) == (0, True), found
    names = [check["check"] for check in found["checks"]]
    assert names == ["health", "model-info", "predict", "batch", "refusal", "feedback", "metrics"]
    statistics = httpx.get(f"{staged.url}/health", timeout=30).json()["statistics"]
    assert statistics["total_predictions"] == 3


def test_a_check_without_labels_leaves_none(staged: Staged) -> None:
    """In production a label of the checks would count as the truth."""
    done = run("check.py", staged.url, "--wait", "60", "--no-feedback")
    assert done.returncode == 0, done.stdout
    assert "feedback" not in done.stdout


def test_another_version_than_the_expected_fails_the_checks(staged: Staged) -> None:
    """A rollout that left the old version in service is found."""
    done = run("check.py", staged.url, "--wait", "60", "--expect-version", "3")
    assert done.returncode == 1
    assert "version 2 is served, not 3" in done.stdout


@pytest.mark.requirement("R-DEPLOY-20")
def test_what_is_packed_is_only_what_serving_needs(staged: Staged) -> None:
    """No rows of the training data, no other version, no lock."""
    files = {str(path.relative_to(staged.folder)) for path in staged.folder.rglob("*") if path.is_file()}
    assert {"mlflow.db", "start.sh", "version.json", "project/tiltyard.toml", "files/MLmodel"} <= files
    assert not [name for name in files if name.endswith((".csv", ".parquet", ".lock", ".pkl"))]
    assert json.loads((staged.folder / "version.json").read_text()) == {"model": "films-classifier", "version": "2"}


def test_a_folder_that_holds_something_else_is_left_alone(staged: Staged, tmp_path: Path) -> None:
    """Packing writes over what it packed before and nothing else."""
    (tmp_path / "mine.txt").write_text("mine")
    done = run("carry.py", "--project", str(staged.films.root), "--to", str(tmp_path))
    assert done.returncode == 1
    assert (tmp_path / "mine.txt").read_text() == "mine"


class NonsenseServer(BaseHTTPRequestHandler):
    """A server that reports good health and predicts nonsense."""

    contents: ClassVar[dict[str, Any]] = {
        "/health": {"model_loaded": True, "ready": True, "status": "healthy", "version": "1", "model": "m"}
        | {"ledger": {"ok": True}},
        "/v2/health/live": {"ready": True},
        "/v2/health/ready": {"ready": True},
        "/model-info": {"model_name": "m", "version": "1", "task": "text-classification", "classes": ["a", "b"]}
        | {"answer_field": "prediction", "features": []},
        "/predict": {"prediction": "a", "confidence": 0.9, "probabilities": {"a": 0.9, "b": 0.9}},
    }

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(self.contents[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.mark.requirement("R-CI-09")
def test_a_server_that_predicts_nonsense_fails_the_checks() -> None:
    """A good status is not enough: the checks read the predictions."""
    with HTTPServer(("127.0.0.1", 0), NonsenseServer) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        done = run("check.py", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 1
    assert "probabilities do not add up to 1" in done.stdout


def test_an_address_without_a_server_fails_the_checks() -> None:
    """The message is a sentence, not a traceback; an address that cannot be one is an error of usage."""
    done = run("check.py", "http://127.0.0.1:9", "--wait", "0.1")
    assert (done.returncode, done.stderr) == (1, "")
    assert "no response" in done.stdout
    assert run("check.py", "staging.example.org").returncode == 2
