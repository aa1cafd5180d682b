"""Every ledger keeps the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.testing import MemoryLedger
from tiltyard.testing.ledger_contract import LedgerContract


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return MemoryLedger()


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with SqlLedger.open(f"sqlite:///{tmp_path}/state/ledger.db") as ledger:
            yield ledger


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, postgres: PostgresServer) -> Iterator[Ledger]:
        with SqlLedger.open(postgres.database()) as ledger:
            yield ledger
