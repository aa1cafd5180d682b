"""The parts of a running server, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import new_id
from tiltyard.ledger.spools.spool import Lag, SpooledLedger
from tiltyard.processes.model_calls import ModelCalls
from tiltyard.processes.worker_identity import SINGLE_PROCESS, WorkerIdentity
from tiltyard.project import ServingSection
from tiltyard.scoring import UnknownPolicy
from tiltyard.serving.model.manager import ModelManager
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching.batcher import Batcher, BatchLimits
from tiltyard.serving.predict.idempotency import Idempotency
from tiltyard.serving.predict.service import PredictionService
from tiltyard.serving.predict.shadow import Shadow
from tiltyard.serving.predict.traffic_split import TrafficSplit
from tiltyard.serving.set_aside_count import SetAsideCount
from tiltyard.serving.statistics import Statistics
from tiltyard.serving.telemetry import Instrumentation, Metrics, MultiprocessMetrics
from tiltyard.serving.telemetry.metrics import Gauges
from tiltyard.serving.telemetry.traces import Traces
from tiltyard.serving.telemetry.user_metrics import load_user_metrics


@dataclass(frozen=True, slots=True)
class ServerComponents:
    """The parts of a running server.

    Attributes:
        models: the versions in service.
        ledger: where predictions are recorded.
        batcher: scores and records.
        predictions: the data plane under all protocols.
        statistics: totals of the predictions.
        set_aside: how many records the ledger set aside.
        options: the project's ``[serving]``.
        instrumentation: counts every request and batch.
        worker_metrics: metrics of this process and the other workers.
        shadow: predicts with the challenger, for no client; None where that is not wanted.
        calls: the model calls that are under way.
        started: when it began, on the monotonic clock, in seconds.
    """

    models: ModelManager
    ledger: Ledger
    batcher: Batcher
    predictions: PredictionService
    statistics: Statistics
    set_aside: SetAsideCount
    options: ServingSection
    instrumentation: Instrumentation
    worker_metrics: MultiprocessMetrics
    shadow: Shadow | None
    calls: ModelCalls
    started: float = field(default_factory=monotonic)

    @property
    def can_predict(self) -> bool:
        """Whether there is a version to predict with, and nothing known that keeps predictions from being sent."""
        records = self.options.ledger == "available" or not self.batcher.figures.ledger_error
        return self.models.current is not None and records

    @classmethod
    def build(
        cls, models: ModelManager, ledger: Ledger, options: ServingSection, identity: WorkerIdentity = SINGLE_PROCESS
    ) -> ServerComponents:
        """Put the parts together.

        Raises:
            UsageError: a function of ``[serving] metrics`` cannot be used.
            MissingExtraError: the environment names a collector of traces, and the extra ``otel`` is not installed.
        """
        model_name = models.served.model_name
        statistics = Statistics(identity.metrics_folder, identity.worker, identity.server)
        metrics = Metrics(lambda: _measure_gauges(models, batcher, ledger), identity.server or new_id())
        user_metrics = load_user_metrics(options.metrics, identity.root, metrics.registry)
        instrumentation = Instrumentation(metrics, Traces.from_environment(model_name), user_metrics)

        def current() -> ServedVersion:
            instrumentation.start_batch()
            return models.require()

        def on_recorded(rows: Sequence[PredictionRow]) -> None:
            statistics.add(rows)
            instrumentation.report_batch(rows)
            if shadow is not None:
                shadow.add(rows)

        shadow = None
        if options.challenger is not None and options.challenger.mode == "shadow":
            share = options.challenger.share_or_default
            shadow = Shadow(models.current_challenger, ledger, share, identity.calls.slot("shadow"))

        batcher = Batcher(
            current,
            ledger,
            BatchLimits(
                options.max_batch,
                options.max_queue,
                UnknownPolicy.from_options(options),
                available=options.ledger == "available",
            ),
            on_recorded,
            challenger=models.current_challenger,
            outcomes=metrics,
        )
        batcher.calls = identity.calls.slot("batch")
        predictions = PredictionService(
            models,
            batcher,
            TrafficSplit(batcher, model_name, options),
            Idempotency(ledger, models.cache / model_name / "idempotency.db"),
            options,
            instrumentation,
        )
        worker_metrics = MultiprocessMetrics(
            metrics.registry, identity.worker, identity.metrics_folder, statistics.write, identity.server
        )
        return cls(
            models,
            ledger,
            batcher,
            predictions,
            statistics,
            SetAsideCount(ledger, model_name),
            options,
            instrumentation,
            worker_metrics,
            shadow,
            identity.calls,
        )


def _measure_gauges(models: ModelManager, batcher: Batcher, ledger: Ledger) -> Gauges:
    figures, version = batcher.figures, models.current
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
