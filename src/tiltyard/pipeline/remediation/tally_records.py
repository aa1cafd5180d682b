"""The tally of requests in the ledger: each run writes what changed since the run before, and now and then all of it.

A tally holds every start of every worker, most of which are over: to write all of it at each run would make the ledger
grow by hundreds of kilobytes an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiltyard.ledger.ports import Ledger
from tiltyard.pipeline.remediation.service_tally import ServiceTally

FAILURES = "operations.failures"
"""The code of the finding that keeps the tally."""

COMPLETE_EVERY = 20
"""Of so many records one is complete: at most as many are read."""

_CHANGES = "changes"


def encode_tally(tally: ServiceTally) -> dict[str, Any]:
    """What a run writes of its tally, JSON-ready: the workers that changed, or all in every twentieth record."""
    if tally.runs_since_complete == 0:
        return tally.model_dump(mode="json", exclude={"changed", "forgotten"})
    written = tally.model_copy(update={"workers": {key: tally.workers[key] for key in tally.changed}})
    return written.model_dump(mode="json", exclude={"changed"}) | {_CHANGES: True}


def read_tally(ledger: Ledger, model_name: str) -> ServiceTally | None:
    """The tally of the latest scrape, put together from the records since the latest complete one; None without any.

    Where older records were removed, it holds the workers of which records are left.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    newest = ledger.findings.select(project=model_name, code=FAILURES, newest_first=True, limit=3 * COMPLETE_EVERY)
    tally: ServiceTally | None = None
    workers: dict[str, Any] = {}
    forgotten: set[str] = set()
    for found in newest:
        kept = found.evidence.get("tally")
        if not isinstance(kept, Mapping):
            continue
        record = ServiceTally.model_validate(kept)
        tally = tally or record
        if (record.version, record.since) != (tally.version, tally.since):
            break
        # Newer records go first: what one of them says of a worker stands.
        workers = {key: one for key, one in record.workers.items() if key not in forgotten} | workers
        forgotten.update(record.forgotten)
        if not kept.get(_CHANGES):
            break
    return None if tally is None else tally.model_copy(update={"workers": workers, "forgotten": ()})
