"""A ledger in PostgreSQL behind a pooler in transaction mode, and what a server's errors mean."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import make_url, text

from tests.pgbouncer import PgBouncer
from tests.postgres import PostgresServer
from tiltyard.errors import InputError, UnavailableError
from tiltyard.ledger import Label, SqlLedger
from tiltyard.ledger.sql.database import split_settings
from tiltyard.ledger.sql.errors import describe_database_error
from tiltyard.testing import NOON, make_event, make_prediction

URL = "postgresql://127.0.0.1/ledger"


def test_statements_of_one_connection_do_not_meet_anothers(pgbouncer: PgBouncer) -> None:
    """Several programs that share two connections of the server all work: no statement is another one's."""
    url = pgbouncer.database()

    def work(number: int) -> int:
        with SqlLedger.open(url) as ledger:
            for _ in range(9):  # psycopg prepares what it has executed five times
                prediction = make_prediction()
                ledger.record([prediction])
                ledger.record_labels([Label(prediction.id, "good", NOON, f"program {number}")])
                assert ledger.prediction(prediction.id) == prediction
                lease = ledger.leases.acquire(f"lease {number}", "me", timedelta(minutes=1))
                assert lease is not None
                ledger.append(make_event(), lease=lease)
                ledger.leases.release(lease)
            return ledger.prediction_stats().total

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(4))) == 36
    with SqlLedger.open(url) as ledger:
        assert len(list(ledger.events())) == 36
        assert ledger.verify_events() == []


def test_settings_hold_in_each_transaction(pgbouncer: PgBouncer, postgres: PostgresServer) -> None:
    """A lock_timeout in the URL holds through the pooler, and not for another program on the same connection."""
    url = pgbouncer.database()
    limited = url.replace("options=", "options=-c%20lock_timeout%3D40%20")
    with SqlLedger.open(url) as plain, SqlLedger.open(limited) as ledger:
        with plain._database.write() as connection:
            connection.execute(text("LOCK TABLE chain"))
            with pytest.raises(UnavailableError) as refused:
                ledger.append(make_event())
        assert refused.value.code == "ledger.busy"
        for _ in range(4):
            with plain._database.read() as connection:
                assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"
        assert ledger.append(make_event()).sequence == 1


def test_options_become_settings() -> None:
    """Each way to write a setting in options is understood; what is none stays, and so does the rest of the URL."""
    url = make_url("postgresql://h/d?sslmode=require").update_query_dict(
        {"options": r"-csearch_path=a,b -c statement_timeout=5s --lock-timeout=1 -c application_name=my\ app -N 4"}
    )
    left, settings = split_settings(url)
    assert settings == {
        "search_path": "a,b",
        "statement_timeout": "5s",
        "lock_timeout": "1",
        "application_name": "my app",
    }
    assert dict(left.query) == {"sslmode": "require", "options": "-N 4"}
    assert split_settings(make_url("postgresql://h/d")) == (make_url("postgresql://h/d"), {})


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("26000", "ledger.away"),  # prepared statement "_pg3_0" does not exist
        ("42P05", "ledger.away"),
        ("55P03", "ledger.busy"),
        ("40P01", "ledger.busy"),
        ("57014", "ledger.busy"),
        ("53100", "ledger.full"),
        ("42501", "ledger.read-only"),
        ("42P01", "ledger.damaged"),
        ("08006", "ledger.away"),
    ],
)
def test_the_code_decides_and_not_the_words(state: str, code: str) -> None:
    """What an error means does not depend on its text, which may be in any language."""
    errors = pytest.importorskip("psycopg.errors")
    for words in ("Tabelle existiert nicht", "permission denied: disk is full, database is locked, does not exist"):
        found = describe_database_error(errors.lookup(state)(words), URL)
        assert isinstance(found, UnavailableError)
        assert (found.code, words in found.message) == (code, True)
    for refused in ("22003", "22P05", "54000", "23502", "23514"):
        assert isinstance(describe_database_error(errors.lookup(refused)("zu gross"), URL), InputError)
    # That a row is there twice may be another's doing: to try again may help.
    assert isinstance(describe_database_error(errors.lookup("23505")("doppelt"), URL), UnavailableError)
    without_code = describe_database_error(errors.OperationalError("database x does not exist"), URL)
    assert without_code.code == "ledger.away"


def test_the_next_step_for_mixed_statements_names_the_pooler() -> None:
    """Where prepared statements meet all the same, the next step is about the pooler."""
    errors = pytest.importorskip("psycopg.errors")
    found = describe_database_error(errors.lookup("26000")('prepared statement "_pg3_0" does not exist'), URL)
    assert "PgBouncer" in found.next_step
