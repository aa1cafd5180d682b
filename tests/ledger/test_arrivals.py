"""What comes from spools: set aside where it cannot be stored, kept out where it was erased, and never in the way."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Event, Label, Ledger, SqlLedger
from tiltyard.ledger.codec import encode_predictions
from tiltyard.ledger.records import Prediction
from tiltyard.ledger.spools.spool import SpooledLedger, measure_lag
from tiltyard.ledger.spools.spool_shipper import ship_folder
from tiltyard.ledger.sql.retention import begin_arrival
from tiltyard.serving.predict.idempotency import IdempotentRequest
from tiltyard.sqlite import open_sqlite
from tiltyard.testing import NOON, MemoryLedger, make_event, make_prediction


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/central/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def central(url: str) -> Iterator[SqlLedger]:
    with SqlLedger.open(url) as ledger:
        yield ledger


def open_spool(folder: Path, name: str = "0") -> SqlLedger:
    return SqlLedger.open(f"sqlite:///{folder / name}.db")


def spool(folder: Path, *rows: Prediction) -> None:
    """Record predictions in a spool whose worker then ends."""
    with open_spool(folder) as own:
        own.record(rows)


def test_what_postgresql_can_never_store_holds_nothing_up(tmp_path: Path, postgres: PostgresServer) -> None:
    """A prediction, a label and an event too long for an index are set aside with the reason; those behind arrive."""
    long = secrets.token_hex(20_000)  # what does not shrink by compression
    rows = [make_prediction(), make_prediction(key=long), make_prediction()]
    with open_spool(tmp_path) as own:
        own.record(rows)
        own.keep_labels([Label(rows[0].id, long, NOON, "s"), Label(rows[2].id, "good", NOON, "s")])
        own.append(make_event(subject=f"films/{long}"))
        own.append(make_event(kind="served"))
    with SqlLedger.open(postgres.database()) as central:
        assert ship_folder(tmp_path, central) == 7
        assert {row.id for row in central.predictions()} == {rows[0].id, rows[2].id}
        assert [label.prediction_id for label in central.labels()] == [rows[2].id]
        assert [event.kind for event in central.events()] == ["served"]
        kept = {one.kind: one for one in central.arrivals.select()}
        assert sorted(kept) == ["event", "label", "prediction"]
        assert {one.reason for one in kept.values()} == {"refused"}
        assert all("refused a value" in one.message for one in kept.values())
        assert kept["event"].content["subject"] == f"films/{long}"
        assert kept["event"].project == "films"
        assert (kept["label"].subject, kept["label"].project) == (rows[0].id, "films")
        assert kept["prediction"].origin.endswith(":0")
        assert measure_lag(tmp_path).rows == 0
        assert ship_folder(tmp_path, central) == 0


def test_what_cannot_be_read_holds_nothing_up(tmp_path: Path, central: SqlLedger) -> None:
    """Texts that are not Unicode, NUL, times beyond the calendar and evidence that is not JSON are set aside."""
    rows = [make_prediction() for _ in range(4)]
    odd = [make_prediction(key="seven") for _ in range(3)]
    central.record([odd[2]])
    central.retention.bar("films", ["seven"], "requested")
    with open_spool(tmp_path) as own:
        own.record([*rows, *odd])
        own.keep_labels([Label(row.id, "good", NOON, "s") for row in rows])
        for number in range(6):
            own.append(make_event(actor=f"actor {number}"))
    with closing(open_sqlite(tmp_path / "0.db")) as file:
        file.execute("UPDATE predictions SET label = CAST(x'ff41' AS TEXT) WHERE id = ?", (rows[1].id,))
        file.execute("UPDATE predictions SET at_us = 'noon' WHERE id = ?", (odd[0].id,))
        file.execute("UPDATE predictions SET label = x'00' WHERE id = ?", (odd[1].id,))
        file.execute("UPDATE predictions SET input = '[', probabilities = '[' WHERE id = ?", (odd[2].id,))
        file.execute("UPDATE labels SET label = CAST(x'ff41' AS TEXT) WHERE sequence = 1")
        file.execute("UPDATE labels SET at_us = 9000000000000000000 WHERE sequence = 2")
        file.execute("UPDATE labels SET source = 'a' || char(0) WHERE sequence = 3")
        file.execute("UPDATE events SET evidence = '{' WHERE sequence = 1")
        file.execute("UPDATE events SET reason = 'a' || char(0) WHERE sequence = 2")
        file.execute("UPDATE events SET at_us = 9000000000000000000 WHERE sequence = 3")
        file.execute("UPDATE events SET reason = CAST(x'ff41' AS TEXT) WHERE sequence = 4")
        file.execute("UPDATE events SET subject = 'films' || char(0) WHERE sequence = 5")
    ship_folder(tmp_path, central)
    assert {row.id for row in central.predictions()} == {rows[0].id, rows[2].id, rows[3].id, odd[2].id}
    assert [label.prediction_id for label in central.labels()] == [rows[3].id]
    assert [event.actor for event in central.events()] == ["actor 5"]
    assert central.verify_events() == []
    assert sorted(one.kind for one in central.arrivals.select()) == ["event"] * 5 + ["label"] * 3 + ["prediction"] * 4
    assert measure_lag(tmp_path).rows == 0


def test_a_ledger_that_is_away_stops_the_shipping_and_loses_nothing(tmp_path: Path) -> None:
    """An error of the ledger is none of the row: what was not stored stays, in its order; nothing is set aside."""

    class Failing(MemoryLedger):
        away = True

        def append(self, event: Event, notices: object = (), *, lease: object = None) -> Event:
            if self.away and event.actor == "second":
                raise UnavailableError("The network is down.")
            return super().append(event)

    with open_spool(tmp_path) as own:
        for actor in ("first", "second", "third"):
            own.append(make_event(actor=actor))
    central = Failing()
    with pytest.raises(UnavailableError):
        ship_folder(tmp_path, central)
    assert list(central.arrivals.select()) == []
    central.away = False
    ship_folder(tmp_path, central)
    assert [event.actor for event in central.events()] == ["first", "second", "third"]
    assert measure_lag(tmp_path).rows == 0


def test_two_hosts_with_one_id_are_compared(tmp_path: Path, url: str) -> None:
    """Of two hosts that predict differently for one Idempotency-Key, and ship at once, one row is set aside."""
    inputs = [{"text": f"review {number}"} for number in range(40)]
    ids = IdempotentRequest("films", "caller", b"a-key", inputs).ids
    rows = [make_prediction(id=id_, input=content) for id_, content in zip(ids, inputs, strict=True)]
    spool(tmp_path / "a", *rows)
    spool(tmp_path / "b", *(replace(row, label="negative") for row in rows))
    SqlLedger.open(url).close()

    def ship(folder: Path) -> None:
        with SqlLedger.open(url) as central:
            ship_folder(folder, central)

    threads = [threading.Thread(target=ship, args=(tmp_path / name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with SqlLedger.open(url) as central:
        stored = {row.id: row.label for row in central.predictions()}
        kept = {one.subject: one.content["label"] for one in central.arrivals.select()}
        assert stored.keys() == kept.keys() == {row.id for row in rows}
        assert all({stored[id_], kept[id_]} == {"positive", "negative"} for id_ in stored)
        assert [(count.reason, count.rows) for count in central.arrivals.count()] == [("differs", 40)]


def test_a_spool_from_a_copy_brings_nothing_erased_back(tmp_path: Path, central: SqlLedger) -> None:
    """After an erasure the copy of a spool that had been shipped adds nothing, and its labels leave it."""
    mine, other = make_prediction(key="seven/0"), make_prediction()
    for folder in ("spool", "copy"):
        spool(tmp_path / folder, mine, other)
        with open_spool(tmp_path / folder) as own:
            own.keep_labels([Label(mine.id, "negative", NOON, "s")])
    ship_folder(tmp_path / "spool", central)
    central.retention.erase([mine.id])
    ship_folder(tmp_path / "copy", central)
    assert [row.id for row in central.predictions()] == [other.id]
    assert list(central.labels()) == []
    assert measure_lag(tmp_path / "copy").rows == 0


def test_an_erasure_waits_for_what_is_being_stored(postgres: PostgresServer) -> None:
    """A row that is being stored while its id is erased is erased too: the erasure waits for that transaction."""
    url, mine = postgres.database(), make_prediction()
    erased = threading.Event()

    def erase() -> None:
        with SqlLedger.open(url) as ledger:
            ledger.retention.erase([mine.id])
        erased.set()

    with SqlLedger.open(url) as central:
        with central._database.write() as connection:
            begin_arrival(connection)
            thread = threading.Thread(target=erase)
            thread.start()
            assert not erased.wait(0.5)
            row = tuple(encode_predictions([mine])[0])
            connection.exec_driver_sql(central._insert_predictions, [row])
        thread.join()
        assert erased.is_set()
        assert list(central.predictions()) == []


def test_what_an_earlier_build_refused_is_taken_in(tmp_path: Path, central: SqlLedger) -> None:
    """Rows that an earlier build put into a file next to the spools are stored if they can be, erased, or set aside."""
    storable, refused, erased = make_prediction(), make_prediction(key="seven"), make_prediction(key="eight/0")
    rows = {row.id: row._asdict() for row in encode_predictions([storable, refused, erased])}
    rows[refused.id]["label"] = "NUL \0"
    lines = [json.dumps(row | {"refused": "No such label."}) for row in rows.values()]
    file = tmp_path / "refused.jsonl"
    file.write_text("\n".join([*lines, "not JSON"]), encoding="utf-8")
    central.retention.bar("films", ["eight"])
    ship_folder(tmp_path, central)
    assert not file.exists()
    found = {row.id for row in central.predictions()}
    kept = {one.subject: one for one in central.arrivals.select()}
    assert kept[""].content["line"] == "not JSON"
    # SQLite stores NUL, PostgreSQL does not.
    assert storable.id in found
    assert erased.id not in {*found, *kept}
    assert refused.id in (found if central._database.is_sqlite else kept)


def test_a_shipped_spool_holds_no_input_any_more(tmp_path: Path, central: SqlLedger) -> None:
    """Once a spool was shipped and its worker has ended, the bytes of the inputs are not in its files."""
    secret = "a very particular secret"
    spool(tmp_path / "spool", make_prediction(input={"text": secret}), make_prediction())
    ship_folder(tmp_path / "spool", central)
    files = b"".join(file.read_bytes() for file in (tmp_path / "spool").iterdir())
    assert secret.encode() not in files


def test_a_spooled_ledger_knows_what_was_set_aside(tmp_path: Path, central: SqlLedger) -> None:
    """Through a spool, what was set aside is that of the central ledger."""
    spooled: Ledger = SpooledLedger.open(tmp_path, "0", lambda: central)
    row = make_prediction(at=datetime.now(UTC) - timedelta(days=1))
    central.record([row])
    central.arrivals.receive(encode_predictions([replace(row, label="negative")]), "b:0")
    assert [one.subject for one in spooled.arrivals.select()] == [row.id]
