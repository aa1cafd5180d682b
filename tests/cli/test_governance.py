"""promote, rollback and history, as a person types them."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.films import PROJECT, make_films
from tiltyard.cli.main import main
from tiltyard.ledger import Event, SqlLedger
from tiltyard.registry import ModelRegistry
from tiltyard.registry.decisions import BEGUN, succession_subject

APPROVED = PROJECT.replace('rule = "better"', 'rule = "better"\napproval = "required"')


def test_a_day_of_decisions(tmp_path: Path, fresh_store: Path) -> None:
    """A version is promoted, rolled back with a reason, and the history tells it; tampering with it is found."""
    films = make_films(tmp_path / "films", rows=400, store=fresh_store)
    films.call("train", "--champion")
    films.call("train", "--candidate", "nb-logreg")
    refused = films.call("rollback", "--reason", "x", check=False)
    assert refused.returncode == 1
    assert "nothing to go back to" in refused.stderr
    films.call("set-alias", "--version", "2", "--alias", "champion", "--reason", "a trial")
    again = films.call("promote", "2", check=False)
    assert again.returncode == 2
    back: Any = films.json("rollback", "--reason", "complaints from support")
    assert (back["champion"], back["before"]) == ("1", "2")
    told: Any = films.call_json("history")
    assert [event["kind"] for event in told] == ["registered", "promoted", "registered", "alias-set", "rolled-back"]
    then: Any = films.call_json("history", "--at", told[3]["at"])
    assert (then["version"], then["decision"]["reason"]) == ("2", "a trial")
    assert films.call("history", "--at", "2020-01-01", check=False).returncode == 1
    whole: Any = films.call_json("history", "--verify")
    assert whole == {"whole": True, "broken": [], "decisions": 5}
    with sqlite3.connect(films.root / ".tiltyard" / "ledger.db") as ledger:
        ledger.execute("UPDATE events SET reason = 'nothing happened' WHERE kind = 'rolled-back'")
    ledger.close()
    tampered = films.call("history", "--verify", "--json", check=False)
    assert tampered.returncode == 3
    assert json.loads(tampered.stdout)["broken"]


def test_approval_and_what_happens_behind_our_back(
    tmp_path: Path, fresh_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version waits for approval; a move in MLflow itself is noticed by doctor and history, and tells what to do."""
    films = make_films(tmp_path / "films", rows=300, project=APPROVED, store=fresh_store)

    def ran(*words: str) -> tuple[object, Any]:
        with pytest.raises(SystemExit) as left:
            main([*words, "--project", str(films.root), "--json"])
        return left.value.code, json.loads(capsys.readouterr().out)

    code, trained = ran("train", "--champion")
    assert (code, trained["promotion"]["pending"]) == (3, True)
    code, listed = ran("approve")
    assert (code, [request["version"] for request in listed]) == (0, ["1"])
    assert ran("approve", "1")[0] == 2
    assert ran("approve", "1", "--reason", "seen it")[1]["champion"] == "1"
    registry = ModelRegistry(tracking_uri=f"sqlite:///{films.root / '.tiltyard' / 'mlflow.db'}")
    registry.register_model("models:/films-classifier/1", "films-classifier")
    registry.set_alias("films-classifier", "champion", "2")
    code, found = ran("doctor")
    assert code == 1
    checks = {check["name"]: check for check in found["checks"]}
    assert "names version 2, and by the decisions version 1" in checks["aliases"]["found"]
    assert "set-alias" in checks["champion's right"]["next_step"]
    code, told = ran("history")
    assert [event["kind"] for event in told] == [
        "registered",
        "approval-requested",
        "approved",
        "promoted",
        "alias-changed-outside",
    ]
    registry.set_alias("films-classifier", "previous", "1")
    cut_short: dict[str, Any] = {"alias": "champion", "version": "2", "before": "1", "previous": None}
    cut_short["decision"] = {"kind": "promoted", "reason": "it won", "evidence": {"champion": "1"}}
    with SqlLedger.open(f"sqlite:///{films.root / '.tiltyard' / 'ledger.db'}") as ledger:
        subject = succession_subject("films-classifier")
        ledger.append(Event(BEGUN, subject, datetime.now(UTC), "ann", evidence=cut_short))
    for words, state in (((), "wrong"), (("--mend",), "note"), ((), "ok")):
        code, found = ran("doctor", *words)
        assert [check["state"] for check in found["checks"] if check["name"] == "decisions"] == [state]
        assert code == (1 if state == "wrong" else 0)
    assert ran("history")[1][-1]["kind"] == "promoted"
    code, exported = ran("export", "1.0.0", "--to", str(tmp_path / "models"))
    assert [Path(file).name for file in exported["files"]] == [
        "films_model.pkl",
        "films_model_vectorizer.pkl",
        "metrics.json",
    ]
    metrics = json.loads((tmp_path / "models" / "metrics.json").read_text())
    assert metrics.keys() >= {"accuracy", "classification_report", "confusion_matrix"}
    code, runs = ran("runs", "--filter", "metrics.accuracy > 0")
    assert [run["run_id"] for run in runs] == [trained["run_id"]]
    code, compared = ran("runs", trained["run_id"][:8])
    assert compared[trained["run_id"]]["params.candidate"] == "tfidf-logreg"
    code, about = ran("model-info", "--version", "1.0.0")
    assert (about["version"], about["verdict"]["promoted"], about["deployments"]) == ("1", True, [])
    assert about["lineage"]["data"]["fingerprint"] == about["tags"]["tiltyard.data_fingerprint"]
