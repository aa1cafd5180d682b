"""Moving records from the spools to the central ledger: oldest first, exactly once, and without blocking writers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

from tiltyard.errors import InputError, TiltyardError
from tiltyard.ledger.codec import PredictionRow, decode_event, decode_label
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Event
from tiltyard.ledger.spools.spool import CentralLedger, list_spools, stored_columns
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection, open_sqlite

AT_ONCE = 500
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 10.0
# A label without a known prediction may belong to one that another host ships later; then it is dropped.
LABEL_DAYS = 7
REFUSED = "refused.jsonl"

log = logging.getLogger(__name__)


def ship_folder(folder: Path, central: Ledger) -> int:
    """Ship all that the spools of a folder hold now; one process at a time ships, others return at once.

    A row leaves its spool only after the central ledger has committed it. One that is shipped a second time, since
    the shipper died between the two, is there already by its id and changes nothing.

    Returns:
        How many rows, labels and events left the spools.

    Raises:
        UnavailableError: the central ledger is unreachable; what was not shipped stays in the spools.
    """
    with _lock_folder(folder) as allowed:
        if not allowed:
            return 0
        files = list_spools(folder)
        moved = sum(_ship_file(file, _ship_predictions, central) for file in files)
        # Labels after all predictions: one may belong to a prediction of another spool.
        moved += sum(_ship_file(file, _ship_labels, central) for file in files)
        return moved + sum(_ship_file(file, _ship_events, central) for file in files)


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


def _ship_file(file: Path, part: Callable[[SqliteConnection, Ledger, Path], int], central: Ledger) -> int:
    try:
        with closing(open_sqlite(file)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'predictions'").fetchone():
                return 0  # its worker is still making it
            return part(connection, central, file.parent)
    except SQLITE_ERRORS as error:
        log.warning("The spool %s cannot be read now: %s", file, error)
        return 0


def _ship_predictions(spool: SqliteConnection, central: Ledger, folder: Path) -> int:
    moved = 0
    query = f"SELECT rowid, {stored_columns(spool)} FROM predictions ORDER BY rowid LIMIT {AT_ONCE}"  # noqa: S608 - our own names
    while stored := spool.execute(query).fetchall():
        rows = [PredictionRow._make(row[1:]) for row in stored]
        try:
            central.record_rows(rows)
        except InputError:
            _record_each(rows, central, folder)
        # Rows that came meanwhile have higher numbers: they follow those that are still here.
        spool.execute("DELETE FROM predictions WHERE rowid <= ?", (stored[-1][0],))
        moved += len(rows)
        if len(rows) < AT_ONCE:
            break
    return moved


def _record_each(rows: Sequence[PredictionRow], central: Ledger, folder: Path) -> None:
    """A row that can never be stored is put aside, and the others are recorded."""
    for row in rows:
        try:
            central.record_rows([row])
        except InputError as error:
            log.error("The prediction %s was put aside in %s: %s", row.id, folder / REFUSED, error.message)
            with (folder / REFUSED).open("a", encoding="utf-8") as aside:
                aside.write(json.dumps(row._asdict() | {"refused": error.message}) + "\n")


def _ship_labels(spool: SqliteConnection, central: Ledger, _folder: Path) -> int:
    moved, after = 0, 0
    query = (
        "SELECT sequence, prediction_id, at_us, label, source FROM labels WHERE sequence > ? ORDER BY sequence LIMIT ?"
    )
    while stored := spool.execute(query, (after, AT_ONCE)).fetchall():
        after = stored[-1][0]
        unknown = set(central.record_labels([decode_label(row[1:]) for row in stored]).unknown)
        too_old = (time.time() - timedelta(days=LABEL_DAYS).total_seconds()) * 1e6
        gone = [(row[0],) for row in stored if row[1] not in unknown or row[2] < too_old]
        for row in stored:
            if row[1] in unknown and row[2] < too_old:
                log.error("A label was dropped: no ledger has its prediction %s", row[1])
        spool.execute("BEGIN IMMEDIATE")
        spool.executemany("DELETE FROM labels WHERE sequence = ?", gone)
        spool.execute("COMMIT")
        moved += len(gone)
    return moved


def _ship_events(spool: SqliteConnection, central: Ledger, _folder: Path) -> int:
    found = spool.execute("SELECT * FROM events ORDER BY sequence")
    names = [str(column[0]) for column in found.description]
    stored = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in stored:
        event = decode_event(row)
        if not _was_shipped(event, central):
            central.append(event)
        spool.execute("DELETE FROM events WHERE sequence = ?", (row["sequence"],))
    return len(stored)


def _was_shipped(event: Event, central: Ledger) -> bool:
    """Whether an event was shipped before, by a shipper that died before it could remove it."""

    def same(other: Event) -> bool:
        return (other.at, other.actor, other.reason) == (event.at, event.actor, event.reason)

    return any(same(other) for other in central.events(subject=event.subject, kind=event.kind, since=event.at))


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[bool]:
    """Lock the folder for shipping; False where another process ships from it."""
    handle: Any = os.open(folder / "shipping.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
