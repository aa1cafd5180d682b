"""Prediction intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tiltyard.errors import ArtifactError
from tiltyard.evaluation import IntervalCalibration, NumberPredictions, calibrate_intervals, pair_numbers


def make_rows(rows: int, seed: int, *, growing: bool = False) -> NumberPredictions:
    """Predictions with skewed errors, which grow with the prediction where that is wanted."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(1, 10, rows)
    errors = random.exponential(1.0, rows) - 1.0
    return pair_numbers(predicted + errors * (predicted if growing else 1.0), predicted)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals_hold_the_stated_share_of_new_rows(level: float) -> None:
    """On many new rows the coverage is the stated one, within one point, for skewed errors too."""
    found = calibrate_intervals(make_rows(100_000, 0), level, "cross-conformal")
    measured = found.measure(make_rows(100_000, 1))
    assert measured.share == pytest.approx(level, abs=0.01)
    assert measured.interval.low <= measured.share <= measured.interval.high


def test_on_the_average_over_calibrations_coverage_is_no_less_than_stated() -> None:
    """With 30 errors alone the mean coverage is still at least the stated one: that is what the ranks are for."""
    shares = [
        calibrate_intervals(make_rows(30, seed), 0.9, "split-conformal").measure(make_rows(2_000, 10_000 + seed)).share
        for seed in range(300)
    ]
    assert 0.9 <= np.mean(shares) < 0.96


def test_where_large_numbers_are_missed_by_more_their_intervals_are_wider() -> None:
    """Coverage holds for small and for large predictions, and not only for all of them together."""
    found = calibrate_intervals(make_rows(20_000, 0, growing=True), 0.9, "cross-conformal")
    rows = make_rows(40_000, 1, growing=True)
    large = rows.predicted > 8
    measured = found.with_measured(rows, [("small", rows.predicted < 3), ("large", large)]).measured
    assert [one.title for one in measured] == ["all rows", "small", "large"]
    assert all(abs(one.share - 0.9) < 0.03 for one in measured)
    assert (measured[2].width or 0) > 2 * (measured[1].width or math.inf)


def test_an_end_that_too_few_errors_cannot_give_is_left_open() -> None:
    """Ten errors cannot say where 99 % of the numbers lie: the interval has no ends, and says so."""
    found = calibrate_intervals(make_rows(10, 0), 0.99, "split-conformal")
    assert (found.low, found.high) == ((None,), (None,))
    assert np.isinf(found.make_intervals(np.array([1.0]))).all()
    assert found.measure(make_rows(50, 1)).width is None


def test_a_model_that_says_one_number_has_one_bin() -> None:
    """Equal predictions cannot be parted by their size."""
    random = np.random.default_rng(0)
    found = calibrate_intervals(pair_numbers(random.normal(size=2_000), np.zeros(2_000)), 0.9, "cross-conformal")
    assert found.edges == ()


def test_what_was_stored_is_what_is_loaded() -> None:
    """A calibration comes back from its file, measured coverage and open ends included; anything else is refused."""
    for rows in (10, 2_000):
        found = calibrate_intervals(make_rows(rows, 0), 0.95, "cross-conformal").with_measured(make_rows(40, 1))
        assert IntervalCalibration.from_bytes(found.to_bytes()) == found
    for content in (b"{}", b"[]", b"no", found.to_bytes().replace(b'"low": [', b'"low": [0.0, ')):
        with pytest.raises(ArtifactError, match="intervals of the version cannot be read"):
            IntervalCalibration.from_bytes(content)
