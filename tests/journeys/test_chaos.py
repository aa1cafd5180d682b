"""The loop killed with SIGKILL at every step of its responses, on real files, in real processes, and started again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.films import PROJECT, Films, environment, make_films
from tiltyard.ledger import Label, SqlLedger, new_id
from tiltyard.registry import MlflowRegistry
from tiltyard.testing import make_prediction

pytestmark = [pytest.mark.journey, pytest.mark.proof]

MODEL = "films-classifier"
CALM = (
    PROJECT + '\n[response]\non_drift = "retrain"\non_decay = "rollback"\nmin_new_labels = 20\ncooldown_minutes = 600\n'
)

RESPOND = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from tiltyard import app_wiring, wiring
from tiltyard.ledger import FindingRecord
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.remediation import Responder
from tiltyard.project import load_project
import json

place, finding = int(sys.argv[1]), json.loads(sys.argv[2])
seen = 0

def on_step(word):
    global seen
    print(word, flush=True)
    seen += 1
    if seen == place:
        os.kill(os.getpid(), signal.SIGKILL)

project = load_project(Path.cwd())
settings = wiring.load_settings(project)
with wiring.open_ledger(settings) as ledger:
    made = app_wiring.responder(project, settings, ledger, QuietRunner())
    responder = Responder(made.context, on_step=on_step)
    found = FindingRecord(at=datetime.now(UTC), **finding)
    print(responder.respond([found]).outcome, flush=True)
"""


def respond(films: Films, finding: dict[str, Any], die_after: int = 0) -> subprocess.CompletedProcess[str]:
    """One pass of the loop in its own process, which is killed after its n-th word."""
    return subprocess.run(
        [sys.executable, "-c", RESPOND, str(die_after), json.dumps(finding)],
        cwd=films.root, env=environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def finding(code: str, version: str) -> dict[str, Any]:
    return {
        "id": new_id(), "project": MODEL, "version": version, "code": code, "severity": "error", "subject": "all",
        "message": "It moved.",
    }  # fmt: skip


def state(films: Films) -> dict[str, Any]:
    """What must not depend on how often the loop died."""
    with SqlLedger.open(f"sqlite:///{films.root}/.tiltyard/ledger.db") as ledger:
        kinds = [event.kind for event in ledger.events(subject=MODEL) if event.kind != "response-step-begun"]
        broken = ledger.verify_events()
        notices = [parcel.notice.topic for parcel in ledger.outbox.items()]
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{films.root}/.tiltyard/mlflow.db")
    aliases = {info.version: sorted(info.aliases) for info in registry.list_versions(MODEL)}
    return {"kinds": sorted(kinds), "notices": sorted(notices), "aliases": aliases, "broken": broken}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """Two versions, and labels that contradict the champion."""
    films = make_films(tmp_path_factory.mktemp("start") / "films", rows=300, project=CALM, store=fresh_store)
    films.call("train", "--champion")
    films.call("train", "--candidate", "tfidf-naive-bayes")
    films.call("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    now = datetime.now(UTC)
    rows = [make_prediction(project=MODEL, version="2", at=now, input={"text": f"fine kettle {n}"}) for n in range(30)]
    with SqlLedger.open(f"sqlite:///{films.root}/.tiltyard/ledger.db") as ledger:
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "positive", now, "test") for row in rows])
    return films


@pytest.mark.parametrize(("code", "words"), [("drift.verdict", 10), ("champion.worse", 6)])
def test_killed_at_every_step_and_started_again(start: Films, tmp_path: Path, code: str, words: int) -> None:
    """SIGKILL after each word of a response, and another start: no half-done action, and nothing done twice."""
    cause = finding(code, "2")
    calm = _copy(start, tmp_path / "calm")
    undisturbed = respond(calm, cause)
    assert undisturbed.returncode == 0, undisturbed.stderr
    steps = undisturbed.stdout.splitlines()
    assert steps.pop() == "acted"
    assert len(steps) >= words
    wanted = state(calm)
    for place in range(1, len(steps) + 1):
        struck = _copy(start, tmp_path / f"struck-{place}")
        killed = respond(struck, cause, die_after=place)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        again = respond(struck, cause)
        assert again.returncode == 0, again.stderr
        assert state(struck) == wanted, f"killed after {steps[place - 1]}"
        shutil.rmtree(struck.root)


def _copy(films: Films, root: Path) -> Films:
    """The same state in another folder; MLflow keeps absolute paths, which are rewritten."""
    import sqlite3

    shutil.copytree(films.root, root)
    with sqlite3.connect(root / ".tiltyard" / "mlflow.db") as store:
        for table, column in (
            ("runs", "artifact_uri"), ("experiments", "artifact_location"), ("model_versions", "source"),
            ("model_versions", "storage_location"), ("logged_models", "artifact_location"),
        ):  # fmt: skip
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(films.root), str(root)))
    store.close()
    return Films(root)
