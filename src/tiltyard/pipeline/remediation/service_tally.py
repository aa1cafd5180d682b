"""What the servers counted about a champion, added up over workers, restarts and scrapes.

A worker counts from its start on, and every start has its own key. Counts of different keys are added and never
subtracted from each other, so neither a restart nor a second server behind the same address makes requests appear or
disappear. What was counted is kept with a finding of each run in the ledger: a loop that starts again continues from
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from tiltyard.ledger.ports import Ledger
from tiltyard.pipeline.remediation.metrics_scraper import Calls, WorkerCounts
from tiltyard.processes.request_counts import MODEL_ERROR, MODEL_TIMEOUT, PREDICTED, REPEATED_ERROR, STORAGE

FAILURES = "operations.failures"
"""The code of the finding that keeps the tally."""

# A worker beyond these is forgotten, the one that was seen longest ago first; its counts stay in the totals.
MOST_WORKERS = 200
HANGS = "hangs"
FEWEST_DIFFERENT = 10
"""Different failing inputs from which on repeats count, if no request is predicted at all."""
"""The key under which model calls that did not return are counted; the ledger's events tell of them."""

Counts = dict[str, int]
CallCounts = dict[str, dict[str, int]]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class WorkerTally(_Value):
    """The counts of one start of a worker.

    Attributes:
        seen: when it was last seen, Unix time in seconds.
        service: all its requests by outcome, at that time.
        base: those of the champion's version that are not about this time as champion.
        outcomes: those of the champion's version by outcome.
        base_calls: model calls that are not about this time as champion.
        calls: the version's model calls.
        inputs: the first inputs on which the version failed.
    """

    seen: float = 0.0
    service: Counts = Field(default_factory=dict)
    base: Counts = Field(default_factory=dict)
    outcomes: Counts = Field(default_factory=dict)
    base_calls: CallCounts = Field(default_factory=dict)
    calls: CallCounts = Field(default_factory=dict)
    inputs: tuple[str, ...] = ()


class ServiceTally(_Value):
    """What was counted since a version is champion.

    Attributes:
        version: the champion.
        since: since when it is.
        workers: by key, what each start of a worker counted.
        gone: outcomes of workers that were forgotten.
        gone_calls: their model calls.
        previous_calls: model calls of the champion before, by size and bound.
        latest: outcomes of the champion's version since the scrape before.
        latest_calls: its model calls since the scrape before.
        latest_service: all outcomes since the scrape before.
    """

    version: str
    since: datetime
    workers: dict[str, WorkerTally] = Field(default_factory=dict)
    gone: Counts = Field(default_factory=dict)
    gone_calls: CallCounts = Field(default_factory=dict)
    previous_calls: CallCounts = Field(default_factory=dict)
    latest: Counts = Field(default_factory=dict)
    latest_calls: CallCounts = Field(default_factory=dict)
    latest_service: Counts = Field(default_factory=dict)

    @property
    def outcomes(self) -> Counter[str]:
        """Requests by outcome since the version is champion."""
        return _sum_counts([self.gone, *(_less(one.outcomes, one.base) for one in self.workers.values())])

    @property
    def calls(self) -> CallCounts:
        """Its model calls since then, by size and bound."""
        return _sum_calls([self.gone_calls, *(_calls_less(one.calls, one.base_calls) for one in self.workers.values())])

    @property
    def failures(self) -> int:
        """Different inputs on which the model failed, and calls that did not return; see ``requests`` for repeats."""
        return self._different + self._repeated

    @property
    def _repeated(self) -> int:
        nothing_works = not self.outcomes[PREDICTED] and self._different >= FEWEST_DIFFERENT
        return self.outcomes[REPEATED_ERROR] if nothing_works else 0

    @property
    def _different(self) -> int:
        """Workers each remember the inputs on which they failed; one that several of them met counts once."""
        lists = [set(one.inputs) for one in self.workers.values() if one.inputs]
        again = sum(map(len, lists)) - len(set().union(*lists))
        return max(0, self.outcomes[MODEL_ERROR] - again) + self.outcomes[MODEL_TIMEOUT]

    @property
    def requests(self) -> int:
        """Requests for which the model predicted or failed: what its failures are a share of.

        Where it failed on at least ten different inputs and never predicted, repeated ones count too: traffic of few
        different inputs does not hide that nothing works.
        """
        return self.failures + self.outcomes[PREDICTED] + self.outcomes[STORAGE]


def read_tally(ledger: Ledger, model_name: str) -> ServiceTally | None:
    """The tally of the latest scrape; None where there is none.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    newest = ledger.findings.select(project=model_name, code=FAILURES, newest_first=True, limit=1)
    kept = next((found.evidence.get("tally") for found in newest), None)
    return ServiceTally.model_validate(kept) if isinstance(kept, Mapping) else None


@dataclass(frozen=True)
class Scrape:
    """One scrape of the servers of a champion.

    Attributes:
        workers: what their workers counted so far.
        version: the champion.
        since: since when it is champion.
        now: the time of the scrape.
        previous: the champion before; None for none.
        returned: whether the version was champion earlier, too.
        hangs: calls of the model since then that did not return.
    """

    workers: Sequence[WorkerCounts]
    version: str
    since: datetime
    now: datetime
    previous: str | None = None
    returned: bool = False
    hangs: int = 0


def update_tally(tally: ServiceTally | None, scrape: Scrape) -> ServiceTally:
    """The tally after a scrape; ``tally`` is that of the scrape before, None for none."""
    before = _begin_tally(tally, scrape)
    services = {} if tally is None else {key: one.service for key, one in tally.workers.items()}
    workers = {key: one for key, one in before.workers.items() if key != HANGS}
    latest, latest_service, latest_calls = Counter[str](), Counter[str](), list[CallCounts]()
    for worker in scrape.workers:
        known = before.workers.get(worker.key)
        one = _tally_worker(known, worker, scrape)
        workers[worker.key] = one
        latest.update(_less(one.outcomes, known.outcomes if known else one.base))
        latest_calls.append(_calls_less(one.calls, known.calls if known else one.base_calls))
        # Of a first scrape it is not known since when the counts are.
        latest_service.update(_less(worker.service, services.get(worker.key, worker.service if tally is None else {})))
    if scrape.hangs:
        counted = before.workers.get(HANGS, WorkerTally()).outcomes.get(MODEL_TIMEOUT, 0)
        workers[HANGS] = WorkerTally(seen=scrape.now.timestamp(), outcomes={MODEL_TIMEOUT: scrape.hangs})
        latest[MODEL_TIMEOUT] += max(0, scrape.hangs - counted)
    kept, gone = _forget_oldest(workers)
    return before.model_copy(
        update={
            "workers": kept,
            "gone": dict(_sum_counts([before.gone, *(_less(one.outcomes, one.base) for one in gone)])),
            "gone_calls": _sum_calls([before.gone_calls, *(_calls_less(one.calls, one.base_calls) for one in gone)]),
            "previous_calls": before.previous_calls
            or _sum_calls(worker.calls.get(scrape.previous or "", {}) for worker in scrape.workers),
            "latest": dict(latest),
            "latest_calls": _sum_calls(latest_calls),
            "latest_service": dict(latest_service),
        }
    )


def _begin_tally(tally: ServiceTally | None, scrape: Scrape) -> ServiceTally:
    """The tally so far; a new one where another champion serves, which keeps the model calls of the one before."""
    if tally is not None and (tally.version, tally.since) == (scrape.version, scrape.since):
        return tally
    calls = tally.calls if tally is not None and tally.version == scrape.previous else {}
    return ServiceTally(version=scrape.version, since=scrape.since, previous_calls=calls)


def _tally_worker(known: WorkerTally | None, worker: WorkerCounts, scrape: Scrape) -> WorkerTally:
    outcomes = dict(worker.outcomes.get(scrape.version, {}))
    calls = {size: dict(bounds) for size, bounds in worker.calls.get(scrape.version, {}).items()}
    # What a worker counted in an earlier time of the version as champion is not about this one.
    from_earlier = known is None and scrape.returned and worker.started < scrape.since.timestamp()
    base, base_calls = (outcomes, calls) if from_earlier else ({}, {})
    return WorkerTally(
        seen=scrape.now.timestamp(),
        service=dict(worker.service),
        base=known.base if known else base,
        outcomes=outcomes,
        base_calls=known.base_calls if known else base_calls,
        calls=calls,
        inputs=tuple(sorted(worker.failed_inputs.get(scrape.version, ()))),
    )


def _forget_oldest(workers: Mapping[str, WorkerTally]) -> tuple[dict[str, WorkerTally], list[WorkerTally]]:
    """The workers to keep, and those that are forgotten."""
    newest_first = sorted(workers.items(), key=lambda item: item[1].seen, reverse=True)
    return dict(newest_first[:MOST_WORKERS]), [one for _, one in newest_first[MOST_WORKERS:]]


def _less(counts: Mapping[str, int], base: Mapping[str, int]) -> Counts:
    """Counts less earlier ones of the same worker; never below 0."""
    return {name: count - base.get(name, 0) for name, count in counts.items() if count > base.get(name, 0)}


def _calls_less(calls: Calls, base: Calls) -> CallCounts:
    return {size: left for size, bounds in calls.items() if (left := _less(bounds, base.get(size, {})))}


def _sum_counts(many: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in many:
        total.update(counts)
    return total


def _sum_calls(many: Iterable[Calls]) -> CallCounts:
    total: dict[str, Counter[str]] = {}
    for calls in many:
        for size, bounds in calls.items():
            total.setdefault(size, Counter()).update(bounds)
    return {size: dict(bounds) for size, bounds in total.items()}
