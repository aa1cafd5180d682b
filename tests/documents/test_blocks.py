"""The code blocks of the five documents: each is run here, shown by another test, or listed with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import tiltyard

ROOT = Path(__file__).parents[2]
BLOCKS = {block["id"]: block for block in json.loads((Path(__file__).parent / "blocks.json").read_text("utf-8"))}
PYTHON = tuple(f"infrastructure-{number}" for number in (2, 3, 4, 5, 6, 13, 14, 15, 16, 17, 18))
LOOP = "tests/journeys/test_walking_loop.py::test_a_model_is_trained_promoted_served_and_recorded"
STAND = "tests/deploy/test_containers.py::test_the_stand_from_start_to_reset"
IMAGE = "tests/deploy/test_containers.py::test_one_image_trains_and_serves"
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
    "sentiment-2": STAND,
    "sentiment-4": STAND,
    "sentiment-7": STAND,
    "sentiment-8": STAND,
    "sentiment-11": STAND,
    "sentiment-12": STAND,
}
NOT_RUN = {
    "stages-full-4": "pulls an image of another project from a registry",
    "stages-full-5": "reads what a server recorded; run only by tests of its parts so far",
    "architecture-2": "mlflow ui serves until it is ended; its variables: tests/cli/test_without_project.py",
    "architecture-4": "a picture of the flow, not a command",
    "infrastructure-7": "serves until it is ended; run only by tests of its parts so far",
    "infrastructure-8": "needs a server with the columns feature1 and feature2; its form is tested by tests/serving",
    "infrastructure-9": "three processes; examples/mlops_demo.py was run by hand",
    "infrastructure-12": "GitHub runs it; the scripts of examples/ci were run by hand in this order",
    "sentiment-3": "output, not a command",
    "sentiment-5": "output, not a command",
    "sentiment-6": "curl against a champion of reviews; the same requests are tested by tests/serving",
    "sentiment-9": "curl against a champion of reviews; the same request is tested by tests/serving",
    "sentiment-10": "curl against a champion of reviews; the same request is tested by tests/serving",
}


def test_every_block_is_run_or_says_why_not() -> None:
    """Each block of the documents is run by one test that exists, or listed with the reason why it is not."""
    assert sorted([*PYTHON, *SHOWN, *NOT_RUN]) == sorted(BLOCKS)
    for test in SHOWN.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), test


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
