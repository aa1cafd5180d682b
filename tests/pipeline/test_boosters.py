"""LightGBM, XGBoost and CatBoost from rows to a version that is loaded, served and trained again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier, XGBRegressor

from tests.films import Films
from tests.models.boosters.rows import LIBRARIES, flip_labels, make_labels, make_table
from tests.project_env import ProjectEnv
from tests.rents import open_rents
from tiltyard.ledger import SqlLedger
from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
from tiltyard.models.boosters.libraries.boosting_library import find_distribution, library_version
from tiltyard.pipeline import TrainingOutcome, Workspace
from tiltyard.pipeline.training.user_estimators import prepare_estimator
from tiltyard.registry import MlflowRegistry
from tiltyard.scoring import make_scorer

TABLE = """
[project]
name = "sizes"
task = "tabular-classification"
[data]
source = "sizes.csv"
label = "label"
[training]
candidates = ["{candidate}"]
folds = 2
"""
RECIPES = """
from xgboost import XGBClassifier
from lightgbm import LGBMClassifier

def make_xgboost(random_state):
    return XGBClassifier(n_estimators=15, max_depth=3, random_state=random_state)
make_xgboost_space = {"max_depth": [2, 3]}

def make_lightgbm():
    return LGBMClassifier(n_estimators=15, verbosity=-1)
"""


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A project of three labels in words, with gaps, words, booleans and dates, and no version yet."""
    root = tmp_path_factory.mktemp("sizes")
    table = make_table(400)
    table.assign(label=flip_labels(make_labels(table, 3), 0.1)).to_csv(root / "sizes.csv", index=False)
    (root / "tiltyard.toml").write_text(TABLE.format(candidate="lightgbm"), encoding="utf-8")
    (root / "recipes.py").write_text(RECIPES, encoding="utf-8")
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        snapshots = str(root / "snapshots")
        workspace = Workspace(
            MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester", snapshots=snapshots
        )
        yield ProjectEnv(Films(root), workspace, uri)


@pytest.fixture(scope="module")
def champion(sizes: ProjectEnv) -> TrainingOutcome:
    """The best of the three boosters, as first champion."""
    return sizes.train(candidates=LIBRARIES, promote=True)


@pytest.mark.requirement("R-MORE-02")
def test_the_best_booster_becomes_champion(sizes: ProjectEnv, champion: TrainingOutcome) -> None:
    """Three boosters compete on labels in words, and the best one is promoted and named."""
    assert champion.promotion is not None
    assert champion.promotion.promoted, champion.promotion.status
    assert {score.candidate.name for score in champion.trial.model.ranking} == set(LIBRARIES)
    assert champion.trial.evaluation.metrics["accuracy"] > 0.8
    package = sizes.workspace.load(champion.version)
    booster = package.pipeline[-1]
    assert type(booster) is BoosterClassifier
    library = booster.library_
    assert package.manifest.candidate == library
    assert package.manifest.libraries[find_distribution(library)] == library_version(library)


def test_the_stored_booster_predicts_what_was_evaluated(sizes: ProjectEnv, champion: TrainingOutcome) -> None:
    """The scorer of the loaded version and MLflow's generic interface predict what was evaluated."""
    package = sizes.workspace.load(champion.version)
    split = champion.trial.split.test
    expected = champion.trial.class_predictions
    columns = list(package.manifest.columns)
    texts = split.inputs[columns].head(30).to_json(orient="records", date_format="iso")
    rows = json.loads(texts)
    scorer = make_scorer(package)
    order = [scorer.classes.index(label) for label in champion.trial.model.classes]
    found = np.asarray(scorer.score(rows).probabilities)[:, order]
    np.testing.assert_allclose(found, expected.probabilities[:30], atol=1e-9)
    generic = mlflow.pyfunc.load_model(str(package.folder))
    assert list(generic.predict(split.frame[columns])) == list(expected.labels)
    requirements = (package.folder / "requirements.txt").read_text(encoding="utf-8")
    assert find_distribution(package.pipeline[-1].library_) in requirements


def test_a_booster_is_trained_again_from_the_rows_that_it_saw(sizes: ProjectEnv, champion: TrainingOutcome) -> None:
    """The same rows and seed give the same document."""
    again = sizes.train(from_version=champion.version.version)
    first, second = sizes.workspace.load(champion.version), sizes.workspace.load(again.version)
    assert second.pipeline[-1].document_ == first.pipeline[-1].document_


@pytest.mark.parametrize("recipe", ["recipes:make_xgboost", "recipes:make_lightgbm"])
def test_a_recipe_of_the_users_own_takes_labels_in_words(sizes: ProjectEnv, recipe: str) -> None:
    """An XGBClassifier wants 0, 1, 2, and skops stores no LGBMClassifier: both are trained, stored and loaded."""
    bare = make_table(400)[["size", "age"]]
    bare.assign(label=make_labels(make_table(400), 3)).to_csv(sizes.films.root / "numbers.csv", index=False)
    text = TABLE.format(candidate=recipe).replace("sizes", "numbers")
    (sizes.films.root / "tiltyard.toml").write_text(text, encoding="utf-8")
    made = sizes.train()
    package = sizes.workspace.load(made.version)
    assert type(package.pipeline[-1]) is BoosterClassifier
    again = package.pipeline.predict_proba(made.trial.split.test.inputs)
    np.testing.assert_array_equal(again, made.trial.class_predictions.probabilities)


def test_a_name_of_classes_means_its_recipe_of_numbers(tmp_path: Path, fresh_store: Path) -> None:
    """In a project of numbers `xgboost` is trained as `xgboost-regressor`, stored and loaded."""
    with open_rents(tmp_path, fresh_store) as rents:
        made = rents.train(candidates=("xgboost",))
        package = rents.workspace.load(made.version)
    assert package.manifest.candidate == "xgboost-regressor"
    assert type(package.pipeline[-1]) is BoosterRegressor
    assert made.trial.evaluation.metrics["r2"] > 0.9


def test_an_estimator_from_python_gets_native_categories_and_gaps() -> None:
    """A bare booster is prepared as the recipes are: words are its categories, and its settings stay."""
    table = make_table()
    labels = make_labels(table, 3)
    prepared = prepare_estimator(XGBClassifier(n_estimators=40), {"max_depth": 3}, table, "tabular-classification")
    assert prepared.name == "XGBClassifier"
    fitted = prepared.fit(table, labels)
    assert fitted[-1].categorical_ == [2, 3]
    assert (fitted.predict(table) == labels).mean() > 0.9
    lightgbm = prepare_estimator(LGBMClassifier(num_leaves=5), {}, table, "tabular-classification").pipeline[-1]
    assert lightgbm.settings["num_leaves"] == 5
    numbers = prepare_estimator(XGBRegressor(), {}, table, "tabular-regression").pipeline[-1]
    assert type(numbers) is BoosterRegressor
