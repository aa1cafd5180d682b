"""The code blocks of the five documents: each is run here, shown by another test, or listed with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import tiltyard
from tests.documents.blocks import BLOCKS

ROOT = Path(__file__).parents[2]
PYTHON = tuple(f"infrastructure-{number}" for number in (2, 3, 4, 5, 6, 13, 14, 15, 16, 17, 18))
SENTIMENT = "tests/documents/test_sentiment.py"
LOOP = "tests/journeys/test_walking_loop.py::test_a_model_is_trained_promoted_served_and_recorded"
STAND = "tests/deploy/test_containers.py::test_the_stand_from_start_to_reset"
IMAGE = "tests/deploy/test_containers.py::test_one_image_trains_and_serves"
RUN = {
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
NOT_RUN = {
    "stages-full-4": "pulls an image of another project from a registry",
    "architecture-2": "mlflow ui serves until it is ended; its variables: tests/cli/test_without_project.py",
    "architecture-4": "a picture of the flow, not a command",
    "infrastructure-7": "serves until it is ended; run only by tests of its parts so far",
    "infrastructure-8": "needs a server with the columns feature1 and feature2; its form is tested by tests/serving",
    "infrastructure-9": "three processes; examples/mlops_demo.py was run by hand",
    "infrastructure-12": "GitHub runs it; the scripts of examples/ci were run by hand in this order",
}


def test_every_block_is_run_or_says_why_not() -> None:
    """Each block of the documents is run by one test that exists, or listed with the reason why it is not."""
    assert sorted([*PYTHON, *RUN, *SHOWN, *NOT_RUN]) == sorted(BLOCKS)
    for block, test in (RUN | SHOWN).items():
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert f"def {name}(" in text, test
        assert block in SHOWN or f'"{block}"' in text, f"{file} does not name {block}"


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
