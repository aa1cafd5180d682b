"""What the servers counted about a champion, added up over workers, restarts and scrapes.

A worker counts from its start on, and every start has its own key. Counts of different keys are added and never
subtracted from each other, so neither a restart nor a second server behind the same address makes requests appear or
disappear. What was counted is kept with a finding of each run in the ledger (``tally_records``): a loop that starts
again continues from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from tiltyard.pipeline.remediation.metrics_scraper import Calls, WorkerCounts
from tiltyard.processes.request_counts import MODEL_ERROR, MODEL_TIMEOUT, PREDICTED, REPEATED_ERROR, STORAGE

# A worker beyond these is forgotten, the one that was seen longest ago first; its counts stay in the totals.
MOST_WORKERS = 200
# So many different inputs of forgotten workers are remembered.
MOST_INPUTS = 1000
# The time at which a worker was last seen is written this often, in seconds, where nothing else of it changes.
SEEN_EVERY = 3600.0
HANGS = "hangs"
"""The key under which model calls that did not return are counted; the ledger's events tell of them."""
FEWEST_DIFFERENT = 10
"""Different failing inputs from which on repeats count, if no request is predicted at all."""

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
        base_inputs: those of the first inputs on which the version failed that are not about this time as champion.
        inputs: the others.
    """

    seen: float = 0.0
    service: Counts = Field(default_factory=dict)
    base: Counts = Field(default_factory=dict)
    outcomes: Counts = Field(default_factory=dict)
    base_calls: CallCounts = Field(default_factory=dict)
    calls: CallCounts = Field(default_factory=dict)
    base_inputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def differs(self, other: WorkerTally) -> bool:
        """Whether it counted anything else; or it was seen long after the other."""
        return self.seen - other.seen >= SEEN_EVERY or self.model_copy(update={"seen": other.seen}) != other


class ServiceTally(_Value):
    """What was counted since a version is champion.

    Attributes:
        version: the champion.
        since: since when it is.
        workers: by key, what each start of a worker counted.
        gone: outcomes of workers that were forgotten.
        gone_calls: their model calls.
        gone_listed: how many failing inputs they listed.
        gone_inputs: these inputs, each once; at most 1,000.
        previous_calls: model calls of the champion before, by size and bound.
        latest: outcomes of the champion's version since the scrape before.
        latest_calls: its model calls since the scrape before.
        latest_service: all outcomes since the scrape before.
        changed: the workers of which the latest scrape found anything new.
        forgotten: the workers that it forgot.
        runs_since_complete: records of changes since the latest complete one; 0 where the next one is complete.
    """

    version: str
    since: datetime
    workers: dict[str, WorkerTally] = Field(default_factory=dict)
    gone: Counts = Field(default_factory=dict)
    gone_calls: CallCounts = Field(default_factory=dict)
    gone_listed: int = 0
    gone_inputs: tuple[str, ...] = ()
    previous_calls: CallCounts = Field(default_factory=dict)
    latest: Counts = Field(default_factory=dict)
    latest_calls: CallCounts = Field(default_factory=dict)
    latest_service: Counts = Field(default_factory=dict)
    changed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    runs_since_complete: int = 0

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
        again = self.gone_listed + sum(map(len, lists)) - len(set(self.gone_inputs).union(*lists))
        return max(0, self.outcomes[MODEL_ERROR] - again) + self.outcomes[MODEL_TIMEOUT]

    @property
    def requests(self) -> int:
        """Requests for which the model predicted or failed: what its failures are a share of.

        Where it failed on at least ten different inputs and never predicted, repeated ones count too: traffic of few
        different inputs does not hide that nothing works.
        """
        return self.failures + self.outcomes[PREDICTED] + self.outcomes[STORAGE]


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


def update_tally(tally: ServiceTally | None, scrape: Scrape, *, complete_every: int = 1) -> ServiceTally:
    """The tally after a scrape.

    Args:
        tally: that of the scrape before; None for none.
        scrape: the scrape.
        complete_every: of so many records of the tally one is complete.
    """
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
    kept = _keep_latest(workers, max(MOST_WORKERS, len(scrape.workers) + 1))
    gone = [one for key, one in workers.items() if key not in kept]
    gone_inputs = set(before.gone_inputs).union(*(one.inputs for one in gone))
    changed = [key for key, one in kept.items() if key not in before.workers or one.differs(before.workers[key])]
    return before.model_copy(
        update={
            # Where nothing else changed, the time at which a worker was seen stays as it is in the ledger.
            "workers": {key: one if key in changed else before.workers[key] for key, one in kept.items()},
            "gone": dict(_sum_counts([before.gone, *(_less(one.outcomes, one.base) for one in gone)])),
            "gone_calls": _sum_calls([before.gone_calls, *(_calls_less(one.calls, one.base_calls) for one in gone)]),
            "gone_listed": before.gone_listed + sum(len(one.inputs) for one in gone),
            "gone_inputs": tuple(sorted(gone_inputs)[:MOST_INPUTS]),
            "previous_calls": before.previous_calls
            or _sum_calls(worker.calls.get(scrape.previous or "", {}) for worker in scrape.workers),
            "latest": dict(latest),
            "latest_calls": _sum_calls(latest_calls),
            "latest_service": dict(latest_service),
            "changed": tuple(sorted(changed)),
            "forgotten": tuple(sorted(before.workers.keys() - kept.keys())),
            "runs_since_complete": 0 if before is not tally else (before.runs_since_complete + 1) % complete_every,
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
    failed = frozenset(worker.failed_inputs.get(scrape.version, ()))
    base, base_calls, base_inputs = (outcomes, calls, failed) if from_earlier else ({}, {}, frozenset[str]())
    if known:
        base_inputs = frozenset(known.base_inputs)
    return WorkerTally(
        seen=scrape.now.timestamp(),
        service=dict(worker.service),
        base=known.base if known else base,
        outcomes=outcomes,
        base_calls=known.base_calls if known else base_calls,
        calls=calls,
        base_inputs=tuple(sorted(base_inputs)),
        inputs=tuple(sorted(failed - base_inputs)),
    )


def _keep_latest(workers: Mapping[str, WorkerTally], most: int) -> dict[str, WorkerTally]:
    """The workers that were seen last, at most so many; of several seen at one time always the same."""
    return dict(sorted(workers.items(), key=lambda item: (item[1].seen, item[0]), reverse=True)[:most])


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
