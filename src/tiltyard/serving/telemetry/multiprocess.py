"""Metrics of all workers from whichever is asked: each leaves what it counted in a file, and reads the others'.

The workers share a port, so a scrape reaches any of them. Each sample carries the label ``worker``: a worker that
starts again begins at 0 in series of its own, as Prometheus' ``rate`` expects it. prometheus-client's own multiprocess
mode was not taken: it is set up by an environment variable before its import, maps a file for each kind of metric into
memory, and cannot hold collectors, as those of users and of the process are.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

# Prometheus looks every 15 to 60 seconds; half of the least that anybody sets is young enough.
WRITE_SECONDS = 1.0
# A worker that wrote nothing for so long is gone, and so are its gauges.
GONE_SECONDS = 30.0

log = logging.getLogger(__name__)


class MultiprocessMetrics:
    """The metrics of this process, together with those of the workers beside it.

    Args:
        registry: this process's metrics.
        worker: this worker's number; one that takes another's place has its number.
        folder: where the workers leave what they counted; None where there is one worker alone.
    """

    def __init__(self, registry: CollectorRegistry, worker: int = 0, folder: Path | None = None) -> None:
        self._registry = registry
        self._worker = str(worker)
        self._folder = folder
        self._lock = Lock()
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Leave what was counted every second, on a thread of its own; nothing where there is one worker alone."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread = Thread(target=self._write_on, args=(self._folder,), name="tiltyard-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop that thread, and take this worker's file away; stopping twice is a no-op."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._folder is not None:
            self._own(self._folder).unlink(missing_ok=True)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics of all workers in Prometheus' text format, and its media type.

        Args:
            accept: the Accept header of whoever asks; OpenMetrics is given if it is wanted.
        """
        own = _taken(self._registry)
        others: list[Any] = []
        if self._folder is not None:
            # What was told once must not be more than what another worker tells later.
            self._write(self._folder, own)
            files = sorted(set(self._folder.glob("worker-*.json")) - {self._own(self._folder)})
            others = [self._read(file) for file in files]
        merged = CollectorRegistry(auto_describe=False)
        merged.register(_Merged([(self._worker, own), *(found for found in others if found)]))
        encode, media_type = choose_encoder(accept)
        return encode(merged), media_type

    def _write_on(self, folder: Path) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            try:
                self._write(folder, _taken(self._registry))
            except Exception:
                log.exception("The metrics of worker %s could not be left for the others", self._worker)

    def _write(self, folder: Path, taken: list[Any]) -> None:
        file = self._own(folder)
        with self._lock:
            beside = file.with_suffix(".part")
            beside.write_text(json.dumps(taken), encoding="utf-8")
            beside.replace(file)

    def _own(self, folder: Path) -> Path:
        return folder / f"worker-{self._worker}.json"

    def _read(self, file: Path) -> tuple[str, list[Any]] | None:
        try:
            if time.time() - file.stat().st_mtime > GONE_SECONDS:
                return None
            return file.stem.removeprefix("worker-"), json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None  # gone since it was listed


class _Merged(Collector):
    """Samples of several workers, each with the label of its own."""

    def __init__(self, taken: Iterable[tuple[str, list[Any]]]) -> None:
        self._taken = list(taken)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, metrics in self._taken:
            for name, about, kind, unit, samples in metrics:
                family = families.get(name)
                if family is None:
                    family = families[name] = Metric(name, about, kind, unit)
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "worker": worker}, value)
        yield from families.values()


def _taken(registry: CollectorRegistry) -> list[Any]:
    """All samples of a registry, as JSON-ready data."""
    return [
        [
            metric.name,
            metric.documentation,
            metric.type,
            metric.unit,
            [[sample.name, dict(sample.labels), float(sample.value)] for sample in metric.samples],
        ]
        for metric in registry.collect()
    ]
