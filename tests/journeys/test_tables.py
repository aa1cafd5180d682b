"""Tables: from a file of rows to a champion that predicts over HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.films import Films, serving

pytestmark = pytest.mark.journey

EXAMPLES = Path(__file__).parents[2] / "examples"
QUIET = {
    "Time_spent_Alone": 9,
    "Stage_fear": "Yes",
    "Social_event_attendance": 1,
    "Going_outside": 0,
    "Drained_after_socializing": "Yes",
    "Friends_circle_size": 2,
    "Post_frequency": 1,
}


def copy_example(name: str, tmp_path: Path, store: Path) -> Films:
    """Copy an example; its server takes any free port."""
    project = Films(Path(shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns(".tiltyard"))))
    (project.root / ".tiltyard").mkdir()
    shutil.copyfile(store, project.root / ".tiltyard" / "mlflow.db")
    file = project.root / "tiltyard.toml"
    file.write_text(file.read_text("utf-8") + "\n[serving]\nport = 0\n", "utf-8")
    return project


@pytest.mark.requirement("R-TRAIN-01", "R-TRAIN-16")
def test_personality_from_data_to_a_served_prediction(tmp_path: Path, fresh_store: Path) -> None:
    """Numbers, words, gaps and an unseen category are predicted; the error for a wrong row names the column."""
    project = copy_example("personality", tmp_path, fresh_store)
    trained: Any = project.call_json("train", "--champion")
    assert trained["metrics"]["accuracy"] > 0.85
    assert trained["status"] == "Set as champion"
    with serving(project) as (address, _), httpx.Client(base_url=address, timeout=30) as client:
        response = client.post("/predict", json={"features": QUIET})
        assert (response.status_code, response.json()["prediction"]) == (200, "Introvert")
        odd = [{**QUIET, "Stage_fear": "Sometimes"}, dict.fromkeys(QUIET), QUIET]
        predictions = client.post("/predict/batch", json={"instances": odd}).json()["predictions"]
        assert [item["model_version"] for item in predictions] == ["1"] * 3
        assert predictions[2]["confidence"] == response.json()["confidence"]
        renamed = {("Stagefear" if name == "Stage_fear" else name): value for name, value in QUIET.items()}
        refused = client.post("/predict", json={"features": renamed})
        assert refused.status_code == 422
        assert "Stage_fear" in refused.text
        wrong = client.post("/predict", json={"features": {**QUIET, "Going_outside": "often"}})
        assert wrong.status_code == 422
        assert "Going_outside" in wrong.text
    stats: Any = project.call_json("predictions", "stats")
    assert stats["total_predictions"] == 4


def test_bundled_data_needs_no_file(tmp_path: Path, fresh_store: Path) -> None:
    """Breast cancer, from scikit-learn's own data to a prediction on the command line."""
    project = copy_example("breast-cancer", tmp_path, fresh_store)
    trained: Any = project.call_json("train", "--champion")
    assert trained["metrics"]["roc_auc"] > 0.97
    versions: Any = project.call_json("list-versions")
    assert versions[0]["aliases"] == ["champion"]


def test_numbers_go_from_bundled_data_to_predictions_with_intervals(tmp_path: Path, fresh_store: Path) -> None:
    """Diabetes, from scikit-learn's own data to a champion and to numbers on the command line, with their intervals."""
    project = copy_example("diabetes", tmp_path, fresh_store)
    trained: Any = project.call_json("train", "--champion")
    assert trained["promotion"]["promoted"], trained["promotion"]["status"]
    assert trained["metrics"]["r2"] > 0.3
    patient = {
        "age": 59,
        "sex": 2,
        "bmi": 32.1,
        "bp": 101,
        "s1": 157,
        "s2": 93.2,
        "s3": 38,
        "s4": 4,
        "s5": 4.8,
        "s6": 87,
    }
    predicted: Any = project.call_json("predict", json.dumps(patient))
    low, high = predicted[0]["interval"]
    assert low < predicted[0]["prediction"] < high
    versions: Any = project.call_json("list-versions")
    assert versions[0]["aliases"] == ["champion"]
