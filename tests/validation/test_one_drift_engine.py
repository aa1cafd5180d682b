"""Validation and monitoring decide about drift by one engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftRequest, detect_data_drift
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
            "note": [" ".join([*random.choice(NOUNS, 5), *random.choice(VERBS, 5)]) for _ in range(rows)],
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
    reference, current = sample_orders(500, 2 * seed), alter(sample_orders(400, 2 * seed + 1))
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
    for asked in (False, True):
        report = DataValidator().validate_drift(reference, current, adversarial=asked)
        found = detect_data_drift(reference, current, DriftRequest(domain_classifier=asked))
        assert found["drift_detected"] is asked
        assert {finding.code for finding in report.findings} == ({"drift.told-apart"} if asked else set())
