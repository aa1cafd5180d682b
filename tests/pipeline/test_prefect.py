"""Use cases as Prefect flows, on a real Prefect server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests import fork_server
from tests.films import Films, environment, make_films
from tests.prefect_server import PrefectServer
from tiltyard.cli.loop.prefect import prefect_group
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.orchestration.prefect_flows import PrefectFlows

STEPS = ["load-data", "split-data", "train-model", "evaluate-model", "log-mlflow", "register-model"]


def run_with(server: PrefectServer, films: Films, *words: str) -> Any:
    """Run a command as a user does who has set PREFECT_API_URL."""
    command = [sys.executable, "-m", "tiltyard", *words, "--json"]
    done = fork_server.run(command, cwd=films.root, env={**environment(), **server.environment}, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project called sentiment, as in the requirements."""
    made = make_films(tmp_path_factory.mktemp("sentiment"), rows=300, store=fresh_store)
    file = made.root / "tiltyard.toml"
    file.write_text(file.read_text().replace('name = "films"', 'name = "sentiment"'))
    return made


@pytest.mark.requirement("R-ORCH-05", "R-ORCH-06")
def test_a_training_is_a_flow_with_the_names_of_the_requirements(prefect_server: PrefectServer, films: Films) -> None:
    """With PREFECT_API_URL, a training is the flow sentiment-training: tasks, logs and an artifact are there."""
    trained = run_with(prefect_server, films, "train", "--champion")
    assert trained["model_version"] == "1"
    (flow,) = [one for one in prefect_server.all("flows") if one["name"] == "sentiment-training"]
    (run,) = [one for one in prefect_server.all("flow_runs") if one["flow_id"] == flow["id"]]
    assert run["state_type"] == "COMPLETED"
    tasks = [one for one in prefect_server.all("task_runs") if one["flow_run_id"] == run["id"]]
    assert {one["state_type"] for one in tasks} == {"COMPLETED"}
    tasks.sort(key=lambda one: one["start_time"])
    assert [one["name"] for one in tasks if one["name"] in STEPS] == STEPS
    (artifact,) = [one for one in prefect_server.all("artifacts") if one["key"] == "sentiment-training"]
    assert "| accuracy |" in artifact["data"]
    logs = " ".join(one["message"] for one in prefect_server.all("logs") if one["flow_run_id"] == run["id"])
    assert "300 rows" in logs


def test_a_step_whose_service_was_away_is_tried_again(prefect_server: PrefectServer, films: Films) -> None:
    """A repeatable step is retried where something was away, and not where it failed; the error comes out unchanged."""
    flows = PrefectFlows(_project(films), prefect_server.api_url, QuietRunner(), retry_seconds=0)
    tries: dict[str, int] = {}

    def step(name: str, error: Exception, failures: int) -> str:
        tries[name] = tries.get(name, 0) + 1
        if tries[name] <= failures:
            raise error
        return "done"

    away, bad = UnavailableError("The database is away."), UsageError("No such column.")

    def work() -> str:
        for name in ("register-model", "load-data"):
            run = flows.runner.run
            if name == "load-data":
                return run(name, lambda: step("load-data", away, 2), lambda result: result)
            with pytest.raises(UnavailableError):
                run(name, lambda: step("register-model", away, 1), lambda result: result)
        raise AssertionError

    assert flows.run("response", work, lambda result: f"It is {result}.") == "done"
    assert tries == {"register-model": 1, "load-data": 3}
    tries.clear()

    def fails() -> str:
        return flows.runner.run("load-data", lambda: step("load-data", bad, 9), lambda result: result)

    with pytest.raises(UsageError, match="No such column"):
        flows.run("response", fails, str)
    assert tries == {"load-data": 1}


@pytest.mark.requirement("R-ORCH-07")
def test_each_use_case_is_deployed_once(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tiltyard prefect deploy makes a deployment for each use case, scheduled by the project; twice makes no more."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api_url)
    for _ in range(2):
        result = CliRunner().invoke(
            prefect_group,
            ["deploy", "--project", str(films.root), "--json"],
            standalone_mode=False,
            catch_exceptions=False,
        )
        report = json.loads(result.output)
    names = ["sentiment-training/scheduled", "sentiment-monitoring/scheduled", "sentiment-response/scheduled"]
    assert [one["name"] for one in report["deployments"]] == names
    kept = [one for one in prefect_server.all("deployments") if "sentiment" in one["tags"]]
    assert len(kept) == 3
    intervals = {one["entrypoint"].rpartition(".")[2]: one["schedules"] for one in kept}
    assert intervals["monitoring"][0]["schedule"]["interval"] == 3600
    assert intervals["training"] == []
    assert {one["work_pool_name"] for one in kept} == {"tiltyard"}


def test_a_server_that_is_away(films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the Prefect server does not respond nothing is done, and the message says what to do."""
    flows = PrefectFlows(_project(films), "http://127.0.0.1:9/api", QuietRunner())
    with pytest.raises(UnavailableError, match="does not respond") as refused:
        flows.run("training", lambda: pytest.fail("must not run"), str)
    assert "unset it" in refused.value.next_step
    assert flows.runner.run("load-data", lambda: 1, str) == 1, "outside of a flow a step simply runs"
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(UsageError, match="PREFECT_API_URL is not set"):
        CliRunner().invoke(
            prefect_group, ["deploy", "--project", str(films.root)], standalone_mode=False, catch_exceptions=False
        )


@pytest.mark.proof
def test_a_worker_runs_the_deployments(prefect_server: PrefectServer, films: Films) -> None:
    """A Prefect worker of the pool trains, looks and retrains by the deployments alone."""
    run_with(prefect_server, films, "prefect", "deploy")
    wanted = [one for one in prefect_server.all("deployments") if "sentiment" in one["tags"]]
    for kind in ("training", "monitoring", "response"):
        (deployment,) = [one for one in wanted if one["entrypoint"].endswith(kind)]
        started = _create_run(prefect_server, deployment["id"])
        worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "tiltyard", "--run-once"]
        subprocess.run(
            worker, cwd=Path(films.root), env={**environment(), **prefect_server.environment}, check=False, timeout=300
        )
        assert _ended(prefect_server, started) == "COMPLETED", kind


def _create_run(server: PrefectServer, deployment: str) -> str:
    import httpx

    response = httpx.post(
        f"{server.api_url}/deployments/{deployment}/create_flow_run", json={"state": {"type": "SCHEDULED"}}
    )
    response.raise_for_status()
    return str(response.json()["id"])


def _ended(server: PrefectServer, run: str) -> str:
    deadline = time.monotonic() + 120
    while True:
        (found,) = [one for one in server.all("flow_runs") if one["id"] == run]
        if found["state_type"] in ("COMPLETED", "FAILED", "CRASHED") or time.monotonic() > deadline:
            return str(found["state_type"])
        time.sleep(0.5)


def _project(films: Films) -> Any:
    from tiltyard.project import load_project

    return load_project(films.root)
