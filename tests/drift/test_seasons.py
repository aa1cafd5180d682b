"""Changes that come back are seasons, and changes that are over have gone back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftEvaluation, DriftOptions, PredictionSource, find_drift
from tiltyard.drift.profiles import build_reference
from tiltyard.testing import NOON, MemoryLedger, make_prediction

HOUR = timedelta(hours=1)
REFERENCE = build_reference(pd.DataFrame({"amount": np.random.default_rng(0).normal(size=1000)})).to_bytes()


def monitored(moved: dict[float, float]) -> DriftEvaluation:
    """An hour of predictions at noon and earlier ones: by hours before, how far their amounts moved."""
    rng, ledger = np.random.default_rng(1), MemoryLedger()
    for before, shift in moved.items():
        start = NOON - before * HOUR
        ledger.record(
            [
                make_prediction(at=start + timedelta(seconds=place), input={"amount": float(amount)})
                for place, amount in enumerate(rng.normal(shift, 1, 150))
            ]
        )
    window = NOON, NOON + HOUR
    return find_drift(ledger, REFERENCE, PredictionSource("films", "1"), window, DriftOptions())


def test_a_pilot_of_few_rows_makes_no_season() -> None:
    """Few rows of the same hour a day before, which had not drifted, do not show that today's drift comes back."""
    rng, ledger = np.random.default_rng(1), MemoryLedger()
    for before, shift, rows in ((0, 0.6, 150), (24, 0.0, 10), (12, 0.0, 150)):
        start = NOON - before * HOUR
        amounts = rng.normal(shift, 1, rows)
        ledger.record(
            [
                make_prediction(at=start + timedelta(seconds=place), input={"amount": float(amount)})
                for place, amount in enumerate(amounts)
            ]
        )
    options = replace(DriftOptions(), min_rows=10)
    verdict = find_drift(ledger, REFERENCE, PredictionSource("films", "1"), (NOON, NOON + HOUR), options).verdict
    assert verdict.severity == "error"
    assert "season" not in verdict.evidence


@pytest.mark.parametrize(("season", "lag"), [("day", 24), ("week", 168), ("year", 8736)])
def test_what_comes_back_is_a_season(season: str, lag: float) -> None:
    """Drift like that of the same hour a season before, and unlike that halfway between, is information, no alarm."""
    evaluation = monitored({0: 2.0, lag: 2.0, lag / 2: 0.0})
    assert evaluation.verdict.evidence["season"] == season
    assert f"The same hours a {season} before were like these" in evaluation.verdict.message
    assert {found.severity for found in evaluation if found.is_found} == {"info"}


def test_what_stays_is_drift() -> None:
    """Drift that also was there between, or that differs from the same hour before, stays an alarm."""
    cases: list[dict[float, float]] = [{24: 2.0, 12: 2.0}, {24: 4.0, 12: 0.0}, {24: 0.0, 12: 0.0}, {24: 2.0}, {}]
    for earlier in cases:
        evaluation = monitored({0: 2.0, **earlier})
        assert evaluation.verdict.severity == "error"
        assert "season" not in evaluation.verdict.evidence


def test_what_is_over_has_gone_back() -> None:
    """Where the window before drifted and this one does not, the verdict says that it has gone back."""
    over = monitored({0: 0.0, 1: 2.0}).verdict
    assert over.status == "clear"
    assert over.message.endswith("The window before this one had drifted: that change has gone back.")
    assert "gone back" not in monitored({0: 0.0, 1: 0.0}).verdict.message
