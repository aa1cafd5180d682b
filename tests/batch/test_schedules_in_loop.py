"""Loops score tables and train by themselves, also where two of them run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.batch.conftest import PROJECT, Shop, make_rows
from tiltyard.app_wiring import build_responder
from tiltyard.ledger import Label
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.schedules.checks import Watch
from tiltyard.pipeline.schedules.perform import Performer
from tiltyard.project import Project
from tiltyard.project.scheduled_work import find_training

TABLES = """
record = "all"
check_seconds = 0.2
settle_seconds = 0.2
[batch.inbox]
source = "inbox/*.csv"
target = "out/{name}.parquet"
schedule = "new files"
[batch.missing]
source = "sqlite:///nowhere.db"
table = "orders"
target = "out/missing.csv"
schedule = "5 new rows"
"""


def environment(shop: Shop) -> dict[str, str]:
    """The stores of the shop."""
    return os.environ | {
        "TILTYARD_HOME": str(shop.settings.home),
        "TILTYARD_LEDGER": str(shop.settings.ledger),
        "MLFLOW_TRACKING_URI": str(shop.settings.mlflow_tracking_uri),
    }


def run(shop: Shop, root: Path, *words: str) -> tuple[int, Any]:
    """A command in the folder of a project."""
    done = subprocess.run(
        [sys.executable, "-m", "tiltyard", *words, "--json"],
        cwd=root,
        env=environment(shop),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def wait_until(is_so: Callable[[], bool], loops: list[subprocess.Popen[str]]) -> None:
    """Wait while the loops run."""
    while not is_so():
        for loop in loops:
            assert loop.poll() is None, loop.communicate()
        time.sleep(0.1)


@pytest.mark.journey
@pytest.mark.requirement("R-MORE-06")
def test_two_loops_score_each_new_file_once(shop: Shop, tmp_path: Path) -> None:
    """Files that appear while two loops run are scored once each; a table that fails does not keep them from it; and
    both loops end in order."""
    root = tmp_path / "project"
    for folder in (root, root / "inbox", root / "out"):
        folder.mkdir()
    (root / "tiltyard.toml").write_text(PROJECT + TABLES, encoding="utf-8")
    (root / "shop.csv").write_bytes((shop.project.root / "shop.csv").read_bytes())
    before = {one.id for one in shop.ledger.batch_runs.select()}
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "tiltyard", "loop", "--json"],
            cwd=root,
            env=environment(shop),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for number in range(4):
            make_rows(20 + number, 80 + number).to_csv(root / "inbox" / f"day{number}.csv", index=False)
        topic = "schedule/shop-classifier/batch/inbox/files"
        wait_until(lambda: [one.content["status"] for one in shop.ledger.notes.select(topic)] == ["done"] * 4, loops)
    finally:
        for loop in loops:
            loop.send_signal(signal.SIGTERM)
        reports = [loop.communicate()[0] for loop in loops]
    assert [loop.returncode for loop in loops] == [0, 0]
    made = [one for one in shop.ledger.batch_runs.select() if one.id not in before]
    assert sorted(one.source for one in made) == [f"inbox/day{number}.csv" for number in range(4)]
    assert [len(pd.read_parquet(root / f"out/day{number}.parquet")) for number in range(4)] == [20, 21, 22, 23]
    said = [json.loads(line) for text in reports for line in text.splitlines()]
    assert any("nowhere.db does not exist" in str(one.get("error", one)) for one in said)
    code, listed = run(shop, root, "score", "--list")
    assert code == 0
    assert [(one["name"], one["schedule"]) for one in listed] == [("inbox", "new files"), ("missing", "5 new rows")]
    assert "nowhere.db does not exist" in listed[1]["error"]
    code, one = run(shop, root, "score", "inbox", "--if-due")
    assert (code, one["outcome"]) == (0, "nothing")


def schedule_training(shop: Shop, written: str) -> Project:
    """The shop's project with a schedule of the training."""
    return shop.project.model_copy(
        update={"training": shop.project.training.model_copy(update={"schedule": written, "folds": 2})}
    )


@pytest.mark.requirement("R-MORE-06")
def test_training_is_due_after_so_many_labels(shop: Shop) -> None:
    """Labels that came since the last retraining count; then a version is trained, goes through the gates, and is not
    trained again for the same labels."""
    project = schedule_training(shop, "30 new labels")
    watch = Watch(project, shop.ledger)
    responder = build_responder(project, shop.settings, shop.ledger, QuietRunner())
    performer = Performer(project, shop.settings, shop.ledger, watch, retrain=responder.retrain)
    work = find_training(project)
    assert performer.perform(work, only_due=True).outcome == "nothing"
    frame = make_rows(40, 90)
    shop.score(shop.write("in.parquet", frame), "out.parquet", record="all", columns=("customer", "returned"))
    scored = pd.read_parquet(shop.folder / "out.parquet")
    now = shop.ledger.leases.read_clock()
    labels = [
        Label(prediction_id=one["prediction_id"], label=one["returned"], at=now, source="test")
        for one in scored.to_dict("records")
    ]
    shop.ledger.record_labels(labels[:29])
    assert performer.perform(work, only_due=True).outcome == "nothing"
    shop.ledger.record_labels(labels[29:])
    versions = len(shop.env.workspace.registry.list_versions(project.model_name))
    assert performer.perform(work, only_due=True).outcome == "done"
    assert len(shop.env.workspace.registry.list_versions(project.model_name)) == versions + 1
    assert performer.perform(work, only_due=True).outcome == "nothing"


def test_training_begins_with_what_is_there(shop: Shop) -> None:
    """Rows that were there when the schedule was written are not new; those that come later are."""
    project = schedule_training(shop, "10 new rows")
    watch, work = Watch(project, shop.ledger), find_training(project)
    rows = project.root / "shop.csv"
    content = rows.read_bytes()
    now = shop.ledger.leases.read_clock()
    try:
        assert watch.check(work, now) is None
        make_rows(12, 91).to_csv(rows, index=False, header=False, mode="a")
        due = watch.check(work, now)
        assert due is not None
        assert due.reason == "12 new rows"
    finally:
        rows.write_bytes(content)
