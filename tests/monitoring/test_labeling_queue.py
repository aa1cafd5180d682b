"""The predictions most worth labelling, the random ones among them, and what their labels are good for."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tests.monitoring.sample_predictions import make_labelled_predictions, number_predictions
from tiltyard.cli.main import cli
from tiltyard.errors import UsageError
from tiltyard.ledger import RANDOM, LabelRequest, Prediction, SqlLedger
from tiltyard.ledger.arrivals import redact_input
from tiltyard.ledger.model_events import DECISION
from tiltyard.monitoring.labels.labeling_queue import (
    ABSTAINED,
    DRIFTED,
    UNCERTAIN,
    QueueOptions,
    mix_reasons,
    select_predictions_to_label,
)
from tiltyard.monitoring.labels.sample_check import check_label_sample
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.tasks import DecisionRule
from tiltyard.testing import NOON, MemoryLedger, make_event, make_prediction


def test_the_queue_holds_the_uncertain_the_unfamiliar_and_some_at_random() -> None:
    """Each reason gets its share, the worst cases first, labelled and redacted ones never, copies only by chance."""
    ledger = MemoryLedger()
    rows, labels = number_predictions(*make_labelled_predictions(200))
    odd = make_prediction(
        at=NOON, id="odd7", input={"text": "zygote quark xylophone"}, probabilities={"negative": 0.01, "positive": 0.99}
    )
    copy = make_prediction(at=NOON, id="copy7", input=odd.input, probabilities=odd.probabilities)
    gone = make_prediction(at=NOON, input=redact_input("asked"), probabilities={"negative": 0.5, "positive": 0.5})
    ledger.record([*rows, odd, copy, gone])
    ledger.record_labels(labels[:50])
    reference = pd.Series([row.input["text"] for row in rows])
    found = select_predictions_to_label(ledger, "films", QueueOptions(40), reference).candidates
    reasons = [one.reason for one in found]
    assert (len(found), reasons.count(UNCERTAIN), reasons.count(DRIFTED), reasons.count(RANDOM)) == (40, 20, 10, 10)
    chosen = [one.prediction.id for one in found]
    assert len(set(chosen)) == 40
    assert not {label.prediction_id for label in labels[:50]} & set(chosen)
    assert gone.id not in chosen
    assert len({odd.id, copy.id} & set(chosen)) == 1
    assert next(one for one in found if one.reason == DRIFTED).prediction.id in (odd.id, copy.id)
    sure = [abs(one.prediction.probabilities["positive"] - 0.5) for one in found if one.reason == UNCERTAIN]
    assert sure == sorted(sure)
    everything = select_predictions_to_label(ledger, "films", QueueOptions(10_000), reference)
    assert {one.prediction.id for one in everything.candidates} == {row.id for row in (*rows[50:], odd, copy)}
    assert {(one.reason, one.probability) for one in everything.requests} == {(RANDOM, 1.0)}
    known = select_predictions_to_label(ledger, "films", QueueOptions(10))
    assert {one.reason for one in known.candidates} == {UNCERTAIN, RANDOM}
    with pytest.raises(UsageError, match="clever"):
        select_predictions_to_label(ledger, "films", QueueOptions(10, {"clever": 1.0}))


def test_what_the_model_left_to_a_person_comes_first_among_the_uncertain() -> None:
    """Each version's own rule, as it was registered, says on which of its predictions it abstained."""
    ledger = MemoryLedger()
    costs = DecisionRule(classes=("negative", "positive"), costs=((0.0, 9.0), (1.0, 0.0)), abstain_cost=0.6)
    for version, rule in (("1", costs), ("2", DecisionRule(classes=("negative", "positive"), abstain_below=0.6))):
        evidence = {DECISION: rule.model_dump(mode="json")}
        ledger.append(make_event(kind="registered", subject=f"films/{version}", evidence=evidence))
    shares = [0.5, 0.55, 0.85, 0.9, 0.95, 0.99]
    for number, share in enumerate(shares):
        shared = {"probabilities": {"negative": 1 - share, "positive": share}, "at": NOON}
        ledger.record([make_prediction(id=f"p{number}", version="1", input={"n": number}, **shared)])
        ledger.record([make_prediction(id=f"q{number}", version="2", input={"m": number}, **shared)])
    found = select_predictions_to_label(ledger, "films", QueueOptions(12, {UNCERTAIN: 1.0})).candidates
    abstained = {one.prediction.id for one in found if one.reason == ABSTAINED}
    assert abstained == {"p2", "p3", "q0", "q1"}
    first = select_predictions_to_label(ledger, "films", QueueOptions(4, {UNCERTAIN: 1.0})).candidates
    assert {one.prediction.id for one in first} == abstained


def test_unfamiliar_rows_of_a_table_come_first() -> None:
    """A number beyond the training data, a category it does not know and a gap where there was none are strange."""
    ledger = MemoryLedger()
    usual = [make_prediction(at=NOON, input={"age": 20 + n % 30, "city": "Bonn"}) for n in range(30)]
    odd = make_prediction(at=NOON, input={"age": 950, "city": "Ys"})
    ledger.record([*usual, odd])
    reference = pd.DataFrame({"age": [20 + n % 40 for n in range(200)], "city": ["Bonn", "Köln"] * 100})
    (first, *_) = select_predictions_to_label(ledger, "films", QueueOptions(5, {DRIFTED: 1.0}), reference).candidates
    assert first.prediction.id == odd.id


def test_out_to_be_labelled_and_back(tmp_path: Path) -> None:
    """The queue goes out as CSV with an empty label column, and the filled-in file comes back by the same family."""
    project = write_project(tmp_path)
    run = CliRunner()
    out = tmp_path / "queue.csv"
    done = run.invoke(cli, ["label", "queue", *project, "--size", "10", "--to", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [""] * 10
    assert not {"predicted", "confidence", "score"} & set(rows[0])
    shown = run.invoke(cli, ["label", "queue", *project, "--show-predictions", "--json"], catch_exceptions=False)
    assert {"predicted", "confidence", "score"} <= set(json.loads(shown.stdout)["queue"][0])
    filled = tmp_path / "filled.csv"
    with filled.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": "positive" if n else ""} for n, row in enumerate(rows))
    done = run.invoke(cli, ["label", "import", str(filled), *project, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert (report["stored"], report["unlabelled"]) == (9, 1)
    counted = json.loads(run.invoke(cli, ["feedback", "stats", *project, "--json"]).stdout)
    assert (counted["labels"], counted["by_source"]) == (9, {"filled.csv": 9})
    assert sum(counted["by_reason"].values()) == 9
    assert "organic" not in counted["by_reason"]
    listed = json.loads(run.invoke(cli, ["feedback", "list", *project, "--limit", "3", "--json"]).stdout)
    assert len(listed) == 3


def drawn_first(rows: list[Prediction], size: int) -> set[str]:
    """The ids of the rows that chance puts first."""
    order = sorted(rows, key=lambda row: hashlib.blake2b(row.id.encode(), digest_size=8, salt=b"0").digest())
    return {row.id for row in order[:size]}


def test_earlier_queues_do_not_deplete_the_random_sample() -> None:
    """The random rows are those that chance puts first among all, whatever earlier queues chose and got labelled."""
    ledger = MemoryLedger()
    rows, labels = number_predictions(*make_labelled_predictions(300))
    truth = {label.prediction_id: label for label in labels}
    ledger.record(rows)
    for _ in range(5):
        queue = select_predictions_to_label(ledger, "films", QueueOptions(40))
        assert not {one.prediction.id for one in queue.candidates} & {one.prediction_id for one in ledger.labels()}
        ledger.label_requests.record(queue.requests)
        ledger.record_labels([truth[one.prediction.id] for one in queue.candidates])
        random = {label.prediction_id for label in ledger.labels() if label.reason == RANDOM}
        assert random == drawn_first(rows, len(random))
        assert {one.probability for one in queue.requests if one.reason == RANDOM} == {len(random) / 300}
    reasons = [label.reason for label in ledger.labels()]
    assert len(reasons) == 200
    assert reasons.count(RANDOM) > 5 * 13  # a third of each queue, and those that an earlier one had chosen


def test_the_first_rows_of_a_queue_have_some_of_each_reason() -> None:
    """Who labels only a part of a queue labels random ones too."""
    ledger = MemoryLedger()
    ledger.record(make_labelled_predictions(400)[0])
    queue = select_predictions_to_label(ledger, "films", QueueOptions(100, mix_reasons(0.2, 1.0, 0.0)))
    assert [one.reason for one in queue.candidates].count(RANDOM) == 20
    assert [one.reason for one in queue.candidates[:50]].count(RANDOM) == 10


@pytest.mark.parametrize(
    ("share", "uncertain", "drifted", "expected"),
    [(0.25, 0.5, 0.25, 0.25), (0.0, 0.5, 0.25, 0.0), (1.0, 0.5, 0.25, 1.0), (0.2, 0.0, 0.0, 1.0), (0.5, 0.0, 3.0, 0.5)],
)
def test_the_random_share_is_of_the_whole_queue(
    share: float, uncertain: float, drifted: float, expected: float
) -> None:
    """Whatever the other weights are, the random rows are their share; where there is nothing else, all."""
    mix = mix_reasons(share, uncertain, drifted)
    assert mix[RANDOM] / sum(mix.values()) == pytest.approx(expected)


def test_a_queue_without_chance_is_possible_and_says_so(tmp_path: Path) -> None:
    """A project may do without random rows; the command then says what the labels are not good for."""
    project = write_project(tmp_path, "[labels]\nrandom_share = 0\n")
    queue = ["label", "queue", *project, "--drifted", "0"]
    done = CliRunner().invoke(cli, [*queue, "--to", str(tmp_path / "q.csv")], catch_exceptions=False)
    assert "No prediction was drawn at random" in done.output
    with SqlLedger.open(f"sqlite:///{tmp_path}/.tiltyard/ledger.db") as ledger:
        assert {one.reason for one in ledger.label_requests.select()} == {UNCERTAIN}


def test_a_list_on_the_screen_requests_nothing(tmp_path: Path) -> None:
    """What is only looked at takes no labels away; what is written down, or handed to a program, is a request."""
    project = write_project(tmp_path)
    queue = ["label", "queue", *project, "--drifted", "0", "--size", "5"]

    def count_requests() -> int:
        with SqlLedger.open(f"sqlite:///{tmp_path}/.tiltyard/ledger.db") as ledger:
            return len(list(ledger.label_requests.select()))

    shown = CliRunner().invoke(cli, queue, catch_exceptions=False)
    assert "requests no labels" in shown.output
    assert count_requests() == 0
    unwritable = tmp_path / "r.csv" / "queue.csv"
    assert CliRunner().invoke(cli, [*queue, "--to", str(unwritable)]).exit_code != 0
    printed = json.loads(CliRunner().invoke(cli, [*queue, "--json"], catch_exceptions=False).stdout)
    assert (printed["recorded"], len(printed["queue"])) == (True, 5)
    assert count_requests() >= 5


def write_project(folder: Path, more: str = "") -> list[str]:
    """A project of texts with 40 recorded predictions; returns the option that names it."""
    pd.DataFrame({"text": ["good", "bad"] * 20, "label": ["positive", "negative"] * 20}).to_csv(folder / "r.csv")
    (folder / "tiltyard.toml").write_text(
        '[project]\nname = "films"\ntask = "text-classification"\nmodel = "films"\n'
        f'[data]\nsource = "r.csv"\ntext = "text"\n{more}'
    )
    with SqlLedger.open(f"sqlite:///{folder}/.tiltyard/ledger.db") as ledger:
        ledger.record(make_labelled_predictions(40)[0])
    return ["--project", str(folder)]


def test_rows_that_had_a_label_when_they_were_drawn_are_not_compared() -> None:
    """Labels that came by themselves, of some cases only, do not make a draw out of which nothing came back unlike."""
    rows, labels = make_labelled_predictions(300)
    drawn_at = max(label.at for label in labels) + timedelta(hours=1)
    requests = [LabelRequest("q", row.id, drawn_at, RANDOM, 1.0) for row in rows]
    came = {row.id: label for row, label in zip(rows, labels, strict=True) if row.label == "positive"}
    window = PredictionWindow("films", rows[0].at, drawn_at, tuple(rows), came)
    assert check_label_sample(window, came, requests, 0.05) == []
    later = {id_: replace(label, at=drawn_at + timedelta(hours=1)) for id_, label in came.items()}
    [found] = check_label_sample(replace(window, truth=later), later, requests, 0.05)
    assert (found.subject, found.is_found) == (RANDOM, True)


@pytest.mark.parametrize(("minutes", "differs"), [(0.01, False), (5, True)])
def test_a_burst_of_predictions_has_an_order_and_no_meaning(minutes: float, differs: bool) -> None:
    """Labels of the first of a burst are like the rest; those of the first of a day are not, and the hours say so."""
    made, labels = make_labelled_predictions(300)
    rows = [
        replace(row, label="positive", confidence=0.9, at=NOON + timedelta(minutes=minutes * place))
        for place, row in enumerate(made)
    ]
    first = zip(rows[:150], labels, strict=False)
    truth = {row.id: replace(label, prediction_id=row.id, at=row.at) for row, label in first}
    window = PredictionWindow("films", rows[0].at, rows[-1].at + timedelta(hours=9), tuple(rows), truth)
    [found] = check_label_sample(window, truth, (), 0.05)
    assert found.is_found is differs
    assert ("hours before the newest" in found.message) is differs


def test_labels_that_chance_chose_are_seldom_said_to_be_none() -> None:
    """Where chance decides which predictions get a label, a finding that they are not like the rest is rare."""
    found = 0
    for seed in range(40):
        rows, labels = make_labelled_predictions(150, seed)
        picked = set(np.random.default_rng(seed).choice(150, 70, replace=False).tolist())
        truth = {label.prediction_id: label for n, label in enumerate(labels) if n in picked}
        window = PredictionWindow("films", rows[0].at, rows[-1].at + timedelta(hours=9), tuple(rows), truth)
        found += any(one.is_found for one in check_label_sample(window, truth, (), 0.05))
    assert found <= 5
