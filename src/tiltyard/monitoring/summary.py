"""A stretch of a model's life as figures: what reports, dashboards and the console show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation import SliceReport
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import Event, FindingRecord, Ledger, PredictionStats
from tiltyard.monitoring.estimates.cbpe import CbpeBasis, Estimate, estimate_performance
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.operations import Operations, summarise_operations
from tiltyard.monitoring.performance import (
    Performance,
    measure_performance,
    performance_by_slice,
    performance_by_version,
)
from tiltyard.monitoring.prediction_window import PredictionWindow, read_prediction_window

MOST_BINS = 30
CONFIDENCE_BINS = 20
MOST_FINDINGS = 500
FEWEST_OF_A_BIN = 20
ROWS_OF_A_BIN = 1_000
"""Answers that the estimate of one bin is made from."""

_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SummaryQuery:
    """What of a model is looked at.

    Attributes:
        model: name of the registered model.
        metric: the project's own metric.
        positive: the label that counts as positive.
        slices: features whose values are slices.
        fewest_rows: with fewer rows nothing is judged or estimated.
    """

    model: str
    metric: str = "accuracy"
    positive: str | None = None
    slices: tuple[str, ...] = ()
    fewest_rows: int = 30


@dataclass(frozen=True)
class TimeBucket:
    """One part of the stretch.

    Attributes:
        since: its start.
        until: its end.
        stats: all its answers, counted by the database.
        performance: how those that were read compare with their labels.
        estimate: their performance as confidence tells it; None without a champion.
    """

    since: datetime
    until: datetime
    stats: PredictionStats
    performance: Performance
    estimate: Estimate | None


@dataclass(frozen=True)
class Summary:
    """A stretch of a model's life.

    Attributes:
        interests: what is looked at.
        since: start of the stretch.
        until: its end.
        step: width of its bins.
        version: the champion; None where there is none or it is not known.
        baseline: the champion's metrics at training.
        stats: all answers of the stretch, counted by the database.
        operations: how the service ran.
        confidence: number of answers by confidence, in 20 bins from 0 to 1.
        confidence_at_training: the same of the rows that judged the champion; None where they are not known.
        bins: the stretch, part by part, oldest first.
        performance: how the answers compare with their labels.
        answerers: the same by (version, route).
        slices: the same slice by slice; None without labels.
        estimate: the champion's performance as confidence tells it; None without a champion.
        findings: what looks in the stretch found, latest first.
        standing: the latest word on each code and subject.
        events: decisions of the stretch, latest first.
    """

    interests: SummaryQuery
    since: datetime
    until: datetime
    step: timedelta
    version: str | None
    baseline: Mapping[str, float]
    stats: PredictionStats
    operations: Operations
    confidence: tuple[int, ...]
    confidence_at_training: tuple[int, ...] | None
    bins: tuple[TimeBucket, ...]
    performance: Performance
    answerers: Mapping[tuple[str, str], Performance]
    slices: SliceReport | None
    estimate: Estimate | None
    findings: tuple[FindingRecord, ...]
    standing: tuple[FindingRecord, ...]
    events: tuple[Event, ...]

    @property
    def alarms(self) -> tuple[FindingRecord, ...]:
        """What stands and asks for attention: found, and not only worth knowing."""
        return tuple(record for record in self.standing if record.status == "found" and record.severity != "info")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        content: dict[str, Any] = {
            "model_name": self.interests.model,
            "since": self.since,
            "until": self.until,
            "champion": self.version,
            "baseline": dict(self.baseline),
            "total_predictions": self.stats.total,
            "prediction_distribution": dict(self.stats.by_label),
            "version_distribution": dict(self.stats.by_version),
            "avg_confidence": self.stats.mean_confidence,
            "avg_latency_ms": self.stats.mean_latency_ms,
            "operations": self.operations.to_dict(),
            "confidence_histogram": list(self.confidence),
            "labelled_predictions": self.performance.labelled,
            "label_coverage": self.performance.coverage,
            "performance": self.performance.to_dict(),
            "estimated_performance": self.estimate.to_dict() if self.estimate else None,
            "by_version": [
                {"version": version, "route": route, **found.to_dict()}
                for (version, route), found in self.answerers.items()
            ],
            "slices": self.slices.to_dict() if self.slices else None,
            "timeline": [_bin_to_dict(part) for part in self.bins],
            "alerts": [_finding_to_dict(record) for record in self.alarms],
            "findings": [_finding_to_dict(record) for record in self.findings],
            "decisions": [_event_to_dict(event) for event in self.events],
        }
        plain: dict[str, Any] = to_jsonable(content)
        return plain


def summarise(
    ledger: Ledger, interests: SummaryQuery, watched: MonitoredVersion | None, *, since: datetime, until: datetime
) -> Summary:
    """Look over the stretch from ``since`` until before ``until``. Reads the ledger and writes nothing.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    model, metric, positive = interests.model, interests.metric, interests.positive
    window = read_prediction_window(ledger, model, since=since, until=until)
    step = next((step for step in _STEPS if (until - since) / step <= MOST_BINS), _STEPS[-1])
    basis, of_bins = None, None
    if watched is not None:
        basis = CbpeBasis(
            watched.version, watched.classes, watched.held_out, watched.positive or positive, interests.fewest_rows
        )
        # A bin is a point among others: a wide interval says enough of how little it stands on.
        of_bins = replace(basis, fewest_rows=min(FEWEST_OF_A_BIN, interests.fewest_rows))
    length = until - since
    before = ledger.prediction_stats(model, since - length, since).total
    events = [event for event in ledger.events(subject=model, since=since) if event.at < until]
    findings = ledger.findings.select(
        project=model, since=since, until=until, status="found", newest_first=True, limit=MOST_FINDINGS
    )
    return Summary(
        interests=interests,
        since=since,
        until=until,
        step=step,
        version=watched.version if watched else None,
        baseline=dict(watched.metrics) if watched else {},
        stats=ledger.prediction_stats(model, since, until),
        operations=summarise_operations(window, before),
        confidence=_histogram(window.confidence),
        confidence_at_training=_histogram(watched.held_out.probabilities.max(axis=1))
        if watched and watched.held_out
        else None,
        bins=_bins(ledger, window, interests, of_bins, step),
        performance=measure_performance(window, metric, positive),
        answerers=performance_by_version(window, metric, positive),
        slices=performance_by_slice(window, interests.slices, metric, positive),
        estimate=estimate_performance(window, basis, metric) if basis else None,
        findings=tuple(findings),
        standing=tuple(ledger.findings.latest(project=model, until=until)),
        events=tuple(reversed(events)),
    )


def _bins(
    ledger: Ledger, window: PredictionWindow, interests: SummaryQuery, basis: CbpeBasis | None, step: timedelta
) -> tuple[TimeBucket, ...]:
    since, until = window.since, window.until
    if since is None or until is None:
        return ()
    start = since - (since - _EPOCH) % step
    found = []
    while start < until:
        first, last = max(start, since), min(start + step, until)
        part = window.between(first, last)
        told = measure_performance(part, interests.metric, interests.positive)
        guessed = None
        if basis is not None:
            guessed = estimate_performance(part, basis, interests.metric, names=("accuracy",), most=ROWS_OF_A_BIN)
        found.append(TimeBucket(first, last, ledger.prediction_stats(interests.model, first, last), told, guessed))
        start += step
    return tuple(found)


def _histogram(confidence: NDArray[np.float64]) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(confidence, 0, 1), CONFIDENCE_BINS, (0, 1))
    return tuple(int(count) for count in counts)


def _bin_to_dict(part: TimeBucket) -> dict[str, Any]:
    return {
        "since": part.since,
        "until": part.until,
        "predictions": part.stats.total,
        "by_label": dict(part.stats.by_label),
        "mean_confidence": part.stats.mean_confidence,
        "mean_latency_ms": part.stats.mean_latency_ms,
        "labelled": part.performance.labelled,
        "metrics": {name: figure.to_dict() for name, figure in part.performance.figures.items()},
        "estimated": {
            name: figure.to_dict() for name, figure in (part.estimate.figures if part.estimate else {}).items()
        },
    }


def _finding_to_dict(record: FindingRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _event_to_dict(event: Event) -> dict[str, Any]:
    return {
        "at": event.at,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "reason": event.reason,
        "sequence": event.sequence,
    }
