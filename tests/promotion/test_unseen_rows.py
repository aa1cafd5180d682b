"""A version is never evaluated on rows that it was trained on, whatever became of the columns since."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.errors import DataError
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import Workspace
from tiltyard.promotion.offline_predictions import find_unseen_rows
from tiltyard.promotion.version_report import evaluate_version
from tiltyard.registry import ExperimentTracker, MlflowRegistry

PROJECT = """
[project]
name = "loans"
task = "tabular-classification"
[data]
source = "first.csv"
label = "paid"
[training]
candidates = ["logreg"]
[promotion]
rule = "better"
"""
ROWS = 300


def make_rows(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Rows of which one has a word for an age, which makes its column a category."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"income": random.normal(40, 9, rows).round(3), "age": random.integers(18, 80, rows)})
    frame["paid"] = np.where(frame["income"] + random.normal(0, 3, rows) > 40, "yes", "no")
    frame["age"] = frame["age"].astype(object)
    return frame


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A project whose champion, version 1, read ages as categories, since one was a word."""
    root = tmp_path_factory.mktemp("unseen")
    (root / "tiltyard.toml").write_text(PROJECT)
    first = make_rows(1)
    first.loc[0, "age"] = "unknown age"
    first.to_csv(root / "first.csv", index=False)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        env = ProjectEnv(Films(root), workspace, uri)
        env.train(promote=True)
        yield env


def load_changed(loans: ProjectEnv, changed: pd.DataFrame, *, remembered: bool = True) -> Dataset:
    """Rows in a file of another form than the champion's; ``remembered``: divided as the champion's were."""
    changed.to_csv(loans.films.root / "changed.csv", index=False)
    project = loans.project
    project = project.model_copy(update={"data": project.data.model_copy(update={"source": "changed.csv"})})
    schema = loans.workspace.find_split_schema(project.model_name) if remembered else None
    return load_dataset(project, schema)


def change_rows(rows: pd.DataFrame, how: str) -> pd.DataFrame:
    random = np.random.default_rng(9)
    changes: dict[str, Any] = {
        "a column more": {"region": random.choice(["north", "south"], len(rows))},
        "another kind": {},
        "both": {"score": random.normal(size=len(rows))},
    }
    found = rows.assign(**changes[how])
    return found if how == "a column more" else found[found["age"] != "unknown age"].reset_index(drop=True)


@pytest.mark.parametrize("how", ["a column more", "another kind", "both"])
def test_training_rows_are_recognised_by_what_the_version_saw(loans: ProjectEnv, how: str) -> None:
    """A column more, or a column that is read as numbers today, hides no row that the champion was trained on."""
    champion = loans.workspace.registry.get_version("loans-classifier", alias="champion")
    package = loans.workspace.load(champion)
    before = pd.read_csv(loans.films.root / "first.csv", dtype={"age": object})
    known = load_changed(loans, change_rows(before, how), remembered=False)
    new = make_rows(2, 50)
    fresh = load_changed(loans, change_rows(new, how), remembered=False)
    unseen = find_unseen_rows(package, champion, known)
    trained = split_dataset(load_dataset(loans.project), loans.project.split).train
    lost = 0 if how == "a column more" else int((trained.frame["age"] == "unknown age").sum())
    assert int((~unseen).sum()) == len(trained) - lost
    assert find_unseen_rows(package, champion, fresh).all()


@pytest.mark.parametrize("how", ["a column more", "another kind", "both"])
def test_no_row_changes_sides_with_the_columns(loans: ProjectEnv, how: str) -> None:
    """The split follows from the columns and kinds of the first version, whatever came to them since."""
    before = pd.read_csv(loans.films.root / "first.csv", dtype={"age": object})
    then = split_dataset(load_dataset(loans.project), loans.project.split).test.frame
    now = split_dataset(load_changed(loans, change_rows(before, how)), loans.project.split).test.frame
    expected = then if how == "a column more" else then[then["age"] != "unknown age"]
    assert now["income"].tolist() == expected["income"].tolist()


def test_a_version_hands_on_by_which_columns_rows_are_divided(loans: ProjectEnv) -> None:
    """A version that was trained on a column more keeps the columns of the split, for those that come after it."""
    before = pd.read_csv(loans.films.root / "first.csv", dtype={"age": object})
    rows = load_changed(loans, change_rows(before, "a column more"))
    made = loans.train(load=lambda: rows)
    manifest = loans.workspace.load(made.version).manifest
    assert manifest.split_schema is not None
    assert [column.name for column in manifest.split_schema.columns] == ["income", "age"]
    assert manifest.table_schema is not None
    assert [column.name for column in manifest.table_schema.columns] == ["income", "age", "region"]


def test_a_lost_split_column_is_said(loans: ProjectEnv) -> None:
    """Where a column that decided the sides is gone, the features decide, and a warning says so."""
    rows = load_changed(loans, make_rows(1).drop(columns="age").assign(other=1.5))
    assert rows.split_schema is None
    (found,) = [found for found in rows.findings if found.code == "split.columns-changed"]
    assert found.severity == "warning"
    assert "'age'" in found.message


def test_a_gap_that_may_have_been_a_value_counts_as_seen(loans: ProjectEnv) -> None:
    """What was the word ``none`` to the version is missing today: such rows may be rows that it was trained on."""
    champion = loans.workspace.registry.get_version("loans-classifier", alias="champion")
    package = loans.workspace.load(champion)
    new = make_rows(3, 40)
    new.loc[:9, "age"] = "none"
    changed = load_changed(loans, new, remembered=False)
    rules = replace(changed.rules, gaps=("none",))
    assert changed.schema is not None
    gone = replace(
        changed,
        frame=changed.frame.assign(age=changed.frame["age"].where(changed.frame["age"] != "none")),
        schema=replace(changed.schema, rules=rules),
        rules=rules,
    )
    assert find_unseen_rows(package, champion, gone).tolist() == [False] * 10 + [True] * 30


def log_loans_model(loans: ProjectEnv, how: str) -> Any:
    frame = make_rows(1)[["income"]]
    labels = make_rows(1)["paid"]
    model = LogisticRegression().fit(frame, labels)
    tracker = ExperimentTracker("by hand", tracking_uri=loans.tracking_uri)
    with tracker.start_run():
        if how == "log_dataset":
            tracker.log_dataset(frame.assign(paid=labels), "training")
        given = {"training_data": frame} if how == "training_data" else {}
        uri = tracker.log_model(model, "model", **given)
    return loans.workspace.registry.register_model(uri, f"by-hand-{how.replace('_', '-')}")


@pytest.mark.parametrize("how", ["training_data", "log_dataset"])
def test_a_logged_model_says_which_rows_it_was_fitted_on(loans: ProjectEnv, how: str) -> None:
    """Rows that were given with the model, or logged as the training data of its run, are not used to evaluate it."""
    info = log_loans_model(loans, how)
    rows = load_changed(loans, pd.concat([make_rows(1), make_rows(4, 60)]), remembered=False)
    unseen = find_unseen_rows(loans.workspace.load(info), info, rows)
    assert unseen.tolist() == [False] * ROWS + [True] * 60


def test_a_version_without_training_keys_is_not_compared(loans: ProjectEnv) -> None:
    """Where it is not known which rows a version was trained on, the comparison is refused, with what helps."""
    info = log_loans_model(loans, "neither")
    rows = load_changed(loans, make_rows(1), remembered=False)
    with pytest.raises(DataError, match="does not say which rows it was trained on") as refused:
        evaluate_version(loans.workspace, loans.project, info, rows)
    assert refused.value.code == "promotion.training-rows-unknown"
    assert "training_data" in (refused.value.next_step or "")


def test_single_cells_of_another_kind_move_no_row(loans: ProjectEnv) -> None:
    """A word among the incomes, as in a row of sums, neither moves a row nor is said to."""
    rows = make_rows(1)
    clean = load_changed(loans, rows.assign(region="north"))
    words = rows.assign(region="north", income=rows["income"].astype(object))
    words.loc[ROWS] = {"income": "total", "age": 40, "paid": "yes", "region": "north"}
    changed = load_changed(loans, words)
    assert "split.columns-changed" not in {found.code for found in changed.findings}
    assert changed.content_keys[:ROWS].tolist() == clean.content_keys.tolist()


def test_a_column_of_nothing_readable_divides_no_rows(loans: ProjectEnv) -> None:
    """Where most cells of a column are of another kind, the features decide, and the finding names a cell."""
    changed = load_changed(loans, make_rows(1).assign(income=lambda rows: "about " + rows["income"].astype(str)))
    assert changed.split_schema is None
    (found,) = [found for found in changed.findings if found.code == "split.columns-changed"]
    assert "Column 'income' holds 'about" in found.message


def test_a_damaged_champion_does_not_keep_a_training_from_dividing(
    loans: ProjectEnv, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What helps against damaged versions is a new training: they are passed over, each with a warning."""
    stored = {file: file.read_bytes() for file in (loans.films.root / "artifacts").rglob("manifest.json")}
    assert stored
    for file in stored:
        file.write_text("{", encoding="utf-8")
    try:
        assert replace(loans.workspace, cache=tmp_path).find_split_schema("loans-classifier") is None
    finally:
        for file, content in stored.items():
            file.write_bytes(content)
    assert "Version 1 does not say how rows were divided" in caplog.text


def test_only_the_version_that_counts_is_fetched(project_env: ProjectEnv, tmp_path: Path) -> None:
    """Of texts, which have no columns to divide by, no more than one version is fetched."""
    for _ in range(2):
        project_env.train()
    workspace = replace(project_env.workspace, cache=tmp_path)
    assert workspace.find_split_schema(project_env.project.model_name) is None
    assert len(list(tmp_path.rglob("manifest.json"))) == 1
