"""Predictions as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Unpack

import pyarrow.parquet
import pytest

from tiltyard.errors import UnavailableError, UsageError
from tiltyard.ledger import ExportFormat, Ledger, Prediction, PredictionFilter, export_predictions
from tiltyard.testing import NOON, MemoryLedger, make_prediction


@pytest.fixture
def ledger() -> Ledger:
    return MemoryLedger()


@pytest.mark.requirement("R-PRED-02", "R-PRED-07")
def test_a_text_has_the_shape_of_the_prediction_log(ledger: Ledger, tmp_path: Path) -> None:
    """A line of a text's prediction holds text, prediction, confidence, timestamp, model version and id."""
    prediction = make_prediction(input={"text": "Größe\0\n"})
    ledger.record([prediction])
    destination = tmp_path / "logs" / "predictions.jsonl"
    assert export_predictions(ledger, destination) == 1
    (line,) = destination.read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "text": "Größe\0\n",
        "prediction": "positive",
        "confidence": 0.75,
        "timestamp": "2026-03-01T12:00:00+00:00",
        "model_version": "1",
        "prediction_id": prediction.id,
    }


def test_a_table_has_its_features(ledger: Ledger, tmp_path: Path) -> None:
    """A line of a table's prediction holds the features by name, and is strict JSON where one is missing."""
    ledger.record([make_prediction(input={"age": 3, "height": float("nan"), "text": None})])
    export_predictions(ledger, tmp_path / "out.jsonl")
    line = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=pytest.fail)
    assert line["features"] == {"age": 3, "height": None, "text": None}
    assert "text" not in line


def test_an_export_holds_the_selected_predictions_by_time(ledger: Ledger, tmp_path: Path) -> None:
    """An export holds the selected predictions, by time."""
    many = [make_prediction(at=NOON + timedelta(minutes=n), version=str(n % 2)) for n in range(10)]
    ledger.record(many)
    count = export_predictions(ledger, tmp_path / "out.jsonl", version="1", since=NOON + timedelta(minutes=4), limit=2)
    ids = [json.loads(line)["prediction_id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (count, ids) == (2, [many[5].id, many[7].id])


@pytest.mark.requirement("R-PRED-07")
def test_parquet_keeps_everything(ledger: Ledger, tmp_path: Path) -> None:
    """A Parquet file holds all that the ledger knows, with typed times, numbers and probabilities."""
    text = make_prediction(key="k", at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    table = make_prediction(input={"age": 3})
    ledger.record([text, table])
    assert export_predictions(ledger, tmp_path / "out.parquet", "parquet") == 2
    first, second = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert first == {
        "prediction_id": text.id,
        "timestamp": text.at,
        "project": "films",
        "model_version": "1",
        "route": "champion",
        "key": "k",
        "text": "Not bad at all.",
        "features": None,
        "prediction": "positive",
        "confidence": 0.75,
        "probabilities": [("negative", 0.25), ("positive", 0.75)],
        "latency_ms": 1.5,
        "interval": None,
    }
    assert (second["text"], json.loads(second["features"])) == (None, {"age": 3})


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_an_export_without_predictions_is_an_empty_file(ledger: Ledger, tmp_path: Path, format_: ExportFormat) -> None:
    """An export of no predictions is a file without any."""
    assert export_predictions(ledger, tmp_path / "out", format_) == 0
    assert (tmp_path / "out").exists()


class LedgerThatGoesAway(MemoryLedger):
    """Returns one prediction, and then fails."""

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        yield next(super().predictions(**filters))
        raise UnavailableError("The ledger went away.")


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_a_failed_export_leaves_the_old_file(tmp_path: Path, format_: ExportFormat) -> None:
    """When the ledger goes away halfway, the last export's file is as it was and no partial file is left."""
    ledger = LedgerThatGoesAway()
    ledger.record([make_prediction()])
    destination = tmp_path / "out"
    destination.write_text("the last export")
    with pytest.raises(UnavailableError):
        export_predictions(ledger, destination, format_)
    assert destination.read_text() == "the last export"
    assert list(tmp_path.iterdir()) == [destination]


def test_what_cannot_be_meant_touches_no_file(ledger: Ledger, tmp_path: Path) -> None:
    """An unknown format or filter is refused before any file is made."""
    with pytest.raises(UsageError, match="'csv'"):
        export_predictions(ledger, tmp_path / "out", "csv")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="limit = -1"):
        export_predictions(ledger, tmp_path / "out", limit=-1)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(ledger: Ledger, tmp_path: Path) -> None:
    """A destination that cannot be written is named."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnavailableError, match="folder cannot be written"):
        export_predictions(ledger, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
