"""A careless reader of the five documents: each argument of each public call once as something that it cannot be."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import tiltyard
from tiltyard.errors import TiltyardError

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = pd.DataFrame({"feature1": np.linspace(0, 3, 60), "feature2": np.linspace(5, 1, 60)})
LABELS = pd.Series(np.where(np.arange(60) % 7 > 2, "Introvert", "Extrovert"), name="Personality")
WRONG: dict[str, Any] = {
    "None": None,
    "a number": 7,
    "not a number": float("nan"),
    "a text": "x",
    "an empty text": "",
    "a list": [],
    "a list of lists": [[1], [2]],
    "a dictionary": {},
    "a dictionary of numbers": {1: 2},
    "an object": object(),
    "an empty frame": pd.DataFrame(),
    "an empty array": np.array([]),
    "a frame": pd.DataFrame({"z": [1, 2]}),
}
# What a reader who takes care gives.
GOOD: dict[str, Any] = {
    "X_test": ROWS[40:],
    "X_train": ROWS[:40],
    "actual": "Introvert",
    "artifact_file": "a.json",
    "baseline_metrics": {"accuracy": 0.8},
    "confidence": 0.9,
    "content": {"a": 1},
    "current": ROWS,
    "dataset": ROWS,
    "description": "",
    "df": ROWS,
    "experiment_name": "personality_classification",
    "features": {"feature1": 1.0, "feature2": 2.0},
    "key": "a",
    "metrics": {"accuracy": 0.9},
    "model": RandomForestClassifier(n_estimators=2),
    "model_name": "personality_model",
    "model_uri": "runs:/nothing/model",
    "name": "personality_model",
    "params": {"a": 1},
    "path": "nowhere.txt",
    "prediction": "Introvert",
    "prediction_data": ROWS,
    "predictions": [],
    "reference": ROWS,
    "reference_data": ROWS,
    "run_ids": [],
    "stage": "Production",
    "tags": {"a": "b"},
    "test_data": ROWS.assign(Personality=LABELS)[40:],
    "train_data": ROWS.assign(Personality=LABELS)[:40],
    "value": 1.0,
    "version": "1",
    "y_pred": LABELS,
    "y_test": LABELS[40:],
    "y_train": LABELS[:40],
    "y_true": LABELS,
    "figure": None,
}
# The calls that the documents name, by class.
CALLS = {
    "MLOpsPipeline": (
        *("__init__", "validate_and_track_data", "train_and_track_model", "promote_model"),
        "monitor_production_model",
    ),
    "ExperimentTracker": (
        *("__init__", "log_params", "log_metrics", "log_param", "log_metric", "set_tags", "log_dataset"),
        *("log_artifact", "log_model", "log_figure", "log_confusion_matrix", "search_runs", "compare_runs"),
    ),
    "ModelRegistry": ("register_model", "promote_model", "load_model", "list_models"),
    "DataValidator": ("validate_dataset", "get_data_quality_score", "validate_train_test_split", "validate_drift"),
    "ModelMonitor": (
        *("__init__", "log_prediction", "calculate_performance_metrics", "detect_data_drift"),
        *("detect_performance_degradation", "get_monitoring_dashboard_data"),
    ),
    "ModelServer": ("__init__",),
    "PredictionCollector": ("get_recent_predictions", "get_prediction_stats"),
}
# Parts that a test or another part of Tiltyard hands over, never a reader of the documents.
OURS = {"backends", "ledger", "limits", "numbers", "options", "project", "reading", "registry", "schema", "settings"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[dict[str, Any]]:
    """One object of each class, in a fresh folder, with a run under way."""
    root = tmp_path_factory.mktemp("careless")
    (root / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, root / ".tiltyard" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as open_here:
        patch.chdir(root)
        tracker = tiltyard.ExperimentTracker("personality_classification")
        open_here.enter_context(tracker.start_run("careless"))
        collector = tiltyard.PredictionCollector()
        open_here.callback(collector.close)
        yield {
            "MLOpsPipeline": open_here.enter_context(tiltyard.MLOpsPipeline("personality", "personality_model")),
            "ExperimentTracker": tracker,
            "ModelRegistry": tiltyard.ModelRegistry(),
            "DataValidator": tiltyard.DataValidator(),
            "ModelMonitor": open_here.enter_context(tiltyard.ModelMonitor("personality_model")),
            "ModelServer": None,
            "PredictionCollector": collector,
        }


@pytest.mark.parametrize(("kind", "method"), [(kind, method) for kind, names in CALLS.items() for method in names])
def test_what_an_argument_cannot_be_is_named_with_a_next_step(made: dict[str, Any], kind: str, method: str) -> None:
    """A call with one wrong argument works or raises an error of Tiltyard with a next step, and no other."""
    call = getattr(tiltyard, kind) if method == "__init__" else getattr(made[kind], method)
    parameters = inspect.signature(call).parameters.values()
    required = {one.name: GOOD[one.name] for one in parameters if one.default is one.empty and one.name in GOOD}
    faults = []
    for name in [one.name for one in parameters if one.name not in OURS and one.kind is not one.VAR_KEYWORD]:
        for words, wrong in WRONG.items():
            try:
                found = call(**required | {name: wrong})
                if method == "__init__" and hasattr(found, "close"):
                    found.close()
            except TiltyardError as error:
                if not error.next_step:
                    faults.append(f"{name} = {words}: {error.message} Next: {error.next_step}")
            except Exception as error:  # noqa: BLE001 - any other error is a fault
                faults.append(f"{name} = {words}: {type(error).__name__}: {error}")
    assert faults == []
