"""What the servers' counts say: whether the champion's model fails or is slow, and whether the service does.

Only the model's own faults are evidence against its version. A full queue, a disk that is full or a version that is
missing is the service's fault: that is another finding, and nothing is rolled back for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from tiltyard.evaluation.sequential_test import compute_rate_evidence
from tiltyard.findings import Finding, could_not_judge
from tiltyard.pipeline.remediation.metrics_scraper import Calls
from tiltyard.pipeline.remediation.service_tally import ServiceTally
from tiltyard.pipeline.remediation.tally_records import FAILURES, encode_tally
from tiltyard.processes.request_counts import (
    INTERNAL,
    MODEL_ERROR,
    MODEL_SECONDS,
    MODEL_TIMEOUT,
    NO_MODEL,
    OVERLOAD,
    PREDICTED,
    REPEATED_ERROR,
    STORAGE,
)
from tiltyard.project import Project

ERRORS, SLOW = "champion.errors", "champion.slow"

LEAST_SECONDS = 0.002
"""A model call shorter than this is never slow, whatever it is a multiple of."""
FEWEST_CALLS = 50
"""Model calls of a size that it takes of the previous champion, and of all sizes of the new one."""
SLOW_SHARE = 0.05
"""Accepted share of slow calls: the limit is a multiple of the previous champion's 95th percentile."""
FEWEST_HANGS = 3
"""Model calls that did not return which are enough, however few requests there were: each took a worker with it."""

_SERVICE: Mapping[str, tuple[str, str]] = {
    OVERLOAD: ("found the queue full", "Raise [serving] max_queue or workers, or send fewer requests at once."),
    STORAGE: ("could not be recorded", "Check the disk and the ledger: tiltyard doctor."),
    NO_MODEL: ("found no version that can predict", "Read GET /health, which says why no version is loaded."),
    INTERNAL: ("failed by another fault of the server", "Read the server's log."),
    REPEATED_ERROR: (
        "failed again on inputs on which the model had failed before",
        "Find the input in the server's log; tiltyard_failed_inputs in GET /metrics names it.",
    ),
}


def check_errors(project: Project, tally: ServiceTally, now: datetime, advice: str) -> Finding:
    """Whether the model fails for more requests than is allowed, by a test that holds at every run.

    Args:
        project: names the limits.
        tally: what was counted since the version is champion.
        now: the present.
        advice: the next step where it fails; empty for none.
    """
    response, failures, requests = project.response, tally.failures, tally.requests
    limit, enough = response.max_error_rate, 1.0 / project.promotion.alpha
    hangs, e_value = tally.outcomes[MODEL_TIMEOUT], compute_rate_evidence(limit, failures, requests - failures)
    evidence = {
        "e_value": e_value,
        "requests": requests,
        "failures": failures,
        "outcomes": dict(tally.outcomes),
        "workers": len(tally.workers),
    }
    text = f"Of {requests:,} requests since version {tally.version} is champion, the model failed for {failures:,}"
    text += f" (in {hangs:,} of them it did not return)." if hangs else "."
    window = (tally.since, now)
    if requests < response.min_requests and hangs < FEWEST_HANGS:
        why = f"{text} It takes {response.min_requests:,} requests."
        return could_not_judge(ERRORS, "requests", why, "Wait for more requests.", evidence=evidence, window=window)
    failing = e_value >= enough and _is_lasting(
        limit, tally.latest.get(MODEL_ERROR, 0) + tally.latest.get(MODEL_TIMEOUT, 0), _count_tried(tally.latest)
    )
    return Finding(
        ERRORS,
        "error" if failing else "info",
        "requests",
        score=failures / requests,
        limit=limit,
        message=text,
        evidence=evidence,
        since=tally.since,
        until=now,
        status="found" if failing else "clear",
        next_step=advice if failing else "",
    )


def check_latency(project: Project, tally: ServiceTally, previous: str, now: datetime, advice: str) -> Finding:
    """Whether more model calls than is allowed take longer than those of the previous champion of the same size.

    Args:
        project: names the factor.
        tally: what was counted since the version is champion.
        previous: the champion before.
        now: the present.
        advice: the next step where it is slow; empty for none.
    """
    window, calls = (tally.since, now), tally.calls
    limits = find_limits(tally.previous_calls, project.response.slow_factor)
    slow, fast = count_slow(calls, limits)
    if slow + fast < FEWEST_CALLS:
        why = (
            f"There are {slow + fast:,} model calls of version {tally.version} whose number of inputs can be compared "
            f"with calls of version {previous}; it takes {FEWEST_CALLS}."
        )
        return could_not_judge(SLOW, "model calls", why, "Wait for more predictions.", window=window)
    evidence = compute_rate_evidence(SLOW_SHARE, slow, fast)
    latest_slow, latest_fast = count_slow(tally.latest_calls, limits)
    is_slow = evidence >= 1.0 / project.promotion.alpha and _is_lasting(
        SLOW_SHARE, latest_slow, latest_slow + latest_fast
    )
    return Finding(
        SLOW,
        "error" if is_slow else "info",
        "model calls",
        score=slow / (slow + fast),
        limit=SLOW_SHARE,
        message=f"Of {slow + fast:,} model calls of version {tally.version}, {slow:,} took longer than "
        f"{project.response.slow_factor:g} times what 95 % of those of version {previous} took at most.",
        evidence={
            "e_value": evidence,
            "rows": slow + fast,
            "slow": slow,
            "limit_ms": {size: round(1000 * limit, 3) for size, limit in limits.items()},
        },
        since=tally.since,
        until=now,
        status="found" if is_slow else "clear",
        next_step=advice if is_slow else "",
    )


def check_service(project: Project, tally: ServiceTally, now: datetime) -> Finding:
    """Whether requests since the scrape before failed for another cause than the model; its evidence keeps the tally.

    Args:
        project: names the limit.
        tally: what was counted.
        now: the present.
    """
    limit, latest = project.response.max_error_rate, tally.latest_service
    causes = {name: latest.get(name, 0) for name in _SERVICE}
    requests = sum(causes.values()) + _count_tried(latest)
    found = [
        name
        for name, count in causes.items()
        if compute_rate_evidence(limit, count, requests - count) >= 1.0 / project.promotion.alpha
    ]
    worst = max(causes.values(), default=0)
    listed = ", ".join(f"{count:,} {_SERVICE[name][0]}" for name, count in causes.items() if count)
    message = f"Of {requests:,} requests since the last run, {listed or 'none failed for a cause outside the model'}."
    return Finding(
        FAILURES,
        "warning" if found else "info",
        "requests",
        score=worst / requests if requests else 0.0,
        limit=limit,
        message=message,
        evidence={"outcomes": dict(latest), "tally": encode_tally(tally)},
        until=now,
        status="found" if found else "clear" if requests else "could_not_judge",
        next_step=" ".join(_SERVICE[name][1] for name in found),
    )


def find_limits(previous: Calls, factor: float) -> dict[str, float]:
    """From when on a model call is slow, in seconds, for each size of which there are enough calls.

    The limit is ``factor`` times the 95th percentile of the previous champion's calls of the size, rounded up to a
    bound of the histogram; so is the limit itself where calls are counted.
    """
    limits = {}
    for size, bounds in previous.items():
        total, below = sum(bounds.values()), 0
        if total < FEWEST_CALLS:
            continue
        for bound, count in sorted(bounds.items(), key=lambda item: float(item[0])):
            below += count
            if below >= (1 - SLOW_SHARE) * total:
                if math.isfinite(float(bound)):
                    limits[size] = max(factor * float(bound), LEAST_SECONDS)
                break
    return limits


def count_slow(calls: Calls, limits: Mapping[str, float]) -> tuple[int, int]:
    """The model calls that were slow, and those that were not, of the sizes that have a limit.

    A bucket that holds times on both sides of the limit counts as not slow.
    """
    slow = fast = 0
    for size, limit in limits.items():
        for bound, count in calls.get(size, {}).items():
            if _lower_bound(float(bound)) >= limit:
                slow += count
            else:
                fast += count
    return slow, fast


def _lower_bound(bound: float) -> float:
    """The lower bound of the bucket with this upper bound."""
    return max((each for each in MODEL_SECONDS if each < bound), default=0.0)


def _count_tried(outcomes: Mapping[str, int]) -> int:
    """Requests that the model was given, and that count once each."""
    return sum(outcomes.get(name, 0) for name in (PREDICTED, STORAGE, MODEL_ERROR, MODEL_TIMEOUT))


def _is_lasting(limit: float, failures: int, requests: int) -> bool:
    """Whether what was found lasts: not if the requests since the last run are well."""
    return not requests or failures / requests > limit
