"""What is taken out of a ledger is gone, and that it was taken out is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.postgres import PostgresServer
from tiltyard.cli.main import cli
from tiltyard.errors import UsageError
from tiltyard.ledger import Label, Ledger, SqlLedger, export_predictions
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.pipeline.jobs.prediction_retention import (
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


@pytest.mark.requirement("R-SEC-03")
def test_erased_means_gone_with_labels_and_shadows(ledger: Ledger) -> None:
    """What is erased is in no listing and no export, nor are its labels, nor is its shadow prediction."""
    mine, other = make_prediction(key="customer-7"), make_prediction(key="customer-8")
    shadow = make_prediction(key=mine.id, route="shadow")
    ledger.record([mine, other, shadow])
    ledger.record_labels([Label(mine.id, "positive", NOON, "s"), Label(other.id, "positive", NOON, "s")])
    found = find_predictions(ledger, "films", Subject(key="customer-7"))
    assert remove_predictions(ledger, "films", found, ERASE, "key") == 2
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
    assert remove_predictions(ledger, "films", [mine], order, "key") == 2
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
    }
    assert run("erase", "--key", "k", "--reason", "asked", "--yes") == {"erased": 0, "named_by": "key"}
    refused = CliRunner().invoke(cli, ["predictions", "erase", "--key", "k", *project])
    assert refused.exit_code == 2
