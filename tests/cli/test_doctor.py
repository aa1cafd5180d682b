"""`tiltyard doctor` and the commands about versions, on a project with a champion."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.films import make_films
from tiltyard.cli.host.doctor import EXTRAS
from tiltyard.cli.main import main
from tiltyard.ledger import Event, Label, SqlLedger
from tiltyard.sqlite import default_library
from tiltyard.testing import make_finding, make_prediction

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Path:
    """A project with a champion."""
    films = make_films(tmp_path_factory.mktemp("films") / "films", rows=300, store=fresh_store)
    films.call("train", "--champion")
    return films.root


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as left:
        main([*words, "--json"])
    assert isinstance(left.value.code, int)
    return left.value.code, json.loads(capsys.readouterr().out)


def checks(found: Any) -> dict[str, tuple[str, str]]:
    return {check["name"]: (check["state"], check["found"]) for check in found["checks"]}


@pytest.mark.requirement("R-TRACK-16", "R-TRACK-18", "R-TRACK-19")
def test_a_healthy_project_passes_all_checks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is named with its place and found right."""
    code, found = run_json(capsys, "doctor", "--project", str(root))
    seen = checks(found)
    assert (code, found["healthy"]) == (0, True)
    assert "mlflow 3." in seen["libraries"][1]
    assert seen["sqlite"][0] == ("ok" if default_library().resets_safely else "note")
    assert seen["sqlite"][1].startswith(str(default_library()))
    assert "300 rows" in seen["data"][1]
    assert str(root / ".tiltyard" / "ledger.db") in seen["ledger"][1]
    assert str(root / ".tiltyard" / "mlflow.db") in seen["registry"][1]
    assert seen["champion"] == ("ok", "version 1 of films-classifier, verified")


@pytest.mark.requirement("R-DOC-04")
def test_doctor_finds_each_problem(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data that is gone is wrong, a missing champion is worth knowing, and each names the next step."""
    films = make_films(tmp_path / "films", rows=10)
    (films.root / "reviews.csv").unlink()
    code, found = run_json(capsys, "doctor", "--project", str(films.root))
    seen = checks(found)
    assert (code, found["healthy"]) == (1, False)
    assert seen["data"][0] == "wrong"
    assert seen["champion"][0] == "note"
    steps = {check["name"]: check["next_step"] for check in found["checks"]}
    assert "tiltyard train --champion" in steps["champion"]
    assert steps["data"]


def test_doctor_counts_labels_from_the_future(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels that an upgrade moved are worth knowing; labels that still have a time in the future are wrong."""
    films = make_films(tmp_path / "films", rows=10)
    rows = [make_prediction(project="films-classifier") for _ in range(3)]
    future = datetime.now(UTC) + timedelta(days=400)
    found_before = make_finding(code="labels.ahead", project="films-classifier", message="2 labels had a time.")
    with SqlLedger.open(f"sqlite:///{films.root / '.tiltyard' / 'ledger.db'}") as ledger:
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "positive", future, "old") for row in rows])
        ledger.findings.record([found_before])
    _, found = run_json(capsys, "doctor", "--project", str(films.root))
    [moved, left] = [check for check in found["checks"] if check["name"] == "labels"]
    assert (moved["state"], "2 labels had a time" in moved["found"]) == ("note", True)
    assert (left["state"], left["found"][:8]) == ("wrong", "3 labels")


def test_a_champion_that_cannot_be_loaded_is_wrong(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the champion's files are gone, doctor fails and names the place where they were."""
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for folder in ("artifacts/models", "cache"):
        shutil.rmtree(copy / ".tiltyard" / folder, ignore_errors=True)
    code, found = run_json(capsys, "doctor", "--project", str(copy))
    assert (code, found["healthy"]) == (1, False)
    assert checks(found)["champion"][0] == "wrong"
    assert (copy / ".tiltyard" / "artifacts").as_uri() in checks(found)["champion"][1]


def test_a_password_is_never_shown(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A ledger that cannot be reached is named without its password."""
    monkeypatch.setenv("TILTYARD_LEDGER", "postgresql://project_env:s3cret@127.0.0.1:9/ledger")
    code, found = run_json(capsys, "doctor", "--project", str(root))
    assert code == 1
    assert checks(found)["ledger"][0] == "wrong"
    assert "s3cret" not in json.dumps(found)


@pytest.mark.requirement("R-REG-03", "R-REG-10", "R-REG-14", "R-REG-15", "R-REG-22")
def test_versions_are_listed_shown_and_aliased(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """list-versions, model-info and set-alias as the requirements call them."""
    name = ("--model-name", "films-classifier", "--project", str(root))
    _, versions = run_json(capsys, "list-versions", *name)
    assert [(item["version"], item["aliases"]) for item in versions] == [("1", ["champion"])]
    code, given = run_json(capsys, "set-alias", *name, "--version", "1", "--alias", "challenger")
    assert (code, given["before"]) == (0, None)
    _, info = run_json(capsys, "model-info", "--alias", "challenger", "--project", str(root))
    assert (info["version"], info["aliases"]) == ("1", ["challenger", "champion"])
    assert len(info["run_id"]) == 32
    assert datetime.fromisoformat(info["created_at"]) <= datetime.now(UTC)
    assert {"accuracy", "precision", "recall"} <= info["metrics"].keys()
    assert {path.name for path in Path(info["source"].removeprefix("file://")).iterdir()} >= {"MLmodel", "model.skops"}
    with SqlLedger.open(f"sqlite:///{root}/.tiltyard/ledger.db") as ledger:
        where = {"host": "shop-1", "alias": "champion"}
        ledger.append(Event("served", "films-classifier/1", datetime.now(UTC), "server", evidence=where))
    _, info = run_json(capsys, "model-info", "--project", str(root))
    assert [(one["host"], one["alias"]) for one in info["deployments"]] == [("shop-1", "champion")]
    code, refused = run_json(capsys, "set-alias", *name, "--version", "7", "--alias", "challenger")
    assert code == 1
    assert "7" in refused["error"]["message"]


@pytest.mark.requirement("R-DATA-12")
def test_validate_passes_good_data_and_fails_bad_data(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`validate` ends with 0 and a report, or with 3 when a limit is broken."""
    page = tmp_path / "page.html"
    code, found = run_json(capsys, "validate", "--project", str(root), "--report", str(page))
    assert (code, found["passed"]) == (0, True)
    assert page.read_text("utf-8").startswith("<!")
    toml = (root / "tiltyard.toml").read_text("utf-8")
    (root / "strict.toml").write_text(toml + "\n[validation]\nmin_rows = 5000\n", "utf-8")
    code, found = run_json(capsys, "validate", "--project", str(root / "strict.toml"))
    assert (code, found["passed"]) == (3, False)


def test_every_optional_part_is_looked_for() -> None:
    """Each extra of the package is known to the doctor, by a library that the extra installs."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    extras = {name: libraries for name, libraries in declared.items() if name not in ("all", "dev")}
    assert EXTRAS.keys() == extras.keys()
    for name, library in EXTRAS.items():
        assert any(re.match(rf"{library}\W", one) for one in extras[name]), name
