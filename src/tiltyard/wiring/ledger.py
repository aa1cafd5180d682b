"""Which ledger is in use, directly or through spools. No other module decides between SQLite and PostgreSQL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tiltyard.errors import UnavailableError
from tiltyard.files import make_folder
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.spools.spool import Lag, SpooledLedger, measure_lag
from tiltyard.ledger.spools.spool_shipper import Shipper, ship_folder
from tiltyard.ledger.sql.store import SqlLedger
from tiltyard.settings import Settings
from tiltyard.sqlite import claim_for_python

SHIPPING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ShippingReport:
    """What shipping the spools of this host did.

    Attributes:
        shipped: predictions, labels and events that left the spools.
        waiting: those that are still there.
        problem: why something is still there, as a sentence; empty where the reason is not known (another process
            ships now, or a label waits for its prediction) or nothing waits.
    """

    shipped: int = 0
    waiting: int = 0
    problem: str = ""


def open_ledger(settings: Settings) -> SqlLedger:
    """The ledger: SQLite in the state folder unless TILTYARD_LEDGER names another database.

    It lacks what servers of this host have recorded and not yet shipped: see ``ship_spools``.

    Raises:
        UsageError: the URL cannot be understood, or names a database that is not supported.
        UnavailableError: the database cannot be reached, is damaged, or belongs to a newer Tiltyard.
    """
    # MLflow opens its own file when it likes: where that is the ledger's too, the ledger takes the library of MLflow.
    if settings.ledger is None:
        settings.make_state()
    claim_for_python(settings.tracking_uri, settings.registry_uri)
    return SqlLedger.open(settings.ledger_url)


def ship_spools(settings: Settings, ledger: Ledger) -> ShippingReport:
    """Ship what servers of this host recorded to the ledger, so that readers find it there.

    Reading does not ship: a caller that needs the newest predictions calls this first and says what it reports.
    """
    if not settings.spool.is_dir():
        return ShippingReport()
    shipped, problem = 0, ""
    try:
        shipped = ship_folder(settings.spool, ledger)
    except UnavailableError as error:
        problem = error.message
    lag = measure_lag(settings.spool)
    if not problem and lag.unreadable:
        problem = f"The spool {lag.unreadable[0]} cannot be read."
    return ShippingReport(shipped, lag.rows, problem)


def ship_until_now(settings: Settings, ledger: Ledger, seconds: float = SHIPPING_SECONDS) -> Path | None:
    """Ship until no spool of this host holds a prediction that was made before this call, or the time is over.

    A server that ships at the same moment has what it ships in its hands: this waits for it.

    Args:
        settings: those of this host.
        ledger: the central ledger.
        seconds: how long to continue.

    Returns:
        Where something is left that could not be shipped; None where all of it is in the ledger.
    """
    began, ends = datetime.now(UTC), time.monotonic() + seconds
    while True:
        ship_spools(settings, ledger)
        left = measure_lag(settings.spool) if settings.spool.is_dir() else Lag()
        if left.unreadable:
            return left.unreadable[0]
        if left.oldest is None or left.oldest > began:
            return None
        if time.monotonic() > ends:
            return settings.spool
        time.sleep(0.2)


def open_spooled_ledger(settings: Settings, spool_name: str) -> SpooledLedger:
    """The ledger of a server process that records into the spool of that name; the central one may be unreachable.

    Raises:
        UnavailableError: the spool cannot be opened.
    """
    settings.make_state()
    return SpooledLedger.open(settings.spool, spool_name, lambda: open_ledger(settings))


def start_shipper(settings: Settings, *, spooled: bool) -> Shipper | None:
    """Ship in the background while a server runs, also what an earlier server left; None where no spool can be.

    Args:
        settings: of this host.
        spooled: whether this server records into spools.
    """
    if not spooled and not settings.spool.is_dir():
        return None
    settings.make_state()
    make_folder(settings.spool)
    shipper = Shipper(settings.spool, lambda: open_ledger(settings))
    shipper.start()
    return shipper
