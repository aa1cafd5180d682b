"""What is known of a model as metrics: incidents, drift, decay, the champion's age, batch runs and notifications.

A server counts requests, and does not know these: the loop reads them from the ledger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.pipeline.remediation.closed_findings import list_open
from tiltyard.pipeline.remediation.history import History, read_history
from tiltyard.pipeline.remediation.incidents import incident_kind
from tiltyard.pipeline.schedules.overview import list_overviews
from tiltyard.project import Project

READ_SECONDS = 15.0
"""How old the figures may be: several programs may scrape, and each reading costs the ledger some queries."""
# Of others, such as those of slices, subjects are texts from rows, and there may be any number.
_WITH_SCORE = ("drift.", "performance.degradation", "performance.estimate", "operations.")
_PERFORMANCE = {"performance.degradation": "labels", "performance.estimate": "estimate"}
_NEWEST_RUNS = 100
_MOST_NOTICES = 10_000


class ModelCollector(Collector):
    """The state of a model, read from the ledger at a scrape. Not safe to share between threads.

    Args:
        project: the project.
        ledger: where it is read.
        clock: seconds that only rise.
    """

    def __init__(self, project: Project, ledger: Ledger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._project, self._ledger, self._clock = project, ledger, clock
        self._events = ModelEvents(ledger, project.model_name)
        self._read_at: float | None = None
        self._metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """The metrics, at most ``READ_SECONDS`` old.

        Raises:
            UnavailableError: the ledger is away.
        """
        now = self._clock()
        if self._read_at is None or now - self._read_at >= READ_SECONDS:
            self._metrics = list(self._read())
            self._read_at = now
        return iter(self._metrics)

    def _read(self) -> Iterator[Metric]:
        name, now = self._project.model_name, datetime.now(UTC)
        history = read_history(self._events.read(), name)
        latest = self._ledger.findings.latest(project=name, until=now)
        yield from self._describe_champion(history)
        yield from self._describe_findings(latest, list_open(latest, history))
        yield from self._describe_schedules()
        yield from self._describe_batches()
        yield self._describe_notices()

    def _gauge(self, metric: str, about: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(metric, about, labels=["model", *labels])

    def _describe_champion(self, history: History) -> Iterator[Metric]:
        name = self._project.model_name
        since = self._gauge("tiltyard_champion_since_seconds", "When the champion became it (Unix time).", "version")
        registered = self._gauge(
            "tiltyard_champion_registered_seconds", "When the champion was registered (Unix time).", "version"
        )
        period = history.aliases.champion
        if period is not None and period.version is not None:
            since.add_metric([name, period.version], period.since.timestamp())
            for event in self._ledger.events(subject=f"{name}/{period.version}", kind="registered"):
                registered.add_metric([name, period.version], event.at.timestamp())
                break
        yield from (since, registered)

    def _describe_findings(
        self, latest: Sequence[FindingRecord], standing: Sequence[FindingRecord]
    ) -> Iterator[Metric]:
        name = self._project.model_name
        looked = self._gauge("tiltyard_monitored_seconds", "When the latest monitoring run was (Unix time).")
        if latest:
            looked.add_metric([name], max(one.at for one in latest).timestamp())
        yield looked
        every = self._gauge("tiltyard_monitoring_interval_seconds", "How often the project asks for a monitoring run.")
        every.add_metric([name], 60.0 * self._project.monitoring.every_minutes)
        yield every
        count = self._gauge(
            "tiltyard_open_findings", "Findings that stand, by what they are about.", "kind", "severity"
        )
        kinds = Counter((str(incident_kind(one) or "other"), one.severity) for one in standing)
        for (kind, severity), number in sorted(kinds.items()):
            count.add_metric([name, kind, severity], number)
        yield count
        score = self._gauge("tiltyard_finding_score", "What the latest monitoring run measured.", "code", "subject")
        limit = self._gauge("tiltyard_finding_limit", "What that is compared with.", "code", "subject")
        for one in latest:
            if one.code.startswith(_WITH_SCORE) and one.score is not None:
                score.add_metric([name, one.code, one.subject], one.score)
                if one.limit is not None:
                    limit.add_metric([name, one.code, one.subject], one.limit)
        yield from (score, limit)
        yield self._describe_performance(latest)

    def _describe_performance(self, latest: Sequence[FindingRecord]) -> Metric:
        found = self._gauge(
            "tiltyard_performance",
            "The champion's performance: by labels, estimated without them, and at training.",
            "version",
            "metric",
            "basis",
        )
        said: dict[tuple[str, str, str], float] = {}
        for one in latest:
            basis = _PERFORMANCE.get(one.code)
            if basis is None or one.version is None:
                continue
            for key, where in (("value", basis), ("baseline", "training")):
                value = one.evidence.get(key)
                if isinstance(value, int | float):
                    said.setdefault((one.version, one.subject, where), float(value))
        for (version, metric, basis), value in sorted(said.items()):
            found.add_metric([self._project.model_name, version, metric, basis], value)
        return found

    def _describe_schedules(self) -> Iterator[Metric]:
        name = self._project.model_name
        last = self._gauge("tiltyard_schedule_last_run_seconds", "When it ran last (Unix time).", "schedule")
        due = self._gauge("tiltyard_schedule_due_seconds", "When it is due next (Unix time).", "schedule")
        failures = self._gauge("tiltyard_schedule_failures", "How often it failed since it ran well.", "schedule")
        for one in list_overviews(self._project, self._ledger):
            if one.last_run is not None:
                last.add_metric([name, one.name], one.last_run.timestamp())
            if one.next_run is not None:
                due.add_metric([name, one.name], one.next_run.timestamp())
            failures.add_metric([name, one.name], one.attempts)
        yield from (last, due, failures)

    def _describe_batches(self) -> Iterator[Metric]:
        name = self._project.model_name
        rows = self._gauge("tiltyard_batch_run_rows", "Rows of the latest finished batch run.", "outcome")
        finished = self._gauge("tiltyard_batch_run_finished_seconds", "When a batch run finished last (Unix time).")
        under_way = self._gauge(
            "tiltyard_batch_runs_unfinished", f"Of the newest {_NEWEST_RUNS} batch runs, those that have not finished."
        )
        runs = self._ledger.batch_runs.select(model_name=name, limit=_NEWEST_RUNS)
        done = max((one for one in runs if one.finished), key=lambda one: one.finished or one.started, default=None)
        if done is not None and done.finished is not None:
            rows.add_metric([name, "scored"], done.rows - done.refused)
            rows.add_metric([name, "refused"], done.refused)
            finished.add_metric([name], done.finished.timestamp())
        under_way.add_metric([name], sum(one.finished is None for one in runs))
        yield from (rows, finished, under_way)

    def _describe_notices(self) -> Metric:
        notices = GaugeMetricFamily(
            "tiltyard_notifications", "Notifications that were not delivered, by state.", labels=["state"]
        )
        outbox = self._ledger.outbox
        notices.add_metric(["waiting"], len(outbox.items("waiting", limit=_MOST_NOTICES)))
        notices.add_metric(["given_up"], len(outbox.items("given-up", limit=_MOST_NOTICES)))
        return notices
