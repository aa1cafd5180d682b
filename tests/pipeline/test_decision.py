"""A project with ``[decision]``: its versions predict, are evaluated and are served by the rule it states."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.errors import DataError, InputError, ProjectError, UsageError
from tiltyard.evaluation import LabelledPredictions, get_metric
from tiltyard.ledger import SqlLedger
from tiltyard.ledger.model_events import read_decision_rule
from tiltyard.models.selection.decision import choose_threshold
from tiltyard.pipeline import TrainingOutcome, Workspace
from tiltyard.project import parse_project
from tiltyard.promotion.model_registry import ModelRegistry
from tiltyard.registry import MlflowRegistry
from tiltyard.scoring import ABSTAINED, describe_predictions, explain, make_scorer

TABLE = """
[project]
name = "churn"
task = "tabular-classification"
[data]
source = "churn.csv"
label = "churned"
positive = "Yes"
[training]
candidates = ["logreg"]
"""


def make_customers(rows: int = 900) -> pd.DataFrame:
    """Customers of whom a quarter leaves, which two columns tell in part."""
    random = np.random.default_rng(3)
    months, calls = random.integers(1, 60, rows), random.poisson(2, rows)
    odds = -1.6 - 0.05 * (months - 30) + 0.5 * (calls - 2)
    left = random.random(rows) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame({"months": months, "calls": calls, "churned": np.where(left, "Yes", "No")})


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """The project, without a version."""
    root = tmp_path_factory.mktemp("churn")
    (root / "tiltyard.toml").write_text(TABLE, encoding="utf-8")
    make_customers().to_csv(root / "churn.csv", index=False)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield ProjectEnv(Films(root), workspace, uri)


def train(churn: ProjectEnv, decision: str, **request: object) -> TrainingOutcome:
    """Train with a ``[decision]``."""
    project = parse_project(f"{TABLE}[decision]\n{decision}", churn.films.root / "tiltyard.toml")
    return churn.train(project, **request)


def make_inputs(rows: int) -> list[dict[str, Any]]:
    """Customers as callers send them."""
    frame = make_customers().drop(columns="churned").head(rows)
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict(orient="records")]


def facts_of(outcome: TrainingOutcome) -> LabelledPredictions:
    """The predictions for the test rows, with the truth."""
    facts = outcome.trial.facts
    assert isinstance(facts, LabelledPredictions)
    return facts


@pytest.fixture(scope="module")
def careful(churn: ProjectEnv) -> TrainingOutcome:
    """A version that predicts Yes from 0.2 on, and leaves the doubtful to a person."""
    return train(churn, "threshold = 0.2\nabstain_below = 0.6", promote=True)


@pytest.mark.requirement("R-MORE-04")
def test_a_threshold_is_what_the_version_is_evaluated_and_promoted_by(careful: TrainingOutcome) -> None:
    """Labels, metrics and the verdict are those of the threshold, not of the likeliest label."""
    facts = facts_of(careful)
    assert facts.probabilities is not None
    scores = facts.probabilities[:, facts.classes.index("Yes")]
    assert np.array_equal(facts.predicted == "Yes", scores >= 0.2)
    assert ((scores >= 0.2) & (scores < 0.5)).sum() > 10
    assert careful.version.metrics["recall"] == pytest.approx(np.mean(facts.predicted[facts.labels == "Yes"] == "Yes"))
    assert careful.promotion is not None


def test_every_door_of_a_version_decides_alike(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """The scorer of servers, MLflow's generic interface and the evaluation name the same labels."""
    package = churn.workspace.load(careful.version)
    rows = make_customers().drop(columns="churned").head(200)
    scorer = make_scorer(package)
    scores = scorer.score(make_inputs(200))
    positive = scores.probabilities[:, scorer.classes.index("Yes")]
    assert scores.labels == ["Yes" if share >= 0.2 else "No" for share in positive]
    loaded = mlflow.pyfunc.load_model(str(package.folder))
    assert loaded.predict(rows).tolist() == scores.labels


def test_an_input_on_which_the_model_abstains_says_so(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """It still has a label and its probabilities, and a mark; the others have none."""
    scorer = make_scorer(churn.workspace.load(careful.version))
    scores = scorer.score(make_inputs(200))
    assert scores.warnings is not None
    marked = [any(warning.code == ABSTAINED for warning in found) for found in scores.warnings]
    assert marked == (scores.probabilities.max(axis=1) < 0.6).tolist()
    assert 0 < sum(marked) < 200


def test_the_confidence_that_is_reported_is_the_labels_own(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """Without a server too, a label below one half has its own probability, not that of the likelier one."""
    scorer = make_scorer(churn.workspace.load(careful.version))
    scores = scorer.score(make_inputs(200))
    rows = describe_predictions(scores, scorer.classes)
    assert [row.certainty["confidence"] for row in rows] == [row.certainty["probabilities"][row.value] for row in rows]
    assert any(row.certainty["confidence"] < 0.5 for row in rows)


def test_the_rule_is_recorded_with_the_version(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """The ledger knows it for as long as the predictions: what the project file says later changes nothing."""
    recorded = read_decision_rule(churn.workspace.ledger, careful.version.name, careful.version.version)
    assert recorded == careful.trial.model.decision
    assert recorded is not None
    assert recorded.can_abstain


def test_the_label_that_is_explained_is_the_one_that_is_predicted(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """Between the threshold and one half, the explanation is of the positive label."""
    scorer = make_scorer(churn.workspace.load(careful.version))
    rows = make_inputs(100)
    found = explain(scorer, rows)
    assert [one.label for one in found] == list(scorer.score(rows).labels)
    assert any(one.label == "Yes" and (one.probability or 0.0) < 0.5 for one in found)


def test_a_threshold_is_tuned_on_training_rows_alone(churn: ProjectEnv) -> None:
    """Tuned for F1 it is better by F1 than the likeliest label is, and other labels of test rows change nothing."""
    tuned = train(churn, 'tune = "f1"')
    rule = tuned.trial.model.decision
    assert rule is not None
    assert rule.threshold is not None
    assert rule.tuned_for == "f1"
    facts, f1 = facts_of(tuned), get_metric("f1")
    assert facts.probabilities is not None
    usual = np.asarray(facts.classes)[facts.probabilities.argmax(axis=1)]
    assert f1.compute(facts) > f1.compute(LabelledPredictions(facts.labels, usual, None, facts.classes, facts.positive))
    manifest = churn.workspace.load(tuned.version).manifest
    assert manifest.decision == rule


def test_the_tuned_threshold_is_the_best_one_there_is() -> None:
    """On rows that a threshold separates, the metric is perfect; a tie goes to the threshold nearest to one half."""
    positive = np.array([0.05, 0.1, 0.15, 0.3, 0.35, 0.4])
    labels = np.array(["No", "No", "No", "Yes", "Yes", "Yes"])
    chosen = choose_threshold(get_metric("f1"), labels, np.column_stack([1 - positive, positive]), ("No", "Yes"), "Yes")
    assert chosen == pytest.approx(0.225)
    wide = np.array([0.1, 0.2, 0.8, 0.9])
    assert choose_threshold(
        get_metric("accuracy"),
        np.array(["No", "No", "Yes", "Yes"]),
        np.column_stack([1 - wide, wide]),
        ("No", "Yes"),
        None,
    ) == pytest.approx(0.5)


def test_costs_decide_for_the_cheaper_label(churn: ProjectEnv) -> None:
    """Where a missed customer costs five times a needless call, Yes is predicted from one sixth on."""
    outcome = train(churn, "costs = {Yes = {No = 5.0}, No = {Yes = 1.0}}")
    facts = facts_of(outcome)
    assert facts.probabilities is not None
    scores = facts.probabilities[:, facts.classes.index("Yes")]
    clear = np.abs(scores - 1 / 6) > 1e-9
    assert np.array_equal((facts.predicted == "Yes")[clear], (scores >= 1 / 6)[clear])


@pytest.mark.parametrize(
    ("decision", "error", "says"),
    [
        ("costs = {Maybe = {No = 5.0}}", DataError, "'Maybe'"),
        ('tune = "roc_auc"', UsageError, "roc_auc"),
        ('tune = "mae"', UsageError, "mae"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(
    churn: ProjectEnv, decision: str, error: type[Exception], says: str
) -> None:
    """A label that there is not, and a metric that no threshold changes, are named."""
    with pytest.raises(error, match=says):
        train(churn, decision)


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        ("threshold = 0.2\ncosts = {Yes = {No = 5.0}}", "threshold and costs"),
        ("abstain_cost = 0.3", "decision.costs"),
        ("costs = {Yes = {No = -1.0}}", "Yes.No: -1"),
        ("costs = {Yes = {No = 0.0}}", "no prediction costs anything"),
        ("threshold = 1.5", "threshold"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(churn: ProjectEnv, decision: str, says: str) -> None:
    """The project file names the keys that do not go together."""
    with pytest.raises(ProjectError, match=says):
        parse_project(f"{TABLE}[decision]\n{decision}", churn.films.root / "tiltyard.toml")


def test_a_version_carries_prediction_sets_of_its_test_rows(churn: ProjectEnv, careful: TrainingOutcome) -> None:
    """They are logged with the run, hold the truth as often as stated, and the registry makes them for new rows."""
    registry = churn.workspace.registry
    facts = facts_of(careful)
    run = mlflow.MlflowClient(churn.tracking_uri).get_run(careful.run_id)
    assert 0.85 < run.data.metrics["set_coverage"] <= 1
    assert 1 <= run.data.metrics["set_size"] <= 2
    public = ModelRegistry(tracking_uri=churn.tracking_uri)
    rows = make_customers().drop(columns="churned").head(50)
    sets = public.predict_sets(registry.list_models()[0].name, rows, 0.9, version=careful.version.version)
    assert len(sets) == 50
    assert {1, 2} >= {len(labels) for labels in sets}
    with pytest.raises(InputError, match=f"more held-out rows than the {len(facts)} rows"):
        public.predict_sets(registry.list_models()[0].name, rows, 0.9999, version=careful.version.version)


PRICED = "costs = {Yes = {No = 5.0}, No = {Yes = 1.0}}"
BY_COST = TABLE.replace('candidates = ["logreg"]', 'candidates = ["logreg", "gradient-boosting"]\nmetric = "mean_cost"')


def train_by_cost(churn: ProjectEnv, **request: object) -> TrainingOutcome:
    """Train with candidates, gates and reports that go by the mean cost."""
    project = parse_project(f"{BY_COST}[decision]\n{PRICED}", churn.films.root / "tiltyard.toml")
    return churn.train(project, **request)


def test_versions_compete_by_what_their_decisions_cost(churn: ProjectEnv) -> None:
    """Candidates, the guess and the champion's gate go by the mean cost of the decisions that users see, as lower is
    better; and a champion without costs is priced by those that hold now."""
    usual = train(churn, "threshold = 0.9", promote=True)
    assert usual.promotion is not None
    priced = train_by_cost(churn, promote=True)
    facts = facts_of(priced)
    wrong = {("Yes", "No"): 5.0, ("No", "Yes"): 1.0}
    cost = np.mean([wrong.get(pair, 0.0) for pair in zip(facts.labels, facts.predicted, strict=True)])
    assert priced.version.metrics["mean_cost"] == pytest.approx(cost)
    ranking = [score.mean for score in priced.trial.model.ranking]
    assert all(mean < 0 for mean in ranking)
    assert priced.trial.guess.best == "cheapest"
    assert priced.promotion is not None
    champion = priced.promotion.verdict.comparison
    assert champion is not None
    compared = champion.evidence
    assert compared["metric"] == "mean_cost"
    assert compared["challenger"] < compared["champion"]
    assert compared["challenger"] == pytest.approx(cost)


def test_the_metric_of_costs_needs_costs(churn: ProjectEnv) -> None:
    """A project that names it and states none is refused when its file is read."""
    with pytest.raises(ProjectError, match=r"mean_cost needs decision\.costs"):
        parse_project(BY_COST, churn.films.root / "tiltyard.toml")
