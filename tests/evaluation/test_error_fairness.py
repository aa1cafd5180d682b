"""Groups of people are compared by the errors of their numbers, and by how often intervals hold the true one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiltyard.evaluation import calibrate_intervals, group_rows, pair_numbers
from tiltyard.evaluation.fairness import FairnessReport, evaluate_error_fairness
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates.fairness import fairness_limit

SPREADS = {"a": 1.0, "b": 1.0, "c": 3.0}


def report_on(spreads: dict[str, float], rows: int = 600, seed: int = 0, *, intervals: bool = True) -> FairnessReport:
    """A report on groups whose errors have these spreads; the intervals are calibrated on errors of a spread of one."""
    random = np.random.default_rng(seed)
    group = random.choice(list(spreads), rows)
    truth = random.normal(100, 10, rows)
    facts = pair_numbers(truth, truth + random.normal(size=rows) * np.array([spreads[name] for name in group]))
    known = random.normal(100, 10, 2000)
    calibration = calibrate_intervals(pair_numbers(known, known + random.normal(size=2000)), 0.9, "split-conformal")
    groupings = [group_rows(pd.Series(group, name="sex"))]
    return evaluate_error_fairness(facts, groupings, calibration if intervals else None)


def test_groups_alike_keep_to_limits_that_a_worse_served_group_breaks() -> None:
    """Where one group is missed by three times as much, the ratio is a third and its intervals hold less often."""
    alike, apart = report_on({"a": 1.0, "b": 1.0}), report_on(SPREADS)
    for measure, limit in (("mae_ratio", 0.8), ("coverage_difference", 0.1)):
        assert fairness_limit(measure, limit, alike).passed
        refused = fairness_limit(measure, limit, apart)
        assert not refused.passed
        assert "c" in refused.message
        assert "label" not in refused.message
    [found] = apart.columns[0].labels
    assert found.measures["mae_ratio"].value == pytest.approx(1 / 3, abs=0.06)
    assert found.measures["coverage_difference"].value == pytest.approx(0.9 - 0.4165, abs=0.08)
    assert found.measures["coverage_difference"].interval is not None


def test_the_ratio_is_that_of_the_mean_absolute_errors() -> None:
    """It is the least over the greatest, as they are shown of the groups."""
    [found] = report_on(SPREADS).columns[0].labels
    errors = [group.rates["mae"].value or 0.0 for group in found.groups]
    assert found.measures["mae_ratio"].value == min(errors) / max(errors)
    assert all(group.rates["mae"].interval.low <= error <= group.rates["mae"].interval.high
               for group, error in zip(found.groups, errors, strict=True))  # fmt: skip


def test_a_version_without_intervals_cannot_keep_to_a_limit_of_coverage() -> None:
    """The gate says that there are none, and does not pass; that of the errors is evaluated all the same."""
    report = report_on({"a": 1.0, "b": 1.0}, intervals=False)
    found = fairness_limit("coverage_difference", 0.5, report)
    assert not found.passed
    assert "the version has no intervals" in found.message
    assert fairness_limit("mae_ratio", 0.5, report).passed


def test_groups_of_few_rows_are_shown_and_not_compared() -> None:
    """With fewer than two groups of thirty rows there is no measure, and the gate says why."""
    report = report_on({"a": 1.0, "b": 5.0}, rows=40)
    [found] = report.columns[0].labels
    assert sum(group.rows for group in found.groups) == 40
    for measure in ("mae_ratio", "coverage_difference"):
        assert not fairness_limit(measure, 0.5, report).passed
        assert "30 rows" in fairness_limit(measure, 0.5, report).message


def test_the_measures_of_numbers_are_keys_of_the_project_file() -> None:
    """The section takes them with limits from 0 to 1."""
    limits = PromotionSection(fairness={"mae_ratio": 0.8, "coverage_difference": 0.1})
    assert dict(limits.fairness) == {"mae_ratio": 0.8, "coverage_difference": 0.1}
