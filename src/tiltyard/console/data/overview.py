"""What the first page shows: what needs a person, and how the model has done lately; from aggregates alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from tiltyard.console.data.period import PredictionPeriod, find_step, floor_moment
from tiltyard.console.data.task_part import TaskConsole
from tiltyard.data.conform.labels import order_classes
from tiltyard.ledger import Event, FindingRecord, Ledger, PredictionStats
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.ledger.prediction_stats import NO_PREDICTIONS
from tiltyard.monitoring.findings_from_run import DEGRADATION, ESTIMATE
from tiltyard.notifications.alerts import Alert, read_alerts
from tiltyard.pipeline.remediation.tally_records import FAILURES
from tiltyard.processes.request_counts import CLIENT_GONE, PREDICTED, REFUSED
from tiltyard.project import Project
from tiltyard.promotion.approval import ApprovalRequest, pending_approvals
from tiltyard.registry.alias_history import PROMOTED, ROLLED_BACK, ChampionPeriod, read_alias_history
from tiltyard.tasks import TASKS

MOST_RUNS = 400
"""Monitoring runs whose figures are drawn, the newest."""

MOST_ROWS = 6
"""Rows of each short list."""

_OURS = frozenset({PREDICTED, REFUSED, CLIENT_GONE})
"""Outcomes of requests that neither the server nor the model failed."""


@dataclass(frozen=True)
class MeasuredPoint:
    """A metric as one monitoring run found it; ``low`` and ``high`` are the ends of its 95 % interval."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ChampionMark:
    """A moment at which another version became champion: by ``promoted``, ``rolled-back`` or by hand."""

    at: datetime
    version: str
    kind: str

    @property
    def words(self) -> str:
        """What happened, in a few words."""
        how = {PROMOTED: "promoted", ROLLED_BACK: "rolled back to"}
        return f"v{self.version} {how.get(self.kind, 'set by hand')}"


@dataclass(frozen=True)
class PerformanceTrack:
    """Performance over time, as the monitoring runs found it.

    Attributes:
        metric: the project's metric.
        measured: with labels.
        estimate_metric: the metric that is estimated; the project's, or that which every model of its kind is shown by.
        estimated: without labels.
        baseline: the metric at training, of the champion of the latest run; None where it is not known.
        marks: the promotions and rollbacks.
    """

    metric: str
    measured: tuple[MeasuredPoint, ...]
    estimate_metric: str
    estimated: tuple[MeasuredPoint, ...]
    baseline: float | None
    marks: tuple[ChampionMark, ...]


@dataclass(frozen=True)
class OverviewView:
    """What the first page shows.

    Attributes:
        model: name of the registered model.
        since: begin of the period.
        until: its end.
        champion: the present champion, by the decisions; None for none.
        incidents: open incidents, those that need attention first.
        approvals: versions that wait for approval, the oldest first.
        labels_waiting: predictions whose label was requested and has not come.
        stats: the predictions of the period.
        before: number of predictions in the period of the same length before; None of all time.
        timeline: one row per bin and label: ``start``, ``label``, ``count``.
        latency: mean milliseconds by bin: ``start``, ``latency_ms``.
        step: width of the bins.
        outcomes: requests of the period's latest monitoring runs by outcome; empty where no server was scraped.
        performance: performance over time.
        decisions: the latest decisions, newest first.
        batches: the latest batch runs.
        monitored_at: when the monitoring ran last; None for never.
        any_ever: whether the model has ever predicted.
    """

    model: str
    since: datetime
    until: datetime
    champion: ChampionPeriod | None
    incidents: tuple[Alert, ...]
    approvals: tuple[ApprovalRequest, ...]
    labels_waiting: int
    stats: PredictionStats
    before: int | None
    timeline: pd.DataFrame
    latency: pd.DataFrame
    step: timedelta
    outcomes: Mapping[str, int]
    performance: PerformanceTrack
    decisions: tuple[Event, ...]
    batches: tuple[BatchRun, ...]
    monitored_at: datetime | None
    any_ever: bool

    @property
    def failed(self) -> int:
        """Requests that failed by the model or the server."""
        return sum(count for name, count in self.outcomes.items() if name not in _OURS)

    @property
    def requests(self) -> int:
        """Requests that were predicted, or that the server or the model failed."""
        return self.outcomes.get(PREDICTED, 0) + self.failed


def overview_view(ledger: Ledger, project: Project, period: PredictionPeriod, now: datetime) -> OverviewView:
    """Read the first page's figures: hourly counts, the findings of monitoring runs, and the decisions.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    model = project.model_name
    first = next(iter(ledger.predictions(project=model, limit=1)), None)
    since, until = period.begin(now, first.at if first else None), period.end(now)
    step = period.step or find_step(until - since)
    since = floor_moment(since, step)
    counted = ledger.profiles.count_steps(model_name=model, since=since, until=until, step=step)
    starts = [since + place * step for place in range(max(1, -(-(until - since) // step)))]
    of_target = TaskConsole.find_for_target(TASKS[project.task].target)
    shown = [of_target.count_values(counted.get(start, NO_PREDICTIONS)) for start in starts]
    events = list(ledger.events(subject=model))
    runs = _read_runs(ledger, model, since, until)
    stats = ledger.prediction_stats(model, since, until)
    length = until - since
    return OverviewView(
        model=model,
        since=since,
        until=until,
        champion=read_alias_history(events, model).champion,
        incidents=_order_incidents(events),
        approvals=tuple(pending_approvals(events, model)),
        labels_waiting=count_waiting(ledger, model),
        stats=stats,
        before=None if period.span is None else ledger.prediction_stats(model, since - length, since).total,
        timeline=_count_timeline(starts, shown),
        latency=_list_latency(starts, shown),
        step=step,
        outcomes=_sum_outcomes(runs.get(FAILURES, ())),
        performance=_track_performance(runs, events, project, (since, until)),
        decisions=tuple(reversed([event for event in events if not event.kind.startswith(_STEPS)][-MOST_ROWS:])),
        batches=tuple(ledger.batch_runs.select(model_name=model, limit=MOST_ROWS)),
        monitored_at=_find_latest_run(ledger, model),
        any_ever=first is not None,
    )


_STEPS = ("response-step", "part-", "worker-", "alias-change")
"""Kinds of events that are steps of a decision, and no decision."""


def overview_stamp(ledger: Ledger, model: str, now: datetime) -> str:
    """A text that changes with a decision or a monitoring run, and every ten seconds while predictions come."""
    newest = next(iter(ledger.predictions(project=model, limit=1, newest_first=True)), None)
    run = _find_latest_run(ledger, model)
    last = max((event.sequence for event in ledger.events(subject=model)), default=0)
    ten_seconds = int(now.timestamp()) // 10 if newest and now - newest.at < timedelta(minutes=2) else 0
    return f"{newest.id if newest else ''} {run} {last} {ten_seconds} {now:%H}"


def count_waiting(ledger: Ledger, model: str) -> int:
    """Predictions whose label was requested and has not come."""
    wanted = {request.prediction_id for request in ledger.label_requests.select(model_name=model)}
    return len(wanted) - len(ledger.newest_label_times(list(wanted))) if wanted else 0


def _order_incidents(events: Sequence[Event]) -> tuple[Alert, ...]:
    weight = {"error": 0, "warning": 1, "info": 2}
    found = [alert for alert in read_alerts(events) if alert.state == "open"]
    return tuple(sorted(found, key=lambda alert: (weight.get(alert.severity, 3), -alert.raised_at.timestamp())))


def _find_latest_run(ledger: Ledger, model: str) -> datetime | None:
    newest = next(iter(ledger.findings.select(project=model, newest_first=True, limit=1)), None)
    return newest.at if newest else None


def _read_runs(ledger: Ledger, model: str, since: datetime, until: datetime) -> dict[str, list[FindingRecord]]:
    """The findings of the period's latest runs that have a figure, oldest first, by code."""
    return {
        code: list(
            ledger.findings.select(
                project=model, code=code, since=since, until=until, newest_first=True, limit=MOST_RUNS
            )
        )[::-1]
        for code in (DEGRADATION, ESTIMATE, FAILURES)
    }


def _sum_outcomes(runs: Sequence[FindingRecord]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in runs:
        outcomes = run.evidence.get("outcomes")
        if isinstance(outcomes, Mapping):
            total.update({str(name): count for name, count in outcomes.items() if isinstance(count, int)})
    return dict(total)


def _track_performance(
    runs: Mapping[str, Sequence[FindingRecord]],
    events: Sequence[Event],
    project: Project,
    window: tuple[datetime, datetime],
) -> PerformanceTrack:
    measured, estimates = runs.get(DEGRADATION, ()), runs.get(ESTIMATE, ())
    metric = project.training.metric
    baselines = [_number(run.evidence.get("baseline")) for run in [*estimates, *measured] if run.subject == metric]
    periods = read_alias_history(events, project.model_name).champions
    return PerformanceTrack(
        metric=metric,
        measured=_list_points([run for run in measured if run.subject == metric]),
        estimate_metric=estimates[-1].subject if estimates else metric,
        estimated=_list_points(estimates),
        baseline=next((value for value in reversed(baselines) if value is not None), None),
        marks=tuple(
            ChampionMark(one.since, one.version, one.event.kind)
            for one in periods
            if one.version is not None and window[0] <= one.since <= window[1]
        ),
    )


def _list_points(runs: Sequence[FindingRecord]) -> tuple[MeasuredPoint, ...]:
    points = []
    for run in runs:
        value, interval = _number(run.evidence.get("value")), run.evidence.get("interval")
        if value is None:
            continue
        low, high = interval if isinstance(interval, Sequence) and len(interval) == 2 else (None, None)
        points.append(MeasuredPoint(run.at, value, _number(low), _number(high)))
    return tuple(points)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count_timeline(starts: Sequence[datetime], shown: Sequence[PredictionStats]) -> pd.DataFrame:
    labels = list(order_classes({name for part in shown for name in part.by_label}))
    rows = [
        (start, label, part.by_label.get(label, 0))
        for start, part in zip(starts, shown, strict=True)
        for label in labels
    ]
    return pd.DataFrame(rows, columns=["start", "label", "count"])


def _list_latency(starts: Sequence[datetime], shown: Sequence[PredictionStats]) -> pd.DataFrame:
    rows = [
        (start, part.mean_latency_ms)
        for start, part in zip(starts, shown, strict=True)
        if part.mean_latency_ms is not None
    ]
    return pd.DataFrame(rows, columns=["start", "latency_ms"])
