"""The pages of monitoring, experiments and trials, over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from tests.console.conftest import Reader, running
from tests.monitoring.sample_predictions import make_labelled_predictions, make_monitored_version
from tiltyard.console.data.monitoring import monitoring_stamp
from tiltyard.console.data.try_it import inputs_from_file, inputs_from_form, inputs_from_json, predict_inputs
from tiltyard.console.sources import ConsoleSources, console_sources, form_columns
from tiltyard.errors import DataError, InputError, NotFoundError
from tiltyard.ledger import Label
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.run import evaluate_period
from tiltyard.project import Project
from tiltyard.registry import Manifest
from tiltyard.registry.package.stored_evaluation import ConfusedLabels, StoredEvaluation
from tiltyard.scoring import InputWarning, Scorer, Scores, UnknownPolicy
from tiltyard.settings import Settings
from tiltyard.tasks import LabelCategory, SetCalibration
from tiltyard.testing import MemoryLedger, make_finding, make_prediction
from tiltyard.testing.registry import MemoryRegistry

pytest.importorskip("dash")


class LengthScorer:
    """Long texts are positive, and so are people of 40."""

    classes = ("negative", "positive")
    kind = "length"

    def score(self, inputs: Any) -> Scores:
        sure = [len(str(row["text"])) > 10 if "text" in row else float(row["age"]) >= 40 for row in inputs]
        probabilities = np.asarray([[0.25, 0.75] if one else [0.75, 0.25] for one in sure])
        return Scores([self.classes[int(one)] for one in sure], probabilities)


def test_a_period_without_an_estimate_draws_none(films: Project, open_console: Any) -> None:
    """Where the page says that too few predictions are there for an estimate, no part of the period has a point."""
    now = datetime.now(UTC)
    ledger = MemoryLedger()
    ledger.record(make_labelled_predictions(20, at=now - timedelta(hours=2))[0])
    sources = ConsoleSources(monitored=make_monitored_version)
    shown = open_console(films, ledger, sources).render("monitoring", None)
    assert "No estimate: " in json.dumps(shown["monitoring-performance-words"])
    names = {trace["name"] for trace in shown["monitoring-performance"]["figure"]["data"]}
    assert "Estimated without labels" not in names


@dataclass(frozen=True)
class Champion:
    version: str = "7"
    scorer: Scorer = field(default_factory=LengthScorer)
    sets: SetCalibration | None = None


RUNS = pd.DataFrame(
    {
        "run_id": ["aaaa1111", "bbbb2222"],
        "run_name": ["tfidf-logreg", "nbsvm"],
        "status": ["FINISHED", "FAILED"],
        "start_time": pd.to_datetime(["2026-03-01T10:00Z", "2026-03-02T10:00Z"]),
        "params.candidate": ["tfidf-logreg", "nbsvm"],
        "params.random_state": ["42", "42"],
        "params.classifier__C": ["1.0", None],
        "metrics.accuracy": [0.8125, None],
        "metrics.precision": [0.75, None],
    }
)


@pytest.fixture
def people(films: Project) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "people", "task": "tabular-classification", "model": "films"},
            "data": {"source": "people.csv", "label": "kind"},
            "schema": {
                "age": {"type": "number", "minimum": 0},
                "member": {"type": "boolean"},
                "city": {"type": "category", "values": ["Bonn", "Ulm"]},
                "kind": {"type": "category"},
            },
        }
    )


@pytest.fixture
def open_console(registry: MemoryRegistry) -> Iterator[Any]:
    """Start a console with data sources in addition to registry and ledger."""
    with ExitStack() as stack:
        yield lambda project, ledger, sources: stack.enter_context(running(project, registry, ledger, sources))


@pytest.mark.requirement("R-DASH-02", "R-DASH-10")
def test_the_monitoring_page_shows_figures_and_findings(films: Project, open_console: Any) -> None:
    """State, champion, accuracy with labels and estimated, coverage, versions, drift and findings are on the page."""
    now = datetime.now(UTC)
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(400, at=now - timedelta(hours=2), truthful=0.2)
    ledger.record(rows)
    ledger.record_labels(labels[:300])
    champion = make_monitored_version()
    seen = evaluate_period(films, ledger, champion, until=now)
    ledger.findings.record(seen.records())
    ledger.findings.record(
        [make_finding(code="drift.number", subject="length", score=0.5, limit=0.1, message="Moved.", at=now)]
    )
    reader: Reader = open_console(films, ledger, ConsoleSources(monitored=lambda: champion))
    shown = reader.render("monitoring", None)
    facts = json.dumps(shown["monitoring-facts"])
    for words in ("Act", "v1", "400", "Accuracy, estimate"):
        assert words in facts
    assert "performance.degradation" in json.dumps(shown["monitoring-alerts"])
    figure = shown["monitoring-performance"]["figure"]
    assert {"With labels", "Estimated without labels", "At training"} <= {trace["name"] for trace in figure["data"]}
    (bars,) = [trace for trace in shown["monitoring-drift"]["figure"]["data"] if trace["type"] == "bar"]
    assert (bars["y"], bars["x"]) == (["length"], [5.0])
    assert "300 of 400 predictions (75.0%) have a label" in json.dumps(shown["monitoring-coverage-words"])
    # A bar is as wide as its time, but for the first one, which the period cuts.
    hours = [width / 3_600_000 / 0.92 for width in shown["monitoring-coverage"]["figure"]["data"][0]["width"]]
    assert hours[1:-1] == pytest.approx([1.0] * len(hours[1:-1]))
    assert max(hours[0], hours[-1]) <= 1.0 + 1e-9
    assert "labels contradict the estimate" in json.dumps(shown["monitoring-performance-words"])
    assert "could not" not in json.dumps(shown["monitoring-history"])
    assert reader.render("monitoring", None, "?period=century")["monitoring-frame"] == {"hidden": False}


@pytest.mark.requirement("R-MON-16")
def test_the_evaluation_page_shows_the_champion_or_the_newest(
    films: Project, registry: MemoryRegistry, add_version: Any, open_console: Any
) -> None:
    """Each version's own tables are shown; one that was made elsewhere says that it holds none."""
    add_version("champion")
    add_version()
    stored = StoredEvaluation(3, "accuracy", 1.0, {}, ("no", "yes"), (ConfusedLabels(0, 0, 2), ConfusedLabels(1, 1, 1)))
    sources = ConsoleSources(evaluation=lambda info: stored if info.version == "1" else None)
    reader = open_console(films, MemoryLedger(), sources)
    champion = reader.render("evaluation")
    assert "3 test rows" in json.dumps(champion["evaluation-tables"])
    assert '"v1"' in json.dumps(champion["evaluation-title"])
    newest = reader.render("evaluation", None, "?version=newest")
    assert "holds no evaluation" in json.dumps(newest["evaluation-instead"])


@pytest.mark.requirement("R-DASH-16")
def test_the_monitoring_page_refreshes_after_a_run_or_a_minute() -> None:
    """Its stamp stays while nothing happens, and changes with a new finding, another stretch, and every minute."""
    ledger, now = MemoryLedger(), datetime(2026, 3, 1, 12, tzinfo=UTC)
    before = monitoring_stamp(ledger, "films", "day", now)
    assert monitoring_stamp(ledger, "films", "day", now + timedelta(seconds=59)) == before
    assert monitoring_stamp(ledger, "films", "day", now + timedelta(seconds=60)) != before
    assert monitoring_stamp(ledger, "films", "week", now) != before
    ledger.findings.record([make_finding()])
    assert monitoring_stamp(ledger, "films", "day", now) != before


def test_a_model_without_predictions_names_the_next_command(films: Project, open_console: Any) -> None:
    """Without predictions and findings the monitoring page names the commands that bring them."""
    shown = open_console(films, MemoryLedger(), ConsoleSources()).render("monitoring")
    assert "tiltyard monitor" in json.dumps(shown["monitoring-instead"])


@pytest.mark.requirement("R-DASH-01", "R-DASH-04", "R-DASH-06")
def test_experiments_show_runs_parameters_and_metrics(films: Project, open_console: Any) -> None:
    """Every run is a row with its metrics; parameters that differ are a table, the others are listed once."""
    reader = open_console(films, MemoryLedger(), ConsoleSources(runs=lambda: RUNS))
    shown = reader.render("experiments")
    runs = json.dumps(shown["experiments-runs"])
    for words in ("tfidf-logreg", "nbsvm", "failed", "0.8125", "0.7500", "2026-03-02 10:00"):
        assert words in runs
    parameters = json.dumps(shown["experiments-parameters"])
    assert "candidate" in parameters
    assert "classifier__C" in parameters
    assert parameters.index("The same in all runs") < parameters.index("random_state")
    traces = {trace["name"]: trace for trace in shown["experiments-metrics"]["figure"]["data"]}
    assert traces["Accuracy"]["y"] == [0.8125, None]
    assert reader.render("experiments", shown["experiments-seen"]["data"]) == {}
    empty = open_console(films, MemoryLedger(), ConsoleSources()).render("experiments")
    assert "tiltyard train" in json.dumps(empty["experiments-instead"])


@pytest.mark.requirement("R-DASH-12", "R-DASH-13", "R-DASH-14")
def test_the_champion_predicts_from_form_json_and_file(films: Project, open_console: Any) -> None:
    """A text from the form, several as JSON and a file get labels, confidence and a plot."""
    reader: Reader = open_console(films, MemoryLedger(), ConsoleSources(champion=Champion))
    assert "No input yet" in json.dumps(reader.render("trial")["trial-instead"])
    by_form = reader.render("trial", None, **{"trial-ask": 1, "trial-field-0": "a long enough text"})
    facts = json.dumps(by_form["trial-result"])
    for words in ("positive", "of version 7", "75.0%"):
        assert words in facts
    (bars,) = by_form["trial-probabilities"]["figure"]["data"]
    assert dict(zip(bars["y"], bars["x"], strict=True)) == {"negative": 0.25, "positive": 0.75}
    two = json.dumps({"instances": [{"text": "short"}, {"text": "a long enough text"}]})
    by_json = reader.render("trial", None, "?mode=json", **{"trial-ask": 1, "trial-json": two})
    assert "a long enough text" in json.dumps(by_json["trial-answers"])
    content = "data:text/csv;base64," + base64.b64encode(b"text,label\nshort,x\na long enough text,y\n").decode()
    by_file = reader.render("trial", None, "?mode=file", **{"trial-file": content, "trial-file.filename": "t.csv"})
    assert "negative 1, positive 1" in json.dumps(by_file["trial-result"])


def test_prediction_sets_are_shown_for_the_confidence_that_is_chosen(films: Project, open_console: Any) -> None:
    """A column names the labels; a confidence that the champion cannot carry is an error with the next step."""
    category = LabelCategory(labels=("negative", "positive"), rows=19, units=19, scores=tuple([0.2] * 16 + [0.76] * 3))
    sets = SetCalibration(classes=("negative", "positive"), categories=(category,), level=0.9)
    champion = Champion(sets=sets)
    reader: Reader = open_console(films, MemoryLedger(), ConsoleSources(champion=lambda: champion))
    chosen = {"trial-ask": 1, "trial-field-0": "a long enough text"}
    assert "Prediction set" not in json.dumps(reader.render("trial", None, "", **chosen)["trial-answers"])
    shown = json.dumps(reader.render("trial", None, "?level=0.95", **chosen)["trial-answers"])
    assert "Prediction set" in shown
    assert "positive, negative" in shown
    assert "positive, negative" not in json.dumps(reader.render("trial", None, "?level=0.8", **chosen))
    refused = json.dumps(reader.render("trial", None, "?level=0.99", **chosen)["trial-instead"])
    assert "Ask for at most 0.95" in refused


class NumberScorer:
    """Predicts the age, in an interval that is open above."""

    classes = ()
    kind = "number"

    def score(self, inputs: Any) -> Scores:
        numbers = np.asarray([float(row["age"]) for row in inputs])
        ends = np.column_stack([numbers - 1.5, np.full(len(numbers), np.inf)])
        return Scores([repr(number) for number in numbers], np.empty((len(numbers), 0)), None, numbers, ends)


def test_a_number_comes_with_its_interval_and_no_probabilities(people: Project, open_console: Any) -> None:
    """A project of numbers has a page to try the champion too: alone, and as the mean of several."""
    section = people.project.model_copy(update={"task": "tabular-regression"})
    rents = people.model_copy(update={"project": section})
    champion = Champion(scorer=NumberScorer())
    reader: Reader = open_console(rents, MemoryLedger(), ConsoleSources(champion=lambda: champion))
    one = reader.render("trial", None, "?mode=json", **{"trial-ask": 1, "trial-json": '{"age": 41.5}'})
    facts = json.dumps(one["trial-result"])
    assert "41.5" in facts
    assert "40 to open" in facts
    assert "Confidence" not in facts
    assert "trial-probabilities" not in one
    two = json.dumps([{"age": 40}, {"age": 44}])
    many = json.dumps(reader.render("trial", None, "?mode=json", **{"trial-ask": 1, "trial-json": two}))
    assert "Mean prediction" in many
    assert '"42"' in many


def test_predicted_numbers_are_listed_with_their_intervals(people: Project, open_console: Any) -> None:
    """The page of predictions counts numbers together, shows where they lie, and has neither labels nor confidence."""
    section = people.project.model_copy(update={"task": "tabular-regression"})
    rents = people.model_copy(update={"project": section})
    ledger = MemoryLedger()
    now = datetime.now(UTC) - timedelta(minutes=5)
    ledger.record(
        [
            make_prediction(
                id=f"n-{number}",
                at=now,
                input={"features": {"age": number}},
                label=repr(float(number)),
                confidence=None,
                probabilities={},
                interval=(number - 1.5, None),
            )
            for number in range(40, 51)
        ]
    )
    reader: Reader = open_console(rents, ledger, ConsoleSources())
    shown = reader.render("predictions", None)
    words = json.dumps(shown)
    for expected in ("Mean prediction", '"45"', "48.5 to open", "half is at most", "Interval"):
        assert expected in words
    assert "onfidence" not in json.dumps([shown["predictions-facts"], shown["predictions-recent"]])
    assert [trace["name"] for trace in shown["predictions-timeline"]["figure"]["data"]] == ["predictions"]
    assert sum(shown["predictions-confidence"]["figure"]["data"][0]["y"]) == 11
    assert "Distribution" in reader.open("/predictions")


def test_an_error_of_numbers_is_shown_in_the_labels_unit(people: Project, open_console: Any) -> None:
    """The monitoring page writes a mean absolute error as it is, and never as a percentage."""
    section = people.project.model_copy(update={"task": "tabular-regression"})
    training = people.training.model_copy(update={"metric": "mae"})
    rents = people.model_copy(update={"project": section, "training": training})
    ledger = MemoryLedger()
    now = datetime.now(UTC) - timedelta(minutes=5)
    rows = [
        make_prediction(
            id=f"n-{number}",
            at=now,
            input={"features": {"age": number}},
            label=repr(float(number)),
            confidence=None,
            probabilities={},
            interval=(number - 90.0, number + 90.0),
        )
        for number in range(100, 220)
    ]
    ledger.record(rows)
    ledger.record_labels([Label(one.id, repr(float(one.label) + 43.5), now, "test") for one in rows])
    manifest = Manifest(
        model_name="films",
        task="tabular-regression",
        candidate="ridge",
        classes=(),
        columns={"age": "float64"},
        metrics={"mae": 40.0},
        data_fingerprint="rows",
        train_rows=400,
        created_at=now,
        files={},
        libraries={},
    )
    champion = MonitoredVersion("films", "1", (), {"mae": 40.0}, manifest=manifest)
    reader: Reader = open_console(rents, ledger, ConsoleSources(monitored=lambda: champion))
    facts = json.dumps(reader.render("monitoring", None)["monitoring-facts"])
    assert '"43.5"' in facts
    assert '%"' not in facts.replace("95 % of the predictions", "")


@pytest.mark.requirement("R-DASH-11")
def test_invalid_inputs_are_reported(films: Project, open_console: Any) -> None:
    """An empty text, invalid JSON and a missing champion are errors with a next step, without traceback."""
    reader: Reader = open_console(films, MemoryLedger(), ConsoleSources(champion=Champion))
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("", {"trial-field-0": " "}, "The text is empty."),
        ("?mode=json", {"trial-json": "{oops"}, "This is not JSON"),
        ("?mode=json", {"trial-json": '{"text": "a", "text": "b"}'}, "names the key 'text' twice"),
        ("?mode=json", {"trial-json": "[]"}, "There is no input"),
    )
    for address, inputs, words in cases:
        shown = reader.render("trial", None, address, **{"trial-ask": 1, **inputs})
        assert words in json.dumps(shown["trial-instead"])
        assert shown["trial-frame"] == {"hidden": True}
    without: Reader = open_console(films, MemoryLedger(), ConsoleSources())
    shown = without.render("trial", None, **{"trial-ask": 1, "trial-field-0": "text"})
    assert "tiltyard train --champion" in json.dumps(shown["trial-instead"])


@pytest.mark.requirement("R-DASH-11")
def test_a_table_has_a_field_for_each_feature(people: Project, open_console: Any) -> None:
    """The form has a field a feature, with its range or choices; the values, also others, are the scorer's to read."""
    columns = form_columns(people)
    assert list(columns) == ["age", "member", "city"]
    reader: Reader = open_console(people, MemoryLedger(), ConsoleSources(champion=Champion, columns=columns))
    page = reader.open("/try")
    for words in ('"trial-field-2"', "Bonn / Ulm", "true / false", '"list": "trial-field-2-known"', "Datalist"):
        assert words.replace(" ", "") in page.replace(" ", "")
    # A browser drops a number outside of limits, and then nobody learns that it was not predicted with.
    assert '"min":' not in page.replace(" ", "")
    fields: dict[str, Any] = {"trial-field-0": "41.5", "trial-field-1": "true", "trial-field-2": ""}
    shown = reader.render("trial", None, **{"trial-ask": 1, **fields})
    assert "age 41.5, member true, city" in json.dumps(shown["trial-answers"], ensure_ascii=False)


@pytest.mark.requirement("R-DASH-12")
def test_inputs_are_read_from_every_form(films: Project, people: Project, tmp_path: Path) -> None:
    """JSON with or without wrapping, files of texts and of rows (the label left out) become inputs; others do not."""

    def upload(raw: bytes) -> str:
        return "data:;base64," + base64.b64encode(raw).decode()

    assert inputs_from_json(films, '"one"') == inputs_from_json(films, '{"text": "one"}') == [{"text": "one"}]
    assert (
        inputs_from_json(people, '{"features": {"age": 4}}') == inputs_from_json(people, '[{"age": 4}]') == [{"age": 4}]
    )
    assert inputs_from_file(films, "a.txt", upload(b"one\n\ntwo\n")) == [{"text": "one"}, {"text": "two"}]
    assert inputs_from_file(people, "a.csv", upload(b"age,city,kind\n4,Bonn,x\n")) == [{"age": "4", "city": "Bonn"}]
    assert inputs_from_form(people, {"age": "number", "member": "boolean"}, ["", "no"]) == [
        {"age": None, "member": "no"}
    ]
    with pytest.raises(InputError, match=r"\.exe"):
        inputs_from_file(films, "a.exe", upload(b"x"))
    with pytest.raises(InputError, match="incomplete"):
        inputs_from_file(films, "a.csv", "data:;base64,***")
    with pytest.raises(DataError):
        inputs_from_file(films, "a.parquet", upload(b"x"))
    with pytest.raises(InputError, match="too many"):
        inputs_from_json(films, json.dumps(["x"] * 1001))
    with pytest.raises(InputError, match="no text in the column"):
        inputs_from_file(films, "a.csv", upload(b"words,label\nx,y\n"))
    with pytest.raises(NotFoundError):
        predict_inputs(None, [{"text": "x"}])


def test_the_page_refuses_what_the_server_refuses() -> None:
    """Unknown columns are refused as on /predict, and unknown values where the project refuses them; else both warn."""

    class WarningScorer(LengthScorer):
        def score(self, inputs: Any) -> Scores:
            found = [
                [InputWarning("agee", "unknown-column", 1, "is unknown")] if "agee" in row else
                [InputWarning("age", "out-of-range", 99, "is high")] for row in inputs
            ]  # fmt: skip
            return msgspec.structs.replace(super().score(inputs), warnings=found)

    champion = Champion(scorer=WarningScorer())
    [trial] = predict_inputs(champion, [{"age": 99}])
    assert [warning.code for warning in trial.warnings] == ["out-of-range"]
    with pytest.raises(InputError, match="is unknown"):
        predict_inputs(champion, [{"age": 9, "agee": 1}])
    with pytest.raises(InputError, match="is high"):
        predict_inputs(champion, [{"age": 99}], UnknownPolicy(values="refuse"))


def test_uploaded_rows_are_read_as_the_project_says(people: Project) -> None:
    """A file like the project's own follows its separators and encoding; how another is written is detected."""
    written = {"separator": ";", "decimal": ",", "encoding": "latin-1", "columns": ("age", "city")}
    project = people.model_copy(update={"data": people.data.model_copy(update={"source": "p.csv", **written})})

    def read(name: str, raw: bytes) -> list[dict[str, Any]]:
        return inputs_from_file(project, name, "data:;base64," + base64.b64encode(raw).decode())

    assert read("a.csv", "4,5;Köln\n".encode("latin-1")) == [{"age": "4,5", "city": "Köln"}]
    assert read("a.tsv", "age\tcity\n4.5\tKöln\n".encode()) == [{"age": "4.5", "city": "Köln"}]
    assert read("a.json", '[{"age": 4.5, "city": "Köln"}]'.encode()) == [{"age": 4.5, "city": "Köln"}]


def test_without_a_champion_the_sources_are_empty(films: Project, registry: MemoryRegistry, tmp_path: Path) -> None:
    """On a host without a champion there are no figures of one, and nobody to ask."""

    sources = console_sources(replace_root(films, tmp_path), Settings(root=tmp_path, home=tmp_path), registry)
    assert sources.monitored() is None
    assert sources.champion() is None


def replace_root(project: Project, root: Path) -> Project:
    return project.model_copy(update={"root": root})
