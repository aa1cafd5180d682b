"""The laws behind the published rates of rollbacks for errors, on few simulated versions."""

from __future__ import annotations

import numpy as np
from benchmarks.evidence_rates.errors import (
    ALLOWED,
    ALPHA,
    FOUND_WITHIN,
    SLOW_WITHIN,
    find_errors_before,
    find_errors_now,
    find_slow_now,
)


def test_healthy_versions_stay_and_failing_ones_go() -> None:
    """At the accepted rate at most 5 % are ever found; at higher ones nearly all within the published requests."""
    random, ends = np.random.default_rng(11), np.arange(50, 3001, 100)
    healthy = [random.random(3000) < ALLOWED for _ in range(60)]
    assert sum(find_errors_now(failed, ends) is not None for failed in healthy) <= 60 * ALPHA
    for rate, within in FOUND_WITHIN.items():
        ends = np.arange(20, within + 1, 20)
        found = sum(find_errors_now(random.random(within) < rate, ends) is not None for _ in range(20))
        assert found >= 14, rate


def test_one_failure_of_one_was_enough_before_and_is_not_now() -> None:
    """The rule of the build before rolled back for the first request, when it failed."""
    failed, ends = np.array([True]), np.array([1])
    assert find_errors_before(failed, ends) == 1
    assert find_errors_now(failed, ends) is None


def test_a_full_queue_is_no_failure_of_the_model() -> None:
    """However many requests find the queue full, the version stays."""
    full = np.arange(400) % 2 == 0
    assert find_errors_before(full, np.array([400])) == 400
    assert find_errors_now(np.zeros(400, dtype=bool), np.array([400]), full) is None


def test_slow_calls_are_found_and_the_accepted_share_is_not() -> None:
    """The same for slow calls, of which 5 % are accepted."""
    random, ends = np.random.default_rng(12), np.arange(50, 2001, 100)
    assert sum(find_slow_now(random.random(2000) < 0.05, ends) is not None for _ in range(30)) <= 2
    for share, within in SLOW_WITHIN.items():
        ends = np.arange(20, within + 1, 20)
        assert sum(find_slow_now(random.random(within) < share, ends) is not None for _ in range(10)) >= 7
