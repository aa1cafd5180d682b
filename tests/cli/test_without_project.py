"""The command line in a folder without a project file, on the versions that Python calls registered there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from tiltyard import ModelMonitor, app_wiring, wiring
from tiltyard.cli.main import main
from tiltyard.cli.versions.find_project import describe_model
from tiltyard.console.sources import console_sources
from tiltyard.pipeline.mlops_pipeline import MLOpsPipeline
from tiltyard.pipeline.remediation import find_basis
from tiltyard.settings import Settings

NAME = "personality_model"
Run = Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Path:
    """A folder in which two versions were trained from Python; their test rows are in test.csv."""
    root = tmp_path_factory.mktemp("python")
    (root / ".tiltyard").mkdir()
    (root / ".tiltyard" / "mlflow.db").write_bytes(fresh_store.read_bytes())
    rng = np.random.default_rng(0)
    alone = rng.uniform(0, 11, 120)
    fear = np.where(rng.random(120) < 0.5, "Yes", "No")
    labels = pd.Series(np.where(alone + rng.normal(0, 0.5, 120) > 5, "Introvert", "Extrovert"), name="Personality")
    table = pd.DataFrame({"Time_spent_Alone": alone, "Stage_fear": fear})
    table.assign(Personality=labels)[80:].to_csv(root / "test.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        with MLOpsPipeline("personality classification", NAME, settings=Settings.load(root)) as pipeline:
            for trees in (5, 9):
                model = RandomForestClassifier(n_estimators=trees, random_state=0)
                pipeline.train_and_track_model(model, table[:80], labels[:80], table[80:], labels[80:])
    return root


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in that folder: its exit code, its JSON, and what it said on standard error."""
    monkeypatch.chdir(folder)

    def call(*words: str) -> tuple[object, Any, str]:
        with pytest.raises(SystemExit) as left:
            main([*words, "--json"])
        said = capsys.readouterr()
        return left.value.code, json.loads(said.out), said.err

    return call


def test_a_version_is_promoted_and_used_by_its_name(run: Run, folder: Path) -> None:
    """Each command works on a registered model without a project file; those that use limits say whose they are."""
    code, won, said = run("promote", "1", "--model-name", NAME)
    assert (code, won["promoted"]) == (0, True)
    assert f"No project file for {NAME}: limits and gates are the defaults" in said
    given = ("--data", "test.csv", "--label", "Personality")
    assert run("promote", "2", *given)[1]["status"].startswith("Not promoted")
    assert run("promote", "2", "--force", "--reason", "a trial")[1]["forced"] == "a trial"
    assert run("rollback", "--model-name", NAME, "--reason", "back")[1]["champion"] == "1"
    assert run("set-alias", "--version", "2", "--alias", "challenger")[1]["model"] == NAME
    assert [one["version"] for one in run("list-versions")[1]] == ["2", "1"]
    assert run("model-info", "--model-name", NAME)[1]["version"] == "1"
    kinds = {event["kind"] for event in run("history")[1]}
    assert {"registered", "promoted", "alias-set", "rolled-back"} <= kinds
    [scored] = run("predict", '{"Time_spent_Alone": 11, "Stage_fear": "Yes"}')[1]
    assert scored["model_version"] == "1"
    assert run("predict", "--model-name", NAME, "--file", "test.csv")[0] == 0
    code, found, said = run("monitor", "--model-name", NAME)
    assert found["version"] == "1"
    assert "columns and classes are those of version 1" in said
    assert Path(run("report", "--model-name", NAME, "--to", "page.md")[1]["file"]).name == "page.md"
    assert (folder / "page.md").is_file()
    assert len(run("runs")[1]) == 2
    assert run("export", "1", "--model-name", NAME, "--to", "pickles")[0] == 0
    code, doctor, _ = run("doctor", "--model-name", NAME)
    checks = {check["name"]: check for check in doctor["checks"]}
    assert code == 0, [check for check in doctor["checks"] if check["state"] == "wrong"]
    assert NAME in checks["project file"]["found"]
    assert "version 1" in checks["champion"]["found"]


def test_a_version_is_evaluated_and_its_data_checked_on_the_rows_that_its_training_kept(run: Run) -> None:
    """Without a project file the test rows are those that the caller held out; a file takes their place."""
    code, kept, _ = run("evaluate", "--model-name", NAME, "--version", "2")
    assert (code, kept["rows"], kept["left_out"]) == (0, 40, 0)
    code, given, _ = run("evaluate", "--version", "2", "--data", "test.csv")
    assert (code, given["rows"]) == (0, 40)
    assert given["metrics"] == kept["metrics"] == kept["metrics_at_training"]
    code, checked, _ = run("validate", "--model-name", NAME)
    assert (code, checked["data"]["rows"]) == (0, 120)
    assert (checked["split"]["sizes"]["train"], checked["split"]["sizes"]["test"]) == (80, 40)
    assert run("validate", "--data", "test.csv", "--label", "Personality")[1]["data"]["rows"] == 40
    code, wrong, _ = run("validate", "--data", "test.csv", "--label", "Persona")
    assert (code, wrong["error"]["next_step"]) == (1, "Name the column: --label COLUMN.")


def test_rows_that_are_gone_are_said_with_the_one_next_step(run: Run, folder: Path) -> None:
    """Each command that needs labelled rows says why there are none, and what to do."""
    kept, away = folder / ".tiltyard" / "snapshots", folder / "away"
    kept.rename(away)
    try:
        for words, step in (
            (("evaluate", "--version", "1"), "Name labelled rows: --data FILE."),
            (("validate",), "Name labelled rows: --data FILE."),
            (("promote", "2"), "Give rows: --data FILE. Or promote it without the gates: --force --reason WHY."),
            (("retrain",), f"Make a project file: tiltyard init DATA_FILE --model-name {NAME}"),
        ):
            code, refused, _ = run(*words, "--model-name", NAME)
            assert (code, refused["error"]["next_step"]) == (2, step)
            assert refused["error"]["code"] in ("project.no-rows", "promotion.no-rows")
        assert run("promote", "2", "--force", "--reason", "a trial")[1]["gates"] == "not run"
    finally:
        away.rename(kept)


@pytest.mark.requirement("R-PRED-03", "R-PRED-06")
def test_recorded_predictions_are_counted_exported_and_labelled_by_the_models_name(run: Run, folder: Path) -> None:
    """What ``log_prediction`` recorded is counted, exported, labelled and erased without a project file."""
    with ModelMonitor(NAME) as monitor:
        monitor.log_prediction("Introvert", {"Time_spent_Alone": 9.0, "Stage_fear": "Yes"}, 0.9)
    assert run("predictions", "stats", "--model-name", NAME)[1]["total_predictions"] == 1
    assert run("predictions", "export", "--to", "rows.jsonl")[1]["predictions"] == 1
    row = json.loads((folder / "rows.jsonl").read_text("utf-8"))
    (folder / "truth.csv").write_text(f"prediction_id,Personality\n{row['prediction_id']},Introvert\n", "utf-8")
    assert run("feedback", "import", "truth.csv", "--model-name", NAME)[0] == 0
    assert run("feedback", "stats")[1]["labels"] == 1
    assert len(run("feedback", "list", "--model-name", NAME)[1]) == 1
    assert run("predictions", "prune", "--days", "1", "--model-name", NAME)[1]["erased"] == 0
    assert run("predictions", "erase", "--id", row["prediction_id"], "--reason", "a trial", "--yes")[0] == 0
    assert run("predictions", "stats")[1]["total_predictions"] == 0


@pytest.mark.requirement("R-DASH-01", "R-DASH-06")
def test_the_console_reads_the_runs_of_mlflow(folder: Path) -> None:
    """The console's runs are those of the store, with the parameters and metrics that the trainings logged."""
    settings = Settings.load(folder)
    sources = console_sources(describe_model(settings, NAME), settings, wiring.open_registry(settings))
    runs = sources.runs()
    versions = wiring.open_registry(settings).list_versions(NAME)
    assert set(runs["run_id"]) >= {info.run_id for info in versions}
    assert set(runs["params.candidate"]) == {"RandomForestClassifier"}
    assert runs["metrics.accuracy"].between(0.5, 1).all()


def test_the_doctor_names_the_line_that_shows_mlflow_the_same_store(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``doctor`` prints the variables for MLflow's own commands; with them set, its own location stays the same."""
    store = f"sqlite:///{folder.resolve() / '.tiltyard' / 'mlflow.db'}"
    checks = {check["name"]: check for check in run("doctor")[1]["checks"]}
    assert f"export MLFLOW_TRACKING_URI={store} MLFLOW_BACKEND_STORE_URI={store}" in checks["mlflow"]["next_step"]
    before = Settings.load(folder).artifact_location
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", store)
    assert Settings.load(folder).artifact_location == before
    checks = {check["name"]: check for check in run("doctor")[1]["checks"]}
    assert checks["mlflow"]["next_step"] == ""


def test_an_unknown_name_is_refused_with_the_known_ones(run: Run) -> None:
    """A misspelt model is named with the registered ones and the nearest."""
    code, named, _ = run("history", "--model-name", "personality_mode")
    assert (code, named["error"]["code"]) == (1, "model.unknown")
    assert f"Did you mean '{NAME}'?" in named["error"]["message"]


def test_a_folder_without_anything_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file and without a name the error names both ways, and no state folder is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["list-versions"])
    said = capsys.readouterr().err
    assert "tiltyard init DATA_FILE" in said
    assert "--model-name NAME" in said
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_trained_again_on_kept_rows_and_labels_of_production(run: Run, folder: Path) -> None:
    """The estimator that Python brought is fitted to the kept rows, on their sides, and to the labels since.

    The next retraining begins with the same rows again: a version of a retraining holds the labels already.
    """
    run("promote", "1", "--force", "--reason", "a trial")
    with ModelMonitor(NAME) as monitor:
        for alone, truth in ((0.5, "Extrovert"), (10.5, "Introvert")):
            monitor.log_prediction(truth, {"Time_spent_Alone": alone, "Stage_fear": "Yes"}, 0.9, actual=truth)
    code, done, _ = run("retrain", "--model-name", NAME, "--reason", "a trial")
    assert code in (0, 3), done
    trained = done["actions"][-1]["outcomes"]["train-version"]["version"]
    assert run("model-info", "--version", trained)[1]["description"].startswith("RandomForestClassifier")
    run("promote", trained, "--force", "--reason", "a trial")
    assert run("validate", "--model-name", NAME)[1]["data"]["rows"] == 122
    settings = Settings.load(folder)
    with wiring.open_ledger(settings) as ledger:
        project = describe_model(settings, NAME, quiet=True)
        workspace = app_wiring.open_workspace(settings, ledger, project)
        basis = find_basis(project, wiring.open_tracker(project, settings), workspace)
    assert (len(basis.read()), basis.recipes[0].name) == (120, "RandomForestClassifier")
    assert run("loop", "--once", "--model-name", NAME)[1]["version"] == trained
