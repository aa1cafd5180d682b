"""Opening a ledger: where it may live, what it becomes, and what goes wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from tests.postgres import PostgresServer
from tiltyard.errors import InputError, UnavailableError, UsageError
from tiltyard.ledger import Label, LabelRequest, SqlLedger
from tiltyard.ledger.codec import encode_predictions
from tiltyard.ledger.sql.migrations import MIGRATIONS
from tiltyard.ledger.sql.schema import REVISION, VERSION_TABLE, metadata
from tiltyard.sqlite import open_sqlite
from tiltyard.testing import NOON, make_event, make_prediction


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


def go_back(ledger: SqlLedger, revision: str) -> None:
    """Make a ledger what it was at an earlier revision."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    with ledger._database.write() as connection:
        opts = {"version_table": VERSION_TABLE, "fn": lambda heads, _: scripts._downgrade_revs(revision, heads)}
        context = MigrationContext.configure(connection, opts=opts)
        context.run_migrations(op=Operations(context))


def test_predictions_from_before_units_have_none(url: str) -> None:
    """An earlier ledger keeps its predictions, whose units are not known, and takes new ones with their units."""
    earlier, later = make_prediction(), make_prediction(unit="c0123456789abcdef", assignment="2@0.1")
    with SqlLedger.open(url) as ledger:
        ledger.record([earlier])
        go_back(ledger, "0004")
    with SqlLedger.open(url) as ledger:
        ledger.record([later])
        assert list(ledger.predictions()) == [earlier, later]


def test_what_was_recorded_is_there_after_reopening(url: str) -> None:
    """A ledger that is opened again holds what it held."""
    prediction, event = make_prediction(key="k"), make_event()
    with SqlLedger.open(url) as ledger:
        ledger.record([prediction])
        appended = ledger.append(event)
    with SqlLedger.open(url) as ledger:
        assert list(ledger.predictions()) == [prediction]
        assert list(ledger.events()) == [appended]
        assert ledger.append(event).sequence == 2


def test_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    """After all migrations the database has the schema's tables, columns, types and indexes, and no others."""
    with SqlLedger.open(url) as ledger, ledger._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        # The mark of arrivals is PostgreSQL's alone, and no row that is read has it.
        found = [one for one in compare_metadata(context, metadata) if "arriv" not in str(one[-1])]
        assert found == []


def test_the_newest_migration_is_the_one_the_code_names() -> None:
    """``schema.REVISION`` is the head of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_an_up_to_date_ledger_opens_without_alembic(tmp_path: Path) -> None:
    """Opening a ledger that needs no migration does not load Alembic, and says nothing."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    SqlLedger.open(url).close()
    program = (
        "import sys; from tiltyard.ledger import SqlLedger\n"
        "SqlLedger.open(sys.argv[1]).close(); print('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", program, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_labels_from_the_future_do_not_outrank_corrections_after_an_upgrade(url: str) -> None:
    """A label with a time in the future counts as before, until a correction comes; a finding counts such labels."""
    rows = [make_prediction(at=NOON) for _ in range(4)]
    hour, future = timedelta(hours=1), datetime.now(UTC) + timedelta(days=400)
    reported = [
        Label(rows[0].id, "good", NOON + hour, "t"),
        Label(rows[0].id, "bad", future, "t"),  # corrected the first, and is corrected itself
        Label(rows[0].id, "good", NOON + 2 * hour, "t"),
        Label(rows[1].id, "good", NOON + 2 * hour, "t"),
        Label(rows[1].id, "bad", future, "t"),  # the last that was reported
        Label(rows[2].id, "good", future, "t"),
        Label(rows[2].id, "bad", future, "t"),
    ]
    with SqlLedger.open(url) as ledger:
        ledger.record(rows)
        for label in reported:
            ledger.record_labels([label])
        go_back(ledger, "0003")
    with SqlLedger.open(url) as ledger:
        assert {label.prediction_id: label.label for label in ledger.labels()} == {
            rows[0].id: "good",
            rows[1].id: "bad",
            rows[2].id: "bad",
        }
        assert len(list(ledger.labels(superseded=True))) == len(reported)
        assert not list(ledger.labels(since=datetime.now(UTC), superseded=True))
        [finding] = ledger.findings.select(code="labels.ahead")
        assert (finding.project, finding.score, finding.message[:32]) == (
            "films",
            4.0,
            "4 labels had a time in the futur",
        )
        ledger.record_labels([Label(rows[1].id, "good", NOON + 3 * hour, "correction")])
        assert {label.label for label in ledger.labels() if label.prediction_id == rows[1].id} == {"good"}


def test_labels_from_before_requests_were_recorded_are_organic(url: str) -> None:
    """A ledger that knows no requests is upgraded, and its labels count as they did; requests can then be recorded."""
    rows = [make_prediction(at=NOON) for _ in range(2)]
    with SqlLedger.open(url) as ledger:
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "good", NOON, "t") for row in rows])
        go_back(ledger, "0005")
    with SqlLedger.open(url) as ledger:
        assert [label.reason for label in ledger.labels()] == ["organic"] * 2
        ledger.label_requests.record([LabelRequest("q", rows[0].id, NOON, "uncertain")])
        assert {label.prediction_id: label.is_sample for label in ledger.labels()} == {
            rows[0].id: False,
            rows[1].id: True,
        }


def test_what_was_pruned_before_an_upgrade_stays_pruned(url: str) -> None:
    """Until when a model was pruned is read from the decisions of an older ledger: a late spool brings nothing back."""
    before = NOON.isoformat()
    with SqlLedger.open(url) as ledger:
        ledger.append(make_event(kind="pruned", subject="films", evidence={"predictions": 3, "before": before}))
        go_back(ledger, "0006")
    with SqlLedger.open(url) as ledger:
        rows = [make_prediction(at=NOON - timedelta(seconds=1)), make_prediction()]
        assert ledger.arrivals.receive(encode_predictions(rows), "a:0").kept_out == 1
        assert [row.id for row in ledger.predictions()] == [rows[1].id]


def test_a_newer_ledger_is_refused(url: str) -> None:
    """A ledger of a revision that this code does not know is left alone, and the message names both."""
    with SqlLedger.open(url) as ledger, ledger._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(UnavailableError, match=f"revision 9999.*{REVISION}") as refused:
        SqlLedger.open(url)
    assert refused.value.code == "ledger.newer"
    assert "upgrade" in refused.value.next_step


def test_other_migrations_in_the_same_process_do_not_meet(tmp_path: Path) -> None:
    """A ledger is made undisturbed while another thread's Alembic migration (MLflow's, say) is under way."""
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    with EnvironmentContext(config, ScriptDirectory.from_config(config)):
        SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db").close()
        assert context.config is config


def test_it_shares_a_database_with_tables_of_others(url: str) -> None:
    """A database in which another program keeps its own Alembic version is migrated all the same."""
    from sqlalchemy import create_engine

    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('another')")
    engine.dispose()
    with SqlLedger.open(url) as ledger:
        ledger.record([make_prediction()])
        assert ledger.prediction_stats().total == 1


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("no url", "cannot be understood"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://localhost/x", "'mysql'"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, named: str) -> None:
    """A URL that is none, or of a database that is not supported, is refused with what to write instead."""
    with pytest.raises(UsageError, match=named) as refused:
        SqlLedger.open(url)
    assert "TILTYARD_LEDGER" in refused.value.next_step


def test_a_server_that_is_away() -> None:
    """A PostgreSQL server that does not respond is named, and the password in its URL is not."""
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1/ledger") as refused:
        SqlLedger.open("postgresql://me:secret@127.0.0.1:1/ledger")
    assert refused.value.code == "ledger.away"
    assert "secret" not in refused.value.message


def test_a_database_that_does_not_exist(postgres: PostgresServer) -> None:
    """A missing PostgreSQL database is reported as missing."""
    with pytest.raises(UnavailableError, match="does not exist"):
        SqlLedger.open(postgres.database().replace("/postgres?", "/nowhere?"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where no folder can be made, the message names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match=r"folder .*file/below cannot be made"):
        SqlLedger.open(f"sqlite:///{tmp_path}/file/below/ledger.db")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    """An SQLite file that cannot be opened is named."""
    with pytest.raises(UnavailableError, match="unable to open") as refused:
        SqlLedger.open(f"sqlite:///{tmp_path}")
    assert refused.value.code == "ledger.away"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file that is not SQLite's is refused as damaged, and left as it is."""
    file = tmp_path / "ledger.db"
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(UnavailableError) as refused:
        SqlLedger.open(f"sqlite:///{file}")
    assert refused.value.code == "ledger.damaged"
    assert file.read_bytes() == b"not a database" * 100


def test_a_damaged_ledger_is_refused_when_it_is_read(tmp_path: Path) -> None:
    """A ledger whose pages were overwritten is refused as damaged when they are read."""
    file = tmp_path / "ledger.db"
    with SqlLedger.open(f"sqlite:///{file}") as ledger:
        ledger.record([make_prediction() for _ in range(500)])
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file.write_bytes(content)
    with pytest.raises(UnavailableError) as refused, SqlLedger.open(f"sqlite:///{file}") as ledger:
        list(ledger.predictions())
    assert refused.value.code == "ledger.damaged"


def test_a_ledger_that_is_locked(tmp_path: Path) -> None:
    """A ledger that another process keeps locked is reported as in use, and works again afterwards."""
    file = tmp_path / "ledger.db"
    with SqlLedger.open(f"sqlite:///{file}?timeout=0.05") as ledger:
        other = open_sqlite(file)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError) as refused:
            ledger.record([make_prediction()])
        assert refused.value.code == "ledger.busy"
        other.execute("ROLLBACK")
        other.close()
        ledger.record([make_prediction()])
        assert ledger.prediction_stats().total == 1


def test_a_full_disk_stores_nothing_of_the_call(tmp_path: Path) -> None:
    """A ledger that finds no room says so and stores nothing of that call."""
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.record([make_prediction()])
        writing = ledger._rows._connection
        assert writing is not None
        writing.execute("PRAGMA max_page_count = 40")
        with pytest.raises(UnavailableError) as refused:
            ledger.record([make_prediction(input={"text": "x" * 1000}) for _ in range(200)])
        assert refused.value.code == "ledger.full"
        assert ledger.prediction_stats().total == 1


def test_a_check_that_a_ledger_can_be_written_writes(tmp_path: Path) -> None:
    """A file that can be read and not written fails the check, by the connection that records predictions."""
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.check_writable()
        writing = ledger._rows._connection
        assert writing is not None
        writing.execute("PRAGMA query_only = 1")
        assert ledger.prediction("probe") is None
        with pytest.raises(UnavailableError):
            ledger.check_writable()
        writing.execute("PRAGMA query_only = 0")
        ledger.check_writable()


def test_a_file_that_cannot_be_opened_is_the_disks_trouble(tmp_path: Path) -> None:
    """Where SQLite cannot open or read a file, the next step is about the disk and not about a database that runs."""
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(UnavailableError, match="cannot be read or written") as refused:
        SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db")
    assert (refused.value.code, "has room" in refused.value.next_step) == ("ledger.away", True)


def test_a_value_that_the_database_refuses(postgres: PostgresServer) -> None:
    """A value too large for the database's own types is an error of the input, not of the ledger."""
    from sqlalchemy import text

    with (
        SqlLedger.open(postgres.database()) as ledger,
        pytest.raises(InputError, match="out of range"),
        ledger._database.write() as connection,
    ):
        connection.execute(text("UPDATE chain SET sequence = 9223372036854775807 + 1::bigint"))


@pytest.mark.parametrize("way", ["deleted", "moved", "replaced"])
def test_a_file_that_is_gone_while_it_is_in_use_acknowledges_nothing(tmp_path: Path, way: str) -> None:
    """SQLite writes on into a file that was deleted: what would be lost there is an error, and a new start works."""
    folder = tmp_path / "state"
    with SqlLedger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        ledger.record([make_prediction()])
        if way == "replaced":
            shutil.copyfile(folder / "ledger.db", tmp_path / "copy")
            (tmp_path / "copy").rename(folder / "ledger.db")
        else:
            folder.rename(tmp_path / "elsewhere")
            if way == "deleted":
                shutil.rmtree(tmp_path / "elsewhere")
        attempts: list[Callable[[], object]] = [
            lambda: ledger.record([make_prediction()]),
            lambda: ledger.append(make_event()),
            ledger.check_writable,
        ]
        for attempt in attempts:
            with pytest.raises(UnavailableError, match="deleted, moved or replaced") as gone:
                attempt()
            assert (gone.value.code, "start" in gone.value.next_step) == ("ledger.gone", True)
    with SqlLedger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        ledger.record([make_prediction()])
