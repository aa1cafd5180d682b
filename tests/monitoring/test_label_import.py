"""Labels from files, and the predictions most worth labelling."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from click.testing import CliRunner

from tiltyard.cli.main import cli
from tiltyard.errors import DataError
from tiltyard.ledger import Label
from tiltyard.monitoring.labels.label_import import (
    ImportOptions,
    LabelColumns,
    count_labels,
    import_labels,
    read_labels,
)
from tiltyard.project import load_project
from tiltyard.testing import NOON, MemoryLedger, make_prediction
from tiltyard.wiring import load_settings, open_ledger


def written(file: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as a file of its ending's kind."""
    frame = pd.DataFrame(rows)
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    elif file.suffix == ".parquet":
        frame.to_parquet(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_first_line_states_the_separator(tmp_path: Path) -> None:
    """A file of labels that Excel wrote, with the line sep=; above its header, is read like any other."""
    (tmp_path / "labels.csv").write_text("sep=;\r\nkey;label\r\norder-7;no, never\r\n", newline="")
    assert read_labels(tmp_path / "labels.csv").to_dict("records") == [{"key": "order-7", "label": "no, never"}]


@pytest.mark.requirement("R-PRED-06")
@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.parquet"])
def test_every_kind_of_row_is_counted_by_kind(tmp_path: Path, name: str) -> None:
    """New, corrected, repeated, late, unknown, unexpected, empty and broken rows are counted, with examples."""
    ledger = MemoryLedger()
    first, second, third = (make_prediction(at=NOON, key=key) for key in (None, "order-7", None))
    ledger.record([first, second, third])
    ledger.record_labels([Label(third.id, "positive", NOON, "before")])
    rows = [
        {"prediction_id": first.id, "key": "", "label": "positive", "labelled_at": (NOON + timedelta(1.5)).isoformat()},
        {"prediction_id": "", "key": "order-7", "label": "postive", "labelled_at": NOON.isoformat()},
        {"prediction_id": third.id, "key": "", "label": "negative", "labelled_at": (NOON + timedelta(0.1)).isoformat()},
        {"prediction_id": first.id, "key": "", "label": "positive", "labelled_at": ""},
        {"prediction_id": "nobody", "key": "", "label": "positive", "labelled_at": ""},
        {"prediction_id": first.id, "key": "", "label": "", "labelled_at": ""},
        {"prediction_id": "", "key": "", "label": "positive", "labelled_at": ""},
        {"prediction_id": first.id, "key": "", "label": "negative", "labelled_at": "yesterday"},
    ]
    frame = read_labels(written(tmp_path / name, rows))
    report = import_labels(ledger, "films", frame)
    content = report.to_dict()
    examples = content.pop("examples")
    assert content == {
        "rows": 8, "stored": 2, "corrected": 1, "repeated": 1, "superseded": 0, "rare": 0, "late": 1, "zoneless": 0,
        "unknown": 1, "ambiguous": 0, "unlabelled": 1, "unexpected": 1, "unexpected_labels": {"postive": 1},
        "ahead": 0, "invalid": 2, "set_aside": 4,
    }  # fmt: skip
    assert "nobody" in examples["unknown"][0]
    assert "postive" in examples["unexpected"][0]
    assert {label.prediction_id: label.label for label in ledger.labels()} == {
        first.id: "positive",
        third.id: "negative",
    }
    assert import_labels(ledger, "films", frame).stored == 0
    assert second.id not in {label.prediction_id for label in ledger.labels()}
    assert count_labels(ledger, "films")["coverage"] == 2 / 3


def test_an_older_label_changes_nothing(tmp_path: Path) -> None:
    """A label that is older than the one that counts is kept and does not count."""
    ledger = MemoryLedger()
    row = make_prediction(at=NOON)
    ledger.record([row])
    ledger.record_labels([Label(row.id, "positive", NOON + timedelta(hours=2), "before")])
    frame = pd.DataFrame({"prediction_id": [row.id], "label": ["negative"], "labelled_at": [NOON.isoformat()]})
    report = import_labels(ledger, "films", frame)
    assert (report.stored, report.superseded, report.corrected) == (1, 1, 0)
    assert [label.label for label in ledger.labels()] == ["positive"]


def test_times_are_read_in_the_zone_that_is_named() -> None:
    """A time without a zone is in the zone of the options, else UTC and counted; one in the future is set aside."""
    rows = [make_prediction(at=NOON) for _ in range(4)]
    ahead = datetime.now(UTC) + timedelta(days=400)
    times = ["2026-07-01T12:00:00", "2026-07-01T12:00:00+00:00", ahead.isoformat(), pd.Timestamp(2026, 7, 1, 12)]
    frame = pd.DataFrame({"prediction_id": [row.id for row in rows], "label": "positive", "labelled_at": times})
    for zone, hour, zoneless in ((ZoneInfo("Europe/Paris"), 10, 0), (None, 12, 2)):
        ledger = MemoryLedger()
        ledger.record(rows)
        report = import_labels(ledger, "films", frame, options=ImportOptions(timezone=zone))
        assert (report.stored, report.ahead, report.zoneless) == (3, 1, zoneless)
        hours = {label.prediction_id: label.at.astimezone(UTC).hour for label in ledger.labels()}
        assert hours == {rows[0].id: hour, rows[1].id: 12, rows[3].id: hour}


def test_an_import_that_stored_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import without a usable row ends with 1; one of labels that are known already ends with 0."""
    monkeypatch.chdir(tmp_path)
    project = '[project]\nname = "films"\nmodel = "films"\ntask = "text-classification"\n'
    data = '[data]\nsource = "a.csv"\ntext = "t"\nlabel = "verdict"\ntimezone = "Asia/Tokyo"\n'
    (tmp_path / "tiltyard.toml").write_text(project + data)
    row = make_prediction(at=NOON)
    with open_ledger(load_settings(load_project())) as ledger:
        ledger.record([row])
    written(tmp_path / "wrong.csv", [{"prediction_id": row.id, "label": "postive"}])
    refused = CliRunner().invoke(cli, ["feedback", "import", "wrong.csv"])
    assert isinstance(refused.exception, DataError)
    assert "'postive' (1)" in refused.output
    written(tmp_path / "empty.csv", [{"prediction_id": row.id, "label": "", "verdict": "positive"}])
    empty = CliRunner().invoke(cli, ["feedback", "import", "empty.csv"]).exception
    assert isinstance(empty, DataError)
    assert empty.next_step.startswith("Fill in its column 'label'")
    row_of_file = {"prediction_id": f" {row.id}", "verdict": "positive", "labelled_at": "2026-01-02T03:00:00"}
    written(tmp_path / "right.csv", [row_of_file])
    assert [CliRunner().invoke(cli, ["feedback", "import", "right.csv"]).exit_code for _ in range(2)] == [0, 0]
    named = CliRunner().invoke(cli, ["feedback", "import", "right.csv", "--label-column", "truth"])
    assert "has no column 'truth'" in str(named.exception)
    listed = json.loads(CliRunner().invoke(cli, ["feedback", "list", "--json"]).stdout)
    assert [label["at"] for label in listed] == ["2026-01-01T18:00:00+00:00"]
    unknown = CliRunner().invoke(cli, ["feedback", "import", "right.csv", "--timezone", "Europe/Pariss"])
    assert "Did you mean 'Europe/Paris'?" in str(unknown.exception)


@pytest.mark.parametrize("command", ["feedback", "label"])
def test_labels_that_were_not_taken_are_a_negative_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Where some labels were stored and some set aside, the import ends with 3, and says how many these are."""
    monkeypatch.chdir(tmp_path)
    project = '[project]\nname = "films"\nmodel = "films"\ntask = "text-classification"\n'
    (tmp_path / "tiltyard.toml").write_text(project + '[data]\nsource = "a.csv"\ntext = "t"\n')
    good, bad = make_prediction(at=NOON), make_prediction(at=NOON)
    with open_ledger(load_settings(load_project())) as ledger:
        ledger.record([good, bad])
    right = {"prediction_id": good.id, "label": "positive", "labelled_at": NOON.isoformat()}
    ahead = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    wrong = {
        "unexpected": {"prediction_id": bad.id, "label": "postive", "labelled_at": NOON.isoformat()},
        "unknown": {"prediction_id": "0" * 32, "label": "positive", "labelled_at": NOON.isoformat()},
        "ahead": {"prediction_id": bad.id, "label": "positive", "labelled_at": ahead},
        "invalid": {"prediction_id": bad.id, "label": "positive", "labelled_at": "soon"},
    }
    for kind, row in wrong.items():
        written(tmp_path / "some.csv", [right, row])
        done = CliRunner().invoke(cli, [command, "import", "some.csv", "--json"])
        found = json.loads(done.stdout)
        assert (done.exit_code, found["set_aside"], found[kind]) == (3, 1, 1), kind
    said = CliRunner().invoke(cli, [command, "import", "some.csv"])
    assert "1 row was not taken (exit code 3): correct it, and import the file again" in " ".join(said.output.split())
    empty = {"prediction_id": bad.id, "label": "", "labelled_at": NOON.isoformat()}
    written(tmp_path / "some.csv", [right, empty])
    assert CliRunner().invoke(cli, [command, "import", "some.csv"]).exit_code == 0


def test_a_file_without_the_columns_says_which_option_names_them(tmp_path: Path) -> None:
    """Missing columns are reported with the option that names another one."""
    with pytest.raises(DataError, match="truth") as caught:
        read_labels(written(tmp_path / "a.csv", [{"prediction_id": "x", "truth": "positive"}]))
    assert "--label-column" in caught.value.next_step
    with pytest.raises(DataError, match="neither") as caught:
        read_labels(written(tmp_path / "b.csv", [{"id": "x", "label": "positive"}]))
    assert "--id-column" in caught.value.next_step
    assert len(read_labels(tmp_path / "b.csv", LabelColumns(id="id"))) == 1


@pytest.mark.parametrize(
    ("content", "encoding"),
    [("key;label\n1;élevé\n2;bas\n", "cp1252"), ("key\tlabel\n1\télevé\n2\tbas\n", "utf-16")],
)
def test_labels_are_read_however_a_spreadsheet_wrote_them(tmp_path: Path, content: str, encoding: str) -> None:
    """Separator and encoding of a file of labels are detected; its first row holds names, and rows are even."""
    (tmp_path / "labels.csv").write_bytes(content.encode(encoding))
    frame = read_labels(tmp_path / "labels.csv")
    assert frame.to_dict("list") == {"key": ["1", "2"], "label": ["élevé", "bas"]}
    (tmp_path / "labels.csv").write_bytes((content + "3\n").encode(encoding))
    with pytest.raises(DataError, match="line 4 has 1 cell, and the header has 2"):
        read_labels(tmp_path / "labels.csv")


def test_the_time_has_the_name_of_the_http_field_too(tmp_path: Path) -> None:
    """A column ``at`` is the time of a label, as over HTTP, unless there is a ``labelled_at`` next to it."""
    (tmp_path / "a.csv").write_text("key,label,at\n8,1,2026-01-01\n")
    assert read_labels(tmp_path / "a.csv")["labelled_at"].to_list() == ["2026-01-01"]
    (tmp_path / "b.csv").write_text("key,label,at,labelled_at\n8,1,here,2026-01-01\n")
    assert read_labels(tmp_path / "b.csv")["at"].to_list() == ["here"]
