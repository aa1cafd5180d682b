"""Moving records from the spools to the central ledger: oldest first, exactly once, and without blocking writers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import platform
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.spools.shipment import EVENT_COLUMNS, LABEL_COLUMNS, REFUSED, Shipment
from tiltyard.ledger.spools.spool import CentralLedger, folder_error, list_spools, stored_columns
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection, empty_log, open_read_only, open_sqlite

AT_ONCE = 500
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 10.0
GIVEN_BACK_BYTES = 8 * 2**20
COPIED_BYTES = 2 * 2**20
_COLUMNS = {"labels": ", ".join(LABEL_COLUMNS), "events": ", ".join(EVENT_COLUMNS)}

log = logging.getLogger(__name__)


def ship_folder(folder: Path, central: Ledger) -> int:
    """Ship all that the spools of a folder hold now; one process at a time ships, others return at once.

    A row leaves its spool only after the central ledger has committed it. One that is shipped a second time, since
    the shipper died between the two, is there already by its id and changes nothing. A row that the central ledger can
    never store is set aside there with the reason, see ``Arrivals``, and holds nothing up.

    Returns:
        How many rows, labels and events left the spools.

    Raises:
        UnavailableError: the central ledger is unreachable; what was not shipped stays in the spools.
    """
    with _lock_folder(folder) as allowed:
        if not allowed:
            return 0
        files = list_spools(folder)
        _take_in_refused(folder, central)
        # Labels after all predictions: one may belong to a prediction of another spool.
        parts: list[tuple[str, Sending]] = [
            ("predictions", Shipment.send_predictions),
            ("labels", Shipment.send_labels),
            ("events", Shipment.send_events),
        ]
        return sum(_ship_file(file, table, send, central) for table, send in parts for file in files)


class Shipper:
    """Ships on a background thread until it is stopped; waits longer while the central ledger is unreachable.

    Args:
        folder: the folder of the spools.
        connect: opens the central ledger.
    """

    def __init__(self, folder: Path, connect: Callable[[], Ledger]) -> None:
        self._folder = folder
        self._central = CentralLedger(connect)
        self._stop = Signal()
        self._thread = Thread(target=self._run, name="tiltyard-ship", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop, after what waits was shipped once more if the central ledger is there; at most so long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if not self._thread.is_alive():
            self._ship_once()
        self._central.close()

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stop.wait(pause):
            pause = PAUSE_SECONDS if self._ship_once() else min(2 * pause, LONGEST_PAUSE)

    def _ship_once(self) -> bool:
        try:
            ship_folder(self._folder, self._central.get())
        except TiltyardError as error:
            log.warning("The spools cannot be shipped now: %s", error.message)
        except Exception:
            log.exception("Shipping the spools failed")
        else:
            return True
        return False


Sending = Callable[["Shipment", Sequence[tuple[Any, ...]]], list[int]]
"""Sends rows of a spool, each with its number before it; the numbers of those that may leave the spool."""


def _ship_file(file: Path, table: str, send: Sending, central: Ledger) -> int:
    shipment = Shipment(central, f"{platform.node()}:{file.stem}", partial(_find_waiting, file.parent))
    try:
        with closing(open_sqlite(file)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'predictions'").fetchone():
                return 0  # its worker is still making it
            moved = _ship_table(connection, table, lambda rows: send(shipment, rows))
            _give_back_room(connection, file)
            return moved
    except SQLITE_ERRORS as error:
        log.warning("The spool %s cannot be shipped now: %s", file, error)
        return 0


def _ship_table(spool: SqliteConnection, table: str, send: Callable[[Sequence[tuple[Any, ...]]], list[int]]) -> int:
    """Send the rows of a table, oldest first, and remove those that were sent; how many they were."""
    # What was shipped may be erased centrally: then it must not stay readable here.
    spool.execute("PRAGMA secure_delete=ON")
    columns = stored_columns(spool) if table == "predictions" else _COLUMNS[table]
    query = f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - our own names
    moved, after = 0, 0
    while stored := _fetch(spool, query, (after, AT_ONCE)):
        after = stored[-1][0]
        gone = send(stored)
        spool.execute("BEGIN IMMEDIATE")
        if len(gone) == len(stored):
            # No row lies between these but them: a new one comes after the last.
            spool.execute(f"DELETE FROM {table} WHERE rowid BETWEEN ? AND ?", (stored[0][0], after))  # noqa: S608
        else:
            spool.executemany(f"DELETE FROM {table} WHERE rowid = ?", [(number,) for number in gone])  # noqa: S608
        spool.execute("COMMIT")
        moved += len(gone)
        if len(stored) < AT_ONCE:
            break
    return moved


def _give_back_room(spool: SqliteConnection, file: Path) -> None:
    """Make the file of a spool small again that grew while the central ledger was away, once little is left in it."""
    pages, free, size = (
        int(spool.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    if free * size >= GIVEN_BACK_BYTES and (pages - free) * size <= COPIED_BYTES:
        # What is left is copied while its worker waits; the file is cut when the log is copied into it.
        spool.execute("VACUUM")
        empty_log(file, timeout=1.0)


def _fetch(spool: SqliteConnection, query: str, arguments: Sequence[int]) -> list[tuple[Any, ...]]:
    try:
        return spool.execute(query, arguments).fetchall()
    except SQLITE_ERRORS:
        # A text that is not UTF-8 can be read byte for byte; the central ledger then refuses that row alone.
        spool.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return spool.execute(query, arguments).fetchall()


def _find_waiting(folder: Path, ids: Collection[str]) -> set[str]:
    """Of these ids of predictions, those in the spools of a folder; all, where a spool cannot be read."""
    found: set[str] = set()
    for file in list_spools(folder):
        try:
            with closing(open_read_only(file)) as connection:
                query = "SELECT id FROM predictions WHERE id IN (SELECT value FROM json_each(?))"
                found |= {row[0] for row in connection.execute(query, (json.dumps([*ids]),))}
        except SQLITE_ERRORS as error:
            log.warning("The spool %s cannot be read now: %s", file, error)
            return set(ids)
    return found


def _take_in_refused(folder: Path, central: Ledger) -> None:
    """Ship what earlier builds had set aside in a file of the folder; then erasures reach it."""
    file = folder / REFUSED
    if not file.exists():
        return
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        shipment = Shipment(central, f"{platform.node()}:{REFUSED}", partial(_find_waiting, folder))
        sent = [shipment.send_line(line) for line in lines]
        if all(sent):
            file.unlink()
    except OSError as error:
        log.warning("The file %s cannot be shipped now: %s", file, error)


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[bool]:
    """Lock the folder for shipping; False where another process ships from it."""
    try:
        handle: Any = os.open(folder / "shipping.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise folder_error(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
