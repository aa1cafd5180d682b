"""Metrics of all workers from each of them: a worker writes its counts to a file, and reads the files of the others.

The workers share a port, so a scrape reaches any of them. Each sample carries the label ``worker``: a worker that
starts again begins at 0 in a new series, as Prometheus' ``rate`` expects. prometheus-client's own multiprocess
mode is not used: it is set up by an environment variable before its import, maps a file for each kind of metric into
memory, and cannot hold collectors, as those of users and of the process are.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

# Prometheus scrapes every 15 to 60 seconds, so that counts of the last second are recent enough.
WRITE_SECONDS = 1.0
# A worker that wrote nothing for so long is gone, and so are its gauges.
GONE_SECONDS = 30.0
# A server that wrote nothing for so long is gone.
OLD_SECONDS = 3600.0

log = logging.getLogger(__name__)


class MultiprocessMetrics:
    """The metrics of this process, together with those of the other workers.

    Args:
        registry: this process's metrics.
        worker: this worker's number; one that takes another's place has its number.
        folder: where the workers write their counts; None for a single worker.
        also: writes what else the workers share; called as often.
        server: names the server, the same in all its workers: several servers may have one folder.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        worker: int = 0,
        folder: Path | None = None,
        also: Callable[[], object] = lambda: None,
        server: str = "",
    ) -> None:
        self._registry = registry
        self._also = also
        self._worker = str(worker)
        self._name = f"worker-{server}-"
        self._folder = folder
        self._lock = Lock()
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Write the counts every second, on a thread; a no-op for a single worker."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        _remove_old_files(self._folder)
        self._thread = Thread(target=self._write_regularly, args=(self._folder,), name="tiltyard-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop that thread, and remove this worker's file; stopping twice is a no-op."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._folder is not None:
            self._also()
            self._own_file(self._folder).unlink(missing_ok=True)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics of all workers in Prometheus' text format, and its media type.

        Args:
            accept: the Accept header of the request; OpenMetrics where it asks for that.
        """
        own = _snapshot(self._registry)
        others: list[Any] = []
        if self._folder is not None:
            # Another worker must not report less later than this response does now.
            self._write(self._folder, own)
            files = sorted(set(self._folder.glob(f"{self._name}*.json")) - {self._own_file(self._folder)})
            others = [self._read(file) for file in files]
        merged = CollectorRegistry(auto_describe=False)
        merged.register(_Merged([(self._worker, own), *(found for found in others if found)]))
        encode, media_type = choose_encoder(accept)
        return encode(merged), media_type

    def _write_regularly(self, folder: Path) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            try:
                folder.mkdir(parents=True, exist_ok=True)  # the state folder may have been cleared
                self._also()
                self._write(folder, _snapshot(self._registry))
            except Exception:
                log.exception("The metrics of worker %s could not be written for the others", self._worker)

    def _write(self, folder: Path, snapshot: list[Any]) -> None:
        file = self._own_file(folder)
        with self._lock:
            partial = file.with_suffix(".part")
            partial.write_text(json.dumps(snapshot), encoding="utf-8")
            partial.replace(file)

    def _own_file(self, folder: Path) -> Path:
        return folder / f"{self._name}{self._worker}.json"

    def _read(self, file: Path) -> tuple[str, list[Any]] | None:
        try:
            if time.time() - file.stat().st_mtime > GONE_SECONDS:
                return None
            return file.stem.removeprefix(self._name), json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None  # gone since it was listed


class _Merged(Collector):
    """Samples of several workers, each labelled with its worker."""

    def __init__(self, snapshots: Iterable[tuple[str, list[Any]]]) -> None:
        self._snapshots = list(snapshots)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for worker, metrics in self._snapshots:
            for name, about, kind, unit, samples in metrics:
                family = families.get(name)
                if family is None:
                    family = families[name] = Metric(name, about, kind, unit)
                for sample, labels, value in samples:
                    family.add_sample(sample, {**labels, "worker": worker}, value)
        yield from families.values()


def _remove_old_files(folder: Path) -> None:
    """Remove what workers of earlier servers left when they were killed."""
    for file in folder.glob("worker-*.json"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > OLD_SECONDS:
                file.unlink()


def _snapshot(registry: CollectorRegistry) -> list[Any]:
    """All samples of a registry, as data for JSON."""
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
