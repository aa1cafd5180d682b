"""Bad input through the command line: each is a clear finding, or an error that names it and says what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.cli.main import main

ROWS = 300
TABLE = """
[project]
name = "bad"
task = "tabular-classification"
[data]
source = "{source}"
slices = ["region"]
ignore = ["region"]
[training]
candidates = ["logreg"]
[schema]
age = {{ type = "integer" }}
city = {{ type = "category", values = ["Oslo", "Rome"] }}
"""
TEXTS = '[project]\nname = "films"\ntask = "text-classification"\n[data]\nsource = "texts.csv"\ntext = "text"\n'
LONG = "word " * 400_001
ODD = "bad \x07\x1b[31m\x00 film \x85"


def table() -> pd.DataFrame:
    """Rows in which the region b has one label only."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"age": random.normal(40, 10, ROWS).round(), "city": random.choice(["Oslo", "Rome"], ROWS)})
    frame["label"] = np.where(frame["age"] + 10 * (frame["city"] == "Rome") > 45, "yes", "no")
    frame["region"] = np.where((frame["label"] == "yes") & (random.random(ROWS) < 0.7), "b", "a")
    return frame


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Path:
    """A folder with a project on good rows."""
    folder = tmp_path_factory.mktemp("bad")
    copy_store(fresh_store, folder)
    put(folder, "good", table())
    return folder


def copy_store(store: Path, root: Path) -> None:
    """Give projects in a folder a separate MLflow store, whose tables are made."""
    (root / ".tiltyard").mkdir()
    shutil.copyfile(store, root / ".tiltyard" / "mlflow.db")


def put(root: Path, name: str, frame: pd.DataFrame) -> str:
    """A project of that name on these rows; its file."""
    frame.to_csv(root / f"{name}.csv", index=False)
    file = root / f"{name}.toml"
    file.write_text(TABLE.format(source=f"{name}.csv"), encoding="utf-8")
    return str(file)


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Exit code and JSON output of a command."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def findings(printed: Any) -> dict[tuple[str, str], Any]:
    """Findings about the data by code and subject."""
    return {(finding["code"], finding["subject"]): finding for finding in printed["data"]["findings"]}


def test_mixed_types_are_named_with_their_rows(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Words in a column of numbers break the schema, and are a warning without one."""
    mixed = table().astype({"age": object})
    mixed.loc[::9, "age"] = "forty"
    code, found = run_json(capsys, "validate", "--project", put(root, "mixed", mixed))
    assert code == 3
    broken = findings(found)["schema.type-changed", "age"]
    assert broken["severity"] == "error"
    assert "'forty' (rows 1, 10" in broken["message"]
    file = root / "mixed.toml"
    file.write_text(file.read_text("utf-8").partition("[schema]")[0], encoding="utf-8")
    code, found = run_json(capsys, "validate", "--project", str(file))
    assert findings(found)["data.mixed-types", "age"]["severity"] == "warning"


@pytest.mark.requirement("R-CI-08")
def test_an_all_missing_column_stops_a_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column without a value is an error that names it, before any work is done."""
    project = put(root, "empty", table().assign(city=np.nan))
    code, found = run_json(capsys, "validate", "--project", project)
    assert (code, findings(found)["data.empty-column", "city"]["severity"]) == (3, "error")
    code, refused = run_json(capsys, "train", "--project", project)
    assert (code, refused["error"]["code"]) == (1, "data.refused")
    assert "city" in refused["error"]["message"]
    assert refused["error"]["next_step"]


def test_a_renamed_column_is_reported_by_both_names(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The column that is missing and the one that came are named."""
    renamed = table().rename(columns={"city": "town"})
    code, found = run_json(capsys, "validate", "--project", put(root, "renamed", renamed))
    assert code == 3
    text = json.dumps(found["data"]["findings"])
    assert "no column 'city'" in text
    assert "town" in text
    code, drifted = run_json(
        capsys, "validate", "--project", str(root / "renamed.toml"), "--against", str(root / "good.csv")
    )
    lost = next(item for item in drifted["drift"]["findings"] if item["code"] == "drift.columns-lost")
    assert "It has town instead" in lost["message"]


@pytest.fixture(scope="module")
def trained(root: Path) -> str:
    """The project on good rows, with a champion."""
    with pytest.raises(SystemExit) as ended:
        main(["train", "--champion", "--project", str(root / "good.toml"), "--json"])
    assert not ended.value.code
    return str(root / "good.toml")


def test_a_slice_with_one_label_gets_the_metrics_that_exist(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Accuracy is given, and what needs both labels says why it is not."""
    _, found = run_json(capsys, "evaluate", "--project", trained)
    slices = {item["title"]: item for item in found["slices"]["slices"] if item["column"] == "region"}
    assert slices["b"]["metrics"]["accuracy"] > 0.5
    assert "no row has the label 'no'" in slices["b"]["not_computed"]["roc_auc"]


def test_an_odd_row_is_predicted_or_refused_by_name(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A new category counts as unknown; a renamed column and a word for a number are refused."""
    code, new = run_json(capsys, "predict", "--project", trained, '{"age": 41, "city": "Paris"}')
    assert (code, new[0]["model_version"]) == (0, "1")
    [warning] = new[0]["warnings"]
    assert (warning["field"], warning["code"], warning["value"]) == ("city", "unknown-category", "Paris")
    code, renamed = run_json(capsys, "predict", "--project", trained, '{"age": 41, "town": "Oslo"}')
    assert code == 1
    assert "'city' is missing" in renamed["error"]["message"]
    assert "'town' is not a feature" in renamed["error"]["message"]
    code, word = run_json(capsys, "predict", "--project", trained, '{"age": "forty", "city": "Oslo"}')
    assert (code, "'age'" in word["error"]["message"], "forty" in word["error"]["message"]) == (1, True, True)


def test_a_row_of_the_file_is_predicted_as_it_stands(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its label and the columns that are not features pass in silence; an unknown column is refused."""
    row = table().astype(object).iloc[0].to_dict()
    code, whole = run_json(capsys, "predict", "--project", trained, json.dumps(row))
    assert (code, "warnings" in whole[0]) == (0, False)
    code, more = run_json(capsys, "predict", "--project", trained, json.dumps({**row, "ages": 5}))
    assert (code, "'ages' is not a feature of this model. Did you mean 'age'?" in more["error"]["message"]) == (1, True)


def test_huge_texts_and_control_characters_are_handled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fresh_store: Path
) -> None:
    """Both are findings by row, neither stops a training, both get predictions, and the table stays intact."""
    copy_store(fresh_store, tmp_path)
    random = np.random.default_rng(0)
    words = random.choice(["good", "bad"], 120)
    frame = pd.DataFrame({"text": [f"a {word} film, number {place}" for place, word in enumerate(words)]})
    frame["label"] = np.where(words == "good", "p", "n")
    frame.loc[3, "text"] = LONG
    frame.loc[7, "text"] = ODD
    frame.to_csv(tmp_path / "texts.csv", index=False)
    project = tmp_path / "tiltyard.toml"
    project.write_text(TEXTS, encoding="utf-8")
    code, found = run_json(capsys, "validate", "--project", str(project))
    assert code == 0
    assert "(row 4)" in findings(found)["text.long", "text"]["message"]
    odd = findings(found)["text.control-characters", "text"]["message"]
    assert "\\x07\\x1b[31m\\x00" in odd
    code, done = run_json(capsys, "train", "--champion", "--project", str(project))
    assert (code, done["model_version"]) == (0, "1")
    with pytest.raises(SystemExit) as ended:
        main(["predict", "--project", str(project), LONG, ODD])
    shown = capsys.readouterr().out
    assert not ended.value.code
    assert len(shown) < 2000
    assert "\\x07\\x1b" in shown
    assert "\x1b[31m" not in shown
