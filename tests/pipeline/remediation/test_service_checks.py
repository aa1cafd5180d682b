"""What counts say about a champion: failures and slowness by tests that hold at every run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.pipeline.remediation.service_counts import PROJECT, SINCE, count, scrape, tally
from tiltyard.findings import Finding
from tiltyard.pipeline.remediation.metrics_scraper import WorkerCounts
from tiltyard.pipeline.remediation.service_checks import check_errors, check_latency, check_service, count_slow
from tiltyard.processes.request_counts import MODEL_SECONDS

NOW = SINCE + timedelta(hours=1)


def errors(*workers: WorkerCounts, hangs: int = 0) -> Finding:
    return check_errors(PROJECT, tally(scrape(*workers, hangs=hangs)), NOW, "Go back.")


@pytest.mark.requirement("R-MON-21")
def test_one_failed_request_of_one_is_no_evidence() -> None:
    """Below the least number of requests nothing is decided; that it is undecided is said, with the counts."""
    one = errors(count("a", 0, 1))
    assert one.status == "could_not_judge"
    assert "Of 1 requests" in one.message
    assert errors(count("a", 30, 19)).status == "could_not_judge"
    assert errors(count("a", 0, 50)).is_found
    assert errors(count("a", 49, 1)).status == "clear"


def test_only_the_models_own_failures_count() -> None:
    """A thousand requests that found the queue or the disk full, were wrong or left say nothing against the version."""
    others: dict[str, Any] = {
        "overload": 1000,
        "storage": 1000,
        "refused": 1000,
        "client_gone": 1000,
        "model_error_repeated": 1000,
    }
    assert errors(count("a", 60, 0, **others)).status == "clear"
    failing = errors(count("a", 60, 20, **others))
    assert failing.score == pytest.approx(20 / 1080)


def test_what_no_longer_goes_on_is_clear() -> None:
    """Failures of an hour ago roll nothing back when the requests since are well; without any they still stand."""
    bad, later = scrape(count("a", 30, 30)), scrape(count("a", 90, 30), minutes=2)
    assert check_errors(PROJECT, tally(bad), NOW, "").is_found
    assert check_errors(PROJECT, tally(bad, bad), NOW, "").is_found
    assert check_errors(PROJECT, tally(bad, later), NOW, "").status == "clear"


def test_three_calls_that_never_return_are_enough() -> None:
    """Each takes a worker with it, so that fifty requests may never be reached."""
    assert errors(count("a", 5), hangs=2).status == "could_not_judge"
    assert errors(count("a", 5), hangs=3).is_found


def test_a_healthy_version_is_never_rolled_back_by_many_runs() -> None:
    """At the accepted rate of failures, evaluated after every tenth request: at most 5 % of runs ever find it."""
    random, found = np.random.default_rng(7), 0
    runs = 120
    for _ in range(runs):
        failed = np.cumsum(random.random(2000) < PROJECT.response.max_error_rate)[9::10]
        found += any(
            errors(count("a", int(10 * (n + 1) - bad), int(bad))).is_found for n, bad in list(enumerate(failed))[::8]
        )
    assert found <= 0.05 * runs + 3


Table = dict[str, dict[str, dict[str, int]]]


def calls(milliseconds: Mapping[float, int], version: str = "2", size: str = "1") -> Table:
    bounds = {str(next(b for b in MODEL_SECONDS if b >= ms / 1000)): n for ms, n in milliseconds.items()}
    return {version: {size: bounds}}


def slow(mine: Table, theirs: Table) -> Finding:
    return check_latency(PROJECT, tally(scrape(count("a", calls={**mine, **theirs}))), "1", NOW, "Go back.")


def test_model_calls_are_compared_with_those_of_the_same_size() -> None:
    """Calls of three times the previous one's time are slow; larger calls are not compared with smaller ones."""
    before = calls({4.0: 100}, "1")
    assert slow(calls({5.0: 200}), before).status == "clear"
    assert slow(calls({60.0: 60}), before).is_found
    assert slow(calls({60.0: 4, 5.0: 96}), before).status == "clear"
    assert slow(calls({60.0: 60}, size="65+"), before).status == "could_not_judge"
    assert slow(calls({60.0: 60}), calls({4.0: 49}, "1")).status == "could_not_judge"


def test_short_calls_are_never_slow() -> None:
    """Twenty times a twentieth of a millisecond is not slow."""
    assert slow(calls({1.5: 500}), calls({0.05: 500}, "1")).status == "clear"


def test_a_bucket_on_both_sides_of_the_limit_is_not_slow() -> None:
    """What may have been below the limit counts as below."""
    bound = next(each for each in MODEL_SECONDS if each > 0.01)
    below = max(each for each in MODEL_SECONDS if each < bound)
    table = {"1": {str(bound): 5, "+Inf": 2}}
    assert count_slow(table, {"1": (bound + below) / 2}) == (2, 5)
    assert count_slow(table, {"1": below}) == (7, 0)


def test_what_is_no_fault_of_the_model_is_an_alert_of_the_service() -> None:
    """A full queue is found with what to do, about the service and not about the version, and is over when it is."""
    full = tally(scrape(count("a", 10)), scrape(count("a", 100, overload=40), minutes=2))
    found = check_service(PROJECT, full, NOW)
    assert (found.status, found.severity) == ("found", "warning")
    assert "40 found the queue full" in found.message
    assert "max_queue" in found.next_step
    well = tally(scrape(count("a", 10)), scrape(count("a", 100, overload=40)), scrape(count("a", 200, overload=40)))
    assert check_service(PROJECT, well, NOW).status == "clear"
    assert check_service(PROJECT, tally(scrape(count("a", 10))), NOW).status == "could_not_judge"
