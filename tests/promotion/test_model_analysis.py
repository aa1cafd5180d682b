"""The analysis of a version is part of its run, and can be had again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from plotly.utils import PlotlyJSONEncoder

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.cli.training.evaluate import evaluate_command
from tiltyard.console.pages.evaluation import draw_evaluation
from tiltyard.console.sources import console_sources
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.data.conform.frames import infer_schema
from tiltyard.errors import DataError, ProjectError, UsageError
from tiltyard.evaluation import LabelledPredictions, evaluate_slices, get_metric
from tiltyard.ledger import SqlLedger
from tiltyard.monitoring.report import write_report
from tiltyard.monitoring.report.evaluation_tables import evaluation_tables
from tiltyard.pipeline import TrainingOutcome, Workspace, evaluate_version
from tiltyard.pipeline.jobs.monitoring_run import summarise_period
from tiltyard.project import Project, load_project
from tiltyard.promotion.manual_change import point_alias
from tiltyard.promotion.model_analysis import champion_importance, slice_groups
from tiltyard.promotion.offline_predictions import compare_with_labels
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.settings import Settings

CHARTER = """
[project]
name = "loans"
task = "tabular-classification"
[data]
source = "loans.csv"
label = "granted"
positive = "yes"
slices = ["town", "income"]
sensitive = ["sex"]
[training]
candidates = ["logreg"]
[promotion]
rule = "non-inferior"
margin = 0.2
"""


def with_data(project: Project, **changes: object) -> Project:
    return project.model_copy(update={"data": project.data.model_copy(update=changes)})


def with_training(project: Project, **changes: object) -> Project:
    return project.model_copy(update={"training": project.training.model_copy(update=changes)})


def with_split(project: Project, **changes: object) -> Project:
    return project.model_copy(update={"split": project.split.model_copy(update=changes)})


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Any:
    """A project of loans that men were granted more easily than women."""
    root = tmp_path_factory.mktemp("loans")
    random = np.random.default_rng(0)
    rows = 1_500
    sex = random.choice(["f", "m"], rows)
    income = random.normal(50, 15, rows).round(1)
    score = (income - 50) / 15 + (sex == "m") * 1.2 - 0.6 + random.normal(0, 0.6, rows)
    pd.DataFrame(
        {
            "sex": sex,
            "income": income,
            "town": random.choice(["Aa", "Bö", ""], rows, p=[0.6, 0.39, 0.01]),
            "granted": np.where(score > 0, "yes", "no"),
        }
    ).to_csv(root / "loans.csv", index=False)
    (root / "tiltyard.toml").write_text(CHARTER, encoding="utf-8")
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield ProjectEnv(Films(root), workspace, uri)


@pytest.fixture(scope="module")
def outcome(loans: ProjectEnv) -> TrainingOutcome:
    """The first champion."""
    return loans.train(promote=True)


def run_of(project_env: ProjectEnv, outcome: TrainingOutcome) -> Any:
    return MlflowClient(tracking_uri=project_env.tracking_uri).get_run(outcome.run_id)


def artifacts(project_env: ProjectEnv, outcome: TrainingOutcome) -> Path:
    return project_env.films.root / "artifacts" / outcome.run_id / "artifacts"


def read(project_env: ProjectEnv, outcome: TrainingOutcome, name: str) -> Any:
    return json.loads((artifacts(project_env, outcome) / name).read_text("utf-8"))


@pytest.mark.requirement("R-MON-17")
def test_a_run_holds_slices_fairness_calibration_and_importance(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """Each is there as metrics, as a file and as a picture, and all agree with the predictions that were evaluated."""
    metrics = run_of(loans, outcome).data.metrics
    trial = outcome.trial
    facts = compare_with_labels(trial.predictions, trial.split.test, loans.project)
    inside = (trial.split.test.frame["town"] == "Aa").to_numpy()
    assert isinstance(facts, LabelledPredictions)
    assert metrics["slice.town.Aa.accuracy"] == np.mean(facts.truth[inside] == facts.predicted_codes[inside])
    assert metrics["slice.town.Aa.rows"] == inside.sum()
    assert "slice.income.q4.accuracy" in metrics
    selected = trial.class_predictions.labels == "yes"
    women = (trial.split.test.frame["sex"] == "f").to_numpy()
    parity = selected[~women].mean() - selected[women].mean()
    assert metrics["fairness.sex.demographic_parity_difference"] == pytest.approx(parity)
    assert 0 < metrics["fairness.sex.equal_opportunity_difference"] < 1
    assert metrics["calibration.yes.error"] < 0.15
    assert metrics["importance.income"] > metrics["importance.sex"] > metrics["importance.town"]
    slices = read(loans, outcome, "slices.json")
    assert sum(part["rows"] for part in slices["slices"] if part["column"] == "town") == len(facts)
    assert (
        read(loans, outcome, "fairness.json")["columns"]["sex"]["worst"]["demographic_parity_difference"]["most"] == "m"
    )
    assert set(read(loans, outcome, "reliability.json")["labels"]) == {"no", "yes"}
    assert read(loans, outcome, "importance.json")["features"][0]["name"] == "income"
    for name in ("slices", "fairness", "calibration", "importance", "reliability"):
        assert (artifacts(loans, outcome) / "plots" / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg")
    assert not (artifacts(loans, outcome) / "importance_change.json").exists()


def test_what_is_examined_is_json(outcome: TrainingOutcome) -> None:
    """An examination can be written as strict JSON: no NaN, no numbers of numpy's own."""
    json.dumps(outcome.trial.examination.to_dict(), allow_nan=False)


@pytest.mark.requirement("R-MON-16", "R-MON-17", "R-TRAIN-09")
def test_the_report_and_the_console_show_what_the_training_printed(
    loans: ProjectEnv, outcome: TrainingOutcome, tmp_path: Path
) -> None:
    """The evaluation travels with the version: the same tables are in both forms of the report and in the console."""
    assert outcome.evaluation is not None
    tables = evaluation_tables(outcome.evaluation)
    assert [table.name for table in tables] == ["baseline", "confusion", "coverage", "importance", "fairness"]
    summary = summarise_period(loans.project, loans.workspace, hours=1)
    for name in ("report.html", "report.md"):
        (file, *_) = write_report(summary, tmp_path / name)
        content = file.read_text("utf-8")
        for table in tables:
            assert table.title in content
            for cell in (cell for row in table.rows for cell in row):
                assert escape(cell) in content, (name, table.name)
    settings = Settings.load(root=loans.films.root)
    sources = console_sources(loans.project, settings, loans.workspace.registry)
    champion = loans.workspace.registry.champion(loans.project.model_name)
    assert champion is not None
    page = json.dumps(draw_evaluation(champion, sources.evaluation(champion)), cls=PlotlyJSONEncoder)
    for table in tables:
        for cell in (cell for row in table.rows for cell in row):
            assert json.dumps(cell) in page, table.name


@pytest.mark.requirement("R-MON-16")
def test_importance_is_held_against_the_champions(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """A training while there is a champion tells what counts more and what less than it did."""
    same = loans.train()
    assert run_of(loans, same).data.metrics["importance_rank_correlation"] == pytest.approx(1.0)
    assert read(loans, same, "importance_change.json")["rose"] == []
    blind = loans.train(with_data(loans.project, ignore=("sex",)))
    change = read(loans, blind, "importance_change.json")
    assert (change["fell"][0]["name"], change["fell"][0]["after"]) == ("sex", 0)
    assert change["rose"][0]["name"] == "income"
    assert change["retrainings"] == 6
    for trained, reported in ((same, []), (blind, ["sex"])):
        (table,) = [one for one in evaluation_tables(trained.trial.to_stored()) if one.name == "change"]
        assert [row[0] for row in table.rows if row[0] == "sex"] == reported


def test_a_champion_without_importance_is_no_obstacle(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """Where the champion's run wrote none down, or something else under that name, there is nothing to compare with."""
    uri = loans.tracking_uri
    tracker = ExperimentTracker("loans", tracking_uri=uri, artifact_location=(loans.films.root / "artifacts").as_uri())
    registry = loans.workspace.registry
    assert champion_importance(registry, tracker, loans.project) == outcome.trial.examination.importance
    assert tracker.load_dict(outcome.run_id, "nothing.json") is None
    with tracker.start_run("another's") as run:
        tracker.log_dict({"features": "none of ours"}, "importance.json")
    other = registry.register_model(outcome.version.source, loans.project.model_name, run_id=run.run_id)
    point_alias(
        loans.workspace, loans.project.model_name, version=other.version, alias="champion", reason="for the test"
    )
    try:
        assert champion_importance(registry, tracker, loans.project) is None
    finally:
        point_alias(loans.workspace, loans.project.model_name, version="1", alias="champion", reason="for the test")


@pytest.mark.requirement("R-MON-18")
def test_reweighing_brings_groups_together(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """Trained with weights, the version selects women and men more alike, and the run says how it was trained."""
    fair = loans.train(with_training(loans.project, mitigation="reweighing"))
    assert run_of(loans, fair).data.params["mitigation"] == "reweighing"
    assert run_of(loans, outcome).data.params["mitigation"] == "none"
    name = "fairness.sex.demographic_parity_difference"
    before, after = (run_of(loans, one).data.metrics[name] for one in (outcome, fair))
    assert after < 0.75 * before


def test_an_impossible_training_is_refused_before_its_run(loans: ProjectEnv, project_env: ProjectEnv) -> None:
    """A recipe without weights, and a column that is not there, stop a training before it makes a run."""
    client = MlflowClient(tracking_uri=project_env.tracking_uri)
    before = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    (project_env.films.root / "own_knn.py").write_text(
        "from sklearn.neighbors import KNeighborsClassifier as make\n", encoding="utf-8"
    )
    text = with_training(
        with_data(project_env.project, sensitive=("source",)),
        mitigation="reweighing",
        candidates=("own_knn:make",),
    )
    with pytest.raises(UsageError, match="'own_knn:make' takes no sample weights") as caught:
        project_env.train(text)
    assert all(name in caught.value.next_step for name in ("tfidf-logreg", "nbsvm", "nb-logreg", "linear-svm"))
    for key in ("slices", "sensitive"):
        with pytest.raises(DataError, match=rf"no column 'twon' \(data.{key}\).*Did you mean 'town'"):
            loans.train(with_data(loans.project, **{key: ("twon",)}))
    after = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert [run.info.run_id for run in after] == [run.info.run_id for run in before]


def test_reweighing_needs_groups(tmp_path: Path) -> None:
    """A project file that asks for reweighing and names no sensitive column is refused."""
    file = tmp_path / "tiltyard.toml"
    text = CHARTER.replace('sensitive = ["sex"]', "").replace('["logreg"]', '["logreg"]\nmitigation = "reweighing"')
    file.write_text(text, "utf-8")
    with pytest.raises(ProjectError, match=r"needs data\.sensitive"):
        load_project(file)


def test_texts_are_sliced_by_length_and_tell_their_terms(project_env: ProjectEnv) -> None:
    """A text project gets slices by the number of words by default, and the terms of each label."""
    outcome = project_env.train(with_data(project_env.project, slices=("source",)))
    metrics = run_of(project_env, outcome).data.metrics
    test = outcome.trial.split.test
    counts = test.frame["source"].value_counts()
    for source, rows in counts.items():
        assert metrics[f"slice.source.{source}.rows"] == rows
        assert (f"slice.source.{source}.accuracy" in metrics) == (rows >= 30)
    assert sum(metrics[f"slice.words.q{number}.rows"] for number in range(1, 5)) == len(test)
    terms = read(project_env, outcome, "importance.json")
    assert {one["label"] for one in terms["features"]} == {"positive", "negative"}
    assert terms["kind"] == "terms"
    assert not any(name.startswith("importance.") for name in metrics)
    assert outcome.trial.examination.fairness is None


def test_slices_follow_the_projects_metric(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """A project that compares by another metric sees that of every slice."""
    trial = outcome.trial
    project = with_training(loans.project, metric="roc_auc")
    facts = compare_with_labels(trial.predictions, trial.split.test, project)
    report = evaluate_slices(facts, slice_groups(trial.split.test, project), get_metric("roc_auc"))
    assert "slice.town.Aa.roc_auc" in report.metrics


def test_a_version_is_evaluated_on_the_rows_of_today(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """On its test rows a version gets the figures of its training; the rows that it was trained on are left out."""
    info = loans.workspace.registry.get_version(loans.project.model_name, version="1")
    test = outcome.trial.split.test
    report = evaluate_version(loans.workspace, loans.project, info, test)
    assert report.evaluation == outcome.trial.evaluation
    assert report.left_out == 0
    assert report.examination.slices == outcome.trial.examination.slices
    salted = with_split(loans.project, salt="other", test=0.5)
    mixed = split_dataset(load_dataset(salted), salted.split).test
    again = evaluate_version(loans.workspace, salted, info, mixed)
    assert again.left_out > 0
    assert again.left_out + again.evaluation.rows == len(mixed)
    with pytest.raises(DataError, match="was trained on every test row"):
        evaluate_version(loans.workspace, loans.project, info, outcome.trial.split.train)


def test_a_version_meets_other_columns(loans: ProjectEnv, outcome: TrainingOutcome) -> None:
    """A renamed column is named with the nearest one; a column more, or another order, makes no difference."""
    info = loans.workspace.registry.get_version(loans.project.model_name, version="1")
    dataset = outcome.trial.split.test
    wider = pd.DataFrame(dataset.inputs).assign(extra=1.0)[["town", "extra", "income", "sex"]]
    report = evaluate_version(loans.workspace, loans.project, info, replaced(dataset, wider))
    assert report.evaluation.metrics == pytest.approx(dict(outcome.trial.evaluation.metrics))
    renamed = wider.rename(columns={"income": "incomes"})
    with pytest.raises(DataError, match=r"trained on the column 'income'.*Did you mean 'incomes'"):
        evaluate_version(loans.workspace, loans.project, info, replaced(dataset, renamed))
    words = wider.assign(income="plenty")
    with pytest.raises(DataError, match=r"Column 'income' holds 'plenty' in row 1"):
        evaluate_version(loans.workspace, loans.project, info, replaced(dataset, words))


def replaced(dataset: Dataset, inputs: pd.DataFrame) -> Dataset:
    return dataclasses.replace(dataset, inputs=inputs, frame=inputs, schema=infer_schema(inputs))


@pytest.mark.usefixtures("outcome")
def test_the_command_shows_metrics_slices_and_fairness(loans: ProjectEnv, tmp_path: Path) -> None:
    """``tiltyard evaluate`` evaluates the champion, or the version named, and prints JSON with ``--json``."""
    for name in ("loans.csv", "tiltyard.toml"):
        (tmp_path / name).write_bytes((loans.films.root / name).read_bytes())
    runner = CliRunner(env={"MLFLOW_TRACKING_URI": loans.tracking_uri})
    shown = runner.invoke(evaluate_command, ["--project", str(tmp_path)], catch_exceptions=False)
    assert "loans-classifier version 1 on" in shown.output
    for word in ("accuracy", "Slices", "town", "too few rows", "Fairness", "equal opportunity difference"):
        assert word in shown.output, word
    result = runner.invoke(
        evaluate_command, ["--project", str(tmp_path), "--version", "1", "--json"], catch_exceptions=False
    )
    report = json.loads(result.output)
    assert (report["model_version"], report["left_out"]) == ("1", 0)
    assert report["metrics"] == pytest.approx(report["metrics_at_training"])
    assert report["fairness"]["columns"].keys() == {"sex"}
