"""Use cases as Prefect flows, on a real Prefect server."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from tests import fork_server
from tests.films import Films, environment, make_films
from tests.prefect_server import PrefectServer
from tiltyard.cli.host.doctor_prefect import describe_schedule
from tiltyard.cli.loop.prefect import prefect_group
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.orchestration.prefect_flows import PrefectFlows, at
from tiltyard.pipeline.orchestration.prefect_missed import SKIPPED, cover_missed_runs
from tiltyard.pipeline.orchestration.prefect_schedules import read_schedules

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
    """tiltyard prefect deploy makes a deployment for each use case, and the server's scheduler makes its runs.

    Deployed again, there are no more of them, and they count from the same moment.
    """
    report = deploy(prefect_server, films, monkeypatch)
    names = ["sentiment-training/scheduled", "sentiment-monitoring/scheduled", "sentiment-response/scheduled"]
    assert [one["name"] for one in report["deployments"]] == names
    kept = [one for one in prefect_server.all("deployments") if "sentiment" in one["tags"]]
    assert len(kept) == 3
    by_kind = {one["entrypoint"].rpartition(".")[2]: one for one in kept}
    monitoring = by_kind["monitoring"]
    assert monitoring["schedules"][0]["schedule"]["interval"] == 3600
    assert by_kind["training"]["schedules"] == []
    assert {one["work_pool_name"] for one in kept} == {"tiltyard"}
    run = prefect_server.wait_for("flow_runs", lambda one: one["deployment_id"] == monitoring["id"], 60)
    assert (run["auto_scheduled"], run["state_type"]) == (True, "SCHEDULED")
    deploy(prefect_server, films, monkeypatch)
    (again,) = [one for one in prefect_server.all("deployments") if one["id"] == monitoring["id"]]
    anchors = [one["schedules"][0]["schedule"]["anchor_date"] for one in (monitoring, again)]
    assert anchors[0] == anchors[1]
    assert len([one for one in prefect_server.all("deployments") if "sentiment" in one["tags"]]) == 3


@pytest.mark.requirement("R-MORE-06")
def test_each_schedule_of_the_project_is_a_deployment(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cron expression is Prefect's own, in its time zone; what waits for files is checked; its flow scores the table;
    and a table that is gone from the project file is not scheduled any more."""
    file = films.root / "tiltyard.toml"
    before = file.read_text()
    tables = """
[batch.nightly]
source = "reviews.csv"
target = "nightly.csv"
schedule = "30 2 * * 1-5"
time_zone = "Europe/Berlin"
[batch.inbox]
source = "inbox/*.csv"
target = "{name}.csv"
schedule = "new files"
"""
    file.write_text(before + tables)
    try:
        report = deploy(prefect_server, films, monkeypatch)
        made = {one["name"]: one for one in report["deployments"]}
        assert made["sentiment-scheduled/batch-nightly"]["cron"] == "30 2 * * 1-5 Europe/Berlin"
        assert made["sentiment-scheduled/batch-inbox"]["every_minutes"] == 1
        nightly = find_deployment(prefect_server, "perform_scheduled", "batch-nightly")
        kept = nightly["schedules"][0]["schedule"]
        assert (kept["cron"], kept["timezone"]) == ("30 2 * * 1-5", "Europe/Berlin")
        assert nightly["parameters"] == {"project": str(films.root), "name": "batch/nightly", "only_due": False}
        states = {one.name: one for one in read_schedules(_project(films), prefect_server.api_url)}
        assert states["sentiment-scheduled/batch-nightly"].every == timedelta(days=3)  # over the weekend
        file.write_text(before)
        deploy(prefect_server, films, monkeypatch)
        assert find_deployment(prefect_server, "perform_scheduled", "batch-nightly")["schedules"] == []
    finally:
        file.write_text(before)
        for one in prefect_server.all("deployments"):
            if one["entrypoint"].endswith(".perform_scheduled"):
                prefect_server.request("DELETE", f"deployments/{one['id']}", {})


@pytest.mark.parametrize("off", ["schedule", "deployment"])
def test_what_an_operator_switched_off_stays_off(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    """A schedule or a deployment that is off is off after the next deploy, which says so; doctor does too."""
    deploy(prefect_server, films, monkeypatch)
    deployment = find_deployment(prefect_server, "monitoring")
    address = f"deployments/{deployment['id']}"

    def switch(on: bool) -> None:
        schedule = find_deployment(prefect_server, "monitoring")["schedules"][0]["id"]
        body = {"active": on} if off == "schedule" else {"paused": not on}
        path = f"/schedules/{schedule}" if off == "schedule" else ""
        prefect_server.request("PATCH", address + path, body)

    switch(False)
    report = deploy(prefect_server, films, monkeypatch)
    assert [one["active"] for one in report["deployments"]] == [True, False, True]
    (state,) = read_schedules(_project(films), prefect_server.api_url)
    assert (state.active, state.is_overdue(datetime.now(UTC) + timedelta(days=9))) == (False, False)
    assert "switched off" in describe_schedule(state, datetime.now(UTC)).found
    switch(True)
    report = deploy(prefect_server, films, monkeypatch)
    assert [one["active"] for one in report["deployments"]] == [True, True, True]


def test_doctor_sees_a_schedule_without_runs(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two intervals without a run, doctor says so, and whether the scheduler or a worker is missing."""
    deploy(prefect_server, films, monkeypatch)
    (state,) = read_schedules(_project(films), prefect_server.api_url)
    now = datetime.now(UTC)
    assert (state.name, state.every, state.pool) == ("sentiment-monitoring/scheduled", timedelta(hours=1), "tiltyard")
    assert describe_schedule(state, now).state == "ok"
    late = describe_schedule(state, now + timedelta(hours=2, minutes=1))
    assert late.state == "wrong"
    assert "has had no run for 2 intervals" in late.found
    assert "its service Scheduler" in late.next_step
    waiting = describe_schedule(replace(state, waiting=3), now + timedelta(hours=3))
    assert "3 runs that are due wait for a worker" in waiting.found
    assert "prefect worker start --pool tiltyard" in waiting.next_step
    ran = replace(state, last_run=now + timedelta(hours=2))
    assert describe_schedule(ran, now + timedelta(hours=3)).state == "ok"


def test_missed_runs_are_one(prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run that begins cancels those that are due; one that was taken already has nothing to do."""
    deploy(prefect_server, films, monkeypatch)
    deployment = find_deployment(prefect_server, "monitoring")
    now = datetime.now(UTC)
    missed = [_schedule_run(prefect_server, deployment, now - timedelta(hours=hours)) for hours in (4, 3, 2, 1)]
    later = _schedule_run(prefect_server, deployment, now + timedelta(hours=1))
    by_hand = _create_run(prefect_server, deployment["id"])

    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Completed

    @flow(name="sentiment-monitoring")
    def monitoring(project: str = "") -> Any:
        del project
        covered = cover_missed_runs()
        return Completed(name=SKIPPED, message=covered) if covered else "looked"

    def state_of(id_: str) -> str:
        (found,) = [one for one in prefect_server.all("flow_runs") if one["id"] == id_]
        return str(found["state_name"])

    with at(prefect_server.api_url), get_client(sync_client=True) as client:

        def run(id_: str) -> Any:
            return run_flow(monitoring, flow_run=client.read_flow_run(UUID(id_)), return_type="state")

        assert run(missed[1]).name == "Completed"
        assert [state_of(one) for one in missed] == ["Cancelled", "Completed", "Cancelled", "Cancelled"]
        assert (state_of(later), state_of(by_hand)) == ("Scheduled", "Scheduled")
        taken = _schedule_run(prefect_server, deployment, now - timedelta(minutes=30))
        assert run(taken).name == SKIPPED
        assert run(by_hand).name == "Completed"


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
def test_the_scheduler_makes_a_run_and_a_worker_does_it(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a schedule of some seconds, the real scheduler makes runs and a real worker monitors, by itself."""
    file = films.root / "tiltyard.toml"
    before = file.read_text()
    file.write_text(f"{before}\n[monitoring]\nevery_minutes = 0.1\n")
    try:
        deploy(prefect_server, films, monkeypatch)
        deployment = find_deployment(prefect_server, "monitoring")
        run = wait_for_scheduled_run(prefect_server, films, deployment["id"])
        assert run["work_pool_name"] == "tiltyard"
        (state,) = read_schedules(_project(films), prefect_server.api_url)
        assert state.last_run is not None
    finally:
        file.write_text(before)


@pytest.mark.proof
@pytest.mark.requirement("R-MORE-06")
def test_a_worker_scores_a_table_by_its_cron_expression(
    prefect_server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is due every minute is scored by a real worker, in a run that the real scheduler made."""
    file = films.root / "tiltyard.toml"
    before = file.read_text()
    run_with(prefect_server, films, "train", "--champion")
    file.write_text(f'{before}\n[batch.often]\nsource = "reviews.csv"\ntarget = "often.csv"\nschedule = "* * * * *"\n')
    try:
        deploy(prefect_server, films, monkeypatch)
        deployment = find_deployment(prefect_server, "perform_scheduled", "batch-often")
        wait_for_scheduled_run(prefect_server, films, deployment["id"])
    finally:
        file.write_text(before)
        deploy(prefect_server, films, monkeypatch)
    scored = (films.root / "often.csv").read_text(encoding="utf-8").splitlines()
    read = (films.root / "reviews.csv").read_text(encoding="utf-8").splitlines()
    assert len(scored) == len(read)
    assert "prediction_id" in scored[0]


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


def deploy(server: PrefectServer, films: Films, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run tiltyard prefect deploy; its JSON."""
    monkeypatch.setenv("PREFECT_API_URL", server.api_url)
    words = ["deploy", "--project", str(films.root), "--json"]
    result = CliRunner().invoke(prefect_group, words, standalone_mode=False, catch_exceptions=False)
    report: dict[str, Any] = json.loads(result.output)
    return report


def find_deployment(server: PrefectServer, kind: str, name: str = "scheduled") -> dict[str, Any]:
    (found,) = [
        one
        for one in server.all("deployments")
        if "sentiment" in one["tags"] and one["entrypoint"].endswith(f".{kind}") and one["name"] == name
    ]
    return found


def wait_for_scheduled_run(server: PrefectServer, films: Films, deployment: str) -> dict[str, Any]:
    """A run that the real scheduler made, once a real worker has done it."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "tiltyard"]
    variables = {**environment(), **server.environment}
    worker = subprocess.Popen(command, cwd=Path(films.root), env=variables, start_new_session=True)
    try:
        done: dict[str, Any] = server.wait_for(
            "flow_runs",
            lambda one: (
                one["deployment_id"] == deployment and one["auto_scheduled"] and one["state_name"] == "Completed"
            ),
            240,
        )
        return done
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        worker.wait(60)


def _schedule_run(server: PrefectServer, deployment: dict[str, Any], at_time: datetime) -> str:
    """A run as Prefect's scheduler makes it, which is made for a time."""
    body = {
        "flow_id": deployment["flow_id"],
        "deployment_id": deployment["id"],
        "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": at_time.isoformat()}},
    }
    id_ = str(server.request("POST", "flow_runs/", body).json()["id"])
    with closing(sqlite3.connect(server.home / "prefect.db", timeout=30)) as database, database:
        changed = database.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", (id_,)).rowcount
    assert changed == 1, "the API makes no such runs"
    return id_


def _create_run(server: PrefectServer, deployment: str) -> str:
    made = server.request("POST", f"deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    return str(made.json()["id"])


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
