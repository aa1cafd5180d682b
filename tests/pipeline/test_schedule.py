"""What is done every so often is done once among all, and no sooner after a restart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tiltyard.ledger import SqlLedger
from tiltyard.pipeline.orchestration.schedule import Schedule
from tiltyard.testing import NOON

HOUR = timedelta(hours=1)


def test_the_last_run_survives(tmp_path: Path) -> None:
    """After a restart it is due when it would have been; a run that failed is due again soon."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    now = NOON
    with SqlLedger.open(url) as ledger:
        ledger.leases.clock = lambda: now
        first = Schedule(ledger.leases, "look/films", HOUR, "ada")
        assert first.begin()
        assert Schedule(ledger.leases, "look/books", HOUR, "ada").begin()
    with SqlLedger.open(url) as ledger:
        ledger.leases.clock = lambda: now
        again = Schedule(ledger.leases, "look/films", HOUR, "ada")
        now = NOON + HOUR / 2
        assert again.begin() is None
        now = NOON + HOUR
        run = again.begin()
        assert run is not None
        again.retry_soon(run, timedelta(minutes=1))
        assert again.begin() is None
        now = NOON + HOUR + timedelta(minutes=1)
        assert again.begin()
