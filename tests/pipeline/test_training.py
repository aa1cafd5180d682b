"""A training, and everything that is written down about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from tests.project_env import ProjectEnv
from tiltyard.data import load_dataset, split_dataset
from tiltyard.data.content_hash import content_keys
from tiltyard.errors import DataError, TiltyardError, UsageError
from tiltyard.evaluation import Evaluation
from tiltyard.pipeline import TrainingOutcome, validate_data
from tiltyard.pipeline.training.run_logging import describe_version
from tiltyard.project import Project, SearchSection
from tiltyard.registry import read_package


@pytest.fixture(scope="module")
def outcome(project_env: ProjectEnv) -> TrainingOutcome:
    """One training without promotion."""
    return project_env.train()


@pytest.fixture(scope="module")
def run(project_env: ProjectEnv, outcome: TrainingOutcome) -> Any:
    """Its run, as MLflow tells it."""
    return MlflowClient(tracking_uri=project_env.tracking_uri).get_run(outcome.run_id)


def artifact(project_env: ProjectEnv, run: Any, name: str) -> Path:
    """A run's artifact as a file."""
    file = project_env.films.root / "artifacts" / str(run.info.run_id) / "artifacts" / name
    assert file.is_file(), name
    return file


@pytest.mark.requirement("R-TRAIN-04", "R-TRAIN-07", "R-TRACK-01", "R-TRACK-02")
def test_a_run_tells_how_the_version_came_about(outcome: TrainingOutcome, run: Any) -> None:
    """Data, split, recipe, seed and hyperparameters are parameters of the run."""
    params = run.data.params
    assert params["dataset_size"] == "500"
    assert int(params["train_size"]) + int(params["test_rows"]) == 500
    assert (params["test_size"], params["random_state"]) == ("0.2", "42")
    assert (params["model_type"], params["candidate"]) == ("NaiveBayesLogistic", "tfidf-logreg")
    assert int(params["num_features"]) == outcome.trial.model.num_features > 1000
    assert params["classifier__C"] == "20.0"
    assert params["data_fingerprint"] == outcome.trial.split.train.fingerprint


@pytest.mark.requirement("R-TRACK-01", "R-TRACK-03")
def test_a_run_holds_metrics_overall_and_by_class(outcome: TrainingOutcome, run: Any) -> None:
    """The metrics of the run are those of the evaluation."""
    metrics = run.data.metrics
    assert metrics["accuracy"] == outcome.trial.evaluation.metrics["accuracy"]
    evaluation = outcome.trial.evaluation
    assert isinstance(evaluation, Evaluation)
    for label in ("positive", "negative"):
        for name in ("precision", "recall", "f1"):
            assert metrics[f"{label}.{name}"] == evaluation.per_class[label][name]
    assert metrics["data_quality_score"] > 90


@pytest.mark.requirement("R-TRACK-04", "R-TRACK-05", "R-ART-04")
def test_a_run_keeps_files_that_other_tools_can_read(
    project_env: ProjectEnv, outcome: TrainingOutcome, run: Any
) -> None:
    """metrics.json, confusion_matrix.json, the report, the findings and the plots are artifacts."""
    metrics = json.loads(artifact(project_env, run, "metrics.json").read_text("utf-8"))
    assert metrics["metrics"]["accuracy"] == outcome.trial.evaluation.metrics["accuracy"]
    confusion = json.loads(artifact(project_env, run, "confusion_matrix.json").read_text("utf-8"))
    assert confusion["classes"] == ["negative", "positive"]
    assert int(np.sum(confusion["matrix"])) == len(outcome.trial.split.test)
    assert "macro avg" in artifact(project_env, run, "classification_report.txt").read_text("utf-8")
    assert json.loads(artifact(project_env, run, "validation/findings.json").read_text("utf-8"))["data"]["passed"]
    (model,) = run.outputs.model_outputs  # where MLflow 3 keeps the model of a run
    assert model.model_id in str(outcome.version.source)
    package = read_package(project_env.workspace.registry.fetch(outcome.version, project_env.workspace.cache))
    assert "tfidf" in package.pipeline.named_steps
    for name in ("confusion_matrix", "per_class", "reliability"):
        assert artifact(project_env, run, f"plots/{name}.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.requirement("R-TRACK-02")
def test_a_run_names_its_data_by_fingerprint(outcome: TrainingOutcome, run: Any) -> None:
    """Both sides are inputs of the run, named by the digest of their rows."""
    inputs = {item.tags[0].value: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert inputs == {
        "training": outcome.trial.split.train.fingerprint,
        "evaluation": outcome.trial.split.test.fingerprint,
    }


@pytest.mark.requirement("R-REG-01")
def test_a_version_is_registered_with_its_metrics_and_no_alias(
    project_env: ProjectEnv, outcome: TrainingOutcome
) -> None:
    """The registry knows the version by run, recipe and metrics; without promotion it becomes no champion."""
    info = project_env.workspace.registry.get_version("films-classifier", version=outcome.version.version)
    assert (info.aliases, info.run_id) == ((), outcome.run_id)
    assert info.metrics["accuracy"] == outcome.trial.evaluation.metrics["accuracy"]
    assert info.tags["tiltyard.candidate"] == "tfidf-logreg"
    subject = f"films-classifier/{info.version}"
    (event,) = [one for one in project_env.workspace.ledger.events(kind="registered") if one.subject == subject]
    assert event.actor == "tester"


@pytest.mark.requirement("R-ART-01")
def test_a_version_predicts_as_it_did_at_training(project_env: ProjectEnv, outcome: TrainingOutcome) -> None:
    """What is fetched from the registry gives the probabilities that were evaluated, and knows its training rows."""
    package = read_package(project_env.workspace.registry.fetch(outcome.version, project_env.workspace.cache))
    test = outcome.trial.split.test
    assert np.array_equal(package.pipeline.predict_proba(test.inputs), outcome.trial.class_predictions.probabilities)
    assert set(package.training_keys) == set(content_keys(outcome.trial.split.train.inputs))
    assert len(package.manifest.samples.inputs) == 50


@pytest.mark.requirement("R-TRAIN-08")
def test_the_same_data_and_seed_give_the_same_version(project_env: ProjectEnv, outcome: TrainingOutcome) -> None:
    """A training can be repeated: the same rows and seed give the same split and the same predictions."""
    again = project_env.train()
    assert again.trial.split.test.fingerprint == outcome.trial.split.test.fingerprint
    assert np.allclose(
        again.trial.class_predictions.probabilities, outcome.trial.class_predictions.probabilities, atol=1e-12
    )


@pytest.mark.requirement("R-TRAIN-13")
def test_several_candidates_compete_on_the_train_side(project_env: ProjectEnv) -> None:
    """The best in cross-validation is trained, and the scores of all are kept."""
    chosen = project_env.train(candidates=("tfidf-logreg", "tfidf-naive-bayes"))
    ranking = chosen.trial.model.ranking
    assert {score.candidate.name for score in ranking} == {"tfidf-logreg", "tfidf-naive-bayes"}
    assert ranking[0].mean >= ranking[1].mean
    assert chosen.trial.model.candidate == ranking[0].candidate


OWN = """
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

def make():
    return make_pipeline(HashingVectorizer(n_features=2**12), LogisticRegression(C=10))
"""


@pytest.mark.requirement("R-TRAIN-06")
def test_a_recipe_of_ones_own_is_trained_like_any_other(project_env: ProjectEnv) -> None:
    """A module next to the project file gives the estimator, also one whose features have no names."""
    (project_env.films.root / "recipes_of_films.py").write_text(OWN, "utf-8")
    made = project_env.train(candidates=("recipes_of_films:make",))
    assert made.trial.model.num_features == 2**12
    assert made.version.tags["tiltyard.candidate"] == "recipes_of_films:make"
    package = read_package(project_env.workspace.registry.fetch(made.version, project_env.workspace.cache))
    assert np.array_equal(
        package.pipeline.predict_proba(made.trial.split.test.inputs), made.trial.class_predictions.probabilities
    )


def test_a_search_is_a_run_with_a_run_for_each_trial(project_env: ProjectEnv) -> None:
    """Trials are nested runs with their parameters and folds; the best of them is trained."""
    training = project_env.project.training.model_copy(update={"search": SearchSection(trials=3), "folds": 2})
    found = project_env.train(project_env.project.model_copy(update={"training": training}))
    client = MlflowClient(tracking_uri=project_env.tracking_uri)
    experiment = client.get_run(found.run_id).info.experiment_id
    nested = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{found.run_id}'")
    trials = found.trial.model.trials
    assert len(nested) == len(trials) == 3
    means = {run.data.metrics["cv_mean"] for run in nested}
    assert means == {trial.mean for trial in trials}
    best = max(trials, key=lambda trial: trial.mean)
    assert found.trial.model.candidate == best.candidate
    for name, value in best.params.items():
        assert found.trial.model.pipeline.get_params()[name] == value


def _replaced(project_env: ProjectEnv, change: Callable[[str], str]) -> str:
    file = project_env.films.root / "reviews.csv"
    before = file.read_text("utf-8")
    file.write_text(change(before), "utf-8")
    return before


@pytest.mark.requirement("R-DATA-12", "R-DATA-13")
def test_data_that_breaks_a_limit_stops_the_training_unless_accepted(project_env: ProjectEnv) -> None:
    """Bad data makes no run and no version; if it is accepted, its findings are kept with the run."""
    versions = len(project_env.workspace.registry.list_versions("films-classifier"))
    garbage = "".join(f"#### {n} %%%% $$$$ @@@@,positive,forum,2024-01-01T00:00:00Z\n" for n in range(200))
    before = _replaced(project_env, lambda text: text + garbage)
    try:
        with pytest.raises(DataError) as caught:
            project_env.train()
        assert caught.value.code == "data.refused"
        assert "--accept-data" in caught.value.next_step
        assert len(project_env.workspace.registry.list_versions("films-classifier")) == versions
        accepted = project_env.train(accept_data=True)
        assert accepted.version.version == str(versions + 1)
    finally:
        _replaced(project_env, lambda _: before)


UNKNOWN = """
from recipes_of_films import make as made

class Own(type(made()[-1])):
    def fit(self, rows, labels):
        if rows.shape[0] < 100:
            raise ValueError("too few rows")
        return super().fit(rows, labels)

def make():
    pipeline = made()
    pipeline.steps[-1] = ("own", Own(C=10))
    return pipeline
"""


def test_a_run_that_fails_is_marked_so(project_env: ProjectEnv) -> None:
    """When packaging is refused, the run ends FAILED with the reason: a type that no fit on a few rows shows."""
    (project_env.films.root / "recipes_of_films.py").write_text(OWN, "utf-8")
    (project_env.films.root / "unknown_recipes.py").write_text(UNKNOWN, "utf-8")
    versions = len(project_env.workspace.registry.list_versions("films-classifier"))
    with pytest.raises(TiltyardError, match=r"unknown_recipes\.Own"):
        project_env.train(candidates=("unknown_recipes:make",), promote=True)
    assert len(project_env.workspace.registry.list_versions("films-classifier")) == versions
    client = MlflowClient(project_env.tracking_uri)
    experiment = client.get_experiment_by_name("films")
    assert experiment is not None
    latest = client.search_runs([experiment.experiment_id], max_results=1)[0]
    assert latest.info.status == "FAILED"
    assert "unknown_recipes.Own" in latest.data.tags["tiltyard.error"]


def test_a_misspelt_metric_is_refused_before_the_work(project_env: ProjectEnv) -> None:
    """Also one of a floor, which counts at the very end: nothing is read, and no run begins."""
    promotion = project_env.project.promotion.model_copy(update={"floors": {"acuracy": 0.5}})
    source = project_env.project.data.model_copy(update={"source": "not/there.csv"})
    blocked = project_env.project.model_copy(update={"promotion": promotion, "data": source})
    with pytest.raises(UsageError, match="There is no metric 'acuracy'"):
        project_env.train(blocked, promote=True)


def test_a_training_describes_its_version_once(project_env: ProjectEnv) -> None:
    """The description, whose parity check scores rows, is made once and handed down to the registration."""
    calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is describe_version.__code__

    sys.setprofile(count)
    try:
        project_env.train()
    finally:
        sys.setprofile(None)
    assert calls == 1


def test_the_summary_of_a_data_check_names_its_errors(tmp_path: Path) -> None:
    """The line about the data says which errors there are, not only how many."""
    frame = pd.DataFrame({"age": range(40), "churn": ["yes", "no"] * 20})
    frame.to_csv(tmp_path / "churn.csv", index=False)
    project = Project.model_validate(
        {
            "project": {"name": "churn", "task": "tabular-classification"},
            "data": {"source": "churn.csv", "label": "churn"},
            "schema": {"churn": {"type": "category", "values": ["yes"]}},
            "root": tmp_path,
        }
    )
    dataset = load_dataset(project)
    summary = validate_data(dataset, split_dataset(dataset, project.split), project).summary
    assert "1 error (Unknown label: churn)" in summary
