"""A project that predicts numbers, from its rows to a champion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from tests.project_env import ProjectEnv
from tests.rents import TABLE, make_rents, open_rents
from tiltyard import MLOpsPipeline
from tiltyard.errors import DataError, ProjectError, UsageError
from tiltyard.evaluation import NumberEvaluation, NumberPredictions
from tiltyard.pipeline import TrainingOutcome, Workspace
from tiltyard.project import load_project, parse_project
from tiltyard.promotion.version_report import evaluate_version
from tiltyard.registry import Package
from tiltyard.scoring import make_scorer
from tiltyard.settings import Settings

TEXTS = """
[project]
name = "tips"
task = "text-regression"
[data]
source = "tips.csv"
text = "text"
label = "tip"
"""


def make_tips(rows: int = 300) -> pd.DataFrame:
    """Remarks whose words decide the tip."""
    random = np.random.default_rng(0)
    worth = {"great": 5.0, "fine": 2.0, "slow": -2.0, "cold": -3.0}
    names = list(worth)
    chosen = [random.choice(names, 3) for _ in range(rows)]
    tips = [10 + sum(worth[word] for word in words) + random.normal(0, 0.3) for words in chosen]
    texts = [f"the food was {words[0]} and the rest {words[1]} or {words[2]} {n}" for n, words in enumerate(chosen)]
    return pd.DataFrame({"text": texts, "tip": tips})


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A project of rents, without a version."""
    with open_rents(tmp_path_factory.mktemp("rents"), fresh_store) as found:
        yield found


@pytest.fixture(scope="module")
def champion(rents: ProjectEnv) -> TrainingOutcome:
    """The first champion."""
    return rents.train(promote=True)


def numbers_of(outcome: TrainingOutcome) -> NumberPredictions:
    """The predicted and the true numbers of the test rows."""
    facts = outcome.trial.facts
    assert isinstance(facts, NumberPredictions)
    return facts


def load(rents: ProjectEnv, outcome: TrainingOutcome) -> Package:
    """The package of a training's version."""
    return rents.workspace.load(outcome.version)


def test_a_regressor_that_beats_guessing_becomes_the_first_champion(champion: TrainingOutcome) -> None:
    """It is held against always the mean and the median, with a p-value, and promoted."""
    assert champion.promotion is not None
    assert champion.promotion.promoted, champion.promotion.status
    (gate,) = champion.promotion.verdict.gates
    assert gate.code == "gate.first"
    assert gate.evidence["p_value"] < 0.05
    assert set(champion.trial.guess.values) == {"mean", "median"}
    assert champion.trial.evaluation.metrics["r2"] > 0.8
    assert isinstance(champion.trial.evaluation, NumberEvaluation)
    assert champion.version.name == "rents-regressor"


def test_always_the_mean_becomes_no_champion(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """The baseline loses against a champion."""
    lost = rents.train(candidates=("mean",), promote=True).promotion
    assert champion.promotion is not None
    assert lost is not None
    assert not lost.promoted
    gate = next(one for one in lost.verdict.gates if one.code == "gate.significant")
    assert "mean absolute error" in gate.message
    assert gate.reason == "current champion is better"
    assert any(one.code == "gate.slices" and not one.passed for one in lost.verdict.gates)


def test_an_equal_challenger_never_wins(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """The same recipe on the same rows is not better, and stays what it is."""
    again = rents.train(promote=True).promotion
    assert champion.promotion is not None
    assert again is not None
    assert not again.promoted
    gate = next(one for one in again.verdict.gates if one.code == "gate.significant")
    assert gate.evidence["difference"] == pytest.approx(0, abs=1e-9)


def test_a_run_holds_figures_pictures_and_intervals(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """Metrics with the coverage of the intervals, the report, and three pictures are logged; nothing of classes is."""
    run = mlflow.MlflowClient(rents.tracking_uri).get_run(champion.run_id)
    files = rents.films.root / "artifacts" / champion.run_id / "artifacts"
    assert {"mae", "rmse", "r2", "mape", "interval_coverage", "interval_width"} <= set(run.data.metrics)
    assert "accuracy" not in run.data.metrics
    for name in ("predicted", "residuals", "errors", "slices", "importance"):
        assert (files / "plots" / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
    assert not (files / "confusion_matrix.json").exists()
    assert "Mean absolute error" in (files / "regression_report.txt").read_text("utf-8")
    stored = json.loads((files / "intervals.json").read_text("utf-8"))
    assert [one["title"] for one in stored["measured"]] == ["all rows", "town = Hull", "town = York"]


def test_a_version_predicts_the_same_numbers_with_intervals(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """What is fetched from the registry gives the numbers that were evaluated, each inside its interval's reach."""
    package = load(rents, champion)
    facts = numbers_of(champion)
    scores = make_scorer(package).score(package.manifest.samples.inputs)
    assert scores.numbers is not None
    assert scores.intervals is not None
    np.testing.assert_allclose(scores.numbers, facts.predicted[:50])
    assert [float(label) for label in scores.labels] == scores.numbers.tolist()
    assert (scores.intervals[:, 0] < scores.intervals[:, 1]).all()
    held_out = package.held_out_numbers
    assert held_out is not None
    np.testing.assert_array_equal(held_out.truth, facts.truth)
    assert package.held_out is None


def test_intervals_hold_the_stated_share_of_rows_that_come_later(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """On 20,000 new flats the coverage is 90 %, give or take what 480 calibrating rows can tell."""
    package = load(rents, champion)
    rows = make_rents(20_000, seed=1)
    intervals = package.intervals
    assert intervals is not None
    ends = intervals.make_intervals(package.pipeline.predict(rows.drop(columns="rent")))
    inside = (ends[:, 0] <= rows["rent"]) & (rows["rent"] <= ends[:, 1])
    assert inside.mean() == pytest.approx(0.9, abs=0.05)


def test_a_version_is_evaluated_again_on_todays_rows(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """The report has the metrics of numbers, and slices by them."""
    report = evaluate_version(rents.workspace, rents.project, champion.version, champion.trial.split.test)
    assert report.evaluation.metrics["mae"] == pytest.approx(champion.trial.evaluation.metrics["mae"])
    assert report.examination.slices is not None
    assert report.examination.slices.base == "mae"
    assert report.examination.calibration is None


def test_the_generic_interface_of_mlflow_predicts_numbers(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """mlflow.pyfunc gives what the version predicts, with gaps and words as they come."""
    model = mlflow.pyfunc.load_model(str(load(rents, champion).folder))
    frame = champion.trial.split.test.frame.drop(columns="rent")
    np.testing.assert_allclose(model.predict(frame), numbers_of(champion).predicted)


@pytest.mark.parametrize("candidate", ["gradient-boosting-regressor", "random-forest-regressor", "mean"])
def test_every_recipe_is_stored_without_pickles_and_loaded(rents: ProjectEnv, candidate: str) -> None:
    """Its types are trusted ones, and the loaded model predicts what was evaluated."""
    made = rents.train(candidates=(candidate,))
    again = load(rents, made).pipeline.predict(made.trial.split.test.inputs)
    np.testing.assert_allclose(again, numbers_of(made).predicted)


def test_candidates_compete_by_errors(rents: ProjectEnv) -> None:
    """Of several candidates the one with the least error in cross-validation is trained."""
    made = rents.train(candidates=("mean", "ridge"))
    assert made.trial.model.candidate.name == "ridge"
    assert [score.candidate.name for score in made.trial.model.ranking] == ["ridge", "mean"]
    assert made.trial.model.ranking[0].mean < 0, "less is better: scores have the sign turned"


def test_the_rows_of_a_version_train_it_again(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """Rows with numbers as labels are kept, and bring the same version back."""
    keeping = ProjectEnv(
        rents.films,
        Workspace(
            rents.workspace.registry,
            rents.workspace.ledger,
            rents.workspace.cache,
            (),
            "tester",
            snapshots=str(rents.films.root / "snapshots"),
        ),
        rents.tracking_uri,
    )
    first = keeping.train()
    assert first.kept.uri, first.kept.why_not
    again = keeping.train(from_version=first.version.version)
    np.testing.assert_allclose(numbers_of(again).predicted, numbers_of(first).predicted)
    assert champion.trial.split.train.fingerprint == again.trial.split.train.fingerprint


def test_a_column_that_copies_the_number_is_refused(rents: ProjectEnv, tmp_path: Path) -> None:
    """A feature that gives the number away stops the training, as one that gives a class away does."""
    make_rents().assign(copy=lambda frame: frame["rent"] * 2).to_csv(tmp_path / "rents.csv", index=False)
    (tmp_path / "tiltyard.toml").write_text(TABLE.format(candidate="ridge"), encoding="utf-8")
    with pytest.raises(DataError, match="'copy'") as refused:
        rents.train(load_project(tmp_path))
    assert refused.value.code == "data.refused"


@pytest.mark.parametrize(
    ("rent", "code"),
    [
        (np.full(600, 7.0), "data.label-constant"),
        (np.r_[np.inf, np.arange(599.0)], "data.label-infinite"),
        (np.array(["cheap", "dear"] * 300), "data.label-not-number"),
    ],
    ids=["constant", "infinite", "words"],
)
def test_labels_that_cannot_be_learnt_are_refused(rents: ProjectEnv, tmp_path: Path, rent: Any, code: str) -> None:
    """A constant, infinite or worded label is refused by its kind."""
    make_rents().assign(rent=rent).to_csv(tmp_path / "rents.csv", index=False)
    (tmp_path / "tiltyard.toml").write_text(TABLE.format(candidate="ridge"), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        rents.train(load_project(tmp_path))
    assert refused.value.code == code


def test_rows_without_a_label_are_set_aside(rents: ProjectEnv, tmp_path: Path) -> None:
    """A gap in the label is not a number; such rows are counted and left out."""
    make_rents().assign(rent=lambda frame: frame["rent"].where(frame.index % 10 != 0)).to_csv(
        tmp_path / "rents.csv", index=False
    )
    (tmp_path / "tiltyard.toml").write_text(TABLE.format(candidate="ridge"), encoding="utf-8")
    made = rents.train(load_project(tmp_path))
    assert len(made.trial.split.train) + len(made.trial.split.test) == 540


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('[data]\npositive = "x"', "data.positive: is for classes"),
        (
            "[promotion]\nfairness = { demographic_parity_difference = 0.1 }",
            "promotion.fairness: demographic_parity_difference is for classes",
        ),
        ('[promotion]\ncalibration = "not-worse"', "promotion.calibration: is for classes"),
    ],
)
def test_what_is_for_classes_is_refused_by_its_key(line: str, says: str) -> None:
    """A project of numbers that asks for something of classes gets the key by name."""
    section, key = line.split("\n")
    content = TABLE.format(candidate="ridge")
    content = content.replace(section, line) if section in content else f"{content}\n{section}\n{key}\n"
    with pytest.raises(ProjectError, match=says):
        parse_project(content, Path("tiltyard.toml"))


def test_a_metric_of_classes_is_refused_before_the_work(rents: ProjectEnv) -> None:
    """The metric's kind has to be that of the task, in the training and in the floors."""
    project = rents.project
    training = project.training.model_copy(update={"metric": "accuracy"})
    with pytest.raises(UsageError, match="'accuracy' is for classes"):
        rents.train(project.model_copy(update={"training": training}))
    floors = project.promotion.model_copy(update={"floors": {"f1": 0.5}})
    with pytest.raises(UsageError, match="'f1' is for classes"):
        rents.train(project.model_copy(update={"promotion": floors}))


def test_a_ceiling_holds_a_regressor_back(rents: ProjectEnv, champion: TrainingOutcome) -> None:
    """A floor of a metric where less is better is the most that it may be."""
    assert champion.promotion is not None
    floors = rents.project.promotion.model_copy(update={"floors": {"mae": 1.0}})
    held = rents.train(rents.project.model_copy(update={"promotion": floors}), promote=True).promotion
    assert held is not None
    assert "mae misses its floor" in [one.reason for one in held.verdict.gates]


def test_texts_predict_numbers(rents: ProjectEnv, tmp_path: Path) -> None:
    """A text regression is trained, promoted and packaged like one of a table."""
    make_tips().to_csv(tmp_path / "tips.csv", index=False)
    (tmp_path / "tiltyard.toml").write_text(TEXTS, encoding="utf-8")
    made = rents.train(load_project(tmp_path), promote=True)
    assert made.promotion is not None
    assert made.promotion.promoted, made.promotion.status
    assert made.trial.evaluation.metrics["r2"] > 0.5
    package = load(rents, made)
    scores = make_scorer(package).score([{"text": "great food"}, {"text": "slow and cold"}])
    assert scores.numbers is not None
    assert scores.numbers[0] > scores.numbers[1]


@pytest.fixture
def pipeline(tmp_path: Path, fresh_store: Path) -> Iterator[MLOpsPipeline]:
    """The Python path, in a folder without a project file."""
    uri = f"sqlite:///{shutil.copyfile(fresh_store, tmp_path / 'mlflow.db')}"
    with MLOpsPipeline("Rents", "rents-model", settings=Settings(home=tmp_path, mlflow_tracking_uri=uri)) as made:
        yield made


def test_the_python_path_takes_regressors(pipeline: MLOpsPipeline) -> None:
    """A bare regressor gets its columns prepared, is evaluated by its errors, and becomes a version."""
    frame = make_rents()
    inputs, rent = frame.drop(columns="rent"), frame["rent"]
    sides = (inputs[:450], rent[:450], inputs[450:], rent[450:])
    for model in (RandomForestRegressor(n_estimators=20), Ridge()):
        made = pipeline.train_and_track_model(model, *sides)
        assert made["metrics"]["r2"] > 0.8
        assert "Mean absolute error" in made["regression_report"]
        assert "confusion_matrix" not in made
        assert made["model_version"] is not None
    with pytest.raises(DataError, match="looks continuous"):
        pipeline.train_and_track_model(LogisticRegression(), *sides)
    words = frame["town"].rename("place")
    with pytest.raises(DataError, match="is not a number"):
        pipeline.train_and_track_model(Ridge(), inputs[:450], words[:450], inputs[450:], words[450:])


def test_the_error_of_sensitive_groups_is_a_slice(rents: ProjectEnv) -> None:
    """Of a sensitive column each group has its error, its interval, its coverage, and the gate of the slices."""
    project = rents.project
    data = project.data.model_copy(update={"slices": (), "sensitive": ("town",)})
    made = rents.train(project.model_copy(update={"data": data}))
    slices = made.trial.examination.slices
    assert slices is not None
    assert {part.column for part in slices.slices} == {"town"}
    assert all("mae" in part.intervals for part in slices.slices)
    assert made.trial.examination.fairness is None
    package = rents.workspace.load(made.version)
    assert package.intervals is not None
    assert {part.title for part in package.intervals.measured} == {"all rows", "town = York", "town = Hull"}


def test_limits_on_the_errors_of_groups_hold_a_regressor_back(rents: ProjectEnv) -> None:
    """A version whose groups are missed alike becomes champion; one that no group may differ in does not, and the
    verdict names the column, the measure and both groups."""
    project = rents.project
    data = project.data.model_copy(update={"sensitive": ("town",)})
    for limits, promoted in (
        ({"mae_ratio": 0.5, "coverage_difference": 0.5}, True),
        ({"mae_ratio": 1.0}, False),
        ({"coverage_difference": 0.0}, False),
    ):
        promotion = project.promotion.model_copy(update={"fairness": limits})
        made = rents.train(project.model_copy(update={"data": data, "promotion": promotion}), promote=True).promotion
        assert made is not None
        found = [gate for gate in made.verdict.gates if gate.code == "gate.fairness"]
        assert [gate.passed for gate in found] == [promoted] * len(limits)
        for gate in found:
            assert gate.evidence["column"] == "town"
            assert "York" in gate.message
            assert "Hull" in gate.message
