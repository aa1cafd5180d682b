"""How many records the ledger set aside, in ``/health``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event as Gate

import httpx

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import PATIENCE, TestLedger
from tiltyard.errors import UnavailableError
from tiltyard.ledger.arrivals import ArrivalCount, SetAsideRecord
from tiltyard.serving import set_aside_count
from tiltyard.serving.auth import KeyFile, NewKey
from tiltyard.serving.set_aside_count import SetAsideCount
from tiltyard.testing.ledger import MemoryLedger
from tiltyard.testing.retention import MemoryArrivals


def record(subject: str, project: str = MODEL) -> SetAsideRecord:
    return SetAsideRecord(
        kind="prediction",
        reason="differs",
        message="Because.",
        origin="host",
        subject=subject,
        content={},
        project=project,
    )


class SlowArrivals(MemoryArrivals):
    """Arrivals that are away or wait for a gate, and count how often they are queried."""

    away, queries = False, 0
    gate = Gate()

    def count(self, *, model_name: str | None = None) -> list[ArrivalCount]:
        """What ``MemoryArrivals`` counts, once the gate is open."""
        self.queries += 1
        assert self.gate.wait(PATIENCE)
        if self.away:
            raise UnavailableError("The database is away.")
        return super().count(model_name=model_name)


def test_health_counts_what_was_set_aside_for_callers_who_may_read(
    tmp_path: Path, registry: FakeRegistry, text_package: Path, start: Start, ledger: TestLedger
) -> None:
    """``/health`` shows how many records of this model and of none were set aside, to callers with the scope read."""
    ledger.arrivals.keep([record("a"), record("b", ""), record("c", "another")])
    registry.point_alias("champion", registry.add(text_package))
    file = KeyFile(tmp_path / "api-keys.json")
    key = NewKey.generate(["read"], name="reader")
    file.add(key.key)
    url = start(api_keys=file.path).url
    assert httpx.get(f"{url}/health", headers={"X-API-Key": key.token}).json()["ledger"]["set_aside"] == 2
    assert httpx.get(f"{url}/health").json()["ledger"]["set_aside"] is None


def test_a_ledger_that_hangs_or_is_away_costs_a_health_check_little_and_is_queried_once() -> None:
    """While one count runs no other begins, health checks continue without it, and a failed one counts nothing."""
    ledger = MemoryLedger()
    arrivals = SlowArrivals(ledger._lock, ledger._predictions, ledger.record_rows)
    ledger.arrivals = arrivals
    arrivals.keep([record("a")])
    count = SetAsideCount(ledger, MODEL)

    async def ask() -> None:
        assert tuple(await asyncio.gather(*(count.read() for _ in range(3)))) == (None, None, None)
        assert arrivals.queries == 1
        arrivals.gate.set()
        count._due = 0.0
        while await count.read() is None:
            pass
        assert (await count.read(), arrivals.queries) == (1, 1)
        arrivals.away = True
        count._due = 0.0
        assert (await count.read(), arrivals.queries) == (None, 2)

    assert set_aside_count.WAIT_SECONDS < 1
    asyncio.run(ask())
