"""Opening and shipping: a read changes nothing, and what could not be shipped is reported."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiltyard import wiring
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Ledger
from tiltyard.ledger.spools.spool import SpooledLedger, measure_lag
from tiltyard.settings import Settings
from tiltyard.testing import MemoryLedger, make_prediction


class UnreachableLedger(MemoryLedger):
    """A central ledger whose network is down."""

    def record_rows(self, rows: object) -> None:
        raise UnavailableError("The network is down.")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("TILTYARD_LEDGER", raising=False)
    return Settings(root=tmp_path)


@pytest.fixture
def spool(settings: Settings) -> SpooledLedger:
    """A spool that holds three predictions."""

    def refuse() -> Ledger:
        raise UnavailableError("Nothing is central here.")

    opened = SpooledLedger.open(settings.spool, "0", refuse)
    opened.record([make_prediction() for _ in range(3)])
    return opened


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.db")}


def test_reading_the_ledger_ships_nothing(settings: Settings, spool: SpooledLedger) -> None:
    """Opening the ledger and reading it leaves every spool and the ledger as they were."""
    spool.close()
    before = digests(settings.spool)
    with wiring.open_ledger(settings) as ledger:
        assert ledger.prediction_stats().total == 0
    assert digests(settings.spool) == before
    assert measure_lag(settings.spool).rows == 3


def test_shipping_moves_everything_to_the_ledger(settings: Settings, spool: SpooledLedger) -> None:
    """After explicit shipping the ledger holds what the spools held, and nothing waits."""
    with wiring.open_ledger(settings) as ledger:
        report = wiring.ship_spools(settings, ledger)
        assert ledger.prediction_stats().total == 3
    assert (report.shipped, report.waiting, report.problem) == (3, 0, "")


def test_shipping_without_spools_does_nothing(settings: Settings) -> None:
    """A host that never had a spool ships nothing and gets no folder for one."""
    with wiring.open_ledger(settings) as ledger:
        report = wiring.ship_spools(settings, ledger)
    assert (report.shipped, report.waiting, report.problem) == (0, 0, "")
    assert not settings.spool.exists()


def test_an_unreachable_ledger_is_reported_with_what_waits(settings: Settings, spool: SpooledLedger) -> None:
    """Shipping to a ledger that is away raises nothing: the report counts what waits and says why."""
    report = wiring.ship_spools(settings, UnreachableLedger())
    assert (report.shipped, report.waiting) == (0, 3)
    assert report.problem == "The network is down."


def test_a_second_shipper_reports_what_the_first_one_has_not_shipped(settings: Settings, spool: SpooledLedger) -> None:
    """While another process ships, this one ships nothing and reports what waits."""
    handle = os.open(settings.spool / "shipping.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        report = wiring.ship_spools(settings, MemoryLedger())
    finally:
        os.close(handle)
    assert (report.shipped, report.waiting) == (0, 3)


def test_an_unreadable_spool_is_reported(settings: Settings, spool: SpooledLedger) -> None:
    """A spool that cannot be read is named, and the others are shipped."""
    (settings.spool / "1.db").write_bytes(b"no database " * 100)
    report = wiring.ship_spools(settings, MemoryLedger())
    assert (report.shipped, report.waiting) == (3, 0)
    assert report.problem == f"The spool {settings.spool / '1.db'} cannot be read."


@pytest.mark.parametrize(
    ("url", "workers", "expected"),
    [(None, 1, False), (None, 2, True), ("postgresql://me@host/ledger", 1, True)],
)
def test_predictions_are_spooled_where_one_file_does_not_serve(
    settings: Settings, url: str | None, workers: int, expected: bool
) -> None:
    """One worker writes into an SQLite ledger directly; several workers, or a ledger elsewhere, need spools."""
    assert wiring.needs_spools(settings.model_copy(update={"ledger": url}), workers) is expected


def test_wiring_the_ledger_imports_no_registry() -> None:
    """A worker that opens only the ledger does not pay for the registry's imports."""
    script = "import sys, tiltyard.wiring.ledger; print([m for m in ('mlflow', 'pandas', 'scipy') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
