"""Every recipe that Tiltyard ships can be trained, stored, verified and loaded as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.films import make_films
from tiltyard.data import load_dataset, split_dataset
from tiltyard.models import CANDIDATES, Candidate
from tiltyard.pipeline.training.preflight import check_candidate_types
from tiltyard.pipeline.training.run_logging import describe_version
from tiltyard.pipeline.training.steps import evaluate_model, train_model
from tiltyard.project import Project, load_project
from tiltyard.registry import read_package, write_package
from tiltyard.tasks import TASKS

EXAMPLES = Path(__file__).parents[2] / "examples"


def project_for(candidate: Candidate, folder: Path) -> Project:
    """A small project of the candidate's task."""
    if candidate.task == "text-classification":
        return load_project(make_films(folder / "films", rows=400).root)
    return load_project(EXAMPLES / "personality")


CLASSIFIERS = {name: one for name, one in CANDIDATES.items() if TASKS[one.task].target == "class"}


@pytest.mark.parametrize("candidate", CLASSIFIERS.values(), ids=list(CLASSIFIERS))
def test_a_recipe_survives_its_storage(candidate: Candidate, tmp_path: Path) -> None:
    """On a host without settings the stored version loads and gives the very probabilities that were evaluated."""
    project = project_for(candidate, tmp_path)
    split = split_dataset(load_dataset(project), project.split)
    model = train_model([candidate], split.train, project, lambda _text: None)
    trial = evaluate_model(model, split, project)
    assert trial.evaluation.metrics["accuracy"] > 0.5
    card = describe_version(project, trial)
    write_package(tmp_path / "version", model.pipeline, card, training_keys=np.zeros(1, dtype=np.uint64))
    package = read_package(tmp_path / "version")
    assert np.array_equal(package.pipeline.predict_proba(split.test.inputs), trial.class_predictions.probabilities)


def test_a_search_is_stored_by_its_best_estimator(tmp_path: Path) -> None:
    """A user's candidate that ends in a search is trained, and stored without its folds and scorers."""
    project = load_project(EXAMPLES / "personality")
    split = split_dataset(load_dataset(project), project.split)

    def build(_seed: int) -> Pipeline:
        columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["Stage_fear"]))
        return make_pipeline(columns, GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2))

    candidate = Candidate("searched", "A search", "tabular-classification", build)
    check_candidate_types([candidate], split.train, project, ())
    model = train_model([candidate], split.train, project, lambda _text: None)
    trial = evaluate_model(model, split, project)
    write_package(
        tmp_path, model.pipeline, describe_version(project, trial), training_keys=np.zeros(1, dtype=np.uint64)
    )
    package = read_package(tmp_path)
    assert np.array_equal(package.pipeline.predict_proba(split.test.inputs), trial.class_predictions.probabilities)
