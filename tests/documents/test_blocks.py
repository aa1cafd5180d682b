"""The code blocks of the five documents: each is run here, shown by another test, or listed with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml  # type: ignore[import-untyped]
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import tiltyard
from tests.documents.blocks import BLOCKS

ROOT = Path(__file__).parents[2]
PYTHON = tuple(f"infrastructure-{number}" for number in (2, 3, 4, 5, 6, 13, 14, 15, 16, 17, 18))
EXAMPLES = "tests/pages/test_examples.py"
INFRASTRUCTURE = "tests/documents/test_infrastructure.py"
SENTIMENT = "tests/documents/test_sentiment.py"
LOOP = "tests/journeys/test_walking_loop.py::test_a_model_is_trained_promoted_served_and_recorded"
STAND = "tests/deploy/test_containers.py::test_the_stand_from_start_to_reset"
IMAGE = "tests/deploy/test_containers.py::test_one_image_trains_and_serves"
RUN = {
    "architecture-2": f"{INFRASTRUCTURE}::test_mlflows_own_pages_show_runs_versions_and_aliases",
    "infrastructure-7": f"{INFRASTRUCTURE}::served",
    "infrastructure-8": f"{INFRASTRUCTURE}::test_the_curls_work_on_a_model_that_has_their_columns",
    "stages-full-5": f"{SENTIMENT}::test_the_lines_about_recorded_predictions_run",
    "sentiment-2": f"{SENTIMENT}::demo",
    "sentiment-3": f"{SENTIMENT}::test_a_training_prints_what_the_document_shows",
    "sentiment-4": f"{SENTIMENT}::demo",
    "sentiment-5": f"{SENTIMENT}::test_a_training_prints_what_the_document_shows",
    "sentiment-6": f"{SENTIMENT}::test_the_curls_respond_as_the_document_expects",
    "sentiment-7": f"{SENTIMENT}::test_the_commands_about_versions_run",
    "sentiment-8": f"{SENTIMENT}::test_an_equal_version_is_not_promoted_and_a_reload_is_forced",
    "sentiment-9": f"{SENTIMENT}::test_an_equal_version_is_not_promoted_and_a_reload_is_forced",
    "sentiment-10": f"{SENTIMENT}::test_the_curls_respond_as_the_document_expects",
}
SHOWN = {
    "infrastructure-9": f"{EXAMPLES}::test_the_loop_from_python_runs",
    "infrastructure-12": f"{EXAMPLES}::test_the_steps_of_a_pipeline_run_in_order",
    "stages-full-1": LOOP,
    "stages-full-2": LOOP,
    "stages-full-3": LOOP,
    "stages-outline-1": LOOP,
    "architecture-1": IMAGE,
    "architecture-3": LOOP,
    "infrastructure-1": "tests/deploy/test_image.py::test_the_extras_all_and_dev_hold_every_optional_part",
    "infrastructure-10": IMAGE,
    "infrastructure-11": "tests/deploy/test_kubernetes.py::test_the_manifests_are_valid",
    "sentiment-1": STAND,
    "sentiment-11": STAND,
    "sentiment-12": STAND,
}
# Commands and routes that the documents name in their text, outside of a block.
INLINE = {
    "mlflow ui": f"{INFRASTRUCTURE}::test_mlflows_own_pages_show_runs_versions_and_aliases",
    "train": f"{SENTIMENT}::demo",
    "train --champion": f"{SENTIMENT}::demo",
    "model-info": f"{SENTIMENT}::test_the_commands_about_versions_run",
    "list-versions": f"{SENTIMENT}::test_the_commands_about_versions_run",
    "set-alias": f"{SENTIMENT}::test_the_commands_about_versions_run",
    "POST /predict": f"{SENTIMENT}::test_the_curls_respond_as_the_document_expects",
    "POST /predict/batch": f"{INFRASTRUCTURE}::test_the_curls_work_on_a_model_that_has_their_columns",
    "GET /health": f"{SENTIMENT}::test_the_curls_respond_as_the_document_expects",
    "GET /model-info": f"{SENTIMENT}::test_the_curls_respond_as_the_document_expects",
    "POST /admin/reload": f"{SENTIMENT}::test_an_equal_version_is_not_promoted_and_a_reload_is_forced",
    "GET /": f"{INFRASTRUCTURE}::test_a_bare_estimator_goes_from_a_run_to_the_dashboard",
    "GET /docs": "tests/serving/test_pages.py::test_docs_is_swagger_ui_from_this_server",
}
NOT_RUN = {
    "stages-full-4": "pulls an image of another project from a registry",
    "architecture-4": "a picture of the flow, not a command",
}


def test_every_block_is_run_or_says_why_not() -> None:
    """Each block, and each command named in the text, is run by a test that exists, or listed with the reason."""
    assert sorted([*PYTHON, *RUN, *SHOWN, *NOT_RUN]) == sorted(BLOCKS)
    for block, test in (RUN | SHOWN | INLINE).items():
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert f"def {name}(" in text, test
        assert block not in RUN or f'"{block}"' in text, f"{file} does not name {block}"


def test_the_steps_of_the_workflow_are_those_of_the_example() -> None:
    """The commands that the document's workflow runs are, in their order, those of the example's page."""
    jobs = yaml.safe_load(BLOCKS["infrastructure-12"]["text"])["jobs"].values()
    steps = [step["run"] for job in jobs for step in job["steps"] if "scripts/" in step.get("run", "")]
    assert len(steps) == 6
    assert "\n".join(steps) in (ROOT / "examples" / "ci" / "README.md").read_text("utf-8")


@pytest.mark.requirement(
    "R-DATA-01",
    "R-DATA-08",
    "R-DATA-09",
    "R-DATA-10",
    "R-DATA-11",
    "R-TRACK-07",
    "R-TRACK-08",
    "R-TRACK-09",
    "R-TRACK-10",
    "R-TRACK-11",
    "R-TRACK-12",
    "R-REG-02",
    "R-REG-05",
    "R-REG-06",
    "R-REG-07",
    "R-REG-08",
    "R-PRED-05",
    "R-MON-01",
    "R-MON-02",
    "R-MON-03",
    "R-MON-04",
    "R-MON-08",
    "R-MON-09",
    "R-MON-10",
    "R-ORCH-01",
    "R-ORCH-02",
    "R-DOC-04",
)
def test_the_python_blocks_run_in_their_order(tmp_path: Path, fresh_store: Path, monkeypatch: Any) -> None:
    """Pasted one after the other in a fresh folder, with the package's name alone changed, the Python blocks run."""
    (tmp_path / ".tiltyard").mkdir()
    (tmp_path / ".tiltyard" / "mlflow.db").write_bytes(fresh_store.read_bytes())
    monkeypatch.chdir(tmp_path)
    given = _make_names()
    for block in PYTHON:
        text = BLOCKS[block]["text"].replace("from src.mlops", "from tiltyard")
        if "runs:/run_id/" in text:
            run_id = given["tracker"].search_runs()["run_id"].iloc[0]
            text = text.replace("runs:/run_id/", f"runs:/{run_id}/")
        exec(compile(text, block, "exec"), given)
        if block == "infrastructure-2":
            assert given["training_results"]["model_version"] == "1"
            assert given["monitoring_results"]["predictions"] == 40
    assert [model.name for model in given["models"]] == ["personality_model"]
    assert given["metrics"]["labelled_predictions"] == 1
    assert given["report"].startswith("#")
    given["mlops"].close()
    given["monitor"].close()


def _make_names() -> dict[str, Any]:
    """The names that the documents leave to the reader, from a table with words, gaps and the label Personality."""
    rng = np.random.default_rng(0)
    alone = np.where(rng.random(160) < 0.1, np.nan, rng.uniform(0, 11, 160))
    fear = pd.Series(np.where(np.nan_to_num(alone) > 5, "Yes", "No"), dtype=object).mask(rng.random(160) < 0.1)
    label = np.where(np.nan_to_num(alone) > 5, "Introvert", "Extrovert")
    table = pd.DataFrame({"Time_spent_Alone": alone, "Stage_fear": fear, "Personality": label})
    train, test = table[:120], table[120:]
    X_train, X_test = (side.drop(columns=["Personality"]) for side in (train, test))
    names = ("ExperimentTracker", "ModelRegistry", "DataValidator", "ModelMonitor")
    return {
        **{name: getattr(tiltyard, name) for name in names},
        "train_data": train,
        "test_data": test,
        "your_model": RandomForestClassifier(n_estimators=10, random_state=0),
        "model": make_pipeline(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), RandomForestClassifier(n_estimators=5)
        ),
        "X_train": X_train,
        "y_train": train["Personality"],
        "X_test": X_test,
        "y_test": test["Personality"],
        "recent_predictions": X_test.assign(prediction=test["Personality"].to_numpy()),
        "reference_dataset": X_train,
        "y_true": test["Personality"],
        "y_pred": test["Personality"],
        "df": table,
        "pred": "Introvert",
        "input_features": {"Time_spent_Alone": 9.0, "Stage_fear": "Yes"},
        "confidence_score": 0.9,
        "actual_value": "Introvert",
        "reference_data": X_train,
    }
