"""The one check of labels, whichever door they come by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Event, Label, NamedPrediction, Prediction
from tiltyard.ledger.label_intake import CheckedLabel, ReportedLabel, check_labels, read_recorded_labels
from tiltyard.testing import NOON, MemoryLedger, make_prediction

HOUR = timedelta(hours=1)


def make(classes: str, key: str | None = None, at_hour: int = 0) -> Prediction:
    """A prediction of the first of some classes, which are separated by a bar."""
    names = classes.split("|")
    shares = dict.fromkeys(names, 1 / len(names))
    return make_prediction(label=names[0], probabilities=shares, key=key, at=NOON + at_hour * HOUR)


def check(rows: list[Prediction], *reported: ReportedLabel, codec: LabelCodec | None = None) -> list[CheckedLabel]:
    """What is to become of labels about some predictions."""
    ledger = MemoryLedger()
    ledger.record(rows)
    return check_labels(ledger, "films", reported, codec=codec, now=NOON + 100 * HOUR)


@pytest.mark.parametrize(
    ("classes", "raw", "meant"),
    [
        ("0|1", 1, "1"), ("0|1", 1.0, "1"), ("0|1", "1.0", "1"), ("0|1", " 1", "1"), ("0|1", True, "1"),
        ("0|1", np.int8(0), "0"), ("FALSE|TRUE", "true", "TRUE"), ("FALSE|TRUE", False, "FALSE"),
        ("FALSE|TRUE", 1, "TRUE"), ("Apnea|None", "None", "None"), ("Apnea|NA", " NA ", "NA"), ("1|2|10", 10.0, "10"),
    ],
)  # fmt: skip
def test_a_label_means_its_class_in_every_spelling(classes: str, raw: object, meant: str) -> None:
    """A label is recorded as the class is spelt, whatever type it comes in."""
    row = make(classes)
    [found] = check([row], ReportedLabel(raw, "test", row.id))
    assert found.label is not None
    assert (found.label.label, found.label.prediction_id) == (meant, row.id)


def test_a_label_that_is_no_class_is_not_recorded() -> None:
    """A label that neither the prediction's version nor the one in service knows is named; of either it is good."""
    old, new = make("a|b"), make("a|b|c", at_hour=1)
    labels = [ReportedLabel(raw, "test", old.id) for raw in ("b", "c", "d", None)]
    found = check([old, new], *labels)
    assert [one.status for one in found] == ["good", "good", "unexpected", "unlabelled"]
    assert "'d' is not a class of the model. The classes are a, b." in found[2].reason
    alone = make_prediction(label="1", probabilities={"1": 0.9})
    [one, other] = check([alone], ReportedLabel("1.0", "test", alone.id), ReportedLabel("x", "test", alone.id))
    assert [found.label and found.label.label for found in (one, other)] == ["1", "x"]


def record_training(ledger: MemoryLedger, **evidence: object) -> None:
    """A training of a version, as the decisions record it."""
    ledger.append(Event("registered", "films/1", NOON, "me", evidence=evidence))


def test_a_class_that_training_left_out_is_recorded_as_such() -> None:
    """A label of a class that was set aside or merged is recorded in the file's spelling, with what training did."""
    ledger, row = MemoryLedger(), make("no|other|yes")
    ledger.record([row])
    record_training(ledger, set_aside_classes={"perhaps": 3, "7": 1}, merged_classes={"seldom": 2})
    labels = [ReportedLabel(raw, "test", row.id) for raw in (" perhaps", 7.0, "seldom", "yes", "never")]
    found = check_labels(ledger, "films", labels, now=NOON)
    assert [one.status for one in found] == ["rare", "rare", "rare", "good", "unexpected"]
    assert [one.label and one.label.label for one in found] == ["perhaps", "7", "seldom", "yes", None]
    assert found[0].reason == "Class 'perhaps' was set aside in training (3 rows): the model cannot predict it."
    assert "merged into 'other'" in found[2].reason


def test_a_recorded_label_of_a_merged_class_means_the_class_it_became() -> None:
    """A merged class counts as the class that it became; one that was set aside counts nowhere and is named."""
    ledger, rows = MemoryLedger(), [make("no|other|yes"), make("no|other|yes", at_hour=1)]
    ledger.record(rows)
    record_training(ledger, set_aside_classes={"seldom": 2, "perhaps": 3})
    record_training(ledger, merged_classes={"seldom": 2})
    labels = [Label(row.id, name, NOON, "test") for row, name in zip(rows, ("seldom", "perhaps"), strict=True)]
    ledger.record_labels(labels)
    found = read_recorded_labels(ledger, "films", ledger.labelled_predictions())
    assert [label.label for _, label in found.pairs] == ["other"]
    assert found.set_aside == {rows[1].id: labels[1]}


def test_a_key_means_the_prediction_in_force() -> None:
    """Of several predictions with a key the last one until the label's time is meant; else the label is ambiguous."""
    rows = [
        make("a|b", "k", 1),
        make("a|b", " k", 5),
        make("a|b", "once", 50),
        make_prediction(project="plays", key="k"),
    ]
    times = [0, 1, 4, 5, 99, None]
    labels = [ReportedLabel("a", "t", key=" k", at=None if hour is None else NOON + hour * HOUR) for hour in times]
    found = check(rows, *labels, ReportedLabel("a", "t", key="once", at=NOON), ReportedLabel("a", "t", key="never"))
    assert [one.status for one in found] == ["ambiguous", *["good"] * 4, "ambiguous", "good", "unknown"]
    chosen = [one.label and one.label.prediction_id for one in found[1:5]]
    assert chosen == [rows[0].id, rows[0].id, rows[1].id, rows[1].id]
    assert f"{NOON + HOUR:%Y-%m-%d %H:%M:%S}" in found[5].reason


def test_a_label_from_the_future_is_refused() -> None:
    """A label's time may be ahead by what clocks differ, and no more."""
    row = make("a|b")
    times = [NOON + 100 * HOUR + timedelta(seconds=seconds) for seconds in (59, 61)]
    found = check([row], *(ReportedLabel("a", "test", row.id, at=at) for at in times))
    assert [one.status for one in found] == ["good", "ahead"]


def test_a_correction_replaces_what_was_reported_before_the_clock_was_set_back() -> None:
    """A label without a time counts, also where the clock shows an earlier time than that of the one it corrects."""
    row, ledger = make("a|b"), MemoryLedger()
    ledger.record([row])
    for back, truth in enumerate(("a", "b", "a")):
        now = NOON + 100 * HOUR - back * timedelta(days=400)
        [found] = check_labels(ledger, "films", [ReportedLabel(truth, "test", row.id)], now=now)
        assert found.label
        ledger.record_labels([found.label])
        assert [label.label for label in ledger.labels()] == [truth]


def test_a_time_that_a_label_came_with_decides_unless_the_other_one_is_ahead_of_now() -> None:
    """An older truth does not replace a newer one; one from a clock that was far ahead stands against nothing."""
    row, ledger, now = make("a|b"), MemoryLedger(), NOON + 100 * HOUR
    ledger.record([row])
    ledger.record_labels([Label(row.id, "a", now + timedelta(seconds=30), "test")])
    older = ReportedLabel("b", "test", row.id, at=now)
    assert [one.label and one.label.at for one in check_labels(ledger, "films", [older], now=now)] == [now]
    ledger.record_labels([Label(row.id, "a", now + 9000 * HOUR, "test")])
    [found] = check_labels(ledger, "films", [older], now=now)
    assert found.label == Label(row.id, "b", now + 9000 * HOUR + timedelta(microseconds=1), "test")


def test_of_one_report_the_last_label_without_a_time_counts() -> None:
    """Labels of one report rank as they stand in it, also behind one whose clock is a little ahead."""
    row, ledger, now = make("a|b"), MemoryLedger(), NOON + 100 * HOUR
    ledger.record([row])
    ahead = ReportedLabel("a", "test", row.id, at=now + timedelta(seconds=30))
    found = check_labels(ledger, "films", [ahead, ReportedLabel("b", "test", row.id)], now=now)
    ledger.record_labels([one.label for one in found if one.label])
    assert [label.label for label in ledger.labels()] == ["b"]


def test_labels_by_id_need_no_ledger_that_responds() -> None:
    """While predictions cannot be looked up, a label by id is checked against the version in service."""

    class Away(MemoryLedger):
        def find_predictions(
            self, *, ids: Sequence[str] = (), keys: Sequence[str] = (), model_name: str | None = None
        ) -> list[NamedPrediction]:
            raise UnavailableError("The ledger is away.")

    codec = LabelCodec(("0", "1"))
    [good, bad] = check_labels(Away(), "films", [ReportedLabel(1, "t", "x"), ReportedLabel(2, "t", "x")], codec=codec)
    assert (good.label and good.label.label, bad.status) == ("1", "unexpected")
    with pytest.raises(UnavailableError):
        check_labels(Away(), "films", [ReportedLabel(1, "t", key="x")], codec=codec)


def test_a_label_of_a_predicted_number_is_a_number() -> None:
    """A number is recorded in one spelling, whatever type it has; words, truth values and infinity are refused."""
    row = make_prediction(label="7.5", confidence=None, probabilities={}, interval=(7.0, 8.0))
    raw = ["7.50", 7, np.float64(7.25), "dear", True, float("inf"), None]
    found = check([row], *(ReportedLabel(one, "test", row.id) for one in raw))
    assert [one.label and one.label.label for one in found[:3]] == ["7.5", "7", "7.25"]
    assert [one.status for one in found[3:]] == ["unexpected", "unexpected", "unexpected", "unlabelled"]
    assert "'dear' is not a finite number" in found[3].reason
    [unseen] = check_labels(MemoryLedger(), "films", [ReportedLabel("1", "test", "gone")], target="number")
    assert unseen.status == "unknown"


def test_recorded_labels_of_numbers_stay_numbers() -> None:
    """The numbers of a ledger are read back as they are, next to predictions of classes."""
    number = make_prediction(label="7.5", confidence=None, probabilities={})
    row = make("a|b")
    ledger = MemoryLedger()
    ledger.record([number, row])
    pairs = [(number, Label(number.id, "8.25", NOON, "test")), (row, Label(row.id, "b", NOON, "test"))]
    found = read_recorded_labels(ledger, "films", pairs)
    assert [label.label for _, label in found.pairs] == ["8.25", "b"]
