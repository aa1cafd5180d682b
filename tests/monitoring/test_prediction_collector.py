"""The prediction log as the requirements call it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tiltyard.errors import InputError, ProjectError
from tiltyard.ledger import SqlLedger
from tiltyard.monitoring import PredictionCollector
from tiltyard.testing import NOON, MemoryLedger, make_prediction

PROJECT = """
[project]
name = "sentiment"
task = "text-classification"
[data]
source = "reviews.csv"
text = "text"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with nothing in the environment."""
    for name in ("TILTYARD_LEDGER", "TILTYARD_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_logged_prediction_is_among_the_recent_ones() -> None:
    """A logged prediction is among the recent ones, in the shape of the prediction log."""
    collector = PredictionCollector("films", MemoryLedger())
    before = datetime.now(UTC)
    id_ = collector.log_prediction("Loved it.", "positive", 0.9, model_version="3")
    (line,) = collector.get_recent_predictions()
    assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)
    assert line == {
        "timestamp": line["timestamp"],
        "text": "Loved it.",
        "prediction": "positive",
        "confidence": 0.9,
        "model_version": "3",
        "prediction_id": id_,
    }


def test_a_table_row_is_logged_with_its_features() -> None:
    """A mapping is logged as features, with the probabilities that were given."""
    ledger = MemoryLedger()
    collector = PredictionCollector("films", ledger)
    id_ = collector.log_prediction({"age": 4}, "yes", 0.6, probabilities={"no": 0.4, "yes": 0.6})
    assert collector.get_recent_predictions()[0]["features"] == {"age": 4}
    found = ledger.prediction(id_)
    assert found is not None
    assert found.probabilities == {"no": 0.4, "yes": 0.6}


@pytest.mark.requirement("R-PRED-04")
def test_recent_means_latest_first_and_of_the_project() -> None:
    """Recent predictions come latest first, up to the limit, of the named project or of all."""
    ledger = MemoryLedger()
    many = [make_prediction(at=NOON + timedelta(minutes=n), project=f"p{n % 2}") for n in range(6)]
    ledger.record(many)
    of_one = PredictionCollector("p1", ledger).get_recent_predictions(limit=2)
    assert [line["prediction_id"] for line in of_one] == [many[5].id, many[3].id]
    assert len(PredictionCollector(ledger=ledger).get_recent_predictions()) == 6


@pytest.mark.requirement("R-PRED-03")
def test_statistics_count_by_label_and_version() -> None:
    """Statistics count predictions by label and version and sum up their confidence; of none they are None."""
    ledger = MemoryLedger()
    collector = PredictionCollector("films", ledger)
    assert collector.get_prediction_stats()["total_predictions"] == 0
    assert collector.get_prediction_stats()["avg_confidence"] is None
    ledger.record([make_prediction(confidence=0.5), make_prediction(at=NOON + timedelta(hours=1))])
    assert collector.get_prediction_stats() == {
        "total_predictions": 2,
        "sentiment_distribution": {"positive": 2},
        "version_distribution": {"1": 2},
        "avg_confidence": 0.625,
        "min_confidence": 0.5,
        "max_confidence": 0.75,
        "avg_latency_ms": 1.5,
        "first_prediction": "2026-03-01T12:00:00+00:00",
        "last_prediction": "2026-03-01T13:00:00+00:00",
    }
    assert collector.get_prediction_stats(since=NOON + timedelta(hours=1))["total_predictions"] == 1


def test_without_arguments_it_uses_the_project_around_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made without arguments in a project's folder, or below it, it logs its model in its own ledger."""
    (folder / "tiltyard.toml").write_text(PROJECT)
    (folder / "notebooks").mkdir()
    monkeypatch.chdir(folder / "notebooks")
    id_ = PredictionCollector().log_prediction("Fine.", "positive", 0.7)
    with SqlLedger.open(f"sqlite:///{folder}/.tiltyard/ledger.db") as ledger:
        found = ledger.prediction(id_)
    assert found is not None
    assert found.project == "sentiment-classifier"
    assert PredictionCollector().get_prediction_stats()["total_predictions"] == 1


def test_logging_without_any_project_is_refused(folder: Path) -> None:
    """Where no project is named and none is around, nothing is logged, and the message says how to make one."""
    with pytest.raises(ProjectError, match=r"No tiltyard\.toml"):
        PredictionCollector(ledger=MemoryLedger()).log_prediction("Fine.", "positive", 0.7)


def test_a_value_that_cannot_be_logged_is_named() -> None:
    """A confidence that is not a number is refused by its name."""
    with pytest.raises(InputError, match="confidence"):
        PredictionCollector("films", MemoryLedger()).log_prediction("Fine.", "positive", float("nan"))
