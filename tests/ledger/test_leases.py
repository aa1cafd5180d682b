"""Only one may hold a lease, whichever database keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.ledger import Leases, SqlLedger
from tiltyard.testing import NOON, MemoryLedger

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def leases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leases]:
    if request.param == "memory":
        yield MemoryLedger().leases
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as ledger:
        yield ledger.leases


def test_one_holder_at_a_time(leases: Leases) -> None:
    """A lease belongs to one holder until it runs out, is released, or its holder is known to be dead."""
    first = leases.acquire("loop", "ada", NOON, MINUTE)
    assert first is not None
    assert leases.acquire("loop", "grace", NOON + MINUTE / 2, MINUTE) is None
    assert leases.acquire("another", "grace", NOON, MINUTE) is not None
    assert leases.renew(first, NOON + MINUTE / 2, MINUTE)
    assert leases.acquire("loop", "grace", NOON + MINUTE, MINUTE) is None
    second = leases.acquire("loop", "grace", NOON + 2 * MINUTE, MINUTE)
    assert second is not None
    assert second.turn == first.turn + 1
    assert not leases.renew(first, NOON + 2 * MINUTE, MINUTE)
    leases.release(first)
    assert leases.acquire("loop", "ada", NOON + 2 * MINUTE, MINUTE) is None, "it was not ada's to release"
    leases.release(second)
    assert not leases.renew(second, NOON + 2 * MINUTE, MINUTE)
    assert leases.acquire("loop", "ada", NOON + 2 * MINUTE, MINUTE) is not None
    assert leases.acquire("loop", "eve", NOON + 2 * MINUTE, MINUTE, lambda holder: holder == "ada") is not None


def test_of_many_one_gets_it(leases: Leases) -> None:
    """Of several that ask at the same moment for a lease that is free, one gets it."""

    def ask(name: int) -> bool:
        return leases.acquire("loop", str(name), NOON + MINUTE, MINUTE) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(12))) == 1
