"""What running servers counted, read from their metrics."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

PROBE_SECONDS = 5.0
# One address may be that of several servers; so many are read at most in one scrape.
MOST_PROBES = 8

_ROUTE = "champion"

Calls = Mapping[str, Mapping[str, int]]
"""Model calls by the class of their size, and by the upper bound of their time in seconds, as Prometheus writes it."""


@dataclass(frozen=True)
class WorkerCounts:
    """What one worker counted since it started.

    Attributes:
        key: names the worker and its start; another start has another key.
        started: when it started, Unix time in seconds.
        service: requests by outcome, of all versions.
        outcomes: requests by outcome, for each version while it was champion.
        failed_inputs: the first inputs on which each version failed, as digests.
        calls: model calls of each version.
    """

    key: str
    started: float
    service: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    failed_inputs: Mapping[str, frozenset[str]]
    calls: Mapping[str, Calls]


@dataclass
class MetricsScraper:
    """Reads the metrics behind an address, of one server or of several.

    Attributes:
        url: the address.
        key: an API key with the scope read, for a server that asks for one.
        refused: whether the latest scrape was not allowed to read.
        outdated: whether the latest scrape found a server that does not count by cause.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    refused: bool = field(default=False, init=False)
    outdated: bool = field(default=False, init=False)

    def scrape(self) -> list[WorkerCounts]:
        """The counts of all workers that respond at the address; empty where none does.

        Each probe has its own connection, so that behind a load balancer it may reach another server; a probe that
        reaches no new worker is the last.
        """
        self.refused = self.outdated = False
        found: dict[str, WorkerCounts] = {}
        for _ in range(MOST_PROBES):
            workers = self._probe()
            new = {worker.key for worker in workers} - found.keys()
            found.update({worker.key: worker for worker in workers})
            if not new:
                break
        return list(found.values())

    def _probe(self) -> list[WorkerCounts]:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else None
        verify = not self.url.startswith("http://")  # reading certificates takes longer than the probe
        try:
            response = httpx.get(f"{self.url}/metrics", headers=headers, timeout=PROBE_SECONDS, verify=verify)
        except (httpx.HTTPError, httpx.InvalidURL):
            return []
        if not response.is_success:
            self.refused = self.refused or response.status_code in (401, 403)
            return []
        try:
            workers = read_workers(response.text.splitlines())
        except ValueError:
            return []
        self.outdated = self.outdated or not workers
        return workers


def read_workers(lines: Iterable[str]) -> list[WorkerCounts]:
    """The counts of each worker in a server's metrics; none where it does not name its workers' starts.

    Raises:
        ValueError: this is not a Prometheus text.
    """
    families = {family.name: family for family in text_string_to_metric_families("\n".join(lines) + "\n")}
    found = []
    for sample in _samples(families, "tiltyard_worker_started_seconds", "tiltyard_worker_started_seconds"):
        worker, server = sample.labels.get("worker", "0"), sample.labels.get("server", "")
        service, outcomes = _read_outcomes(families, worker)
        found.append(
            WorkerCounts(
                key=f"{server}/{worker}/{sample.value:.3f}",
                started=sample.value,
                service=service,
                outcomes=outcomes,
                failed_inputs=_read_failed_inputs(families, worker),
                calls=_read_calls(families, worker),
            )
        )
    return found


def _samples(families: Mapping[str, Metric], family: str, name: str, worker: str | None = None) -> Iterable[Any]:
    known = families.get(family)
    return [
        sample
        for sample in (known.samples if known is not None else ())
        if sample.name == name and (worker is None or sample.labels.get("worker", "0") == worker)
    ]


def _read_outcomes(families: Mapping[str, Metric], worker: str) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Requests by outcome: of all versions, and of each version while it was champion."""
    service: Counter[str] = Counter()
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in _samples(families, "tiltyard_outcomes", "tiltyard_outcomes_total", worker):
        outcome, count = sample.labels.get("outcome", ""), int(sample.value)
        service[outcome] += count
        if sample.labels.get("decision") == _ROUTE:
            outcomes[sample.labels.get("version", "")][outcome] += count
    return service, dict(outcomes)


def _read_failed_inputs(families: Mapping[str, Metric], worker: str) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sample in _samples(families, "tiltyard_failed_inputs", "tiltyard_failed_inputs", worker):
        found[sample.labels.get("version", "")].add(sample.labels.get("input", ""))
    return {version: frozenset(inputs) for version, inputs in found.items()}


def _read_calls(families: Mapping[str, Metric], worker: str) -> dict[str, dict[str, dict[str, int]]]:
    """Model calls by version, size and bound; Prometheus counts those up to each bound, here are those of each."""
    upto: defaultdict[str, defaultdict[str, list[tuple[float, str, int]]]] = defaultdict(lambda: defaultdict(list))
    for sample in _samples(families, "tiltyard_model_seconds", "tiltyard_model_seconds_bucket", worker):
        bound = sample.labels.get("le", "+Inf")
        row = (float(bound), bound, int(sample.value))
        upto[sample.labels.get("version", "")][sample.labels.get("inputs", "")].append(row)
    return {
        version: {size: _count_each(sorted(rows)) for size, rows in sizes.items()} for version, sizes in upto.items()
    }


def _count_each(rows: Iterable[tuple[float, str, int]]) -> dict[str, int]:
    found, below = {}, 0
    for _, bound, count in rows:
        if count > below:
            found[bound] = count - below
        below = max(below, count)
    return found
