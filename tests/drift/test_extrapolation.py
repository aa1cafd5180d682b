"""What a difference is called, how its size is shown, and where the reference ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import DriftEvaluation, evaluate_drift
from tiltyard.drift.extrapolation import NO_EXTRAPOLATION, Extrapolation, measure_extrapolation
from tiltyard.drift.profiles import build_reference, profile_rows
from tiltyard.drift.profiles.rows import Rows


def people(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "tenure": rng.integers(1, 58, rows),
            "fee": rng.normal(60, 10, rows),
            "plan": rng.choice(["basic", "full"], rows, p=[0.7, 0.3]),
        }
    )


REFERENCE = build_reference(people(4000, 0))


def compared(frame: pd.DataFrame) -> DriftEvaluation:
    return evaluate_drift(REFERENCE, profile_rows(REFERENCE.layout, frame))


def extrapolation(frame: pd.DataFrame) -> Extrapolation:
    return measure_extrapolation(test.to_dict() for test in compared(frame).tests)


def test_sizes_are_in_the_units_of_the_data() -> None:
    """A finding says how far medians and shares moved, before any figure of a test."""
    now = people(600, 1)
    now["tenure"] = np.minimum(now["tenure"], 12)
    now["plan"] = np.random.default_rng(2).choice(["basic", "full"], 600, p=[0.3, 0.7])
    now.loc[:149, "fee"] = np.nan
    found = {finding.code: finding.message for finding in compared(now)}
    assert "tenure (median 29 → 12)" in found["drift.verdict"]
    assert "The distribution of tenure moved: median 29 → 12. ks 0." in found["drift.number"]
    assert "The share of rows without fee moved: 0% → 25% of the rows. fisher 0.25" in found["drift.missing"]
    assert "The shares of the categories of plan moved: " in found["drift.category"]
    assert "→ 7" in found["drift.category"] or "→ 2" in found["drift.category"] or "→ 3" in found["drift.category"]


def test_small_differences_are_no_drift() -> None:
    """What chance does not explain but is below the limit is named a difference, not drift."""
    now = people(40_000, 3)
    now["fee"] += 1.5
    evaluation = compared(now)
    assert not evaluation.drifted
    assert "Different, but by less than the limit: fee (median " in evaluation.verdict.message
    assert {test.subject: test.reading for test in evaluation.tests if test.method == "ks"}["fee"] == "difference"


def test_rows_beyond_the_reference() -> None:
    """The extrapolation is the share of rows where the reference has next to none; drift within it moves only."""
    assert extrapolation(people(500, 4)) == NO_EXTRAPOLATION
    now = people(1000, 5)
    now.loc[:299, "fee"] = 500.0
    assert extrapolation(now).beyond == pytest.approx(0.3, abs=0.02)
    assert extrapolation(now).subject == "fee"
    within = people(1000, 6)
    within["tenure"] = within["tenure"] // 3 + 1
    assert extrapolation(within).beyond == 0.0
    assert extrapolation(within).moved > 0.5


@pytest.mark.parametrize("broken", [{"fee": np.nan}, {"fee": "sixty"}, {"plan": "gold"}, {"fee": 6000.0}])
def test_all_of_it_is_foreign(broken: dict[str, object]) -> None:
    """A lost column, words for numbers, only new categories and another unit are beyond the reference in every row."""
    assert extrapolation(people(500, 7).assign(**broken)).beyond > 0.95  # type: ignore[arg-type]


def test_texts_of_another_length_and_language() -> None:
    """Texts of words that the reference does not know, or far shorter ones, are beyond it."""
    rng = np.random.default_rng(8)
    words = np.array([f"word{n}" for n in range(300)])

    def texts(rows: int, length: int, vocabulary: np.ndarray) -> pd.Series:
        lengths = rng.integers(length, 2 * length, rows)
        return pd.Series([" ".join(rng.choice(vocabulary, size)) for size in lengths], dtype=object)

    reference = build_reference(Rows(texts(1500, 20, words)))

    def beyond(series: pd.Series) -> float:
        tests = evaluate_drift(reference, profile_rows(reference.layout, series)).tests
        return measure_extrapolation(test.to_dict() for test in tests).beyond

    assert beyond(texts(300, 20, words)) == 0.0
    assert beyond(texts(300, 4, words)) > 0.9
    assert beyond(texts(300, 20, np.array([f"fremd{n}" for n in range(300)]))) > 0.9
