"""Counts of a server's workers, made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.pipeline.remediation.metrics_scraper import WorkerCounts
from tiltyard.pipeline.remediation.service_tally import Scrape, ServiceTally, update_tally
from tiltyard.project import Project

SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROJECT = Project.model_validate(
    {
        "project": {"name": "films", "task": "text-classification"},
        "data": {"source": "films.csv", "text": "text", "label": "label"},
    }
)


def count(
    key: str = "a",
    good: int = 0,
    bad: int = 0,
    *,
    version: str = "2",
    minutes: float = -60,
    inputs: frozenset[str] = frozenset(),
    calls: Mapping[str, Any] | None = None,
    **others: int,
) -> WorkerCounts:
    """A worker that started some minutes after (or before) the version became champion, and counted since."""
    outcomes = {"predicted": good, "model-error": bad, **{name.replace("_", "-"): n for name, n in others.items()}}
    return WorkerCounts(
        key=key,
        started=(SINCE + timedelta(minutes=minutes)).timestamp(),
        service=outcomes,
        outcomes={version: outcomes},
        failed_inputs={version: inputs},
        calls=calls or {},
    )


def scrape(
    *workers: WorkerCounts, minutes: float = 1, version: str = "2", previous: str = "1", **fields: Any
) -> Scrape:
    """A scrape some minutes after the version became champion."""
    now = SINCE + timedelta(minutes=minutes)
    return Scrape(workers, version, fields.pop("since", SINCE), now, previous, **fields)


def tally(*scrapes: Scrape) -> ServiceTally:
    """The tally after scrapes, one after another, each read back from JSON as the loop does."""
    result: ServiceTally | None = None
    for one in scrapes:
        result = ServiceTally.model_validate_json(update_tally(result, one).model_dump_json())
    assert result is not None
    return result
