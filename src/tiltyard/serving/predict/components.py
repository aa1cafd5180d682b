"""What the routes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.spools.spool import Lag, SpooledLedger
from tiltyard.project import ServingSection
from tiltyard.serving.model.manager import ModelManager
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batcher import Batcher, BatchLimits
from tiltyard.serving.predict.idempotency import Idempotency
from tiltyard.serving.predict.shadow import Shadow
from tiltyard.serving.predict.traffic_split import TrafficSplit
from tiltyard.serving.statistics import Statistics
from tiltyard.serving.telemetry import Instrumentation, Metrics, MultiprocessMetrics
from tiltyard.serving.telemetry.metrics import Gauges
from tiltyard.serving.telemetry.traces import Traces
from tiltyard.serving.telemetry.user_metrics import SINGLE_PROCESS, WorkerIdentity, load_user_metrics


@dataclass(frozen=True, slots=True)
class ServerComponents:
    """The parts of a running server.

    Attributes:
        live: which version answers.
        ledger: where answers are recorded.
        batcher: what scores and records.
        splitter: submits to it, for champion or challenger.
        once: who was asked what under which idempotency key.
        statistics: totals of what was answered.
        options: the project's ``[serving]``.
        observer: told of every request and batch.
        workers: metrics of this process and those beside it.
        shadow: what lets the challenger answer unseen; None where it does not.
        started: when it began, on the monotonic clock, in seconds.
    """

    live: ModelManager
    ledger: Ledger
    batcher: Batcher
    splitter: TrafficSplit
    once: Idempotency
    statistics: Statistics
    options: ServingSection
    observer: Instrumentation
    workers: MultiprocessMetrics
    shadow: Shadow | None
    started: float = field(default_factory=monotonic)

    @classmethod
    def of(
        cls, live: ModelManager, ledger: Ledger, options: ServingSection, place: WorkerIdentity = SINGLE_PROCESS
    ) -> ServerComponents:
        """Put the parts together.

        Raises:
            UsageError: a function of ``[serving] metrics`` cannot be used.
            MissingExtraError: the environment names a collector of traces, and the extra ``otel`` is not installed.
        """
        statistics = Statistics()
        limits = BatchLimits(max_batch=options.max_batch, max_queue=options.max_queue)
        metrics = Metrics(lambda: _measure(live, batcher, ledger))
        custom = load_user_metrics(options.metrics, place.root, metrics.registry)
        observer = Instrumentation(metrics, Traces.from_environment(live.served.model), custom)

        def current() -> ServedVersion:
            observer.batch_begins()
            return live.require()

        def recorded(rows: Sequence[PredictionRow]) -> None:
            statistics.add(rows)
            observer.recorded(rows)
            if shadow is not None:
                shadow.add(rows)

        beside = options.challenger
        shadow = None
        if beside is not None and beside.mode == "shadow":
            shadow = Shadow(live.beside, ledger, beside.share or 1.0)

        batcher = Batcher(
            current, ledger, limits, recorded, available=options.ledger == "available", beside=live.beside
        )
        once = Idempotency(ledger, live.cache / live.served.model / "idempotency.db")
        workers = MultiprocessMetrics(metrics.registry, place.worker, place.folder)
        splitter = TrafficSplit(batcher, live.served.model, options)
        return cls(live, ledger, batcher, splitter, once, statistics, options, observer, workers, shadow)


def _measure(live: ModelManager, batcher: Batcher, ledger: Ledger) -> Gauges:
    figures, version = batcher.figures, live.current
    model = None
    if version is not None:
        info = version.info
        model = {
            "model": info.name,
            "version": info.version,
            "alias": version.alias,
            "scorer": version.scorer.kind,
        }
    lag = ledger.lag() if isinstance(ledger, SpooledLedger) else Lag()
    behind = (datetime.now(UTC) - lag.oldest).total_seconds() if lag.oldest else 0.0
    return Gauges(
        waiting=figures.waiting,
        limit=figures.limit,
        ledger_ok=not figures.ledger_error,
        unrecorded=figures.unrecorded,
        lag_rows=lag.rows,
        lag_seconds=max(0.0, behind),
        model=model,
    )
