"""Callers have files scored over HTTP: in the background, from places that the project names, across restarts."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.batch.conftest import PROJECT, Shop, make_rows
from tiltyard.errors import TiltyardError
from tiltyard.project.batch import BatchSection
from tiltyard.serving.batch_jobs import BatchDesk, BatchJobs
from tiltyard.testing import MemoryLedger

SERVING = '\nreadable = ["inbox/", "https://files.example/orders/"]\n[serving]\nport = 0\n'


def make_desk(root: Path, *readable: str) -> BatchDesk:
    """A desk over a folder."""
    ledger = MemoryLedger()
    section = BatchSection(readable=readable)
    return BatchDesk(section, root, root / "results", BatchJobs(ledger, "shop"), ledger)


def refuse(desk: BatchDesk, source: str) -> str:
    """The code with which a source is refused."""
    with pytest.raises(TiltyardError) as refused:
        desk.find_readable(source)
    assert refused.value.next_step
    return refused.value.code


@pytest.mark.requirement("R-MORE-08")
def test_only_files_of_the_named_places_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither dots nor symbolic links, patterns, variables, other schemes or users in addresses lead out of them."""
    inbox, other = tmp_path / "inbox", tmp_path / "inbox-of-others"
    for folder in (inbox, other, inbox / "sub"):
        folder.mkdir()
    for file in (inbox / "a.csv", inbox / "sub" / "b.csv", other / "secret.csv", tmp_path / "single.csv"):
        file.write_text("a\n1\n")
    (inbox / "link.csv").symlink_to(other / "secret.csv")
    (inbox / "link").symlink_to(other)
    (inbox / "inner.csv").symlink_to(inbox / "a.csv")
    monkeypatch.setenv("SECRET", str(other / "secret.csv"))
    desk = make_desk(tmp_path, "inbox/", "single.csv", "https://files.example/orders/", "s3://bucket/one.csv")
    assert desk.find_readable("inbox/a.csv") == str(inbox / "a.csv")
    assert desk.find_readable(str(inbox / "sub" / "b.csv")) == str(inbox / "sub" / "b.csv")
    assert desk.find_readable("inbox/inner.csv") == str(inbox / "a.csv")
    assert desk.find_readable("single.csv") == str(tmp_path / "single.csv")
    for url in ("https://files.example/orders/1.csv", "s3://bucket/one.csv"):
        assert desk.find_readable(url) == url
    for source in (
        "inbox/../inbox-of-others/secret.csv",
        "inbox-of-others/secret.csv",
        "inbox/link.csv",
        "inbox/link/secret.csv",
        "inbox/*.csv",
        "inbox/[a].csv",
        "${SECRET}",
        "inbox",
        "inbox/missing.csv",
        "inbox/a.csv\0",
        "/etc/passwd",
        "file:///etc/passwd",
        f"file://{inbox}/a.csv",
        "bundled:reviews",
        f"sqlite:///{inbox}/a.db",
        "https://files.example/orders/../secret.csv",
        "https://files.example/orders/%2e%2e/secret.csv",
        "https://files.example/orders/%252e%252e/secret.csv",
        "https://files.example/orders/..\\secret.csv",
        "https://files.example.evil/orders/1.csv",
        "https://user@files.example/orders/1.csv",
        "http://files.example/orders/1.csv",
        "s3://bucket/one.csv.other",
        "x" * 5000,
    ):
        assert refuse(desk, source) == "batch.unreadable", source
    assert refuse(make_desk(tmp_path), "inbox/a.csv") == "batch.off"


@contextmanager
def serving(shop: Shop, root: Path, *, killed: bool = False) -> Iterator[httpx.Client]:
    """`tiltyard serve` over a project, ended in order or killed."""
    environment = os.environ | {
        "TILTYARD_HOME": str(shop.settings.home),
        "TILTYARD_LEDGER": str(shop.settings.ledger),
        "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri),
    }
    command = [sys.executable, "-m", "tiltyard", "serve", "--json"]
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            with httpx.Client(base_url=url, timeout=60) as client:
                yield client
        finally:
            server.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
            server.wait()  # what it started may hold its output open for a while
    assert server.returncode == (-signal.SIGKILL if killed else 0)


def wait_for(client: httpx.Client, job: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The state of a job, as soon as it is so."""
    while True:
        state: dict[str, Any] = client.get(f"/batch/{job}").json()
        if is_so(state):
            return state
        assert state["state"] in ("waiting", "running"), state
        time.sleep(0.05)


@pytest.mark.journey
@pytest.mark.requirement("R-MORE-08")
def test_a_job_is_done_also_where_its_server_is_stopped(shop: Shop, tmp_path: Path) -> None:
    """A file is scored in the background with its progress; a job whose server is stopped is finished by the next; one
    that cannot be done says why."""
    root = tmp_path / "project"
    for folder in (root, root / "inbox"):
        folder.mkdir()
    (root / "tiltyard.toml").write_text(PROJECT + 'workers = 2\nrecord = "all"' + SERVING, encoding="utf-8")
    frame = make_rows(60_000, 95)
    shop.write("large.parquet", frame).rename(root / "inbox" / "large.parquet")
    (root / "inbox" / "broken.csv").write_text("nothing of that kind\n1\n", encoding="utf-8")
    with serving(shop, root) as client:
        assert client.post("/batch", json={"source": "tiltyard.toml"}).json()["code"] == "batch.unreadable"
        assert client.post("/batch", json={"source": "inbox/large.parquet", "to": "x"}).status_code == 422
        assert client.get("/batch/unknown").status_code == 404
        taken = client.post("/batch", json={"source": "inbox/large.parquet", "columns": ["customer"]})
        assert taken.status_code == 202
        job = taken.json()["id"]
        begun = wait_for(client, job, lambda one: one["rows"] > 0)
        assert begun["total"] == 60_000
        failing = client.post("/batch", json={"source": "inbox/broken.csv", "format": "csv"}).json()["id"]
    with serving(shop, root) as client:
        done = wait_for(client, job, lambda one: one["state"] == "done")
        assert (done["rows"], done["refused"], done["run_id"]) == (60_000, 0, begun["run_id"] or done["run_id"])
        wrong = wait_for(client, failing, lambda one: one["state"] == "failed")
        assert wrong["error"]["message"]
        assert wrong["error"]["next_step"]
        assert [one["id"] for one in client.get("/batch").json()["jobs"]] == [failing, job]
    results = pd.read_parquet(done["target"])
    assert results["customer"].tolist() == frame["customer"].tolist()
    assert results["prediction_id"].is_unique


@pytest.mark.journey
@pytest.mark.requirement("R-MORE-08")
def test_a_job_goes_on_after_its_server_was_killed(shop: Shop, tmp_path: Path) -> None:
    """Servers that are killed (SIGKILL) while a job runs leave it to the next, which waits as long as a process of the
    killed one holds the run; each row is in the result once, and recorded once."""
    root = tmp_path / "project"
    for folder in (root, root / "inbox"):
        folder.mkdir()
    (root / "tiltyard.toml").write_text(PROJECT + 'workers = 2\nrecord = "all"' + SERVING, encoding="utf-8")
    frame = make_rows(60_000, 97)
    shop.write("large.parquet", frame).rename(root / "inbox" / "large.parquet")
    with serving(shop, root, killed=True) as client:
        job = client.post("/batch", json={"source": "inbox/large.parquet", "columns": ["customer"]}).json()["id"]
        wait_for(client, job, lambda one: one["rows"] > 0)
    (lock,) = (root / "batch-results").rglob("lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a process does that a killed server left and that still works
        with serving(shop, root, killed=True) as client:
            wait_for(client, job, lambda one: one["state"] == "running")
            wait_for(client, job, lambda one: one["state"] == "waiting")
    with serving(shop, root) as client:
        done = wait_for(client, job, lambda one: one["state"] == "done")
    assert (done["rows"], done["refused"]) == (60_000, 0)
    results = pd.read_parquet(done["target"])
    assert results["customer"].tolist() == frame["customer"].tolist()
    assert results["prediction_id"].is_unique
    recorded = [one.key for one in shop.ledger.predictions(route="batch") if str(one.key).startswith("c97-")]
    assert sorted(map(str, recorded)) == sorted(frame["customer"])
