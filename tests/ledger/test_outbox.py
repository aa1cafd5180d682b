"""Every outbox keeps the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.testing import MemoryLedger
from tiltyard.testing.outbox_contract import Clock, OutboxContract, make_notice


class TestMemoryOutbox(OutboxContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return MemoryLedger()


class TestSqliteOutbox(OutboxContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with SqlLedger.open(f"sqlite:///{tmp_path}/state/ledger.db") as ledger:
            yield ledger


class TestPostgresOutbox(OutboxContract):
    @pytest.fixture
    def ledger(self, postgres: PostgresServer) -> Iterator[Ledger]:
        with SqlLedger.open(postgres.database()) as ledger:
            yield ledger


def test_a_lease_outlives_its_process(tmp_path: Path) -> None:
    """A ledger that is opened anew holds what was enqueued, and honours a lease until it is over."""
    url, hold = f"sqlite:///{tmp_path}/ledger.db", timedelta(minutes=1)
    with SqlLedger.open(url) as ledger:
        ledger.outbox.enqueue([make_notice()])
        Clock(ledger)
        (before,) = ledger.outbox.lease(hold)
    with SqlLedger.open(url) as ledger:
        clock = Clock(ledger)
        assert ledger.outbox.lease(hold) == []
        clock.now += hold
        (after,) = ledger.outbox.lease(hold)
        assert (after.notice, after.attempts) == (before.notice, 2)
