"""What every ledger must do. Needs pytest and hypothesis.

Example:
    A test module holds an implementation to the contract by providing the fixture ``ledger``, an empty one::

        class TestMine(LedgerContract):
            @pytest.fixture
            def ledger(self):
                with MyLedger() as ledger:
                    yield ledger
"""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiltyard.errors import InputError, UsageError
from tiltyard.ledger import Label, Ledger, NamedPrediction, PredictionFilter, new_id
from tiltyard.testing.arrivals_contract import ArrivalsContract
from tiltyard.testing.contract_values import inputs, instants, is_unicode, law
from tiltyard.testing.events_contract import EventContract
from tiltyard.testing.findings_contract import BatchRunContract, FindingContract, NoteContract, ProfileContract
from tiltyard.testing.outcomes_contract import OutcomesContract, RequestsContract
from tiltyard.testing.records import NOON, make_prediction


class PredictionContract:
    """Recording predictions and reading them again."""

    def test_a_prediction_is_read_as_it_was_recorded(self, ledger: Ledger) -> None:
        """What was recorded is what is read."""
        recorded = make_prediction(key="customer-7", at=NOON + timedelta(microseconds=1))
        ledger.record([recorded])
        assert ledger.prediction(recorded.id) == recorded
        assert list(ledger.predictions()) == [recorded]

    @law
    @given(content=inputs, at=instants, confidence=st.floats(0, 1), latency=st.floats(0, 1e9))
    @example(content={"x": math.nan, "y": [math.inf, {"z": -math.inf}], "null": None}, at=NOON, confidence=1, latency=0)
    @example(content={"text": "NUL \0, emoji \N{GRINNING FACE}, -0.0", "n": -0.0}, at=NOON, confidence=0.1, latency=0)
    @example(content={"text": "half of \ud83d a pair"}, at=NOON, confidence=0, latency=0)
    def test_any_input_is_stored_or_refused(
        self, ledger: Ledger, content: dict[str, Any], at: datetime, confidence: float, latency: float
    ) -> None:
        """Any input, instant and number comes back exactly; only half a surrogate pair is refused."""
        recorded = make_prediction(
            input=content,
            at=at,
            confidence=confidence,
            latency_ms=latency,
            probabilities={"no": confidence, "yes": 1 - confidence},
        )
        if is_unicode(content):
            ledger.record([recorded])
            found = ledger.prediction(recorded.id)
            assert found is not None
            # repr separates 1, 1.0 and True, and finds NaN equal to itself.
            assert repr(found.input) == repr(content)
            assert (found.at, found.at.tzinfo) == (at, UTC)
            assert found == replace(recorded, at=at, input=found.input)
        else:
            with pytest.raises(InputError, match="surrogate"):
                ledger.record([recorded])
            assert ledger.prediction(recorded.id) is None

    def test_values_of_numpy_are_plain_numbers(self, ledger: Ledger) -> None:
        """Numpy's numbers and texts come back as the plain values they stand for."""
        content = {"n": np.int64(3), "x": np.float64(0.1), "nan": np.float32("nan"), "v": np.array([1.0, 2.0])}
        recorded = make_prediction(
            input=content,
            label=np.str_("positive"),
            confidence=np.float64(0.5),
            probabilities={"a": np.float64(0.5), "b": np.float64(0.5)},
        )
        ledger.record([recorded])
        found = ledger.prediction(recorded.id)
        assert found is not None
        assert repr(found.input) == "{'n': 3, 'x': 0.1, 'nan': nan, 'v': [1.0, 2.0]}"
        assert (found.label, found.confidence) == ("positive", 0.5)
        assert found.probabilities == {"a": 0.5, "b": 0.5}

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"at": NOON.replace(tzinfo=None)}, "time zone"),
            ({"label": "a\0b"}, "label.*NUL"),
            ({"key": "\ud800"}, "key.*surrogate"),
            ({"version": 3}, "version = 3"),
            ({"confidence": math.nan}, "confidence"),
            ({"latency_ms": math.inf}, "latency_ms"),
            ({"latency_ms": -1}, "latency_ms = -1 is negative"),
            ({"probabilities": {"a": math.nan}}, "probability of 'a'"),
            ({"input": {"x": object()}}, "input is not a JSON value"),
        ],
    )
    def test_refusal_names_the_field_and_stores_nothing(
        self, ledger: Ledger, changes: dict[str, Any], named: str
    ) -> None:
        """One prediction that cannot be stored refuses the whole call, naming its position and field."""
        bad = make_prediction(**changes)
        with pytest.raises(InputError, match=named) as refused:
            ledger.record([make_prediction(), bad])
        assert refused.value.fields["position"] == 1
        assert refused.value.next_step
        assert list(ledger.predictions()) == []

    def test_recording_nothing_is_a_no_op(self, ledger: Ledger) -> None:
        """No predictions may be recorded; then there are none, and no id has one."""
        ledger.record([])
        assert list(ledger.predictions()) == []
        assert ledger.prediction(new_id()) is None

    def test_exactly_once_by_id(self, ledger: Ledger) -> None:
        """A repeated id leaves what is there, in one call and over several, and its neighbours are stored."""
        first, other = make_prediction(label="first", key=None), make_prediction()
        again = replace(first, label="again", key="k")
        ledger.record([first, again])
        ledger.record([again, other])
        assert {found.id: found.label for found in ledger.predictions()} == {
            first.id: "first",
            other.id: "positive",
        }

    def test_a_check_that_it_can_be_written_leaves_nothing(self, ledger: Ledger) -> None:
        """Checking whether predictions can be recorded records none, however often."""
        kept = make_prediction()
        for _ in range(3):
            ledger.check_writable()
            ledger.record([kept])
        assert list(ledger.predictions()) == [kept]

    def test_order_is_time_then_id(self, ledger: Ledger) -> None:
        """Predictions come by time, and by id in binary order within it; backwards when the newest come first."""
        ids = ["B", "a", "C", "é", "aa"]
        same_time = [make_prediction(id=id_) for id_ in ids]
        earlier = make_prediction(id="z", at=NOON - timedelta(microseconds=1))
        ledger.record([*same_time, earlier])
        order = [found.id for found in ledger.predictions()]
        assert order == ["z", "B", "C", "a", "aa", "é"]
        assert [found.id for found in ledger.predictions(newest_first=True)] == order[::-1]

    def test_pages_do_not_show(self, ledger: Ledger) -> None:
        """More predictions than a page holds come once each and in order, either way, to any limit."""
        many = [make_prediction(at=NOON + timedelta(seconds=n // 300)) for n in range(2101)]
        ledger.record(many)
        ids = [prediction.id for prediction in many]
        assert [found.id for found in ledger.predictions()] == ids
        assert [found.id for found in ledger.predictions(newest_first=True)] == ids[::-1]
        for limit in (0, 1, 1000, 1001, 3000):
            assert [found.id for found in ledger.predictions(limit=limit)] == ids[:limit]

    def test_each_filter_narrows_by_its_own_field(self, ledger: Ledger) -> None:
        """Each filter narrows by its own field: from ``since`` on, until before ``until``."""
        second = timedelta(seconds=1)
        kept = make_prediction(project="p", version="7", route="shadow", key="k")
        for field in ("project", "version", "route", "key"):
            ledger.record([make_prediction(**{field: "other"}, at=NOON - second)])
        ledger.record([kept])
        narrow: list[PredictionFilter] = [
            {"project": "p"},
            {"version": "7"},
            {"route": "shadow"},
            {"key": "k"},
            {"since": NOON},
            {"since": NOON.astimezone(timezone(timedelta(hours=5))), "until": NOON + second},
        ]
        for filters in narrow:
            assert list(ledger.predictions(**filters)) == [kept]
        assert list(ledger.predictions(since=NOON, until=NOON)) == []
        assert len(list(ledger.predictions(until=NOON))) == 4
        assert len(list(ledger.predictions(project=None, limit=None))) == 5

    def test_a_filter_that_cannot_be_meant_is_refused(self, ledger: Ledger) -> None:
        """An unknown filter, a negative limit, a time without zone and an impossible text each say so."""
        with pytest.raises(UsageError, match="Did you mean 'project'"):
            list(ledger.predictions(projct="p"))  # type: ignore[call-arg]
        with pytest.raises(UsageError, match="limit = -1"):
            list(ledger.predictions(limit=-1))
        with pytest.raises(InputError, match=r"since = .* has no time zone"):
            list(ledger.predictions(since=NOON.replace(tzinfo=None)))
        for impossible in ("a\0b", "\ud800"):
            with pytest.raises(InputError, match="project holds"):
                list(ledger.predictions(project=impossible))
            with pytest.raises(InputError, match="id holds"):
                ledger.prediction(impossible)

    def test_keys_and_ids_lead_to_their_predictions(self, ledger: Ledger) -> None:
        """A caller's key leads to all predictions with it, an id to its own, by time, in the named project."""
        early, late = make_prediction(key="k"), make_prediction(key="k", at=NOON + timedelta(hours=1))
        elsewhere = make_prediction(key="k", project="other", at=NOON + timedelta(hours=2))
        ledger.record([late, early, elsewhere, make_prediction()])
        found = ledger.find_predictions(keys=["k", "unknown"])
        assert [row.id for row in found] == [early.id, late.id, elsewhere.id]
        assert found[0] == NamedPrediction(
            early.id, early.at, early.project, "k", early.label, dict(early.probabilities)
        )
        assert [row.id for row in ledger.find_predictions(keys=["k"], model_name="films")] == [early.id, late.id]
        named = ledger.find_predictions(ids=[late.id, "nobody", elsewhere.id], keys=["k"], model_name="films")
        assert [row.id for row in named] == [early.id, late.id]
        assert [row.id for row in ledger.find_predictions(ids=[elsewhere.id, late.id])] == [late.id, elsewhere.id]
        assert ledger.find_predictions() == []

    def test_statistics_cover_the_predictions_in_the_window(self, ledger: Ledger) -> None:
        """Statistics are those of the predictions in the window, and say nothing of none."""
        empty = ledger.prediction_stats()
        assert (empty.total, empty.by_label, empty.mean_confidence, empty.first_at) == (0, {}, None, None)
        hour = timedelta(hours=1)
        ledger.record(
            [
                make_prediction(confidence=0.5, latency_ms=1, at=NOON),
                make_prediction(confidence=0.75, latency_ms=2, at=NOON + hour, version="2"),
                make_prediction(confidence=1.0, latency_ms=3, at=NOON + 2 * hour, label="negative"),
                make_prediction(project="other", at=NOON, latency_ms=None),
            ]
        )
        stats = ledger.prediction_stats("films")
        assert stats.total == 3
        assert list(stats.by_label.items()) == [("positive", 2), ("negative", 1)]
        assert list(stats.by_version.items()) == [("1", 2), ("2", 1)]
        assert (stats.min_confidence, stats.mean_confidence, stats.max_confidence) == (0.5, 0.75, 1.0)
        assert (stats.mean_latency_ms, stats.measured_latencies) == (2, 3)
        unmeasured = ledger.prediction_stats("other")
        assert (unmeasured.total, unmeasured.mean_latency_ms, unmeasured.measured_latencies) == (1, None, 0)
        assert ledger.prediction_stats().mean_latency_ms == 2
        assert [row.latency_ms for row in ledger.predictions(project="other")] == [None]
        assert (stats.first_at, stats.last_at) == (NOON, NOON + 2 * hour)
        assert ledger.prediction_stats().total == 4
        window = ledger.prediction_stats("films", since=NOON + hour, until=NOON + 2 * hour)
        assert (window.total, dict(window.by_version)) == (1, {"2": 1})

    def test_predicted_numbers_are_read_as_they_were_recorded_and_counted_apart(self, ledger: Ledger) -> None:
        """A number comes back with its interval, also one that is open; no figure of labels or confidence counts it."""
        ends = [(10.5, 14.25), (None, 3.0), None]
        numbers = [
            make_prediction(label="12.5", confidence=None, probabilities={}, interval=interval) for interval in ends
        ]
        ledger.record([*numbers, make_prediction(confidence=0.5)])
        assert [ledger.prediction(one.id) for one in numbers] == numbers
        stats = ledger.prediction_stats()
        assert (stats.total, dict(stats.by_label), dict(stats.by_version)) == (4, {"positive": 1}, {"1": 4})
        assert (stats.min_confidence, stats.mean_confidence, stats.max_confidence) == (0.5, 0.5, 0.5)
        [named] = ledger.find_predictions(ids=[numbers[0].id])
        assert (named.target, named.label, dict(named.probabilities)) == ("number", "12.5", {})

    def test_shadow_predictions_are_counted_only_on_request(self, ledger: Ledger) -> None:
        """Statistics are of the predictions that callers received; those of a shadow are counted on request only."""
        served = make_prediction(latency_ms=1)
        shadow = make_prediction(route="shadow", version="2", label="negative", latency_ms=9, key=served.id)
        ledger.record([served, shadow])
        stats = ledger.prediction_stats("films")
        assert (stats.total, stats.by_version, stats.mean_latency_ms) == (1, {"1": 1}, 1)
        assert ledger.prediction_stats("films", shadow=True).total == 2

    def test_keys_name_no_shadow_prediction(self, ledger: Ledger) -> None:
        """A shadow's key is the id of the champion's prediction; no caller chose it, so none finds the shadow by it."""
        served = make_prediction()
        ledger.record([served, make_prediction(route="shadow", version="2", key=served.id)])
        assert ledger.find_predictions(keys=[served.id]) == []

    def test_shadow_predictions_can_be_left_out(self, ledger: Ledger) -> None:
        """The filter ``shadow=False`` leaves out the shadow's predictions, with labels and without."""
        served, shadow = make_prediction(), make_prediction(route="shadow", version="2")
        ledger.record([served, shadow])
        labels = [Label(row.id, "positive", NOON, "test") for row in (served, shadow)]
        ledger.record_labels(labels)
        assert list(ledger.predictions(shadow=False)) == [served]
        assert list(ledger.labelled_predictions(shadow=False)) == [(served, labels[0])]
        assert {row.id for row in ledger.predictions(shadow=True)} == {served.id, shadow.id}
        assert list(ledger.predictions(route="shadow")) == [shadow]

    def test_threads_record_side_by_side(self, ledger: Ledger) -> None:
        """Batches recorded by several threads at once are all there, each prediction once."""
        batches = [[make_prediction() for _ in range(20)] for _ in range(24)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ledger.record, [*batches, *batches[:6]]))
        assert {found.id for found in ledger.predictions()} == {one.id for batch in batches for one in batch}
        assert ledger.prediction_stats().total == 480


class LabelContract:
    """Recording what turned out to be true."""

    def test_labels_join_their_predictions(self, ledger: Ledger) -> None:
        """A reported label is found by itself and with its prediction; predictions without one are left out."""
        known, unlabelled = make_prediction(), make_prediction()
        ledger.record([known, unlabelled])
        label = Label(known.id, "negative", NOON + timedelta(days=3), "support")
        assert ledger.record_labels([label]).accepted == 1
        assert list(ledger.labels()) == [label]
        assert list(ledger.labelled_predictions()) == [(known, label)]

    def test_unknown_predictions_are_reported(self, ledger: Ledger) -> None:
        """Labels of predictions that the ledger does not hold are named, and the others are stored."""
        known = make_prediction()
        ledger.record([known])
        reported = [Label(id_, "positive", NOON, "csv") for id_ in ("nobody", known.id, "nobody", "no one")]
        receipt = ledger.record_labels(reported)
        assert (receipt.accepted, receipt.unknown) == (1, ("nobody", "no one"))
        assert [label.prediction_id for label in ledger.labels(superseded=True)] == [known.id]

    def test_the_newest_label_counts(self, ledger: Ledger) -> None:
        """Of several labels that of the latest time counts, whichever came first; of the same time, the last."""
        known = make_prediction()
        ledger.record([known])
        late = Label(known.id, "right", NOON + timedelta(hours=1), "review")
        ledger.record_labels([late])
        ledger.record_labels([Label(known.id, "wrong", NOON, "user")])
        assert list(ledger.labels()) == [late]
        correction = replace(late, label="corrected")
        ledger.record_labels([correction])
        assert list(ledger.labels()) == [correction]
        assert list(ledger.labelled_predictions()) == [(known, correction)]
        assert ledger.newest_label_times([known.id, "nobody"]) == {known.id: late.at}
        assert [label.label for label in ledger.labels(superseded=True)] == ["wrong", "right", "corrected"]

    def test_a_repeated_report_counts_once(self, ledger: Ledger) -> None:
        """Importing the same labels again changes nothing and is accepted."""
        known = make_prediction()
        ledger.record([known])
        reports = [Label(known.id, "a", NOON, "f"), Label(known.id, "b", NOON + timedelta(1), "f")]
        ledger.record_labels(reports)
        assert ledger.record_labels([*reports, *reports]).accepted == 4
        assert list(ledger.labels(superseded=True)) == reports

    def test_labels_are_narrowed_by_project_and_time(self, ledger: Ledger) -> None:
        """Labels are narrowed by project and by the time of the report."""
        one, other = make_prediction(), make_prediction(project="other")
        ledger.record([one, other])
        first = Label(one.id, "a", NOON, "s")
        second = Label(other.id, "b", NOON + timedelta(hours=1), "s")
        ledger.record_labels([second, first])
        assert list(ledger.labels()) == [first, second]
        assert list(ledger.labels(model_name="other")) == [second]
        assert list(ledger.labels(since=NOON + timedelta(hours=1))) == [second]
        assert list(ledger.labels(until=NOON + timedelta(hours=1))) == [first]
        assert [label for _, label in ledger.labelled_predictions(project="films", limit=5)] == [first]

    def test_many_labels_at_once(self, ledger: Ledger) -> None:
        """More labels than one query can name are stored and found with their predictions."""
        many = [make_prediction() for _ in range(1203)]
        ledger.record(many)
        labels = [Label(one.id, "truth", NOON, "csv") for one in many]
        assert ledger.record_labels(labels).accepted == len(many)
        assert list(ledger.labels()) == labels
        assert list(ledger.labelled_predictions()) == list(zip(many, labels, strict=True))

    def test_an_unstorable_label_refuses_the_whole_call(self, ledger: Ledger) -> None:
        """A label that cannot be stored refuses the call, naming its position and field."""
        known = make_prediction()
        ledger.record([known])
        good = Label(known.id, "a", NOON, "s")
        for bad, named in (
            (replace(good, label="\ud800"), "label .*surrogate"),
            (replace(good, at=NOON.replace(tzinfo=None)), "time zone"),
        ):
            with pytest.raises(InputError, match=f"Label 1 of 2.*{named}"):
                ledger.record_labels([good, bad])
        assert list(ledger.labels()) == []


class LedgerContract(
    PredictionContract,
    LabelContract,
    EventContract,
    FindingContract,
    ProfileContract,
    BatchRunContract,
    NoteContract,
    OutcomesContract,
    RequestsContract,
    ArrivalsContract,
):
    """All of it."""

    def test_closing_twice_is_a_no_op(self, ledger: Ledger) -> None:
        """A ledger may be closed again, and by leaving its block."""
        with ledger as same:
            assert same is ledger
            ledger.close()
        ledger.close()
