"""What was promised outlives the process that was promised it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import fork_server
from tests.postgres import PostgresServer
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.ledger.chain import link
from tiltyard.testing import make_event, make_prediction

WRITE_UNTIL_KILLED = """
import sys
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

with SqlLedger.open(sys.argv[1]) as ledger:
    while True:
        batch = [make_prediction() for _ in range(3)]
        ledger.record(batch)
        print(*(prediction.id for prediction in batch), flush=True)
"""

APPEND = """
import sys
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_event

with SqlLedger.open(sys.argv[1]) as ledger:
    for _ in range(40):
        ledger.append(make_event(actor=sys.argv[2]))
"""

OPEN = """
import sys
import alembic.operations
from tiltyard.ledger import SqlLedger

print("ready", flush=True)
sys.stdin.readline()
SqlLedger.open(sys.argv[1]).close()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a program with its arguments in a process, in which a warning is an error."""

    numbers = itertools.count()  # one file each: another program may still be reading its own

    def begin(program: str, *arguments: str) -> subprocess.Popen[str]:
        file = tmp_path / f"program {next(numbers)}.py"
        file.write_text(f"import warnings\nwarnings.simplefilter('error')\n{program}", encoding="utf-8")
        pipe = subprocess.PIPE
        return fork_server.popen(
            [sys.executable, str(file), *arguments], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )

    return begin


def test_nothing_that_was_recorded_is_lost_when_the_writer_is_killed(url: str, start: Start) -> None:
    """Every id that a writer printed after ``record`` returned is in the ledger after SIGKILL, twice over."""
    promised: set[str] = set()
    for _ in range(2):
        with start(WRITE_UNTIL_KILLED, url) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(25)]
            writer.kill()
            # What was printed before the kill and not yet read was promised too; half a line was not.
            lines += [line for line in writer.stdout if line.endswith("\n")]
        promised.update(id_ for line in lines for id_ in line.split())
    with SqlLedger.open(url) as ledger:
        recorded = [prediction.id for prediction in ledger.predictions()]
    assert len(promised) >= 2 * 25 * 3
    assert promised <= set(recorded)
    assert len(recorded) == len(set(recorded))
    assert len(recorded) % 3 == 0, "a batch is recorded whole or not at all"


def test_two_processes_append_to_one_chain(url: str, start: Start) -> None:
    """Events that two processes append at once, to a ledger that neither found, make one whole chain."""
    _finish(start(APPEND, url, "ada"), start(APPEND, url, "grace"))
    with SqlLedger.open(url) as ledger:
        events = list(ledger.events())
        assert [event.sequence for event in events] == list(range(1, 81))
        assert {event.actor for event in events} == {"ada", "grace"}
        assert ledger.verify_events() == []


def test_processes_may_open_a_fresh_ledger_at_once(url: str, start: Start) -> None:
    """Several processes that open a ledger that does not exist yet, at the same moment, all succeed in silence."""
    processes = [start(OPEN, url) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert _finish(*processes) == [""] * 3


def test_a_reader_does_not_hold_up_a_writer(url: str) -> None:
    """While predictions are being read, others can be recorded."""
    with SqlLedger.open(url) as ledger, SqlLedger.open(url) as other:
        ledger.record([make_prediction() for _ in range(1500)])
        reading = ledger.predictions()
        next(reading)
        other.record([make_prediction(at=make_prediction().at.replace(year=2030))])
        assert len(list(reading)) == 1500


def test_the_server_may_go_and_come_back(postgres: PostgresServer) -> None:
    """After PostgreSQL was restarted the same ledger records again, and what was committed is there."""
    url = postgres.database()
    with SqlLedger.open(url) as ledger:
        ledger.record([make_prediction()])
        postgres.pause()
        postgres.resume()
        ledger.record([make_prediction()])
        assert ledger.prediction_stats().total == 2


def test_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    """Each connection of an SQLite ledger keeps a write-ahead log and syncs it fully, whichever thread asks."""
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        database = ledger._database
        with database.write() as writing, database.read() as reading, database.read(snapshot=True) as seeing:
            for connection in (writing, reading, seeing):
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_changed_event_is_found(url: str) -> None:
    """An event whose row was changed in any column is named, and only it."""
    with SqlLedger.open(url) as ledger:
        _append_five(ledger)
        for change in ("actor = 'eve'", "evidence = '{}'", "at_us = at_us + 1", "digest = 'x'", "reason = ''"):
            before = _row(ledger, 3)
            _execute(ledger, f"UPDATE events SET {change} WHERE sequence = 3")
            found = ledger.verify_events()
            assert found[0] == "Event 3 (promoted, films/2) was changed."
            _execute(ledger, "DELETE FROM events WHERE sequence = 3")
            marks = ", ".join(f":{name}" for name in before)
            _execute(ledger, f"INSERT INTO events ({', '.join(before)}) VALUES ({marks})", before)
            assert ledger.verify_events() == []


def test_a_removed_event_is_found(url: str) -> None:
    """Events that are gone are named, whether from the start, the middle or the end of the chain."""
    with SqlLedger.open(url) as ledger:
        _append_five(ledger)
        _execute(ledger, "DELETE FROM events WHERE sequence = 5")
        assert ledger.verify_events() == ["Event 5 is missing."]
        _execute(ledger, "DELETE FROM events WHERE sequence IN (2, 3)")
        assert ledger.verify_events() == ["Events 2 to 3 are missing.", "Event 5 is missing."]
        _execute(ledger, "DELETE FROM events")
        assert ledger.verify_events() == ["Events 1 to 5 are missing."]


def test_a_forged_end_is_found(url: str) -> None:
    """An event inserted at the end, and a chain whose end was cut and noted anew, do not pass."""
    with SqlLedger.open(url) as ledger:
        _append_five(ledger)
        _execute(
            ledger,
            "INSERT INTO events (sequence, kind, subject, at_us, actor, digest, reason, evidence)"
            " VALUES (6, 'promoted', 'm', 0, 'eve', 'd', '', '{}')",
        )
        assert ledger.verify_events() == ["Event 6 was inserted: the chain ends at 5."]
        _execute(ledger, "DELETE FROM events WHERE sequence >= 5")
        _execute(ledger, "UPDATE chain SET sequence = 4")
        assert ledger.verify_events() == ["The end of the chain was changed: event 4 is not the one noted."]
        _execute(ledger, "DELETE FROM chain")
        assert ledger.verify_events() == ["The record of where the chain ends is missing."]
        with pytest.raises(UnavailableError, match="broken, so none is added to it: its end is noted nowhere") as torn:
            ledger.append(make_event())
        assert "history --verify" in torn.value.next_step
        for sequence in (3, 4):
            _execute(ledger, f"INSERT INTO chain VALUES ('n{sequence}', {sequence}, 'd')")
        assert ledger.verify_events() == ["The end of the chain is recorded 2 times: all but one were inserted."]
        with pytest.raises(UnavailableError, match="noted more than once"):
            ledger.append(make_event())
        _execute(ledger, "DELETE FROM chain WHERE sequence = 4")
        with pytest.raises(UnavailableError, match="noted before its last event"):
            ledger.append(make_event())


def test_forgeries_inside_are_found(url: str) -> None:
    """Another subject or kind, two events that changed places, and one with a forged digest are each named."""
    with SqlLedger.open(url) as ledger:
        _append_five(ledger)
        kept = [_row(ledger, sequence) for sequence in range(1, 6)]
        for change in ("kind = 'refused'", "subject = 'songs/1'"):
            _execute(ledger, f"UPDATE events SET {change} WHERE sequence = 2")
            assert [problem[:8] for problem in ledger.verify_events()] == ["Event 2 "]
            _put_back(ledger, kept)
        for aside, place in ((2, 99), (3, 2), (99, 3)):
            _execute(ledger, f"UPDATE events SET sequence = {place} WHERE sequence = {aside}")
        assert [problem[:8] for problem in ledger.verify_events()] == ["Event 2 ", "Event 3 ", "Event 4 "]
        _put_back(ledger, kept)
        forged = {**kept[2], "reason": "nothing happened"}
        digest = link(str(kept[1]["digest"]), forged)
        _execute(ledger, "UPDATE events SET reason = :reason, digest = :digest WHERE sequence = 3",
                 {"reason": forged["reason"], "digest": digest})  # fmt: skip
        assert [problem[:8] for problem in ledger.verify_events()] == ["Event 4 "]


def test_an_event_that_cannot_be_read_any_more(url: str) -> None:
    """Evidence that is not JSON, and a time out of reach, are found, and the error names the event and the fault."""
    with SqlLedger.open(url) as ledger:
        _append_five(ledger)
        for change in ("evidence = '{'", "at_us = 9000000000000000000"):
            before = _row(ledger, 3)
            _execute(ledger, f"UPDATE events SET {change} WHERE sequence = 3")
            assert [problem[:8] for problem in ledger.verify_events()] == ["Event 3 "]
            with pytest.raises(UnavailableError, match="Event 3 of the ledger cannot be read") as refused:
                list(ledger.events())
            assert refused.value.code == "ledger.tampered"
            _put_back(ledger, [before])


@pytest.mark.proof
def test_eight_processes_append_to_one_chain(url: str, start: Start) -> None:
    """Of the events that eight processes append at once none is lost, and the chain is whole."""
    _finish(*(start(APPEND, url, f"process {number}") for number in range(8)))
    with SqlLedger.open(url) as ledger:
        events = list(ledger.events())
        assert [event.sequence for event in events] == list(range(1, 321))
        assert {sum(event.actor == f"process {number}" for event in events) for number in range(8)} == {40}
        assert ledger.verify_events() == []


def _append_five(ledger: Ledger) -> None:
    for _ in range(5):
        ledger.append(make_event())
    assert ledger.verify_events() == []


def _put_back(ledger: SqlLedger, rows: list[dict[str, object]]) -> None:
    for row in rows:
        _execute(ledger, f"DELETE FROM events WHERE sequence = {row['sequence']}")
        marks = ", ".join(f":{name}" for name in row)
        _execute(ledger, f"INSERT INTO events ({', '.join(row)}) VALUES ({marks})", row)
    assert ledger.verify_events() == []


def _execute(ledger: SqlLedger, statement: str, values: dict[str, object] | None = None) -> None:
    from sqlalchemy import text

    with ledger._database.write() as connection:
        connection.execute(text(statement), values or {})


def _row(ledger: SqlLedger, sequence: int) -> dict[str, object]:
    with ledger._database.read() as connection:
        statement = f"SELECT * FROM events WHERE sequence = {sequence}"
        return dict(connection.exec_driver_sql(statement).one()._asdict())


def _finish(*processes: subprocess.Popen[str]) -> list[str]:
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said
