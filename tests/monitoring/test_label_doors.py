"""One label means one class, by whatever door it comes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import InputError
from tiltyard.ledger import Event
from tiltyard.ledger.label_intake import ReportedLabel, check_labels
from tiltyard.monitoring import ModelMonitor
from tiltyard.monitoring.labels.label_import import count_labels, import_labels, read_labels
from tiltyard.monitoring.performance import measure_performance
from tiltyard.monitoring.prediction_window import read_prediction_window
from tiltyard.serving.http.label_reports import OneLabel
from tiltyard.serving.predict.bodies.json_body import parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.testing import MemoryLedger, make_prediction

CLASSES = [("0", "1"), ("FALSE", "TRUE"), ("true", "false"), ("None", "Apnea"), ("1", "2", "10"), ("café", "bar")]
LABELS: list[str | float | bool] = [
    0, 1, 2, 10, 1.0, 10.0, True, False, "1", " 1", "1.0", "10.00", "TRUE", "true", "False",
    "None", " Apnea", "NA", "café", "cafe\u0301 ", "Bar", "x",
]  # fmt: skip


@settings(max_examples=40, deadline=None, database=None)
@given(classes=st.sampled_from(CLASSES), label=st.sampled_from(LABELS))
def test_every_door_reads_a_label_alike(classes: tuple[str, ...], label: str | float | bool) -> None:
    """HTTP, files of CSV, JSON Lines and Parquet, and Python record the same class, or refuse the label alike."""
    meant = LabelCodec(classes).find_class(label)
    row = make_prediction(label=classes[0], probabilities=dict.fromkeys(classes, 1 / len(classes)))
    ledgers = [MemoryLedger() for _ in range(5)]
    for ledger in ledgers:
        ledger.record([row])
    body = parse_json(json.dumps({"prediction_id": row.id, "label": label}).encode(), OneLabel, ValueLimit(1, 5))
    [checked] = check_labels(ledgers[0], "films", [ReportedLabel(body.label, "http", row.id)])
    ledgers[0].record_labels([checked.label] if checked.label else [])
    frame = pd.DataFrame({"prediction_id": [row.id], "label": [label]})
    with tempfile.TemporaryDirectory() as folder:
        csv, lines, parquet = (Path(folder) / f"labels.{ending}" for ending in ("csv", "jsonl", "parquet"))
        frame.to_csv(csv, index=False)
        frame.to_json(lines, orient="records", lines=True)
        frame.to_parquet(parquet)
        for file, ledger in zip((csv, lines, parquet), ledgers[1:4], strict=True):
            report = import_labels(ledger, "films", read_labels(file))
            assert (report.stored, report.unexpected) == ((0, 1) if meant is None else (1, 0))
    try:
        ModelMonitor("films", ledger=ledgers[4]).log_actual(row.id, label)
    except InputError:
        assert meant is None
    for ledger in ledgers:
        assert [found.label for found in ledger.labels()] == ([] if meant is None else [meant])
        truth = read_prediction_window(ledger, "films").truth
        assert {found.label for found in truth.values()} == ({meant} - {None})


def test_every_door_records_a_class_that_training_set_aside(tmp_path: Path) -> None:
    """A label of a rare class is stored by HTTP's check, an import and Python alike, and the figures name it."""
    rows = [make_prediction(label="no", probabilities={"no": 0.7, "yes": 0.3}) for _ in range(4)]
    ledger = MemoryLedger()
    ledger.record(rows)
    ledger.append(Event("registered", "films/1", rows[0].at, "me", evidence={"set_aside_classes": {"perhaps": 3}}))
    [checked] = check_labels(ledger, "films", [ReportedLabel("perhaps", "http", rows[0].id)])
    ledger.record_labels([checked.label] if checked.label else [])
    file = tmp_path / "labels.csv"
    pd.DataFrame({"prediction_id": [rows[1].id, rows[2].id], "label": ["perhaps", "no"]}).to_csv(file, index=False)
    report = import_labels(ledger, "films", read_labels(file))
    assert (report.stored, report.rare, report.unexpected) == (2, 1, 0)
    assert "was set aside in training (3 rows)" in report.examples["rare"][0]
    ModelMonitor("films", ledger=ledger).log_actual(rows[3].id, "perhaps")
    assert sorted(label.label for label in ledger.labels()) == ["no", "perhaps", "perhaps", "perhaps"]
    assert count_labels(ledger, "films")["outside_classes"] == {"perhaps": 3}
    performance = measure_performance(read_prediction_window(ledger, "films"))
    assert (performance.labelled, performance.unknown_labels) == (1, {"perhaps": 3})
    assert "'perhaps' (3)" in performance.caveat
    assert "as wrong ones, accuracy is 0.2500" in performance.caveat


INFINITE = ["inf", "-inf", "Infinity", "+Infinity", "1e999"]
DOORS = ["labels.csv", "labels.jsonl", "body.json"]


def report_label(folder: Path, door: str, prediction_id: str, written: str, ledger: MemoryLedger) -> str:
    """Bring a label, as it is written in the file or body, and what is said of it."""
    if door == "body.json":
        content = json.dumps({"prediction_id": prediction_id, "label": written})
        label = parse_json(content.encode(), OneLabel, ValueLimit(1, 5)).label
        [checked] = check_labels(ledger, "films", [ReportedLabel(label, "http", prediction_id)])
        assert (checked.status, checked.label) == ("unexpected", None)
        return checked.reason
    file = folder / door
    lines = [json.dumps({"prediction_id": prediction_id, "label": written})]
    if door.endswith(".csv"):
        lines = ["prediction_id,label", f"{prediction_id},{written}"]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    report = import_labels(ledger, "films", read_labels(file))
    assert (report.stored, report.unexpected, report.rows) == (0, 1, 1)
    return report.examples["unexpected"][0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("written", INFINITE)
def test_an_infinite_label_of_a_number_is_refused_by_every_door(tmp_path: Path, door: str, written: str) -> None:
    """A file or a request that says infinity where a number is predicted stores nothing, and the reason names it."""
    row = make_prediction(label="7.5", confidence=None, probabilities={}, interval=(7.0, 8.0))
    ledger = MemoryLedger()
    ledger.record([row])
    said = report_label(tmp_path, door, row.id, written, ledger)
    assert "is not a finite number, and the model predicts numbers" in said
    assert not list(ledger.labels())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("written", INFINITE)
def test_an_infinite_label_of_a_class_is_refused_by_every_door(tmp_path: Path, door: str, written: str) -> None:
    """Where classes are predicted, infinity is none of them: nothing is stored, and the classes are named."""
    row = make_prediction(label="0", probabilities={"0": 0.7, "1": 0.3})
    ledger = MemoryLedger()
    ledger.record([row])
    said = report_label(tmp_path, door, row.id, written, ledger)
    assert "0" in said
    assert "1" in said
    assert not list(ledger.labels())


@pytest.mark.parametrize("written", ["Infinity", "-Infinity", "NaN", "1e999"])
@pytest.mark.parametrize("of_numbers", [True, False])
def test_a_bare_infinity_is_not_a_label(tmp_path: Path, written: str, of_numbers: bool) -> None:
    """A number that is not finite, without quotes, is not a label: in a body and in a file of JSON Lines."""
    row = make_prediction(label="0", probabilities={"0": 0.7, "1": 0.3})
    if of_numbers:
        row = make_prediction(label="7.5", confidence=None, probabilities={}, interval=(7.0, 8.0))
    ledger = MemoryLedger()
    ledger.record([row])
    content = f'{{"prediction_id": "{row.id}", "label": {written}}}\n'
    body = parse_json(content.encode(), OneLabel, ValueLimit(1, 5))
    [checked] = check_labels(ledger, "films", [ReportedLabel(body.label, "http", row.id)])
    assert (checked.status in {"unexpected", "unlabelled"}, checked.label) == (True, None)
    (tmp_path / "labels.jsonl").write_text(content, encoding="utf-8")
    report = import_labels(ledger, "films", read_labels(tmp_path / "labels.jsonl"))
    assert (report.stored, report.unexpected + report.unlabelled) == (0, 1)
    assert not list(ledger.labels())
