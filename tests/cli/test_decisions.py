"""promote, rollback and history, as a person types them."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.films import PROJECT, make_films
from tiltyard.cli.main import main
from tiltyard.ledger import Event, SqlLedger
from tiltyard.registry import MlflowRegistry
from tiltyard.registry.alias_history import BEGUN, alias_change_subject
from tiltyard.sqlite import open_sqlite

APPROVED = PROJECT.replace('rule = "better"', 'rule = "better"\napproval = "required"')


@pytest.mark.requirement("R-REG-19", "R-SEC-04")
def test_promotion_rollback_and_history_agree(tmp_path: Path, fresh_store: Path) -> None:
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
    back: Any = films.call_json("rollback", "--reason", "complaints from support")
    assert (back["champion"], back["before"]) == ("1", "2")
    history: Any = films.call_json("history")
    assert [event["kind"] for event in history] == ["registered", "promoted", "registered", "alias-set", "rolled-back"]
    then: Any = films.call_json("history", "--at", history[3]["at"])
    assert (then["version"], then["decision"]["reason"]) == ("2", "a trial")
    assert films.call("history", "--at", "2020-01-01", check=False).returncode == 1
    whole: Any = films.call_json("history", "--verify")
    # Two moves are three events each, one registered version and one first promotion more.
    assert (whole["whole"], whole["broken"], whole["noted"], whole["foreign"]) == (True, [], 2, 0)
    assert films.call_json("history", "--anchor", whole["end"]) == {**whole, "noted": 3}
    odd = whole["end"].replace(":", ":0", 1)[:-1]
    assert films.call("history", "--anchor", odd, check=False).returncode == 3
    with closing(open_sqlite(films.root / ".tiltyard" / "ledger.db")) as ledger:
        ledger.execute("UPDATE events SET reason = 'nothing happened' WHERE kind = 'rolled-back'")
    tampered = films.call("history", "--verify", "--json", check=False)
    assert tampered.returncode == 3
    assert json.loads(tampered.stdout)["broken"]


@pytest.mark.requirement("R-TRACK-13", "R-REG-03", "R-REG-18", "R-REG-20", "R-REG-21", "R-ART-02", "R-ART-03")
def test_a_version_waits_for_approval_and_outside_changes_are_found(
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
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{films.root / '.tiltyard' / 'mlflow.db'}")
    registry.register_model("models:/films-classifier/1", "films-classifier")
    registry.set_alias("films-classifier", "champion", "2")
    code, found = ran("doctor")
    assert code == 1
    checks = {check["name"]: check for check in found["checks"]}
    assert "names version 2, and by the decisions version 1" in checks["aliases"]["found"]
    assert "set-alias" in checks["champion's right"]["next_step"]
    code, history = ran("history")
    assert [event["kind"] for event in history] == [
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
        subject = alias_change_subject("films-classifier")
        ledger.append(Event(BEGUN, subject, datetime.now(UTC), "ann", evidence=cut_short))
    for words, state in (((), "wrong"), (("--repair",), "note"), ((), "ok")):
        code, found = ran("doctor", *words)
        assert [check["state"] for check in found["checks"] if check["name"] == "decisions"] == [state]
        assert code == (1 if state == "wrong" else 0)
    assert ran("history")[1][-1]["kind"] == "promoted"
    code, exported = ran("export", "1.0.0", "--to", str(tmp_path / "models"))
    assert [Path(file).name for file in exported["files"]] == [
        "films_model.pkl",
        "films_model_vectorizer.pkl",
        "metrics.json",
        "films_model_requirements.txt",
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


def test_typed_names_times_and_reasons_are_checked(
    tmp_path: Path, fresh_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version has one name, a blank reason is refused, odd times are errors, and no text controls the terminal."""
    films = make_films(tmp_path / "films", rows=300, store=fresh_store)

    def typed(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as left:
            main([*words, "--project", str(films.root)])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    assert typed("train", "--champion")[0] == 0
    assert typed("train", "--candidate", "nb-logreg")[0] == 0
    for name in ("01", "+1", " 1", "", "9" * 30):
        code, _, said = typed("promote", name)
        assert (code, f"has no version {name or repr(name)}" in said.replace("'", "") or f"{name!r}" in said) == (
            1,
            True,
        )
    assert typed("promote", "1.0.0")[0] == 2
    for blank in ("", "  "):
        assert typed("rollback", "--to", "2", "--reason", blank)[0] == 2
        code, _, said = typed("set-alias", "--alias", "champion", "--version", "2", "--reason", blank)
        assert (code, "--reason" in said) == (2, True)
    code, said, _ = typed("set-alias", "--alias", "shadow", "--version", "1.1.0")
    assert (code, said) == (0, "films-classifier: shadow is now version 2.\n")
    assert typed("rollback", "--to", "2", "--reason", "[bold]it[/bold] \x1b[31mbleeds [/]")[0] == 0
    code, said, _ = typed("history")
    (set_by_hand,) = (line.split() for line in said.splitlines() if "alias-set" in line)
    assert "shadow" in set_by_hand  # the table says which alias
    assert "\x1b" not in said
    assert "[bold]it" in said
    for at, code_, words in (
        ("0001-01-01T00:00:00+14:00", 2, "before the year 1"),
        ("9999-12-31T23:59:59-14:00", 2, "after 9999"),
        ("2999-01-01", 2, "in the future"),
        ("yesterday", 2, "not an ISO 8601 time"),
        ("1970-01-01T00:00:00+02:00", 1, "had no champion at 1969-12-31 22:00:00 UTC"),
    ):
        code, _, said = typed("history", "--at", at)
        assert (code, words in said) == (code_, True), said
    code, _, said = typed("history", "--model-name", "songs")
    assert (code, "no registered model 'songs'" in said) == (1, True)
    registry = MlflowRegistry(tracking_uri=f"sqlite:///{films.root / '.tiltyard' / 'mlflow.db'}")
    registry.delete_alias("films-classifier", "champion")
    for _ in range(2):  # not only the first time
        code, said, _ = typed("doctor")
        assert (code, "no decision removed it" in said) == (1, True)
    assert typed("rollback", "--to", "1", "--reason", "it was deleted")[0] == 0
    code, said, _ = typed("doctor")
    assert (code, "All checks pass." in said) == (0, True)


def test_another_registry_is_not_an_outside_change(
    tmp_path: Path, fresh_store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a registry that does not hold the model, doctor says so and records no change."""
    films = make_films(tmp_path / "films", rows=300, store=fresh_store)
    films.call("train", "--champion")
    before: Any = films.call_json("history")
    shutil.copy(fresh_store, tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(SystemExit):
        main(["doctor", "--json", "--project", str(films.root)])
    printed = json.loads(capsys.readouterr().out)
    (check,) = [one for one in printed["checks"] if one["name"] == "champion's right"]
    assert "or this is another registry" in check["found"]
    assert "MLFLOW_TRACKING_URI" in check["next_step"]
    assert films.call_json("history") == before
