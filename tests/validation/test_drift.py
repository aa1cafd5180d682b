"""Drift between two datasets, and over time within one, as a data check."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import stats

from tiltyard.cli.data.group import data_group as data_command
from tiltyard.cli.data.validate import validate_command as command
from tiltyard.drift import DriftOptions, detect_data_drift
from tiltyard.errors import UsageError
from tiltyard.findings import Finding
from tiltyard.validation import DataValidator, DriftReport, ValidationSection


def people(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Numbers, categories, booleans, gaps, times and a label."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.arange(rows) + 10_000 * seed,
            "age": random.normal(40, 10, rows).round(),
            "city": random.choice(["Oslo", "Rome", "Lima"], rows),
            "member": random.random(rows) < 0.5,
            "income": random.lognormal(3, 1, rows),
            "when": pd.date_range("2026-01-01", periods=rows, freq="h").astype(str),
            "label": random.choice(["yes", "no"], rows),
        }
    )
    frame.loc[random.random(rows) < 0.1, "income"] = np.nan
    return frame


def found(report: DriftReport) -> dict[tuple[str, str], Finding]:
    return {(finding.code, finding.subject): finding for finding in report.findings}


def test_rows_of_one_source_drift_no_more_often_than_the_stated_rate() -> None:
    """Of 60 pairs of samples of one distribution, no more are found to differ than the rate and chance allow."""
    reports = [
        DataValidator().validate_drift(people(seed=2 * seed), people(300, seed=2 * seed + 1), adversarial=False)
        for seed in range(60)
    ]
    alarms = [found(report) for report in reports if report.drift_detected]
    assert len(alarms) <= stats.binom.ppf(0.999, 60, DriftOptions().false_alarm_rate), alarms
    assert all(report.drift_detected or not report.findings for report in reports)


def test_a_dataset_has_not_drifted_from_itself() -> None:
    """No check finds a difference where there is none, a model that tells rows apart included."""
    report = DataValidator().validate_drift(people(), people())
    assert report.findings == ()
    assert report["told_apart"]["auc"] < 0.6
    assert {facts["distance"] for facts in report["feature_shift"].values()} == {0.0}


@pytest.mark.requirement("R-DATA-07")
def test_each_kind_of_drift_is_a_finding_with_score_and_limit() -> None:
    """Shifted numbers and labels, new categories, gaps, lost, renamed and retyped columns are different findings."""
    later = people(seed=1).rename(columns={"member": "is_member"})
    later["age"] += 15
    later.loc[:199, "city"] = "Bonn"
    later.loc[later.index % 2 == 0, "income"] = np.nan
    later["when"] = np.arange(600)
    later.loc[later.index % 5 < 4, "label"] = "yes"
    report = DataValidator().validate_drift(people(), later)
    by = found(report)
    age = by["drift.column", "age"]
    assert age.severity == "error"
    assert age.score is not None
    assert age.score > 0.4
    assert age.limit == 0.2
    assert "Kolmogorov" in age.message
    assert by["drift.new-values", "city"].severity == "error"
    assert by["drift.new-values", "city"].evidence["values"] == {"Bonn": 200}
    assert by["drift.missing", "income"].score == pytest.approx(0.45, abs=0.06)
    assert by["drift.label", "label"].severity == "error"
    assert by["drift.kind", "when"].evidence == {"reference": "time", "current": "number"}
    assert "It has is_member instead" in by["drift.columns-lost", "member"].message
    assert by["drift.columns-new", "is_member"].severity == "info"
    assert by["drift.told-apart", "inputs"].severity == "warning"
    assert ("drift.column", "id") not in by
    assert not report.passes()
    assert report.passes(ValidationSection(fail_on="never"))
    assert report.passes(ValidationSection(max_drift=1.0, ignore=("drift.columns-lost", "drift.kind:when")))
    assert json.loads(json.dumps(report.to_dict()))["passed"] is False


def test_texts_about_another_topic_are_found() -> None:
    """Texts of the same length about something else are found by a model that tells them apart."""
    random = np.random.default_rng(0)
    words = {
        "film": ["plot", "actor", "scene", "camera", "director"],
        "food": ["taste", "soup", "waiter", "dessert", "spicy"],
    }

    def texts(topic: str) -> pd.DataFrame:
        said = [" ".join(random.choice([*words[topic], "the", "was", "fine"], 9)) for _ in range(200)]
        return pd.DataFrame({"text": said, "label": random.choice(["p", "n"], 200)})

    validator = DataValidator()
    first = texts("film")
    assert "drift.told-apart" not in {code for code, _ in found(validator.validate_drift(first, texts("film")))}
    assert "drift.told-apart" in {code for code, _ in found(validator.validate_drift(first, texts("food")))}


def test_a_report_keeps_its_keys() -> None:
    """Programs that read the report in JSON find the same keys, whatever drifted."""
    later = people(seed=1).assign(age=lambda rows: rows["age"] + 15)
    report = DataValidator().validate_drift(people(), later).to_dict()
    assert set(report) == {"passed", "findings", "limits", "comparisons"}
    part = report["comparisons"][0]
    assert set(part) == {
        "reference", "current", "judged", "least_rows", "drift_detected", "columns", "kinds", "missing", "label_shift",
        "feature_shift", "new_values", "told_apart", "pictures",
    }  # fmt: skip
    test = {"test", "distance", "p_value", "adjusted_p_value", "limit", "drifted"}
    assert set(part["feature_shift"]["age"]) == test | {"subject"}
    assert set(part["label_shift"]) == test | {"judged", "train_shares", "test_shares"}
    assert set(part["missing"]["income"]) == test - {"test"} | {"reference", "current"}
    assert set(part["told_apart"]) >= {"judged", "rows", "auc", "interval"}
    assert set(part["pictures"]["age"]) == {"bins", "reference", "current", "says"}
    assert set(part["columns"]) == {"lost", "new"}


def test_too_few_rows_are_no_drift() -> None:
    """A handful of rows is reported as too few, and lost columns are reported all the same."""
    report = DataValidator().validate_drift(people(), people(20).drop(columns="age"))
    assert [(finding.code, finding.status) for finding in report.findings] == [
        ("drift.columns-lost", "found"),
        ("drift.column", "could_not_judge"),
    ]


def test_anything_but_a_dataset_is_refused() -> None:
    """An empty frame and a list of numbers are refused."""
    for wrong, says in ((pd.DataFrame({"a": []}), "no rows"), ([1, 2], "not a table")):
        with pytest.raises(UsageError, match=says):
            DataValidator().validate_drift(people(), wrong)


@pytest.mark.requirement("R-DATA-07")
def test_later_periods_are_compared_with_the_first() -> None:
    """A change in the middle of the data is found in the periods after it, which are named by their times."""
    frame = people(800)
    frame.loc[400:, "age"] += 20
    shuffled = frame.sample(frac=1, random_state=0, ignore_index=True)
    report = DataValidator().validate_drift_over_time(shuffled, "when", periods=4)
    drifted = [finding for finding in report.findings if finding.subject == "age"]
    assert [part["current"]["rows"] for part in report.comparisons] == [200, 200, 200]
    assert len(drifted) == 2
    assert all("2026-01-17" in finding.message or "2026-01-26" in finding.message for finding in drifted)
    assert report.comparisons[0]["reference"]["name"] == "2026-01-01 00:00:00 to 2026-01-09 07:00:00"
    for column, periods, says in (
        ("whn", 4, "Did you mean 'when'"),
        ("city", 4, "neither a time nor"),
        ("when", 900, "moments"),
    ):
        with pytest.raises(UsageError, match=says):
            DataValidator().validate_drift_over_time(frame, column, periods=periods)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project over people, with a later file next to it."""
    people().to_csv(tmp_path / "people.csv", index=False)
    people(seed=1).assign(age=lambda rows: rows["age"] + 15).to_csv(tmp_path / "later.csv", index=False)
    file = tmp_path / "tiltyard.toml"
    file.write_text(
        '[project]\nname = "people"\ntask = "tabular-classification"\n'
        '[data]\nsource = "people.csv"\nignore = ["id"]\ntime = "when"\n',
        encoding="utf-8",
    )
    return file


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), standalone_mode=False)


@pytest.mark.requirement("R-DATA-07")
def test_the_command_compares_data_with_a_file_or_a_snapshot(project: Path) -> None:
    """`validate --against` exits with 3 and a page of pictures where data has drifted, with 0 where not."""
    page = project.parent / "page.html"
    done = run(
        "--project", str(project), "--against", str(project.parent / "later.csv"), "--report", str(page), "--json"
    )
    assert (done.return_value, json.loads(done.stdout)["passed"]) == (3, False)
    assert {finding["code"] for finding in json.loads(done.stdout)["drift"]["findings"]} >= {"drift.column"}
    html = page.read_text(encoding="utf-8")
    assert "drift.column" in html
    assert 'class="other"' in html
    taken = CliRunner().invoke(data_command, ["snapshot", "--project", str(project), "--json"], catch_exceptions=False)
    fingerprint = json.loads(taken.stdout)["fingerprint"]
    same = run("--project", str(project), "--against", fingerprint, "--report", str(page))
    assert same.return_value == 0
    assert "Nothing has drifted" in same.stdout
    over_time = run("--project", str(project), "--periods", "3", "--report", str(page), "--json")
    assert len(json.loads(over_time.stdout)["drift"]["comparisons"]) == 2
    for words, says in (
        (("--against", "none.csv"), "does not exist"),
        (("--against", "later.csv", "--periods", "3"), "two references"),
        (("--against", "0" * 32), "no snapshot"),
    ):
        assert says in str(run("--project", str(project), *words).exception)


def test_spellings_of_one_category_are_no_drift() -> None:
    """Categories that differ in outer white space or the composition of accents are one, for both ways to compare."""
    current = pd.DataFrame({"town": ["café", "Hull", "Ēze"] * 100, "age": range(300)})
    other = {"café": " cafe\u0301", "Ēze": "E\u0304ze ", "Hull": "Hull"}
    reference = current.assign(town=current["town"].map(other))
    measured = DataValidator().validate_drift(reference, current, adversarial=False)
    assert not measured["new_values"]
    assert not measured["drift_detected"]
    assert not detect_data_drift(reference, current)["drift_detected"]
