"""What is taken out of a ledger is gone, and that it was taken out is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.postgres import PostgresServer
from tiltyard.cli.main import cli
from tiltyard.errors import UsageError
from tiltyard.ledger import Label, Ledger, Prediction, SqlLedger, export_predictions
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.ledger.codec import encode_predictions
from tiltyard.pipeline.jobs.prediction_retention import (
    Removal,
    RetentionRequest,
    Subject,
    find_predictions,
    prune,
    remove_predictions,
)
from tiltyard.testing import NOON, MemoryLedger, make_prediction

ERASE = RetentionRequest("erased", "ada", "asked by the customer")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as opened:
        yield opened


def set_clock(ledger: Ledger, now: datetime) -> None:
    """Let the ledger's clock show this time, whatever the clock of the host shows."""
    assert isinstance(ledger, SqlLedger | MemoryLedger)
    ledger.leases.clock = ledger.retention.clock = lambda: now


def receive(ledger: Ledger, *rows: Prediction) -> None:
    """Let predictions come from a spool of another host."""
    ledger.arrivals.receive(encode_predictions(rows), "b:0")


@pytest.mark.requirement("R-SEC-03")
def test_erased_means_gone_with_labels_and_shadows(ledger: Ledger) -> None:
    """What is erased is in no listing and no export, nor are its labels, nor is its shadow prediction."""
    mine, other = make_prediction(key="customer-7"), make_prediction(key="customer-8")
    shadow = make_prediction(key=mine.id, route="shadow")
    ledger.record([mine, other, shadow])
    ledger.record_labels([Label(mine.id, "positive", NOON, "s"), Label(other.id, "positive", NOON, "s")])
    assert remove_predictions(ledger, "films", Subject(key="customer-7"), ERASE) == Removal(2)
    assert [row.id for row in ledger.predictions()] == [other.id]
    assert [label.prediction_id for label in ledger.labels()] == [other.id]
    (event,) = ledger.events(kind="erased")
    assert event.evidence == {"predictions": 2, "named_by": "key"}
    assert (event.actor, event.reason) == ("ada", "asked by the customer")
    assert "customer-7" not in json.dumps(event.evidence)
    assert ledger.verify_events() == []
    assert ledger.retention.erase([mine.id, "nobody"]) == 0


@pytest.mark.requirement("R-SEC-03")
def test_redacted_means_that_only_the_prediction_is_left(ledger: Ledger) -> None:
    """The input and the key of a redacted prediction, and the shadow's input, are gone; prediction and label stay."""
    mine = make_prediction(key="customer-7", input={"text": "I am Ada."})
    shadow = make_prediction(key=mine.id, route="shadow", input={"text": "I am Ada."})
    ledger.record([mine, shadow])
    ledger.record_labels([Label(mine.id, "negative", NOON, "s")])
    order = RetentionRequest("redacted", "ada", "asked")
    assert remove_predictions(ledger, "films", Subject(key="customer-7"), order) == Removal(2)
    rows = {row.id: row for row in ledger.predictions()}
    assert all(is_redacted(row.input) for row in rows.values())
    assert (rows[mine.id].key, rows[mine.id].label, rows[mine.id].confidence) == (None, mine.label, mine.confidence)
    assert [label.label for _, label in ledger.labelled_predictions()] == ["negative"]
    assert find_predictions(ledger, "films", Subject(containing="ada")) == []


@pytest.mark.requirement("R-PRED-08")
def test_old_predictions_are_pruned(ledger: Ledger) -> None:
    """Of predictions only the kept days are left; pruning again erases nothing and appends no event."""
    rows = [make_prediction(at=NOON - timedelta(days=days)) for days in range(5)]
    other = make_prediction(at=NOON - timedelta(days=90), project="songs")
    ledger.record([*rows, other])
    keep = timedelta(days=2, hours=12)
    assert prune(ledger, "films", keep=keep, actor="ada", now=NOON) == 2
    assert {row.id for row in ledger.predictions()} == {other.id, *(row.id for row in rows[:3])}
    assert prune(ledger, "films", keep=keep, actor="ada", now=NOON) == 0
    assert [event.kind for event in ledger.events()] == ["pruned"]


@pytest.mark.requirement("R-PRED-08")
def test_the_ledger_says_how_old_predictions_are(ledger: Ledger) -> None:
    """What is pruned is old by the ledger's clock, what is erased was made until its now: no host's clock counts."""
    row = make_prediction(at=NOON - timedelta(days=5), key="seven")
    ledger.record([row])
    for days, left in ((-365, 1), (1, 1), (6, 0)):
        set_clock(ledger, NOON + timedelta(days=days - 5))
        prune(ledger, "films", keep=timedelta(days=5), actor="ada")
        assert len(list(ledger.predictions())) == left, days
    set_clock(ledger, NOON)
    remove_predictions(ledger, "films", Subject(key="eight"), ERASE)
    receive(ledger, *(make_prediction(key="eight", at=NOON + timedelta(hours=hours)) for hours in (-1, 1)))
    assert [row.at for row in ledger.predictions()] == [NOON + timedelta(hours=1)]


@pytest.mark.requirement("R-SEC-03")
def test_a_key_means_the_items_of_its_list(ledger: Ledger) -> None:
    """Erasing a key erases the items of the list that was sent with it, what was set aside, and what a spool brings."""
    keys = ("seven", "seven/0", "seven/1", "seventy", "seven/x", None)
    rows = [make_prediction(key=key) for key in keys]
    late = [make_prediction(key=key) for key in ("seven", "seven/2", "seventy/0")]
    ledger.record(rows)
    receive(ledger, *(replace(row, label="negative") for row in rows))
    assert remove_predictions(ledger, "films", Subject(key="seven"), ERASE) == Removal(3, set_aside=3)
    receive(ledger, *rows, *late)
    assert {row.key for row in ledger.predictions()} == {"seventy", "seven/x", None, "seventy/0"}
    assert {record.key for record in ledger.arrivals.select()} == {"seventy", "seven/x", None}
    (event,) = ledger.events(kind="erased")
    assert event.evidence == {"predictions": 3, "named_by": "key", "set_aside": 3}


def test_an_id_that_is_not_known_yet_is_erased_when_it_comes(ledger: Ledger) -> None:
    """An id that a spool still has is erased too, and the decision recorded; one of another model is not."""
    unseen, other = make_prediction(), make_prediction(project="songs")
    ledger.record([other])
    assert remove_predictions(ledger, "films", Subject(id=other.id), ERASE) == Removal()
    assert list(ledger.events()) == []
    assert remove_predictions(ledger, "films", Subject(id=unseen.id), ERASE) == Removal()
    receive(ledger, unseen, other)
    assert [row.id for row in ledger.predictions()] == [other.id]
    assert [event.evidence["predictions"] for event in ledger.events(kind="erased")] == [0]


def test_words_are_found_in_what_was_set_aside(ledger: Ledger) -> None:
    """Erasing by content erases the records with these words that were set aside, and no others."""
    rows = [make_prediction(), make_prediction()]
    ledger.record(rows)
    receive(ledger, replace(rows[0], input={"text": "I am Ada."}), replace(rows[1], input={"text": "I am Bob."}))
    assert remove_predictions(ledger, "films", Subject(containing="ADA"), ERASE) == Removal(0, set_aside=1)
    assert [record.subject for record in ledger.arrivals.select()] == [rows[1].id]
    assert len(list(ledger.predictions())) == 2


def test_the_content_says_who_is_meant(ledger: Ledger) -> None:
    """Words are found in texts and features of any depth, in any case; one of three ways must be chosen."""
    rows = [make_prediction(input=given) for given in ({"text": "Call ADA now"}, {"who": ["Ada"]}, {"text": "nobody"})]
    ledger.record(rows)
    assert len(find_predictions(ledger, "films", Subject(containing="ada"))) == 2
    assert len(find_predictions(ledger, "films", Subject(id=rows[2].id))) == 1
    assert find_predictions(ledger, "songs", Subject(id=rows[2].id)) == []
    for wrong in ({}, {"key": "a", "id": "b"}, {"containing": " "}):
        with pytest.raises(UsageError):
            Subject(**wrong)


def test_erased_words_are_in_no_file_of_sqlite(tmp_path: Path) -> None:
    """After an erasure the bytes of the input stand neither in the database nor in its log."""
    secret = "a very particular secret"
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as opened:
        row = make_prediction(input={"text": secret})
        opened.record([row, make_prediction()])
        opened.retention.erase([row.id])
        files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert secret.encode() not in files
        export_predictions(opened, tmp_path / "out.jsonl")
    assert secret not in (tmp_path / "out.jsonl").read_text()


@pytest.mark.requirement("R-PRED-08", "R-SEC-03")
def test_prune_and_erase_work_from_the_command_line(tmp_path: Path) -> None:
    """``predictions prune`` and ``predictions erase`` do it from the command line, and report how many."""
    (tmp_path / "tiltyard.toml").write_text(
        '[project]\nname = "films"\ntask = "text-classification"\nmodel = "films"\n'
        '[data]\nsource = "r.csv"\ntext = "text"\n[monitoring]\nkeep_days = 30\n'
    )
    with SqlLedger.open(f"sqlite:///{tmp_path}/.tiltyard/ledger.db") as opened:
        now = datetime.now(UTC)
        opened.record([make_prediction(at=now, key="k"), make_prediction(at=now - timedelta(days=40))])
    project = ["--project", str(tmp_path)]

    def run(*words: str) -> dict[str, object]:
        done = CliRunner().invoke(cli, ["predictions", *words, *project, "--json"], catch_exceptions=False)
        output: dict[str, object] = json.loads(done.stdout)
        return output

    assert run("prune") == {"erased": 1, "keep_days": 30.0}
    assert run("erase", "--key", "k", "--reason", "asked", "--redact", "--yes") == {
        "redacted": 1,
        "named_by": "key",
        "set_aside": 0,
    }
    assert run("erase", "--key", "k", "--reason", "asked", "--yes") == {"erased": 0, "named_by": "key", "set_aside": 0}
    refused = CliRunner().invoke(cli, ["predictions", "erase", "--key", "k", *project])
    assert refused.exit_code == 2


def test_what_was_set_aside_is_listed_and_discarded_from_the_command_line(tmp_path: Path) -> None:
    """``predictions set-aside`` lists records and counts, and ``doctor`` counts them; discarding is recorded."""
    (tmp_path / "tiltyard.toml").write_text(
        '[project]\nname = "films"\ntask = "text-classification"\nmodel = "films"\n'
        '[data]\nsource = "r.csv"\ntext = "text"\n'
    )
    url = f"sqlite:///{tmp_path}/.tiltyard/ledger.db"
    row, gone = make_prediction(), make_prediction()
    with SqlLedger.open(url) as opened:
        opened.record([row])
        opened.retention.erase([gone.id])
        receive(opened, replace(row, label="negative"), gone)

    def run(*words: str) -> str:
        words = ("predictions", "set-aside", *words, "--project", str(tmp_path))
        done = CliRunner().invoke(cli, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    listed = json.loads(run("--json"))
    assert {(count["reason"], count["rows"]) for count in listed["counts"]} == {("differs", 1), ("erased", 1)}
    assert [record["content"]["label"] for record in listed["records"]] == ["negative"]
    text = run()
    assert "differs prediction" in text
    assert row.id in text.replace("\n", "")
    refused = CliRunner().invoke(cli, ["predictions", "set-aside", "--discard", "--project", str(tmp_path)])
    assert isinstance(refused.exception, UsageError)
    doctor = CliRunner().invoke(cli, ["doctor", "--json", "--project", str(tmp_path)])
    [check] = [check for check in json.loads(doctor.stdout)["checks"] if check["name"] == "set aside"]
    assert check["found"] == "1 record with the id of another prediction, which the ledger holds"
    assert json.loads(run("--discard", "--reason", "compared by hand", "--json")) == {"discarded": 1}
    with SqlLedger.open(url) as opened:
        assert list(opened.arrivals.select()) == []
        assert [(event.kind, event.reason) for event in opened.events()] == [("discarded", "compared by hand")]


def test_the_question_before_erasing_counts_the_items_of_lists(tmp_path: Path) -> None:
    """``predictions erase`` names how many are items of lists before it erases, and does nothing without a yes."""
    (tmp_path / "tiltyard.toml").write_text(
        '[project]\nname = "films"\ntask = "text-classification"\nmodel = "films"\n'
        '[data]\nsource = "r.csv"\ntext = "text"\n'
    )
    url = f"sqlite:///{tmp_path}/.tiltyard/ledger.db"
    with SqlLedger.open(url) as opened:
        opened.record([make_prediction(key=key) for key in ("k", "k/0", "k/1")])
    words = ["predictions", "erase", "--key", "k", "--reason", "requested", "--project", str(tmp_path)]
    shown = CliRunner().invoke(cli, words, input="n\n")
    assert "Erase 3 predictions (2 of them are items of lists) permanently?" in shown.output
    with SqlLedger.open(url) as opened:
        assert opened.prediction_stats().total == 3
        assert list(opened.events()) == []
    done = CliRunner().invoke(cli, words, input="y\n")
    assert "3 predictions erased." in done.output
    with SqlLedger.open(url) as opened:
        assert opened.prediction_stats().total == 0
