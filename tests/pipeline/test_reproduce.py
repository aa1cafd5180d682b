"""Training a version again, from the rows that it saw and as it was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from tests.project_env import ProjectEnv
from tiltyard.data import Dataset, load_dataset
from tiltyard.data.content_hash import fingerprint, row_digests
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.models.candidates import CANDIDATES
from tiltyard.pipeline import TrainingOutcome
from tiltyard.pipeline.training.keep_rows import keep_rows
from tiltyard.pipeline.training.reproduce import RECIPE, LoadedRecipe
from tiltyard.project import DataSection, Project, SearchSection
from tiltyard.registry import VersionInfo

OWN = """
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from tiltyard.models import FloatRange

make_svm_space = {"linearsvc__C": FloatRange(0.01, 10, log=True), "tfidfvectorizer__ngram_range": [(1, 1), (1, 2)]}


def make_svm(random_state):
    return make_pipeline(TfidfVectorizer(min_df=2), LinearSVC(random_state=random_state))
"""


@pytest.fixture(scope="module")
def keeping(project_env: ProjectEnv) -> ProjectEnv:
    """The project with a place for snapshots, and its own recipe with a search."""
    (project_env.films.root / "own_svm.py").write_text(OWN, encoding="utf-8")
    return replace(
        project_env, workspace=replace(project_env.workspace, snapshots=str(project_env.films.root / "kept"))
    )


@pytest.fixture(scope="module")
def first(keeping: ProjectEnv) -> TrainingOutcome:
    """A training that searched over a recipe of the project's own."""
    changes = {"candidates": ("own_svm:make_svm",), "folds": 2, "search": SearchSection(trials=3), "random_state": 7}
    project = keeping.project
    return keeping.train(project.model_copy(update={"training": project.training.model_copy(update=changes)}))


def test_a_training_keeps_its_rows_and_says_where(keeping: ProjectEnv, first: TrainingOutcome) -> None:
    """The run names the snapshot and its fingerprint, and the snapshot holds all rows of the source."""
    assert first.kept.uri == str(keeping.films.root / "kept" / "films" / f"{first.kept.fingerprint}.parquet")
    params = MlflowClient(tracking_uri=keeping.tracking_uri).get_run(first.run_id).data.params
    assert (params["snapshot"], params["snapshot_fingerprint"]) == (first.kept.uri, first.kept.fingerprint)
    assert len(pd.read_parquet(first.kept.uri)) == 500
    assert first.kept.fingerprint == load_dataset(keeping.project).fingerprint
    assert first.to_dict()["snapshot"]["created"] is True


@pytest.mark.requirement("R-TRAIN-12")
def test_a_version_trained_again_is_the_same_model(keeping: ProjectEnv, first: TrainingOutcome) -> None:
    """Whatever has become of the data and the project file, the same rows and parameters give the same weights."""
    file = keeping.films.root / "reviews.csv"
    before = file.read_text(encoding="utf-8")
    file.write_text(before[: len(before) // 2].rsplit("\n", 1)[0], encoding="utf-8")
    try:
        again = keeping.train(from_version=first.version.version)
    finally:
        file.write_text(before, encoding="utf-8")
    assert again.version.version != first.version.version
    assert again.version.tags["tiltyard.reproduces"] == first.version.version
    assert not again.kept.created
    assert again.trial.split.train.row_digests.tolist() == first.trial.split.train.row_digests.tolist()
    assert again.trial.evaluation.metrics == first.trial.evaluation.metrics
    np.testing.assert_array_equal(
        again.trial.class_predictions.probabilities, first.trial.class_predictions.probabilities
    )
    assert dict(again.trial.model.candidate.params) == dict(first.trial.model.candidate.params)
    third = keeping.train(from_version=again.version.version)
    np.testing.assert_array_equal(
        third.trial.class_predictions.probabilities, first.trial.class_predictions.probabilities
    )


def test_what_can_no_longer_be_trained_again_is_refused_with_a_reason(
    keeping: ProjectEnv, first: TrainingOutcome
) -> None:
    """A lost or foreign snapshot, changed code and a version without a recipe are each named."""
    version = first.version.version
    with pytest.raises(UsageError, match="own recipe"):
        keeping.train(from_version=version, candidates=("nbsvm",))
    module = keeping.films.root / "own_svm.py"
    module.write_text(OWN.replace("min_df=2", "min_df=3"), encoding="utf-8")
    with pytest.raises(UsageError) as changed:
        keeping.train(from_version=version)
    assert changed.value.code == "version.code-changed"
    module.write_text(OWN, encoding="utf-8")
    snapshot = Path(str(first.kept.uri))
    content = snapshot.read_bytes()
    pd.read_parquet(snapshot).iloc[1:].to_parquet(snapshot)
    with pytest.raises(DataError) as foreign:
        keeping.train(from_version=version)
    assert foreign.value.code == "data.snapshot-differs"
    snapshot.unlink()
    with pytest.raises(DataError) as lost:
        keeping.train(from_version=version)
    assert lost.value.code == "data.no-snapshot"
    snapshot.write_bytes(content)
    made = keeping.workspace.registry.register_model(
        f"{(keeping.films.root / 'artifacts').as_uri()}", keeping.project.model_name
    )
    with pytest.raises(NotFoundError) as mute:
        keeping.train(from_version=made.version)
    assert mute.value.code == "version.no-recipe"


def test_a_recipe_tells_everything_but_secrets(keeping: ProjectEnv, first: TrainingOutcome) -> None:
    """The run's recipe names data, split, training, parameters and libraries."""
    folder = keeping.films.root / "artifacts" / first.run_id / "artifacts"
    recipe = json.loads((folder / RECIPE).read_text("utf-8"))
    assert recipe["project"]["training"]["random_state"] == 7
    assert recipe["project"]["data"]["source"] == "reviews.csv"
    assert set(recipe["params"]) in (set(), {"linearsvc__estimator__C", "tfidfvectorizer__ngram_range"})
    assert {"python", "tiltyard", "scikit-learn", "numpy"} <= set(recipe["libraries"])
    assert recipe["code"]


@pytest.fixture
def dataset(project_env: ProjectEnv) -> Dataset:
    """The reviews."""
    return load_dataset(project_env.project)


def test_rows_that_cannot_be_kept_stop_no_training(dataset: Dataset, tmp_path: Path) -> None:
    """Too many rows, an unusable store and a switch that is off give a reason in place of a snapshot."""
    section = DataSection(source="reviews.csv", text="text")
    (tmp_path / "file").write_text("")
    reasons = [
        keep_rows(dataset, section.model_copy(update=change), store).why_not
        for change, store in (
            ({"snapshots": False}, str(tmp_path / "a")),
            ({"max_snapshot_gb": 1e-6}, str(tmp_path / "b")),
            ({}, str(tmp_path / "file")),
            ({}, None),
        )
    ]
    assert "data.snapshots is false" in reasons[0]
    assert "data.max_snapshot_gb" in reasons[1]
    assert "cannot be kept" in reasons[2]
    assert "no place" in reasons[3]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert keep_rows(dataset, section, str(tmp_path / "c")).created


def test_rows_in_another_order_are_kept_too(dataset: Dataset, tmp_path: Path) -> None:
    """A solver may depend on the order of the rows, so a training keeps it."""
    section = DataSection(source="reviews.csv", text="text")
    turned = dataset.take(np.ones(len(dataset), dtype=bool))
    frame = dataset.frame.iloc[::-1].reset_index(drop=True)
    turned = replace(turned, frame=frame)
    first, second = (keep_rows(rows, section, str(tmp_path)) for rows in (dataset, turned))
    assert (first.created, second.created) == (True, True)
    assert pd.read_parquet(str(second.uri))["text"].tolist() == frame["text"].tolist()
    assert not keep_rows(turned, section, str(tmp_path)).created
    assert not keep_rows(dataset, section, str(tmp_path)).created


def test_rows_are_the_same_however_their_labels_were_once_read(tmp_path: Path) -> None:
    """A version from before, whose labels ``1.0`` were not class ``1``, is still one of the same rows."""
    (tmp_path / "rows.csv").write_text("x,label\n" + "".join(f"{n},{n % 2}.0\n" for n in range(20)))
    content = {"project": {"name": "p", "task": "tabular-classification"}, "data": {"source": "rows.csv"}}
    project = Project.model_validate({**content, "root": tmp_path})
    rows = load_dataset(project)
    assert rows.classes == ("0", "1")
    before = fingerprint(row_digests(rows.inputs, rows.labels + ".0"))
    info = VersionInfo("p", "1", (), None, datetime.now(UTC))
    recipe = LoadedRecipe(info, project, CANDIDATES["logreg"], before)
    recipe.check(rows)
    with pytest.raises(DataError, match="other rows"):
        replace(recipe, fingerprint="0" * 32).check(rows)


def test_a_version_that_took_dates_for_words_says_why_it_cannot_be_trained_again(tmp_path: Path) -> None:
    """Rows whose dates were categories to a version are the same rows: the error names the dates and the step."""
    days = [f"2024-01-{day:02}" for day in range(1, 21)]
    times = [f"{day} 10:30:00" for day in days]
    pd.DataFrame({"day": days, "at": times, "fee": range(20), "label": ["a", "b"] * 10}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    project = Project.model_validate(
        {
            "project": {"name": "p", "task": "tabular-classification"},
            "data": {"source": "rows.csv"},
            "root": tmp_path,
        }
    )
    rows = load_dataset(project)
    info = VersionInfo("p", "4", (), None, datetime.now(UTC))
    now = LoadedRecipe(info, project, CANDIDATES["logreg"], rows.fingerprint)
    now.check(rows)
    words = rows.frame[["day", "at", "fee"]].astype({"fee": float})
    then = replace(now, fingerprint=fingerprint(row_digests(words, rows.labels)))
    # Where the texts are as pandas writes dates, the rows have one fingerprint either way.
    for recipe in (then, replace(now, dates_as_words=True, tiltyard="0.0.9")):
        with pytest.raises(DataError, match="Version 4 cannot be trained again: it read the dates of day, at as") as no:
            recipe.check(rows)
        assert no.value.code == "version.dates-as-words"
        assert "tiltyard train" in no.value.next_step
    with pytest.raises(DataError, match="other rows"):
        replace(now, fingerprint="0" * 32).check(rows)
    undated = replace(rows, schema=None)
    replace(now, dates_as_words=True).check(undated)
