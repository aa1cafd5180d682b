"""What ``tiltyard init --yes`` writes, validation and training take; what they would refuse, it refuses itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tiltyard.cli.data.init import init_command
from tiltyard.data import load_dataset, split_dataset
from tiltyard.errors import TiltyardError
from tiltyard.pipeline import validate_data
from tiltyard.project import load_project

RANDOM = np.random.default_rng(11)
ROWS = 160
Y = np.arange(ROWS) % 2
FEE = RANDOM.normal(30 + 6 * Y, 9).round(2)
AGE = RANDOM.integers(20, 70, ROWS)
PLAN = RANDOM.choice(["basic", "plus", "pro"], ROWS)
PROSE = [f"we {('won a prize', 'met at six')[y]} with {place} others there" for place, y in enumerate(Y)]
TABLE = {"age": AGE, "fee": FEE, "plan": PLAN, "y": Y}


def run_init(root: Path, name: str, content: bytes | str, *options: str) -> dict[str, Any]:
    """What init says with --json about a file, under ``error`` where it refuses."""
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    arguments = [str(root / name), "--output", str(root / "tiltyard.toml"), "--yes", "--json", *options]
    done = CliRunner().invoke(init_command, arguments)
    if isinstance(done.exception, TiltyardError):
        return {"error": done.exception}
    assert done.exception is None or done.exit_code == 0, done.exception
    found: dict[str, Any] = json.loads(done.output)
    return found


def roles(found: dict[str, Any], role: str) -> set[str]:
    return {column["name"] for column in found["guess"]["columns"] if column["role"] == role}


def csv(columns: dict[str, Any], **options: Any) -> str:
    return str(pd.DataFrame(columns).to_csv(index=False, **options))


ODD_FILES: dict[str, Callable[[], str | bytes]] = {
    "rows.csv": lambda: csv(TABLE),
    "names.csv": lambda: csv({'a "b"\\': AGE, "c\nd": FEE, "e = 'f'": PLAN, "ü\t#": Y}),
    "classes.csv": lambda: csv({**TABLE, "y": np.array(['say "no"\n# x = 1', "C\\#"])[Y]}),
    "long-classes.csv": lambda: csv({**TABLE, "y": np.array(["x" * 300, "y" * 300])[Y]}),
    "leak.csv": lambda: csv({"votes": Y * 3, **TABLE}),
    "all-leaks.csv": lambda: csv({"votes": Y * 3, "copy": np.array(["n", "j"])[Y], "y": Y}),
    "sorted.csv": lambda: csv({"": range(ROWS), "fee": np.sort(FEE), "age": AGE, "plan": PLAN, "y": np.sort(Y)}),
    "twelve.csv": lambda: csv({name: cells[:12] for name, cells in TABLE.items()}),
    "one-class.csv": lambda: csv({**TABLE, "y": np.zeros(ROWS, dtype=int)}),
    "copies.csv": lambda: csv({"fee": [1.5] * ROWS, "plan": ["pro"] * ROWS, "y": Y}),
    "empty-columns.csv": lambda: csv({"v1": np.array(["ham", "spam"])[Y], "v2": PROSE, "": None, " ": None}),
    "lists.jsonl": lambda: pd.DataFrame({"review": PROSE, "n": [[1, 2]] * ROWS, "stars": Y * 4.0 + 1}).to_json(
        orient="records", lines=True
    ),
    "lists-only.jsonl": lambda: pd.DataFrame({"n": [[1, 2], {"a": 1}] * (ROWS // 2), "y": Y}).to_json(
        orient="records", lines=True
    ),
    "ids-only.csv": lambda: csv({"id": range(ROWS), "uuid": [f"u{place}" for place in range(ROWS)], "y": Y}),
    "amounts.csv": lambda: csv({"age": AGE, "plan": PLAN, "amount": FEE * 13.37}),
    "numbers.csv": lambda: csv({"a": FEE, "b": FEE * 2, "c": FEE * 3}),
    "named-none.csv": lambda: csv({**TABLE, "y": np.array(["None", "Apnea"])[Y]}),
    "gaps.csv": lambda: csv({**TABLE, "fee": [fee if place % 3 else None for place, fee in enumerate(FEE)]}),
    "rare.csv": lambda: csv({**TABLE, "y": ["other" if place == 5 else str(y) for place, y in enumerate(Y)]}),
    "unlabelled.csv": lambda: csv({**TABLE, "y": [None if place in (7, 90) else y for place, y in enumerate(Y)]}),
    "booleans.csv": lambda: csv({"member": AGE > 40, **TABLE, "y": Y == 1}),
    "text-only.csv": lambda: csv({"text": PROSE, "topic": [f"t{place % 12}" for place in range(ROWS)]}),
    "semicolons.csv": lambda: csv(TABLE, sep=";", decimal=","),
    "no-header.csv": lambda: csv(TABLE, header=False),
}


@pytest.mark.parametrize("name", list(ODD_FILES))
def test_init_writes_only_what_validation_and_training_take(tmp_path: Path, name: str) -> None:
    """The written project loads, its rows load, and validation passes; else init refuses with a reason and a step."""
    found = run_init(tmp_path, name, ODD_FILES[name]())
    if "error" in found:
        assert found["error"].next_step
        assert not (tmp_path / "tiltyard.toml").exists()
        return
    project = load_project(tmp_path / "tiltyard.toml")
    dataset = load_dataset(project)
    assert len(dataset) == ROWS - {"unlabelled.csv": 2, "rare.csv": 1}.get(name, 0)
    assert project.data.label == found["guess"]["label"]
    assert validate_data(dataset, split_dataset(dataset, project.split, project.data.time), project).passed


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("all-leaks.csv", "data.no-features"),
        ("twelve.csv", "data.draft-refused"),
        ("one-class.csv", "data.one-class"),
        ("copies.csv", "data.no-features"),
        ("lists-only.jsonl", "data.no-features"),
        ("ids-only.csv", "data.no-features"),
    ],
)
def test_init_refuses_what_nobody_can_train_on(tmp_path: Path, name: str, code: str) -> None:
    """A file without a label, without a feature or below the limits is refused by a code of its kind."""
    assert run_init(tmp_path, name, ODD_FILES[name]())["error"].code == code


@pytest.mark.parametrize("name", ["y", "price"])
def test_a_label_of_one_number_is_not_explained_as_a_class(tmp_path: Path, name: str) -> None:
    """Whether a class or a number was meant does not show in a column that always holds the same, named or not."""
    table = {**TABLE, "y": np.full(ROWS, 2.5)}
    content = csv({("price" if key == "y" else key) if name == "price" else key: cells for key, cells in table.items()})
    found = run_init(tmp_path, "rows.csv", content, *(["--label", "price"] if name == "price" else []))
    error = found["error"]
    assert error.code == "data.one-class"
    assert name in error.message
    assert "labels that differ" in error.message
    assert "class" not in error.message + error.next_step


def test_no_check_writes_what_validation_refuses(tmp_path: Path) -> None:
    """With --no-check the file is written although validation refuses the data."""
    run_init(tmp_path, "twelve.csv", ODD_FILES["twelve.csv"](), "--no-check")
    project = load_project(tmp_path / "tiltyard.toml")
    assert len(load_dataset(project)) == 12


@pytest.mark.parametrize(("name", "leaks"), [("leak.csv", {"votes"}), ("sorted.csv", {"Unnamed: 0", "fee"})])
def test_columns_that_give_the_label_away_are_left_out_and_said(tmp_path: Path, name: str, leaks: set[str]) -> None:
    """--yes leaves columns that give the label away out, with the evidence; --keep accepts the finding."""
    found = run_init(tmp_path, name, ODD_FILES[name]())
    assert roles(found, "left out") == leaks
    said = {finding["subject"] for finding in found["findings"] if finding["code"] == "leakage.column"}
    assert said <= leaks
    (tmp_path / "tiltyard.toml").unlink()
    leak = sorted(said)[0]
    kept = run_init(tmp_path, name, ODD_FILES[name](), "--keep", leak)
    assert leak in roles(kept, "feature")
    assert load_project(tmp_path / "tiltyard.toml").validation.ignore == (f"leakage.column:{leak}",)


def test_every_option_overrules_its_guess(tmp_path: Path) -> None:
    """Label, time, positive class, metric, ignored and sensitive columns are written as stated."""
    when = [f"2026-01-{1 + place % 28:02d}" for place in range(ROWS)]
    content = csv({**TABLE, "when": when, "sex": np.array(["f", "m"])[AGE % 2]})
    options = [
        "--label",
        "sex",
        "--positive",
        "f",
        "--metric",
        "f1",
        "--time",
        "when",
        "--name",
        "who",
        "--group",
        "fee",
    ]
    found = run_init(tmp_path, "rows.csv", content, *options, "--ignore", "age", "--sensitive", "plan")
    project = load_project(tmp_path / "tiltyard.toml")
    assert (project.name, project.data.label, project.data.positive, project.data.time) == ("who", "sex", "f", "when")
    assert (project.training.metric, project.data.ignore, project.data.sensitive) == ("f1", ("age", "fee"), ("plan",))
    assert project.split.group == "fee"
    assert found["guess"]["columns"][0]["reason"] == "you named it"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--metric", "acuracy"], "Did you mean 'accuracy'"),
        (["--positive", "2"], "'2' is not a class"),
        (["--label", "yy"], "no column 'yy'"),
        (["--ignore", "feee"], "Did you mean 'fee'"),
        (["--sensitive", "sex"], "no column 'sex'"),
        (["--task", "tabular-classification", "--text", "plan"], "has no text column"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    """A name that the file, the metrics or the classes do not have is an error that names the nearest."""
    found = run_init(tmp_path, "rows.csv", ODD_FILES["rows.csv"](), *options)
    assert said in str(found["error"])
    assert not (tmp_path / "tiltyard.toml").exists()


def test_the_task_can_be_stated_against_the_guess(tmp_path: Path) -> None:
    """--task makes a table of a file with prose, and a text project of a file whose text is short."""
    both = csv({"remark": PROSE, **TABLE})
    assert run_init(tmp_path, "both.csv", both, "--task", "tabular-classification")["guess"]["text"] is None
    (tmp_path / "tiltyard.toml").unlink()
    assert run_init(tmp_path, "both.csv", both, "--task", "text-classification")["guess"]["text"] == "remark"


def test_classes_that_are_called_like_gaps_are_kept_and_said(tmp_path: Path) -> None:
    """A class None stays a class, with a finding that says how to make it a gap."""
    found = run_init(tmp_path, "named-none.csv", ODD_FILES["named-none.csv"]())
    assert set(found["guess"]["classes"]) == {"None", "Apnea"}
    assert "data.gaps" in next(f for f in found["findings"] if f["code"] == "data.gap-word-class")["next_step"]


def test_metric_and_positive_class_are_those_of_the_classes_that_training_keeps(tmp_path: Path) -> None:
    """A class that training sets aside neither makes the metric nor leaves two classes without a positive one."""
    guess = run_init(tmp_path, "rare.csv", ODD_FILES["rare.csv"]())["guess"]
    assert (set(guess["classes"]), guess["metric"], guess["positive"]) == ({"0", "1"}, "accuracy", "1")


def test_a_rare_class_gets_a_metric_that_minds_it_with_the_reason(tmp_path: Path) -> None:
    """One row of five of the rarer class: balanced accuracy, with what always guessing has, as a comment."""
    rare = csv({**TABLE, "y": [place % 5 == 0 for place in range(ROWS)]})
    found = run_init(tmp_path, "rare.csv", rare)
    written = (tmp_path / "tiltyard.toml").read_text(encoding="utf-8")
    assert (found["guess"]["metric"], found["guess"]["positive"]) == ("balanced_accuracy", "True")
    assert "always predicting 'False' has an accuracy of 80%" in written
