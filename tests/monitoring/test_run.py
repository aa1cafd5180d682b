"""One monitoring run of a served model."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from tests.monitoring.sample_predictions import (
    make_labelled_predictions,
    make_monitored_version,
    number_predictions,
)
from tiltyard.ledger import BATCH, RANDOM, BatchRun, Label, Prediction
from tiltyard.ledger.arrivals import KeptReason, SetAsideRecord
from tiltyard.monitoring.degradation import evaluate_degradation
from tiltyard.monitoring.labels.labeling_queue import QueueOptions, mix_reasons, select_predictions_to_label
from tiltyard.monitoring.labels.sample_check import NOT_A_SAMPLE
from tiltyard.monitoring.prediction_window import read_prediction_window
from tiltyard.monitoring.run import MonitoringResult, evaluate_period
from tiltyard.project import Project
from tiltyard.testing import NOON, MemoryLedger

UNTIL = NOON + timedelta(hours=12)


@pytest.fixture
def films() -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "reviews.csv", "text": "text", "positive": "positive"},
            "monitoring": {"max_latency_ms": 10},
        }
    )


def status_of(seen: MonitoringResult, code: str) -> str:
    return next(found.status for found in seen.findings if found.code == code)


def test_healthy_predictions_raise_no_alarm(films: Project) -> None:
    """Labelled predictions like those at training leave every finding clear."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(600)
    ledger.record(rows)
    ledger.record_labels(labels)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert seen.alarms == ()
    assert {found.status for found in seen.findings if found.severity != "info"} <= {"clear"}
    assert status_of(seen, "performance.degradation") == "clear"
    assert status_of(seen, "performance.estimate") == "clear"
    assert status_of(seen, "operations.latency") == "clear"
    assert seen.performance is not None
    assert (seen.performance.labelled, seen.performance.coverage) == (600, 1.0)
    assert (seen.operations.predictions, seen.version) == (600, "1")


@pytest.mark.requirement("R-MON-13")
def test_decay_is_found_on_labels(films: Project) -> None:
    """A champion that is worse on labels than at training, by more than chance and than is allowed, is an error."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(600, truthful=0.2)
    ledger.record(rows)
    ledger.record_labels(labels)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert seen.decayed
    (found,) = [found for found in seen.alarms if found.code == "performance.degradation"]
    assert (found.subject, found.severity) == ("accuracy", "error")
    assert "more than chance" in found.message
    assert found.next_step


def test_concept_drift_shows_only_where_labels_are(films: Project) -> None:
    """Without labels the estimate stays as confident as the model; labels of some predictions contradict it."""
    rows, labels = make_labelled_predictions(600, truthful=0.2)
    blind, labelled = MemoryLedger(), MemoryLedger()
    blind.record(rows)
    labelled.record(rows)
    labelled.record_labels(labels[:200])
    unseen = evaluate_period(films, blind, make_monitored_version(), until=UNTIL)
    assert unseen.alarms == ()
    assert status_of(unseen, "performance.degradation") == "could_not_judge"
    assert (
        status_of(evaluate_period(films, labelled, make_monitored_version(), until=UNTIL), "performance.contradiction")
        == "found"
    )


def test_less_confident_predictions_lower_the_estimate(films: Project) -> None:
    """Inputs with low confidence are found without a single label."""
    ledger = MemoryLedger()
    rows, _ = make_labelled_predictions(600, sure=0.4)
    ledger.record(rows)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert [found.code for found in seen.alarms if found.code == "performance.estimate"] == ["performance.estimate"]


def test_late_labels_count_when_they_come(films: Project) -> None:
    """Labels that are reported in the window are evaluated, however old their predictions are."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(300, at=NOON - timedelta(days=40), label_lag=timedelta(days=40))
    ledger.record(rows)
    ledger.record_labels(labels)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert seen.performance is not None
    assert seen.performance.labelled == 300
    assert status_of(seen, "performance.degradation") == "clear"
    assert seen.operations.predictions == 0


@pytest.mark.requirement("R-MON-13")
def test_slow_or_missing_predictions_are_found(films: Project) -> None:
    """A latency above its limit and a traffic that stopped are findings; so is nothing else without a champion."""
    ledger = MemoryLedger()
    rows, _ = make_labelled_predictions(50)
    ledger.record(rows)
    strict = films.model_copy(update={"monitoring": films.monitoring.model_copy(update={"max_latency_ms": 1.0})})
    assert [found.code for found in evaluate_period(strict, ledger, None, until=UNTIL).alarms] == ["operations.latency"]
    later = evaluate_period(films, ledger, None, until=UNTIL + timedelta(hours=24))
    assert [found.code for found in later.alarms] == ["operations.silence"]


def test_batch_runs_are_not_live_traffic(films: Project) -> None:
    """Tables that were scored neither count as traffic nor make the hours after them silent; their labels count."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(600)
    batch = [replace(row, id=f"{row.id}-b", route=BATCH) for row in rows]
    ledger.batch_runs.save(BatchRun("a" * 32, "films", "1", "in.parquet", "out.parquet", NOON))
    ledger.record(batch)
    ledger.record_labels([replace(label, prediction_id=f"{label.prediction_id}-b") for label in labels])
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert seen.operations.predictions == 0
    assert seen.performance is not None
    assert seen.performance.labelled == 600
    later = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL + timedelta(hours=24))
    assert (later.operations.predictions_before, later.alarms) == (0, ())
    ledger.record(rows)
    mixed = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert mixed.operations.predictions == 600


def test_records_that_were_set_aside_are_found(films: Project) -> None:
    """Records that were set aside since the window began are one warning; older ones are not repeated."""
    ledger = MemoryLedger()
    kept = [
        SetAsideRecord(
            kind="prediction",
            reason=reason,
            message="",
            origin="a:0",
            subject=reason,
            project="films",
            content={},
            at=UNTIL - timedelta(hours=1),
        )
        for reason in get_args(KeptReason)
    ]
    ledger.arrivals.keep(kept)
    [found] = evaluate_period(films, ledger, None, until=UNTIL).alarms
    assert (found.code, found.score) == ("operations.set-aside", 2.0)
    assert found.evidence == {"differs": 1, "refused": 1}
    assert not evaluate_period(films, ledger, None, until=UNTIL + timedelta(days=9)).alarms


def test_findings_in_the_ledger_are_those_of_the_run(films: Project) -> None:
    """The ledger returns the findings of a run with code, status, figures and window."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(300, truthful=0.2)
    ledger.record(rows)
    ledger.record_labels(labels)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    ledger.findings.record(seen.records())
    kept = {record.code: record for record in ledger.findings.latest(project="films")}
    assert kept["performance.degradation"].status == "found"
    assert kept["performance.degradation"].version == "1"
    assert kept["performance.degradation"].evidence["labelled"] == 300
    assert seen.to_dict()["decayed"] is True


def label_by_queue(ledger: MemoryLedger, labels: list[Label], size: int, share: float = 0.5) -> None:
    """Make a queue of uncertain and random predictions, and report the labels of those that it lists."""
    truth = {label.prediction_id: label for label in labels}
    queue = select_predictions_to_label(ledger, "films", QueueOptions(size, mix_reasons(share, 1.0, 0.0), seed=1))
    ledger.label_requests.record(queue.requests)
    ledger.record_labels([truth[one.prediction.id] for one in queue.candidates])


@pytest.mark.parametrize("organic", [0, 100])
def test_labels_of_a_queue_do_not_accuse_a_healthy_champion(films: Project, organic: int) -> None:
    """Of a queue only the random labels count, next to organic ones: a model as good as at training stays clear."""
    rows, labels = number_predictions(*make_labelled_predictions(2000))
    ledger = MemoryLedger()
    ledger.record(rows)
    ledger.record_labels(labels[:organic])
    label_by_queue(ledger, labels, 600)
    everything = replace(read_prediction_window(ledger, "films"), chosen={})
    truth = {label.prediction_id: label for label in ledger.labels()}
    naive = evaluate_degradation(
        replace(everything, truth=truth).labelled_predictions(), make_monitored_version().metrics
    )
    assert naive[0].verdict == "degraded"
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert status_of(seen, "performance.degradation") == "clear"
    assert status_of(seen, "performance.change") == "clear"
    assert not seen.decayed
    assert seen.performance is not None
    assert seen.performance.labelled == sum(label.is_sample for label in truth.values())
    assert seen.performance.labelled + seen.performance.chosen_labels == len(truth)
    assert f"{seen.performance.chosen_labels} labels do not count here" in seen.performance.caveat


def test_decay_is_found_on_the_random_labels_of_a_queue(films: Project) -> None:
    """The random labels of a queue are enough to find that a champion became worse."""
    rows, labels = number_predictions(*make_labelled_predictions(2000, truthful=0.2))
    ledger = MemoryLedger()
    ledger.record(rows)
    label_by_queue(ledger, labels, 400)
    assert evaluate_period(films, ledger, make_monitored_version(), until=UNTIL).decayed


def test_labels_that_were_all_chosen_give_no_verdict(films: Project) -> None:
    """Without a random or an organic label there is no verdict, and the next step is a random queue."""
    rows, labels = number_predictions(*make_labelled_predictions(2000))
    ledger = MemoryLedger()
    ledger.record(rows)
    label_by_queue(ledger, labels, 400, share=0.0)
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    (found,) = [one for one in seen.findings if one.code == "performance.degradation"]
    assert found.status == "could_not_judge"
    assert "400 labels do not count here" in found.message
    assert "--random 1" in found.next_step
    assert status_of(seen, "performance.change") == "could_not_judge"
    assert seen.slices is None


def test_all_labels_count_where_nearly_all_predictions_have_one(films: Project) -> None:
    """Where nearly every prediction has a label, all of them count, also those that a queue had chosen."""
    rows, labels = number_predictions(*make_labelled_predictions(600))
    ledger = MemoryLedger()
    ledger.record(rows)
    label_by_queue(ledger, labels, 200, share=0.0)
    ledger.record_labels(labels[:590])
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    assert seen.performance is not None
    assert (seen.performance.chosen_labels, seen.performance.labelled >= 590) == (0, True)


def pick_labels(rows: list[Prediction], labels: list[Label], how: str) -> list[Label]:
    """About half of the labels: at random, of the surest, of one class, or of the oldest predictions."""
    truth = {label.prediction_id: label for label in labels}
    if how == "random":
        return [label for n, label in enumerate(labels) if n * 7919 % 11 < 5]
    if how == "age":
        return labels[: len(labels) // 2]
    if how == "class":
        return [truth[row.id] for n, row in enumerate(rows) if row.label == "positive" or n % 8 == 0]
    surest = sorted(rows, key=lambda row: -(row.confidence or 0.0))
    return [truth[row.id] for row in surest[: len(rows) // 2]]


@pytest.mark.parametrize(
    ("how", "what"), [("random", ""), ("confidence", "confidence"), ("class", "class"), ("age", "age")]
)
def test_organic_labels_of_some_cases_only_are_found(films: Project, how: str, what: str) -> None:
    """Labels that come for sure, for positive or for old cases only are said to be no sample, with the figures."""
    rows, labels = number_predictions(*make_labelled_predictions(800, label_lag=timedelta(minutes=1)))
    ledger = MemoryLedger()
    ledger.record(rows)
    ledger.record_labels(pick_labels(rows, labels, how))
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    (found,) = [one for one in seen.findings if one.code == NOT_A_SAMPLE]
    assert found.subject == "organic"
    assert found.status == ("found" if what else "clear")
    assert (not what) or what in {one["what"] for one in found.evidence["differences"]}
    assert f"{found.evidence['labelled']} labelled predictions" in found.message


def test_labels_that_are_only_late_are_a_sample(films: Project) -> None:
    """Predictions too young to have a label are not counted as cases without one."""
    rows, labels = number_predictions(*make_labelled_predictions(1200, label_lag=timedelta(minutes=10)))
    ledger = MemoryLedger()
    ledger.record(rows)
    until = rows[-1].at + timedelta(seconds=1)
    ledger.record_labels([label for n, label in enumerate(labels) if label.at < until and n * 7919 % 11 < 6])
    seen = evaluate_period(films, ledger, make_monitored_version(), until=until)
    assert [one.status for one in seen.findings if one.code == NOT_A_SAMPLE] == ["clear"]


def test_random_requests_whose_hard_cases_stay_open_are_found(films: Project) -> None:
    """A random queue of which only the sure cases were labelled is found; one without any label says nothing."""
    rows, labels = number_predictions(*make_labelled_predictions(800))
    ledger = MemoryLedger()
    ledger.record(rows)
    drawn = select_predictions_to_label(ledger, "films", QueueOptions(300, {RANDOM: 1.0}))
    # Drawn before the labels were determined, which are of the past here: else they would not be due to the queue.
    ledger.label_requests.record([replace(request, at=rows[0].at) for request in drawn.requests])
    assert not [
        one
        for one in evaluate_period(films, ledger, make_monitored_version(), until=UNTIL).findings
        if one.code == NOT_A_SAMPLE
    ]
    listed = [one.prediction for one in drawn.candidates]
    ledger.record_labels(pick_labels(listed, labels, "confidence"))
    seen = evaluate_period(films, ledger, make_monitored_version(), until=UNTIL)
    (found,) = [one for one in seen.findings if one.code == NOT_A_SAMPLE]
    assert (found.subject, found.status, found.severity) == ("random", "found", "warning")
