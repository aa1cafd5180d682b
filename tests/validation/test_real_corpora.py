"""What is found in published data."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from tiltyard.validation import DataValidator, ValidationReport

ROOT = Path(os.environ.get("TILTYARD_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
ADULT = ["age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"]
ADULT += ["race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"]


def file(name: str) -> Path:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not under {ROOT}; set TILTYARD_TEST_DATA to the folder of the data")
    return path


def warned(report: ValidationReport) -> set[tuple[str, str]]:
    return {(finding.code, finding.subject) for finding in report.findings if finding.severity != "info"}


def test_personality_has_gaps_repeats_and_contradictions() -> None:
    """458 empty cells, 388 repeated rows and 59 contradictory groups, and no other warning."""
    report = DataValidator().validate_dataset(
        pd.read_csv(file("personality/personality_dataset.csv")), label="Personality"
    )
    assert warned(report) == {("data.duplicate-rows", "rows"), ("label.contradictory", "rows")}
    assert report["missing_data"]["missing_cells"] == 458
    assert report["duplicates"]["count"] == 388
    assert report.passes()


def test_telco_has_eleven_blank_charges() -> None:
    """Eleven blank charges are named with their rows, the customer's number is called one, and nothing else."""
    report = DataValidator().validate_dataset(pd.read_csv(file("telco/Telco-Customer-Churn.csv")), label="Churn")
    assert warned(report) == {("data.identifier", "customerID"), ("data.numbers-as-text", "TotalCharges")}
    charges = report["data_types"]["columns"]["TotalCharges"]["numbers_as_text"]
    assert charges["blank"] == 11
    assert charges["blank_rows"][:3] == [489, 754, 937]


def test_adult_has_stand_ins_and_padding() -> None:
    """Question marks and the cut-off 99999 are stand-ins; padding and the doubled education are worth a note."""
    report = DataValidator().validate_dataset(
        pd.read_csv(file("adult/adult.data"), header=None, names=ADULT), label="income"
    )
    stand_ins = {"workclass", "occupation", "native-country", "capital-gain"}
    assert warned(report) == {("data.stand-in", name) for name in stand_ins}
    assert {finding.code for finding in report.findings} >= {"data.redundant-columns", "data.outer-space"}


def test_imdb_has_repeats_tags_and_control_characters() -> None:
    """96 repeated reviews, tags in 59%, C1 controls in 3%, and no label that a rating or number reveals."""
    report = DataValidator().validate_dataset(pd.read_parquet(file("imdb/train.parquet")), label="label", text="text")
    assert warned(report) == {("text.encoding", "text")}
    assert report["duplicates"]["count"] == 96
    assert report["text"]["text"]["markup"]["share"] == pytest.approx(0.587, abs=0.001)
    assert report["text"]["text"]["garbage"]["share"] < 0.0005


def test_a_clean_corpus_has_no_warning() -> None:
    """A clean corpus has no warning at all."""
    lines = {
        label: file(f"rt_polarity/rt-polarity.{label}").read_text(encoding="utf-8").splitlines()
        for label in ("neg", "pos")
    }
    frame = pd.DataFrame([(text, label) for label, texts in lines.items() for text in texts], columns=["text", "label"])
    assert warned(DataValidator().validate_dataset(frame, text="text")) == set()
