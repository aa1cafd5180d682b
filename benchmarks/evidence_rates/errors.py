"""Rollbacks for errors and for slow calls: false ones at any run, and how soon true faults are found.

A version whose model fails for just the accepted share of requests is evaluated after every scrape for a long time,
with the product's own checks. Then come versions that fail for 5 %, 20 % and all of them, and versions that are slow.
"Before" is the rule of the build before: a binomial test anew at each run, from the first request on, over all server
errors, and the 95th percentile of the latest 2,000 times against a multiple of the previous version's. The published
numbers take about three minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray
from scipy.stats import binom

from tiltyard.pipeline.remediation.service_checks import (
    FEWEST_CALLS,
    SLOW_SHARE,
    check_errors,
    check_latency,
)
from tiltyard.pipeline.remediation.service_tally import ServiceTally
from tiltyard.project import Project

ALPHA = 0.05
ALLOWED = 0.02
REQUESTS, EVERY = 20_000, 20
RUNS = 600
RETRIES = 200  # of one input on which the model fails, by a caller that does not give up
FIRST = 3  # requests until the first run, in lives in which the loop runs early
FOUND_WITHIN = {0.05: 700, 0.2: 60, 1.0: 60}
SLOW_WITHIN = {0.2: 120, 1.0: 60}
POWER = 0.8

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROJECT = Project.model_validate(
    {
        "project": {"name": "films", "task": "text-classification"},
        "data": {"source": "films.csv", "text": "text", "label": "label"},
    }
)
Failed = NDArray[np.bool_]


def measure(scale: float) -> list[Row]:
    """The rows of this topic."""
    runs = scaled(RUNS, scale)
    return [*_measure_false(runs), *_measure_retries(runs), *_measure_found(runs), *_measure_slow(scale)]


def find_errors_now(failed: Failed, ends: NDArray[np.intp], full: Failed | None = None) -> int | None:
    """After how many requests the check finds a version that fails as given; None for never.

    Args:
        failed: whether the model failed, for n requests in their order.
        ends: after how many requests each run takes place, rising.
        full: whether each request does not count, because it found the queue full or repeats a failing input; None for
            none.
    """
    full = np.zeros_like(failed) if full is None else full
    sums = {
        "predicted": np.cumsum(~failed & ~full),
        "model-error": np.cumsum(failed & ~full),
        "overload": np.cumsum(full),
    }
    before = dict.fromkeys(sums, 0)
    for end in ends.tolist():
        counts = {name: int(total[end - 1]) for name, total in sums.items()}
        latest = {name: count - before[name] for name, count in counts.items()}
        tally = ServiceTally.model_construct(version="2", since=NOW, gone=counts, latest=latest, workers={})
        if check_errors(PROJECT, tally, NOW + timedelta(hours=1), "").is_found:
            return int(end)
        before = counts
    return None


def find_errors_before(failed: Failed, ends: NDArray[np.intp]) -> int | None:
    """The same by the rule of the build before."""
    bad = np.cumsum(failed)[ends - 1]
    chance = np.where(bad > 0, binom.sf(bad - 1, ends, ALLOWED), 1.0)
    found = (bad / ends > ALLOWED) & (chance < ALPHA)
    return int(ends[found.argmax()]) if found.any() else None


def _measure_false(runs: int) -> list[Row]:
    """Healthy versions, and healthy versions of which the queue was full for a while."""
    often = np.arange(EVERY, REQUESTS + 1, EVERY)
    early = np.concatenate([[FIRST], often])
    counts = dict.fromkeys(("now", "before", "full before", "full now"), 0)
    random = np.random.default_rng(1)
    for _ in show_progress(range(runs), "errors: healthy versions"):
        failed = random.random(REQUESTS) < ALLOWED
        counts["now"] += find_errors_now(failed, early) is not None
        counts["before"] += find_errors_before(failed, early) is not None
        # For a minute the queue is full: a tenth of the requests gets 503, and the model fails for none of them.
        start = int(random.integers(0, REQUESTS - 1000))
        full = np.zeros(REQUESTS, dtype=bool)
        full[start : start + 1000] = random.random(1000) < 0.1
        counts["full before"] += find_errors_before(full, often) is not None
        counts["full now"] += find_errors_now(np.zeros(REQUESTS, dtype=bool), often, full) is not None
    name = f"a healthy version rolled back for errors in {REQUESTS:,} requests, one run each {EVERY}"
    queue = "the same without any error of the model, where the queue was full for 1,000 requests"
    return [
        make_row(name, None, counts["before"], runs, "before"),
        make_row(name, ALPHA, counts["now"], runs, "now"),
        make_row(queue, None, counts["full before"], runs, "before"),
        make_row(queue, 0.0, counts["full now"], runs, "now"),
    ]


def _measure_retries(runs: int) -> list[Row]:
    """A version that fails for 1 % of 5,000 requests, half of what is accepted, and a caller that repeats one input."""
    random, ends, requests = np.random.default_rng(4), np.arange(EVERY, 5001, EVERY), 5000
    now = before = 0
    for _ in show_progress(range(runs), "errors: one input again and again"):
        failed = random.random(requests) < ALLOWED / 2
        start = int(random.integers(0, requests - RETRIES))
        again = np.zeros(requests, dtype=bool)
        again[start : start + RETRIES] = True
        now += find_errors_now(failed | again, ends, again) is not None
        before += find_errors_before(failed | again, ends) is not None
    name = (
        f"a version that fails for {ALLOWED / 2:.0%} rolled back where one caller sends a failing input {RETRIES} times"
    )
    return [make_row(name, None, before, runs, "before"), make_row(name, ALPHA, now, runs, "now")]


def _measure_found(runs: int) -> list[Row]:
    rows = []
    for rate, within in FOUND_WITHIN.items():
        random, ends = np.random.default_rng(2), np.arange(EVERY, within + 1, EVERY)
        now = before = 0
        for _ in show_progress(range(runs), f"errors: {rate:.0%} fail"):
            failed = random.random(within) < rate
            now += find_errors_now(failed, ends) is not None
            before += find_errors_before(failed, ends) is not None
        name = f"a version that fails for {rate:.0%} found within {within:,} requests"
        rows += [make_row(name, None, before, runs, "before"), make_row(name, POWER, now, runs, "now")]
    return rows


def _measure_slow(scale: float) -> list[Row]:
    """Versions of which a share of calls takes ten times as long; 5 % is accepted."""
    rows, runs = [], scaled(RUNS // 2, scale)
    ends = np.arange(EVERY, REQUESTS // 4 + 1, EVERY)
    for name, share, most, promised in [
        (f"a version with {SLOW_SHARE:.0%} of slow calls rolled back in {ends[-1]:,} calls", SLOW_SHARE, ends, ALPHA),
        *(
            (f"a version with {part:.0%} of slow calls found within {within} calls", part, ends[ends <= within], POWER)
            for part, within in SLOW_WITHIN.items()
        ),
    ]:
        random, now, before = np.random.default_rng(3), 0, 0
        for _ in show_progress(range(runs), f"slow calls: {share:.0%}"):
            slow = random.random(int(most[-1])) < share
            now += find_slow_now(slow, most) is not None
            before += _find_slow_before(slow, most)
        rows += [make_row(name, None, before, runs, "before"), make_row(name, promised, now, runs, "now")]
    return rows


def find_slow_now(slow: Failed, ends: NDArray[np.intp]) -> int | None:
    """After how many calls the check finds a version that is slow in the calls as given; None for never."""
    sums, before = np.cumsum(slow), (0, 0)
    for end in ends.tolist():
        late = int(sums[end - 1])
        calls = {"1": {"0.0057": int(end) - late, "0.0649": late}}
        latest = {"1": {"0.0057": calls["1"]["0.0057"] - before[0], "0.0649": late - before[1]}}
        tally = ServiceTally.model_construct(
            version="2",
            since=NOW,
            workers={},
            gone_calls=calls,
            latest_calls=latest,
            previous_calls={"1": {"0.0057": 1000}},
        )
        if check_latency(PROJECT, tally, "1", NOW + timedelta(hours=1), "").is_found:
            return int(end)
        before = (int(end) - late, late)
    return None


def _find_slow_before(slow: Failed, ends: NDArray[np.intp]) -> bool:
    """The rule before: the 95th percentile of the latest 2,000 calls is above the limit, from 50 calls on."""
    sums = np.concatenate([[0], np.cumsum(slow)])
    starts = np.maximum(0, ends - 2000)
    late = sums[ends] - sums[starts]
    return bool(np.any((late > SLOW_SHARE * (ends - starts)) & (ends >= FEWEST_CALLS)))
