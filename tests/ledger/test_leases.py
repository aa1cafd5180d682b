"""Only one may hold a lease, whichever database keeps it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.postgres import PostgresServer
from tiltyard.ledger import LeaseLostError, Ledger, SqlLedger, hold_lease, lease_guard
from tiltyard.ledger.sql import schema as tables
from tiltyard.testing import NOON, MemoryLedger, make_event

MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as opened:
        yield opened


def test_one_holder_at_a_time(ledger: Any) -> None:
    """A lease belongs to one holder until it runs out, is released, or its holder is known to be dead."""
    leases, clock = ledger.leases, Clock()
    leases.clock = clock
    first = leases.acquire("loop", "ada", MINUTE)
    assert first is not None
    clock.now += MINUTE / 2
    assert leases.acquire("loop", "grace", MINUTE) is None
    assert leases.acquire("another", "grace", MINUTE) is not None
    assert leases.renew(first, MINUTE)
    clock.now += MINUTE / 2
    assert leases.acquire("loop", "grace", MINUTE) is None
    clock.now += MINUTE
    second = leases.acquire("loop", "grace", MINUTE)
    assert second is not None
    assert second.turn == first.turn + 1
    assert not leases.renew(first, MINUTE)
    leases.release(first)
    assert leases.acquire("loop", "ada", MINUTE) is None, "it was not ada's to release"
    leases.release(second)
    assert not leases.renew(second, MINUTE)
    assert leases.acquire("loop", "ada", MINUTE) is not None
    assert leases.acquire("loop", "eve", MINUTE, lambda holder: holder == "ada") is not None


def test_the_clock_is_the_databases(ledger: Any) -> None:
    """A lease that was just taken lasts as long as was requested, by the clock of the database."""
    if isinstance(ledger, MemoryLedger):
        return
    short, leases = timedelta(milliseconds=50), ledger.leases
    assert leases.acquire("loop", "ada", short) is not None
    assert leases.acquire("long", "ada", MINUTE) is not None
    deadline = time.monotonic() + 20
    while leases.acquire("loop", "grace", short) is None:
        assert time.monotonic() < deadline
    assert leases.acquire("long", "grace", MINUTE) is None
    with ledger._database.read() as connection:
        column = tables.leases.c
        until = connection.execute(select(column.until_us).where(column.name == "long")).scalar_one()
    assert abs(until / 1e6 - time.time() - 60) < 20


def test_a_host_whose_clock_is_ahead_takes_no_lease_that_is_held(ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host whose clock is 91 s ahead, a lease of 90 s that another host holds is held."""
    hold = timedelta(seconds=90)
    assert ledger.leases.acquire("loop", "another host", hold) is not None

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=91)

    monkeypatch.setattr(lease_guard, "datetime", Ahead, raising=False)
    with hold_lease(ledger.leases, "loop", hold=hold) as guard:
        assert guard is None


def test_a_clock_that_was_set_back_holds_nothing_up(ledger: Any) -> None:
    """A lease that was taken while the clock was a year ahead is over a hold after somebody asks for it again."""
    leases, clock = ledger.leases, Clock()
    leases.clock = clock
    clock.now = NOON + timedelta(days=365)
    assert leases.acquire("schedule", "ada", MINUTE) is not None
    clock.now = NOON
    assert leases.acquire("schedule", "grace", MINUTE) is None, "it may be held"
    clock.now += MINUTE / 2
    assert leases.acquire("schedule", "grace", MINUTE) is None
    clock.now += MINUTE / 2
    assert leases.acquire("schedule", "grace", MINUTE) is not None


def test_an_event_is_appended_on_the_condition_of_the_turn(ledger: Ledger) -> None:
    """With a lease, an event is appended as long as the lease is the holder's; afterwards nothing is."""
    lease = ledger.leases.acquire("loop", "ada", MINUTE)
    assert lease is not None
    assert ledger.append(make_event(), lease=lease).sequence == 1
    other = ledger.leases.acquire("loop", "grace", MINUTE, lambda _holder: True)
    assert other is not None
    with pytest.raises(LeaseLostError, match="taken over loop"):
        ledger.append(make_event(), lease=lease)
    ledger.append(make_event(), lease=other)
    ledger.leases.release(other)
    with pytest.raises(LeaseLostError):
        ledger.append(make_event(), lease=other)
    assert len(list(ledger.events())) == 2


def test_of_many_one_gets_it(ledger: Ledger) -> None:
    """Of several that ask at the same moment for a lease that is free, one gets it."""

    def ask(name: int) -> bool:
        return ledger.leases.acquire("loop", str(name), MINUTE) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, range(12))) == 1
