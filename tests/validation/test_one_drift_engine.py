"""Validation and monitoring decide about drift by one engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftRequest, detect_data_drift, detect_drift
from tiltyard.drift.profiles import build_reference
from tiltyard.drift.result_types import DriftDetection
from tiltyard.errors import UsageError
from tiltyard.pipeline.mlops_pipeline import MLOpsPipeline
from tiltyard.pipeline.mlops_results import ProductionReport
from tiltyard.project.monitoring import MonitoringSection
from tiltyard.settings import Settings
from tiltyard.validation import DataValidator, DriftReport

NOUNS = np.array(["order", "parcel", "invoice", "refund", "driver", "window", "basket", "letter", "garden", "ticket"])
VERBS = np.array(["came", "broke", "left", "arrived", "closed", "opened", "failed", "worked", "moved", "stopped"])


def sample_orders(rows: int, seed: int) -> pd.DataFrame:
    """Numbers, numbers written as text, categories, booleans, texts, gaps, times and a number of each row."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "row_id": np.arange(rows) + 100_000 * seed,
            "amount": random.lognormal(3, 1, rows),
            "weight": [f"{weight:.2f}" for weight in random.normal(40, 10, rows)],
            "city": random.choice(["Oslo", "Rome", "Lima", "Bonn"], rows),
            "member": random.random(rows) < 0.5,
            "note": [
                " ".join(words)
                for words in np.hstack([random.choice(NOUNS, (rows, 5)), random.choice(VERBS, (rows, 5))])
            ],
            "when": pd.date_range("2026-01-01", periods=rows, freq="h").astype(str),
        }
    )
    frame.loc[random.random(rows) < 0.1, "amount"] = np.nan
    return frame


def raise_amounts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(amount=frame.amount * 2)


def raise_weights(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(weight=[f"{float(weight) + 8:.2f}" for weight in frame.weight])


def move_cities(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(city=frame.city.where(frame.index % 2 > 0, "Oslo"))


def add_a_city(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(city=frame.city.where(frame.index % 10 > 0, "Paris"))


def flip_members(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(member=frame.member | (frame.index % 2 > 0))


def lose_amounts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(amount=frame.amount.where(frame.index % 2 > 0))


def change_words(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(note=frame.note.str.replace("order", "holiday").str.replace("parcel", "mountain"))


def name_months(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(weight=frame.city)


CHANGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str | None]] = {
    "nothing": (lambda frame: frame, None),
    "numbers": (raise_amounts, "amount"),
    "numbers written as text": (raise_weights, "weight"),
    "categories": (move_cities, "city"),
    "new categories": (add_a_city, "city"),
    "booleans": (flip_members, "member"),
    "missing values": (lose_amounts, "amount"),
    "texts": (change_words, "note"),
    "kinds": (name_months, "weight"),
}


def drifted_columns(report: DriftReport) -> set[str]:
    """Columns of which the report warns; lesser findings are for information."""
    return {finding.subject for finding in report.findings if finding.severity != "info" and finding.is_found}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(4))
def test_validation_and_monitoring_give_one_verdict(change: str, seed: int) -> None:
    """On the same frames, ``validate_drift`` and ``detect_data_drift`` find the same columns."""
    alter, subject = CHANGES[change]
    reference, current = sample_orders(300, 2 * seed), alter(sample_orders(250, 2 * seed + 1))
    report = DataValidator().validate_drift(reference, current, adversarial=False)
    found = detect_data_drift(reference, current)
    drifted = {name for name, feature in found["features"].items() if feature["drift_detected"]}
    named = {"note" if name.startswith("note.") else name for name in drifted}
    assert drifted_columns(report) == named
    assert (subject is None and not named) or subject in named
    assert found["drift_detected"] == bool(named)


def test_the_classifier_gives_one_verdict() -> None:
    """Rows that only a classifier tells from the reference's are found by both, and by neither without one."""
    random = np.random.default_rng(3)
    x, y = random.normal(size=600), random.normal(size=600)
    reference = pd.DataFrame({"x": x, "y": y})
    current = pd.DataFrame({"x": x[:300], "y": np.sign(x[:300]) * np.abs(y[:300])})
    for enabled in (False, True):
        report = DataValidator().validate_drift(reference, current, adversarial=enabled)
        found = detect_data_drift(reference, current, DriftRequest(domain_classifier=enabled))
        assert found["drift_detected"] is enabled
        assert {finding.code for finding in report.findings} == ({"drift.told-apart"} if enabled else set())


Verdict = tuple[str, set[str]]


def sample_numbers(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "x": random.normal(size=rows), "k": random.choice(["a", "b"], rows), "i": random.integers(0, 9, rows)
    })  # fmt: skip


def predictions_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"features": row} for row in frame.to_dict("records")]


def verdict_of_detection(found: DriftDetection) -> Verdict:
    assert found["drift_detected"] == (found["status"] == "found")
    return found["status"], {name for name, feature in found["features"].items() if feature["drift_detected"]}


def verdict_of_report(report: DriftReport) -> Verdict:
    found = {f.subject for f in report.findings if f.code != "drift.columns-lost" and f.severity != "info"}
    return "found" if report.drift_detected else "clear", found


def monitor_production(current: pd.DataFrame, reference: pd.DataFrame, folder: Path, store: Path) -> ProductionReport:
    settings = Settings.load(folder)
    settings.state.mkdir(parents=True)
    shutil.copy(store, settings.state / "mlflow.db")
    with MLOpsPipeline("drift", "numbers", settings=settings) as pipeline:
        return pipeline.monitor_production_model(current, reference)


@pytest.mark.parametrize("kept", [["x", "k", "i"], ["k", "i"], ["x", "i"], ["x"], []])
def test_a_lost_column_is_drift_in_every_call(kept: list[str], tmp_path: Path, fresh_store: Path) -> None:
    """A column of the reference that the current rows lack is found by name, and nothing else is, in all four calls."""
    reference, current = sample_numbers(600, 0), sample_numbers(600, 1)[kept]
    lost = set(reference.columns) - set(kept)
    expected = ("found" if lost else "clear"), lost
    assert verdict_of_detection(detect_data_drift(reference, current)) == expected
    sent = detect_data_drift(reference, [line["features"] for line in predictions_of(current)])
    assert verdict_of_detection(sent) == expected
    assert set(sent["not_sent"]) == lost
    assert verdict_of_detection(detect_drift(predictions_of(current), predictions_of(reference))) == expected
    assert verdict_of_report(DataValidator().validate_drift(reference, current)) == expected
    monitored = monitor_production(current, reference.assign(label="yes"), tmp_path, fresh_store)
    assert monitored["drift_detected"] == bool(lost)
    assert verdict_of_report(monitored["data_drift"]) == expected


def test_lost_columns_follow_the_rules_of_other_tests() -> None:
    """A lost column is not drift where it is ignored, was always missing, or only identifies rows."""
    reference, current = sample_numbers(600, 0), sample_numbers(600, 1)
    ignoring = DriftRequest(section=MonitoringSection(drift_ignore=("x",)))
    assert detect_data_drift(reference, current[["k", "i"]], ignoring)["status"] == "clear"
    useless = reference.assign(row_id=np.arange(600), never=None)
    found = detect_data_drift(useless, current)
    assert found["status"] == "clear"
    assert found["not_sent"] == ["row_id", "never"]


def test_no_current_rows_are_no_verdict() -> None:
    """Without current rows, the detections have no verdict, and validation refuses."""
    reference = sample_numbers(600, 0)
    for empty in (reference[:0], reference[:0][[]]):
        assert detect_data_drift(reference, empty)["status"] == "could_not_judge"
        assert detect_drift(predictions_of(empty), predictions_of(reference))["status"] == "could_not_judge"
        with pytest.raises(UsageError, match="no rows"):
            DataValidator().validate_drift(reference, empty)
    assert detect_data_drift(reference, [])["status"] == "could_not_judge"


@pytest.mark.parametrize("name", [int, str])
def test_names_of_features_are_text(name: type, tmp_path: Path, fresh_store: Path) -> None:
    """Drift is found, and rows of one distribution are clear, whether the names of the features are numbers or text."""
    random = np.random.default_rng(0)
    before, after = (pd.DataFrame(random.normal(size=(600, 3))) for _ in range(2))
    for shift, expected in ((2.0, ("found", {"0", "1", "2"})), (0.0, ("clear", set()))):
        current = (after + shift).rename(columns=name)
        lines = predictions_of(current)
        for found in (
            detect_drift(lines, predictions_of(before)),
            detect_drift(lines, build_reference(before)),
            detect_drift([*predictions_of(before), *lines]),
            detect_data_drift(before, current),
            detect_data_drift(before, [line["features"] for line in lines]),
        ):
            status, drifted = verdict_of_detection(found)
            assert (status, drifted & {"0", "1", "2"}) == expected
        monitored = monitor_production(current, before, tmp_path / str(shift), fresh_store)
        assert verdict_of_report(monitored["data_drift"])[0] == expected[0]
