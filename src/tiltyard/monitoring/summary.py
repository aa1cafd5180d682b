"""A period of a model's life as figures: what reports, dashboards and the console show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tiltyard.drift import VERDICT
from tiltyard.drift.extrapolation import NO_EXTRAPOLATION, Extrapolation, measure_extrapolation
from tiltyard.evaluation import SliceReport, get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import choose_form, format_count
from tiltyard.jsonable import to_json_object, to_jsonable
from tiltyard.ledger import Event, FindingRecord, Ledger, PredictionStats
from tiltyard.ledger.prediction_stats import NO_PREDICTIONS
from tiltyard.monitoring.estimates.by_target import EstimateBasis, estimate_window, make_basis
from tiltyard.monitoring.estimates.cbpe import Estimate
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.operations import Operations, summarise_operations
from tiltyard.monitoring.performance import (
    Performance,
    measure_performance,
    performance_by_slice,
    performance_by_version,
)
from tiltyard.monitoring.prediction_window import (
    MOST_ROWS,
    PredictionWindow,
    find_group_key,
    read_prediction_window,
)
from tiltyard.monitoring.result_types import DashboardData
from tiltyard.project import Project
from tiltyard.registry.package.stored_evaluation import StoredEvaluation

MOST_BUCKETS = 30
CONFIDENCE_BINS = 20
MOST_FINDINGS = 500
MIN_ROWS_OF_A_BUCKET = 20
MOST_ROWS_OF_A_BUCKET = 1_000
"""Predictions from which the performance of one bucket is estimated."""

_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 40320))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SummaryQuery:
    """Which model is summarised, and by which figures.

    Attributes:
        model_name: name of the registered model.
        metric: the project's own metric.
        positive: the label that counts as positive.
        slices: features whose values are slices.
        min_rows: with fewer rows nothing is evaluated or estimated.
        group_key: under which key of an input its group stands.
        most_rows: so many predictions are read one by one at most, the newest; counts are of all.
    """

    model_name: str
    metric: str = "accuracy"
    positive: str | None = None
    slices: tuple[str, ...] = ()
    min_rows: int = 30
    group_key: str | None = None
    most_rows: int = MOST_ROWS

    @property
    def headline(self) -> str:
        """The metric that every model of its kind is shown by: accuracy, of numbers the mean absolute error."""
        return TaskEvaluation.find_for_target(get_metric(self.metric).target).headline

    @classmethod
    def from_project(cls, project: Project) -> SummaryQuery:
        """The model of a project, with its metric and slices."""
        return cls(
            model_name=project.model_name,
            metric=project.training.metric,
            positive=project.data.positive,
            slices=(*project.data.slices, *project.data.sensitive),
            min_rows=project.monitoring.min_rows,
            group_key=find_group_key(project),
        )


@dataclass(frozen=True)
class TimeBucket:
    """One part of the period.

    Attributes:
        since: its start.
        until: its end.
        stats: all its predictions, counted by the database.
        labels: number of those that have a label, of whatever kind.
        performance: how those that were read compare with their labels.
        estimate: their performance, estimated without labels; None without a champion.
    """

    since: datetime
    until: datetime
    stats: PredictionStats
    labels: int
    performance: Performance
    estimate: Estimate | None


@dataclass(frozen=True)
class Summary:
    """A period of a model's life.

    Attributes:
        query: the model and the figures.
        since: start of the period.
        until: its end.
        step: width of its buckets.
        version: the champion; None where there is none or it cannot be read.
        baseline: the champion's metrics at training.
        stats: all predictions of the period, counted by the database.
        labels: number of those that have a label, of whatever kind.
        left_out: number of older predictions of the period that no figure but ``stats`` and ``labels`` is of.
        operations: how the service ran.
        confidence: number of predictions by confidence, in 20 bins from 0 to 1.
        confidence_at_training: the same of the rows that evaluated the champion; None where they are not known.
        buckets: the parts of the period, oldest first.
        performance: how the predictions compare with their labels.
        by_version: the same by (version, route).
        slices: the same slice by slice; None without labels.
        estimate: the champion's performance, estimated without labels; None without a champion.
        findings: what monitoring runs found in the period, latest first.
        latest_findings: the latest finding of each code and subject.
        events: decisions of the period, latest first.
        evaluation: what the champion's training found; None without a champion, and where its version holds none.
    """

    query: SummaryQuery
    since: datetime
    until: datetime
    step: timedelta
    version: str | None
    baseline: Mapping[str, float]
    stats: PredictionStats
    labels: int
    left_out: int
    operations: Operations
    confidence: tuple[int, ...]
    confidence_at_training: tuple[int, ...] | None
    buckets: tuple[TimeBucket, ...]
    performance: Performance
    by_version: Mapping[tuple[str, str], Performance]
    slices: SliceReport | None
    estimate: Estimate | None
    findings: tuple[FindingRecord, ...]
    latest_findings: tuple[FindingRecord, ...]
    events: tuple[Event, ...]
    evaluation: StoredEvaluation | None = None

    @property
    def label_coverage(self) -> float:
        """Share of the predictions that have a label."""
        return self.labels / self.stats.total if self.stats.total else 0.0

    @property
    def basis(self) -> str:
        """Of which predictions the figures are, in words; empty where they are of all."""
        if not self.left_out:
            return ""
        read = self.stats.total - self.left_out
        return (
            f"Performance, estimate, slices and latency are of the newest {read:,} of "
            f"{format_count(self.stats.total, 'prediction')}, of which {self.performance.labelled:,} "
            f"{choose_form(self.performance.labelled, 'has', 'have')} a label that counts."
        )

    @property
    def alarms(self) -> tuple[FindingRecord, ...]:
        """The latest findings that are problems: found, and a warning or an error."""
        latest = self.latest_findings
        return tuple(record for record in latest if record.status == "found" and record.severity != "info")

    def to_dict(self) -> DashboardData:
        """JSON-ready form."""
        content: dict[str, Any] = {
            "model_name": self.query.model_name,
            "since": self.since,
            "until": self.until,
            "champion": self.version,
            "baseline": dict(self.baseline),
            "total_predictions": self.stats.total,
            "prediction_distribution": dict(self.stats.by_label),
            "version_distribution": dict(self.stats.by_version),
            "avg_confidence": self.stats.mean_confidence,
            "avg_latency_ms": self.stats.mean_latency_ms,
            "operations": to_json_object(self.operations),
            "confidence_histogram": list(self.confidence),
            "labelled_predictions": self.labels,
            "label_coverage": self.label_coverage,
            "predictions_left_out": self.left_out,
            "performance": to_json_object(self.performance),
            "estimated_performance": to_json_object(self.estimate) if self.estimate else None,
            "by_version": [
                {"version": version, "route": route, **to_json_object(performance)}
                for (version, route), performance in self.by_version.items()
            ],
            "slices": to_json_object(self.slices) if self.slices else None,
            "timeline": [_bucket_to_dict(bucket) for bucket in self.buckets],
            "alerts": self.alarms,
            "findings": self.findings,
            "decisions": [_event_to_dict(event) for event in self.events],
        }
        return cast(DashboardData, to_jsonable(content))


def build_summary(
    ledger: Ledger, query: SummaryQuery, monitored: MonitoredVersion | None, *, since: datetime, until: datetime
) -> Summary:
    """Summarise the period from ``since`` until before ``until``. Reads the ledger and writes nothing.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    model_name, metric, positive = query.model_name, query.metric, query.positive
    window = read_prediction_window(ledger, model_name, since=since, until=until, most=query.most_rows)
    target = None if monitored is None else monitored.target
    window = replace(window, group_key=query.group_key, target=target)
    step = next((step for step in _STEPS if (until - since) / step <= MOST_BUCKETS), _STEPS[-1])
    estimate, bucket_basis = None, None
    if monitored is not None:
        moved = _find_extrapolation(ledger, model_name, monitored.version, until)
        basis = make_basis(monitored, monitored.positive or positive, query.min_rows, moved)
        estimate = estimate_window(window, basis, metric)
        if estimate.figures:
            # A bucket is a point among others: a wide interval shows how few rows it has. Where the period as a whole
            # cannot be estimated, no part of it can.
            bucket_basis = replace(basis, min_rows=min(MIN_ROWS_OF_A_BUCKET, query.min_rows))
    length = until - since
    buckets = _summarise_buckets(ledger, window, query, bucket_basis, step)
    events = [event for event in ledger.events(subject=model_name, since=since) if event.at < until]
    findings = ledger.findings.select(
        project=model_name, since=since, until=until, status="found", newest_first=True, limit=MOST_FINDINGS
    )
    return Summary(
        query=query,
        since=since,
        until=until,
        step=step,
        version=monitored.version if monitored else None,
        baseline=dict(monitored.metrics) if monitored else {},
        stats=ledger.prediction_stats(model_name, since, until),
        labels=sum(bucket.labels for bucket in buckets),
        left_out=window.left_out,
        operations=summarise_operations(window, ledger.prediction_stats(model_name, since - length, since).total),
        confidence=_count_confidence(window.confidence),
        confidence_at_training=_count_confidence(monitored.held_out.confidence(monitored.classes))
        if monitored and monitored.held_out
        else None,
        buckets=buckets,
        performance=measure_performance(window, metric, positive),
        by_version=performance_by_version(window, metric, positive),
        slices=performance_by_slice(
            window, query.slices, metric, positive, monitored.table_schema if monitored else None
        ),
        estimate=estimate,
        findings=tuple(findings),
        latest_findings=tuple(ledger.findings.latest(project=model_name, until=until)),
        events=tuple(reversed(events)),
        evaluation=monitored.evaluation if monitored else None,
    )


def _find_extrapolation(ledger: Ledger, model_name: str, version: str, until: datetime) -> Extrapolation:
    """How far the version's inputs were from its training in the latest monitoring run."""
    for verdict in ledger.findings.latest(project=model_name, code=VERDICT, until=until):
        if verdict.version == version and verdict.status == "found":
            return measure_extrapolation(verdict.evidence.get("tests", ()))
    return NO_EXTRAPOLATION


def _summarise_buckets(
    ledger: Ledger, window: PredictionWindow, query: SummaryQuery, basis: EstimateBasis | None, step: timedelta
) -> tuple[TimeBucket, ...]:
    since, until = window.since, window.until
    if since is None or until is None:
        return ()
    start = since - (since - _EPOCH) % step
    counted = ledger.profiles.count_steps(model_name=query.model_name, since=since, until=until, step=step)
    labels = ledger.profiles.count_labelled(model_name=query.model_name, since=since, until=until, step=step)
    buckets = []
    while start < until:
        first, last = max(start, since), min(start + step, until)
        part = window.between(first, last)
        performance = measure_performance(part, query.metric, query.positive)
        estimate = None
        if basis is not None:
            estimate = estimate_window(part, basis, query.metric, names=("accuracy",), most=MOST_ROWS_OF_A_BUCKET)
        stats = counted.get(start, NO_PREDICTIONS)
        buckets.append(TimeBucket(first, last, stats, labels.get(start, 0), performance, estimate))
        start += step
    return tuple(buckets)


def _count_confidence(confidence: NDArray[np.float64]) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(confidence[~np.isnan(confidence)], 0, 1), CONFIDENCE_BINS, (0, 1))
    return tuple(int(count) for count in counts)


def _bucket_to_dict(bucket: TimeBucket) -> dict[str, Any]:
    estimated = bucket.estimate.figures if bucket.estimate else {}
    return {
        "since": bucket.since,
        "until": bucket.until,
        "predictions": bucket.stats.total,
        "by_label": dict(bucket.stats.by_label),
        "mean_confidence": bucket.stats.mean_confidence,
        "mean_latency_ms": bucket.stats.mean_latency_ms,
        "labelled": bucket.labels,
        "metrics": {name: to_json_object(figure) for name, figure in bucket.performance.figures.items()},
        "estimated": {name: to_json_object(figure) for name, figure in estimated.items()},
    }


def _event_to_dict(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ("at", "kind", "subject", "actor", "reason", "sequence")}
