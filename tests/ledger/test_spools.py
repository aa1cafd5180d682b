"""Spools: durable here, shipped once, whatever dies in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.small_disk import mount_disk
from tiltyard.errors import InputError, UnavailableError
from tiltyard.ledger import Event, Label, Ledger, SqlLedger
from tiltyard.ledger.spools.spool import SpooledLedger, measure_lag
from tiltyard.ledger.spools.spool_shipper import Shipper, ship_folder
from tiltyard.sqlite import open_sqlite
from tiltyard.testing import MemoryLedger, make_prediction

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Switch:
    """A way to a central ledger that can be cut."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.away = False

    def connect(self) -> Ledger:
        if self.away:
            raise UnavailableError("The network is down.")
        return self.ledger


@pytest.fixture
def switch() -> Switch:
    return Switch(MemoryLedger())


@pytest.fixture
def spool(tmp_path: Path, switch: Switch) -> SpooledLedger:
    return SpooledLedger.open(tmp_path / "spool", "0", switch.connect)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mount_disk(tmp_path / "disk", 64) as folder:
        yield folder


def event(reason: str = "") -> Event:
    return Event(kind="served", subject="films/1", at=NOW, actor="server", reason=reason)


def test_rows_are_shipped_oldest_first_and_leave_the_spool(
    tmp_path: Path, spool: SpooledLedger, switch: Switch
) -> None:
    """What a spool holds comes to the central ledger in its order, and then waits no more."""
    made = [make_prediction(input={"text": str(number)}) for number in range(1200)]
    for start in range(0, 1200, 300):
        spool.record(made[start : start + 300])
    assert spool.lag().rows == 1200
    assert spool.lag().oldest == min(item.at for item in made)
    assert ship_folder(tmp_path / "spool", switch.ledger) == 1200
    assert {item.id for item in switch.ledger.predictions()} == {item.id for item in made}
    assert (spool.lag().rows, spool.lag().oldest) == (0, None)
    assert spool.prediction(made[0].id) == made[0]


def test_the_spool_of_an_earlier_build_is_shipped(tmp_path: Path, spool: SpooledLedger, switch: Switch) -> None:
    """A spool whose worker is gone since an upgrade lacks the newest columns, and is read and shipped all the same."""
    made = make_prediction()
    with SqlLedger.open(f"sqlite:///{tmp_path}/spool/9.db") as gone:
        gone.record([made])
    with closing(open_sqlite(tmp_path / "spool/9.db")) as file:
        file.execute("DROP INDEX predictions_by_unit")
        for column in ("unit", "assignment"):
            file.execute(f"ALTER TABLE predictions DROP COLUMN {column}")
    assert spool.prediction(made.id) == made
    assert ship_folder(tmp_path / "spool", switch.ledger) == 1
    assert list(switch.ledger.predictions()) == [made]


def test_shipped_twice_is_there_once(tmp_path: Path, spool: SpooledLedger) -> None:
    """A shipper that dies after the central commit ships again, and every record is there once."""

    class Dying(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            self.lives = 0

        def record_rows(self, rows: object) -> None:
            super().record_rows(rows)  # type: ignore[arg-type]
            self.die()

        def append(self, event: Event, notices: object = (), *, lease: object = None) -> Event:
            done = super().append(event)
            self.die()
            return done

        def die(self) -> None:
            if self.lives < 2:
                self.lives += 1
                raise UnavailableError("The connection was lost after the commit.")

    central = Dying()
    made = make_prediction()
    spool.record([made])
    spool._own.append(event())
    with pytest.raises(UnavailableError):
        ship_folder(tmp_path / "spool", central)
    with pytest.raises(UnavailableError):
        ship_folder(tmp_path / "spool", central)
    ship_folder(tmp_path / "spool", central)
    assert [item.id for item in central.predictions()] == [made.id]
    assert [item.kind for item in central.events()] == ["served"]
    assert measure_lag(tmp_path / "spool").rows == 0


def test_a_row_that_is_refused_holds_nothing_up(tmp_path: Path, spool: SpooledLedger) -> None:
    """A row that the central ledger can never store is put aside with the reason; the others arrive."""

    class Picky(MemoryLedger):
        def record_rows(self, rows: object) -> None:
            if any(row.label == "odd" for row in rows):  # type: ignore[attr-defined]
                raise InputError("No such label.")
            super().record_rows(rows)  # type: ignore[arg-type]

    central = Picky()
    spool.record([make_prediction(), make_prediction(label="odd"), make_prediction()])
    ship_folder(tmp_path / "spool", central)
    assert central.prediction_stats().total == 2
    assert measure_lag(tmp_path / "spool").rows == 0
    [kept] = central.arrivals.select(model_name="films")
    assert (kept.reason, kept.message, kept.content["label"]) == ("refused", "No such label.", "odd")


def test_labels_and_events_wait_while_the_central_ledger_is_away(
    tmp_path: Path, spool: SpooledLedger, switch: Switch
) -> None:
    """While the central ledger is away labels and events are kept, and come after their predictions."""
    switch.away = True
    made = make_prediction()
    spool.record([made])
    assert spool.record_labels([Label(made.id, "good", NOW, "test")]).accepted == 1
    assert spool.append(event()).sequence == 0
    assert spool.prediction(made.id) == made
    assert spool.lag().rows == 3
    ship_folder(tmp_path / "spool", switch.ledger)
    assert [label.prediction_id for label in switch.ledger.labels()] == [made.id]
    assert [item.sequence for item in switch.ledger.events()] == [1]
    assert switch.ledger.verify_events() == []
    assert spool.lag().rows == 0


def test_a_label_finds_its_prediction_wherever_it_is(tmp_path: Path, spool: SpooledLedger, switch: Switch) -> None:
    """A label about a prediction in another worker's spool is known; one about nothing is not."""
    other = SpooledLedger.open(tmp_path / "spool", "1", switch.connect)
    theirs, shipped = make_prediction(key="order 7"), make_prediction(key="order 8")
    other.record([theirs])
    switch.ledger.record([shipped])
    receipt = spool.record_labels([Label(id_, "good", NOW, "test") for id_ in (theirs.id, shipped.id, "none")])
    assert (receipt.accepted, receipt.unknown) == (2, ("none",))
    assert spool.prediction(theirs.id) == theirs
    found = spool.find_predictions(ids=[theirs.id], keys=["order 7", "order 8", "order 9"])
    assert {(row.key, row.id) for row in found} == {("order 7", theirs.id), ("order 8", shipped.id)}
    ship_folder(tmp_path / "spool", switch.ledger)
    assert {label.prediction_id for label in switch.ledger.labels()} == {theirs.id, shipped.id}


def test_shipping_goes_on_while_rows_come(tmp_path: Path, spool: SpooledLedger, postgres: PostgresServer) -> None:
    """A shipper and a busy worker do not disturb each other: all that was recorded arrives in PostgreSQL, once."""
    url = postgres.database()
    shipper = Shipper(tmp_path / "spool", lambda: SqlLedger.open(url))
    shipper.start()
    made = [make_prediction() for _ in range(600)]
    for start in range(0, 600, 5):
        spool.record(made[start : start + 5])
    shipper.stop()
    with SqlLedger.open(url) as central:
        assert {item.id for item in central.predictions()} == {item.id for item in made}
    assert spool.lag().rows == 0


def test_only_one_process_ships_from_a_folder(tmp_path: Path, spool: SpooledLedger) -> None:
    """While one process ships from a folder, another returns at once."""
    inside, leave = threading.Event(), threading.Event()

    class Slow(MemoryLedger):
        def record_rows(self, rows: object) -> None:
            inside.set()
            assert leave.wait(20)
            super().record_rows(rows)  # type: ignore[arg-type]

    central = Slow()
    spool.record([make_prediction()])
    first = threading.Thread(target=ship_folder, args=(tmp_path / "spool", central))
    first.start()
    assert inside.wait(20)
    assert ship_folder(tmp_path / "spool", MemoryLedger()) == 0
    leave.set()
    first.join()
    assert central.prediction_stats().total == 1


def test_spools_that_filled_their_disk_can_be_shipped(small_disk: Path) -> None:
    """Predictions leave the room that shipping needs: what filled a disk while the ledger was away leaves it again."""
    switch = Switch(MemoryLedger())
    switch.away = True
    folder = small_disk / "spool"
    with SpooledLedger.open(folder, "0", switch.connect) as one, SpooledLedger.open(folder, "1", switch.connect) as two:
        made: list[str] = []
        with pytest.raises(UnavailableError, match="are for shipping what waits") as full:
            record_until_full((one, two), made)
        assert full.value.code == "ledger.full"
        with pytest.raises(UnavailableError):
            one.check_writable()
        switch.away = False
        assert ship_folder(folder, switch.ledger) == len(made)
        assert {item.id for item in switch.ledger.predictions()} == set(made)
        assert one.lag().rows == 0
        one.check_writable()
        two.record([make_prediction()])


def record_until_full(ledgers: tuple[SpooledLedger, ...], made: list[str]) -> None:
    for number in range(100_000):
        batch = [make_prediction(input={"text": "x" * 10_000}) for _ in range(20)]
        ledgers[number % len(ledgers)].record(batch)
        made += [item.id for item in batch]
