"""The metrics of a server: counted once a request and once a batch, never once a row."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from tiltyard.processes.request_counts import MODEL_SECONDS
from tiltyard.serving.telemetry.histogram import ROWS, SECONDS, SHARES, Histogram

if TYPE_CHECKING:
    from tiltyard.scoring.input_warnings import InputWarning

log = logging.getLogger(__name__)


class CountedPrediction(Protocol):
    """The parts of a recorded prediction that are counted."""

    @property
    def version(self) -> str:
        """The version that predicted."""

    @property
    def route(self) -> str:
        """Its route, such as ``champion``."""

    @property
    def label(self) -> str:
        """The predicted label."""

    @property
    def confidence(self) -> float:
        """Its probability."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """The values that are measured at each scrape.

    Attributes:
        waiting: inputs that wait for their batch.
        limit: how many may wait.
        ledger_ok: whether the latest batch could be recorded.
        unrecorded: predictions that were sent, and wait in memory until the ledger is available again.
        lag_rows: predictions recorded on this host, by any worker, and not yet in the central ledger.
        lag_seconds: age of the oldest prediction of it, 0 where there is none.
        model: name, version, alias and scorer of the version that is served; empty for none.
    """

    waiting: int = 0
    limit: int = 0
    ledger_ok: bool = True
    unrecorded: int = 0
    lag_rows: int = 0
    lag_seconds: float = 0.0
    model: Mapping[str, str] | None = None


class Metrics:
    """The metrics of one process; safe to use from several threads.

    Args:
        measure: returns the gauges at each scrape.
        server: names the server for as long as it runs, so that counts of several servers are not mixed up.
    """

    def __init__(self, measure: Callable[[], Gauges] = Gauges, server: str = "") -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._measure = measure
        self._server, self._started = server, time.time()
        self._lock = Lock()
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self._predictions: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._confidence: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SHARES))
        self._batches = Histogram(ROWS)
        self._unknown: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._abstained = 0
        self._refused: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._outcomes: Counter[tuple[str, str, str]] = Counter()
        self._failed_inputs: set[tuple[str, str]] = set()
        self._model_seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(lambda: Histogram(MODEL_SECONDS))
        self.registry.register(_MetricsCollector(self))
        ProcessCollector(registry=self.registry)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: its HTTP method.
            route: the path as the route has it, so that there are as many as routes.
            status: the status of the response.
            seconds: from the first byte of the request to the response.
        """
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds[route].add(seconds)

    def count_batch(self, rows: Sequence[CountedPrediction]) -> None:
        """Count a batch of recorded predictions."""
        groups: dict[tuple[str, str], list[CountedPrediction]] = {}
        by = {(row.version, row.route) for row in rows}
        for version, decision in by:
            # Nearly always there is one, and it is all of the batch.
            same = rows if len(by) == 1 else [row for row in rows if (row.version, row.route) == (version, decision)]
            groups[version, decision] = list(same)
        with self._lock:
            self._batches.add(len(rows))
            for (version, decision), same in groups.items():
                if same[0].confidence < 0:  # numbers: nearly all different, and without a confidence
                    self._predictions[version, decision, ""] += len(same)
                    continue
                for label, count in Counter([row.label for row in same]).items():
                    self._predictions[version, decision, label] += count
                self._confidence[version].add_all([row.confidence for row in same])

    def count_unknown(self, warnings: Iterable[Iterable[InputWarning]]) -> None:
        """Count what training did not know of a request, and the inputs on which the model abstains."""
        # Imported here: the parent of the workers, which only serves metrics, does without scikit-learn.
        from tiltyard.scoring.input_errors import UNKNOWN_COLUMN  # noqa: PLC0415
        from tiltyard.scoring.input_warnings import ABSTAINED  # noqa: PLC0415

        with self._lock:
            for warning in (warning for found in warnings for warning in found):
                if warning.code == ABSTAINED:
                    self._abstained += 1
                    continue
                # Names of columns come from callers; only those of the model may become labels.
                column = "" if warning.code == UNKNOWN_COLUMN else warning.field
                self._unknown[column, warning.code] += 1

    def count_refused(self, refused: Iterable[tuple[str, str]]) -> None:
        """Count the values and columns that refused a request.

        Args:
            refused: the model's column (empty for a column that is not the model's) and the reason of each.
        """
        with self._lock:
            for column, reason in refused:
                self._refused[column, reason] += 1

    def count_outcomes(self, counts: Counter[tuple[str, str, str]]) -> None:
        """Count how requests for predictions ended.

        Args:
            counts: number by version, route of the decision and outcome.
        """
        with self._lock:
            self._outcomes.update(counts)

    def count_failed_input(self, version: str, digest: str) -> None:
        """Name an input on which a version failed; the caller names only a few of them."""
        with self._lock:
            self._failed_inputs.add((version, digest))

    def time_model(self, version: str, size: str, seconds: float) -> None:
        """Count a model call.

        Args:
            version: the version that predicted.
            size: the class of its number of inputs, such as ``2-8``.
            seconds: how long the model took, without queue, ledger and network.
        """
        with self._lock:
            self._model_seconds[version, size].add(seconds)

    def collect(self) -> Iterator[Metric]:
        """All metrics of Tiltyard, as they are now."""
        yield from _make_gauges(self._measure())
        started = GaugeMetricFamily(
            "tiltyard_worker_started_seconds",
            "When this worker started (Unix time), and the server that it belongs to.",
            labels=["server"],
        )
        started.add_metric([self._server], self._started)
        yield started
        with self._lock:
            yield from list(self._collect_counts())

    def _collect_counts(self) -> Iterator[Metric]:
        yield _make_counters(
            "tiltyard_requests",
            "Requests by route, method and status of the response.",
            ("method", "route", "status"),
            self._requests.items(),
        )
        yield _make_histograms(
            "tiltyard_request_seconds", "Time from request to response, by route.", ("route",), _by_one(self._seconds)
        )
        yield _make_counters(
            "tiltyard_predictions",
            "Recorded predictions by version, route of the decision and predicted label.",
            ("version", "decision", "label"),
            self._predictions.items(),
        )
        yield _make_counters(
            "tiltyard_unknown_values",
            "Values that training did not know, by column and kind; columns that it did not know have no name here.",
            ("column", "code"),
            self._unknown.items(),
        )
        yield _make_counters(
            "tiltyard_abstentions",
            "Inputs that the model left to a person, in predictions and explanations that were sent.",
            (),
            [((), self._abstained)],
        )
        yield _make_counters(
            "tiltyard_refused_values",
            "Values and columns that refused a request (422), by column and reason; unknown columns have no name here.",
            ("column", "reason"),
            self._refused.items(),
        )
        yield _make_counters(
            "tiltyard_outcomes",
            "Requests for predictions by version, route of the decision, and how they ended.",
            ("version", "decision", "outcome"),
            self._outcomes.items(),
        )
        failed = GaugeMetricFamily(
            "tiltyard_failed_inputs",
            "1 for each of the first inputs on which a version failed, by the start of the SHA-256 of its JSON.",
            labels=["version", "input"],
        )
        for pair in sorted(self._failed_inputs):
            failed.add_metric(pair, 1.0)
        yield failed
        yield _make_histograms(
            "tiltyard_model_seconds",
            "Time of a model call, without queue, ledger and network, by version and number of inputs.",
            ("version", "inputs"),
            self._model_seconds.items(),
        )
        yield _make_histograms(
            "tiltyard_confidence",
            "Confidence of the predicted label, by version.",
            ("version",),
            _by_one(self._confidence),
        )
        batches = HistogramMetricFamily("tiltyard_batch_rows", "Inputs scored and recorded together.")
        buckets, total = self._batches.buckets()
        batches.add_metric([], buckets, total)
        yield batches


class _MetricsCollector(Collector):
    """prometheus-client's view of the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()


def _make_gauges(now: Gauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("tiltyard_queue_inputs", "Inputs that wait for their batch.", now.waiting)
    yield GaugeMetricFamily("tiltyard_queue_limit", "Most inputs that may wait.", now.limit)
    yield GaugeMetricFamily("tiltyard_ledger_up", "1 if the latest batch could be recorded.", float(now.ledger_ok))
    yield GaugeMetricFamily(
        "tiltyard_unrecorded_inputs", "Predictions sent, and waiting in memory for the ledger.", now.unrecorded
    )
    yield GaugeMetricFamily(
        "tiltyard_ledger_lag_rows", "Recorded on this host and not yet in the central ledger.", now.lag_rows
    )
    yield GaugeMetricFamily("tiltyard_ledger_lag_seconds", "Age of the oldest prediction of it.", now.lag_seconds)
    names = ("model", "version", "alias", "scorer")
    info = GaugeMetricFamily("tiltyard_model_info", "1 for the version that is served.", labels=names)
    if now.model is not None:
        info.add_metric([now.model.get(name, "") for name in names], 1.0)
    yield info


def _make_counters(
    name: str, about: str, labels: Sequence[str], items: Iterable[tuple[Sequence[str | int], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=labels)
    for key, value in items:
        family.add_metric([str(part) for part in key], value)
    return family


def _make_histograms(
    name: str, about: str, labels: Sequence[str], items: Iterable[tuple[Sequence[str], Histogram]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, about, labels=labels)
    for key, histogram in items:
        buckets, total = histogram.buckets()
        family.add_metric(list(key), buckets, total)
    return family


def _by_one(histograms: Mapping[str, Histogram]) -> Iterator[tuple[Sequence[str], Histogram]]:
    return (((key,), histogram) for key, histogram in histograms.items())


def ignore_errors(name: str, call: Callable[..., Any], *arguments: Any) -> None:
    """Call a user's function: an error goes to the log, and no request fails because of it."""
    try:
        call(*arguments)
    except Exception:
        log.exception("The metrics function %s failed", name)
