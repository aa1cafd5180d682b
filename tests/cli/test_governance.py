"""promote, rollback and history, as a person types them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.films import PROJECT, make_films
from tiltyard.registry import ModelRegistry

APPROVED = PROJECT.replace('rule = "better"', 'rule = "better"\napproval = "required"')


def test_a_day_of_decisions(tmp_path: Path) -> None:
    """A version is promoted, rolled back with a reason, and the history tells it; tampering with it is found."""
    films = make_films(tmp_path / "films", rows=400)
    films.run("train", "--champion")
    films.run("train", "--candidate", "nb-logreg")
    refused = films.run("rollback", "--reason", "x", check=False)
    assert refused.returncode == 1
    assert "nothing to go back to" in refused.stderr
    films.run("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    again = films.run("promote", "2", check=False)
    assert again.returncode == 2
    back: Any = films.json("rollback", "--reason", "complaints from support")
    assert (back["champion"], back["before"]) == ("1", "2")
    told: Any = films.json("history")
    assert [event["kind"] for event in told] == ["registered", "promoted", "registered", "alias-set", "rolled-back"]
    then: Any = films.json("history", "--at", told[3]["at"])
    assert (then["version"], then["decision"]["reason"]) == ("2", "a trial")
    assert films.run("history", "--at", "2020-01-01", check=False).returncode == 1
    whole: Any = films.json("history", "--verify")
    assert whole == {"whole": True, "broken": [], "decisions": 5}
    with sqlite3.connect(films.root / ".tiltyard" / "ledger.db") as ledger:
        ledger.execute("UPDATE events SET reason = 'nothing happened' WHERE kind = 'rolled-back'")
    ledger.close()
    tampered = films.run("history", "--verify", "--json", check=False)
    assert tampered.returncode == 3
    assert json.loads(tampered.stdout)["broken"]


def test_approval_and_what_happens_behind_our_back(tmp_path: Path) -> None:
    """A version waits for approval; a move in MLflow itself is noticed by doctor and history, and tells what to do."""
    films = make_films(tmp_path / "films", rows=400, project=APPROVED)
    waits = films.run("train", "--champion", "--json", check=False)
    assert waits.returncode == 3
    assert json.loads(waits.stdout)["promotion"]["pending"] is True
    listed: Any = films.json("approve")
    assert [request["version"] for request in listed] == ["1"]
    assert films.run("approve", "1", check=False).returncode == 2
    assert "version 1 is champion" in films.run("approve", "1", "--reason", "seen it").stdout
    films.run("train")
    ModelRegistry(tracking_uri=f"sqlite:///{films.root / '.tiltyard' / 'mlflow.db'}").set_alias(
        "films-classifier", "champion", "2"
    )
    doctor = films.run("doctor", "--json", check=False)
    assert doctor.returncode == 1
    found = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert "names version 2, and by the decisions version 1" in found["aliases"]["found"]
    assert "set-alias" in found["champion's right"]["next_step"]
    told: Any = films.json("history")
    assert [event["kind"] for event in told] == [
        "registered",
        "approval-requested",
        "approved",
        "promoted",
        "registered",
        "alias-changed-outside",
    ]
