"""The benchmark of degraded metrics, in a small run."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.evidence_rates import degradation


@pytest.mark.parametrize("metric", ["f1", "log_loss"])
def test_a_figure_of_few_test_rows_is_not_taken_for_exact(metric: str) -> None:
    """A healthy version is seldom found degraded by chance in its own test rows; with these as exact it often is."""
    random = np.random.default_rng(11)
    found = np.array([degradation.is_degraded(random, metric, (200, 2_000)) for _ in range(40)])
    before, now = found.sum(axis=0).tolist()
    assert before >= 6
    assert now <= 5


def test_a_real_loss_is_found() -> None:
    """A version of which the labels depend on less is found by each metric."""
    random = np.random.default_rng(12)
    for metric in (*degradation.CLASS_METRICS[1:], "mae"):
        assert degradation.is_degraded(random, metric, (1_000, 2_000), 0.4)[1], metric
