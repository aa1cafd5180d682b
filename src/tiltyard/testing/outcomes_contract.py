"""The live outcomes that every ledger must count. Needs pytest; part of ``LedgerContract``."""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tiltyard.errors import InputError
from tiltyard.ledger import (
    Assignment,
    Label,
    LabelRequest,
    Ledger,
    ShadowOutcome,
    ShadowOutcomes,
    SplitOutcome,
    is_redacted,
)
from tiltyard.ledger.records import KNOWN_UNIT
from tiltyard.testing.records import NOON, make_prediction

_MINUTE = timedelta(minutes=1)
LOW, HIGH = "r" + "0" * 16, "c" + "f" * 16
"""Units on the challenger's side at any share, and on the champion's."""


class OutcomesContract:
    """Outcomes of a champion and a challenger."""

    def test_shadows_are_evaluated_by_the_champions_labels(self, ledger: Ledger) -> None:
        """Each pair counts once, by the newest label; pairs without a label, or of other versions, do not."""
        truths = ["a", "a", "b", "c", None]
        predicted_labels = [("a", "a"), ("a", "b"), ("a", "b"), ("a", "b"), ("a", "a")]
        rows = [make_prediction(label=mine) for mine, _ in predicted_labels]
        shadows = [
            make_prediction(route="shadow", version="2", label=theirs, key=row.id)
            for row, (_, theirs) in zip(rows, predicted_labels, strict=True)
        ]
        other = make_prediction(route="shadow", version="3", label="a", key=rows[0].id)
        ledger.record([*rows, *shadows, other])
        labels = [Label(row.id, truth, NOON, "test") for row, truth in zip(rows, truths, strict=True) if truth]
        ledger.record_labels([Label(rows[0].id, "z", NOON - _MINUTE, "test"), *labels])
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(1, 1, 1, 1)
        assert ledger.outcomes.count_shadow("films", "2", since=NOON + _MINUTE) == ShadowOutcomes()
        assert ledger.outcomes.count_shadow("plays", "2") == ShadowOutcomes()

    def test_a_label_in_another_spelling_is_right(self, ledger: Ledger) -> None:
        """A label counts for the class that it means, however it is spelt."""
        served = make_prediction(label="1")
        shadow = make_prediction(route="shadow", version="2", label="0", key=served.id)
        challenger = make_prediction(route="challenger", version="2", label="1", at=NOON + _MINUTE, **_split(LOW))
        ledger.record([served, shadow, challenger])
        ledger.record_labels([Label(row.id, "1.0", NOON, "test") for row in (served, challenger)])
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(0, 1, 0, 0)
        assert list(ledger.outcomes.list_split("films", "2")) == [SplitOutcome(LOW, True, 0.5, True, 1)]

    def test_labels_of_rare_classes_count_as_what_the_classes_became(self, ledger: Ledger) -> None:
        """A merged class is right where its merger or it was predicted; one that was set aside is not counted."""
        became = {"x": "other", "y": "other", "z": None, "w": None}
        cases = [("other", "a", "x"), ("a", "x", "x"), ("a", "other", " y"), ("a", "b", "z"), ("w", "a", "w")]
        served = [make_prediction(label=mine) for mine, _, _ in cases]
        shadows = [
            make_prediction(route="shadow", version="2", label=theirs, key=row.id)
            for row, (_, theirs, _) in zip(served, cases, strict=True)
        ]
        split = [
            make_prediction(route="challenger", version="2", label=theirs, at=NOON + _MINUTE, **_split(LOW))
            for _, theirs, _ in cases
        ]
        ledger.record([*served, *shadows, *split])
        truths = [truth for _, _, truth in cases]
        ledger.record_labels([Label(row.id, truth, NOON, "test") for row, truth in zip(served, truths, strict=True)])
        ledger.record_labels(
            [Label(row.id, truth, NOON + _MINUTE, "test") for row, truth in zip(split, truths, strict=True)]
        )
        assert ledger.outcomes.count_shadow("films", "2", became=became) == ShadowOutcomes(0, 2, 2, 0)
        rows = [(row.right, row.rows) for row in ledger.outcomes.list_split("films", "2", became=became)]
        assert rows == [(False, 3), (True, 3), (True, 3)]

    def test_a_split_lists_rows_in_the_order_of_the_ledger(self, ledger: Ledger) -> None:
        """Rows with an assignment come in the order of their first labels in the ledger, whatever times these have."""
        champion = make_prediction(label="a", **_split(HIGH))
        challenger = make_prediction(route="challenger", version="2", label="a", **_split(LOW))
        # The challenger failed on it: its unit stays on the challenger's side all the same.
        stood_in = make_prediction(label="b", **_split(LOW))
        unlabelled = make_prediction(label="b", **_split(LOW))
        named, foreign = make_prediction(label="a"), make_prediction(label="a", **_split(LOW, "20"))
        ledger.record([champion, challenger, stood_in, unlabelled, named, foreign])
        for row, minutes in ((challenger, 9), (champion, 5), (stood_in, 7), (named, 1), (foreign, 2)):
            ledger.record_labels([Label(row.id, "a", NOON + minutes * _MINUTE, "test")])
        ledger.record_labels([Label(challenger.id, "b", NOON + 10 * _MINUTE, "test")])
        assert list(ledger.outcomes.list_split("films", "2")) == [
            SplitOutcome(LOW, True, 0.5, False, 3),
            SplitOutcome(HIGH, False, 0.5, True, 1),
            SplitOutcome(LOW, True, 0.5, False, 3),
        ]
        assert list(ledger.outcomes.list_split("films", "2", since=NOON + _MINUTE)) == []
        assert list(ledger.outcomes.list_split("films", "9")) == []

    def test_shadows_of_units_are_listed_with_their_unit(self, ledger: Ledger) -> None:
        """Pairs that share a unit come in the order of the ledger; pairs without a unit are only counted."""
        rows = [make_prediction(label="a", unit=unit) for unit in (LOW, None, HIGH, LOW)]
        shadows = [make_prediction(route="shadow", version="2", label="b", key=row.id) for row in rows]
        ledger.record([*rows, *shadows])
        for row, truth in ((rows[2], "b"), (rows[0], "a"), (rows[1], "a")):
            ledger.record_labels([Label(row.id, truth, NOON, "test")])
        assert list(ledger.outcomes.list_shadow_units("films", "2")) == [
            ShadowOutcome(HIGH, False, True, 1),
            ShadowOutcome(LOW, True, False, 2),
        ]
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(0, 2, 1, 0)

    def test_numbers_are_right_by_their_capped_error(self, ledger: Ledger) -> None:
        """With a cap, each row counts by its error's share of the cap, and one without a unit is a unit by itself."""
        predicted_numbers = [("1.5", "3.0"), ("-4", "2.25"), ("2.0", "nan")]
        rows = [
            make_prediction(label=mine, unit=unit)
            for (mine, _), unit in zip(predicted_numbers, (None, LOW, LOW), strict=True)
        ]
        shadows = [
            make_prediction(route="shadow", version="2", label=theirs, key=row.id, unit=KNOWN_UNIT)
            for row, (_, theirs) in zip(rows, predicted_numbers, strict=True)
        ]
        split = [
            make_prediction(route="challenger", version="2", label=label, at=NOON + _MINUTE, **_split(LOW))
            for label in ("2.5", "a class")
        ]
        ledger.record([*rows, *shadows, *split])
        ledger.record_labels([Label(row.id, "2", NOON + _MINUTE, "test") for row in (*rows, *split)])
        found = list(ledger.outcomes.list_shadow_units("films", "2", error_cap=2.0))
        assert [(one.champion_right, one.challenger_right, one.rows) for one in found] == [
            (0.75, 0.5, 1),
            (0.0, 0.875, 1),
        ]
        assert found[0].unit[0] == "r"
        assert found[1].unit == LOW
        assert list(ledger.outcomes.list_split("films", "2", error_cap=2.0)) == [SplitOutcome(LOW, True, 0.5, 0.75, 1)]

    def test_shadows_of_a_group_are_one_unit(self, ledger: Ledger) -> None:
        """With a key of groups, rows that name the same group share a unit, in whichever requests they came."""
        sent: list[tuple[dict[str, object], str | None]] = [
            ({"@group": 7}, LOW),
            ({"@group": " 7"}, None),
            ({"@group": "b"}, LOW),
            ({}, LOW),
            ({}, None),
        ]
        rows = [make_prediction(label="a", unit=unit, input={"text": '"@group"', **group}) for group, unit in sent]
        shadows = [make_prediction(route="shadow", version="2", label="b", key=row.id) for row in rows]
        ledger.record([*rows, *shadows])
        ledger.record_labels([Label(row.id, "a", NOON, "test") for row in rows])
        found = list(ledger.outcomes.list_shadow_units("films", "2", group_key="@group"))
        assert [one.unit == found[0].unit for one in found] == [True, True, False, False]
        assert [one.unit[0] for one in found] == ["c", "c", "c", "r"]
        assert [one.rows for one in found[:3]] == [2, 2, 1]
        assert [one.unit for one in ledger.outcomes.list_shadow_units("films", "2")] == [LOW] * 3

    def test_labels_that_were_chosen_do_not_count(self, ledger: Ledger) -> None:
        """Only labels that chance chose, or nobody, say which version is right more often."""
        served = [make_prediction(label="a", unit=LOW) for _ in range(3)]
        shadows = [make_prediction(route="shadow", version="2", label="b", key=row.id) for row in served]
        split = [make_prediction(route="challenger", version="2", label="b", **_split(LOW)) for _ in range(3)]
        ledger.record([*served, *shadows, *split])
        ledger.record_labels([Label(row.id, "a", NOON, "test") for row in (*served, *split)])
        hard = [LabelRequest("q", rows[0].id, NOON, "uncertain") for rows in (served, split)]
        drawn = [LabelRequest("q", rows[1].id, NOON, "random", 0.5) for rows in (served, split)]
        ledger.label_requests.record([*hard, *drawn])
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(0, 2, 0, 0)
        assert list(ledger.outcomes.list_shadow_units("films", "2")) == [ShadowOutcome(LOW, True, False, 3)] * 2
        assert list(ledger.outcomes.list_split("films", "2")) == [SplitOutcome(LOW, True, 0.5, False, 3)] * 2

    def test_redacted_rows_of_a_request_still_belong_together(self, ledger: Ledger) -> None:
        """A redacted batch is one unit under another name, and not as many independent rows."""
        rows = [make_prediction(label="a", unit=unit) for unit in (LOW, LOW, HIGH)]
        ledger.record([*rows, *(make_prediction(route="shadow", version="2", label="b", key=row.id) for row in rows)])
        ledger.record_labels([Label(row.id, "a", NOON, "test") for row in rows])
        ledger.retention.redact([row.id for row in rows], "requested")
        units = [one.unit for one in ledger.outcomes.list_shadow_units("films", "2")]
        assert len(units) == 3
        assert units[0] == units[1] != units[2]
        assert not {LOW, HIGH} & set(units)
        assert [unit[0] for unit in units] == ["r", "r", "c"]

    @pytest.mark.parametrize("group_key", ["@group", "film"])
    def test_redacted_rows_of_a_group_still_belong_together(self, ledger: Ledger, group_key: str) -> None:
        """What a redaction leaves of a group is a name that says nothing, the same for all of its rows."""
        groups: list[Any] = ["Ada", "Ada ", 7, None]
        inputs = [{"text": "I am Ada.", group_key: group} for group in groups]
        rows = [make_prediction(label="a", unit=LOW, input=content) for content in inputs]
        ledger.record([*rows, *(make_prediction(route="shadow", version="2", label="b", key=row.id) for row in rows)])
        ledger.record_labels([Label(row.id, "a", NOON, "test") for row in rows])
        ledger.retention.redact([row.id for row in rows], "requested", group_key)
        units = [one.unit for one in ledger.outcomes.list_shadow_units("films", "2", group_key=group_key)]
        assert units[0] == units[1]
        assert len({*units}) == 3
        assert [unit[0] for unit in units] == ["c", "c", "c", "r"]
        kept = [row.input for row in ledger.predictions(route="champion")]
        assert all(is_redacted(content) for content in kept)
        assert "Ada" not in str(kept)
        assert "7" not in [content.get(group_key) for content in kept]

    def test_shadows_of_which_no_request_is_known_are_counted_apart(self, ledger: Ledger) -> None:
        """Earlier builds did not record which rows came together: they may all be of one batch."""
        rows = [make_prediction(label="a", unit=unit) for unit in (None, None, LOW, None)]
        shadows = [
            make_prediction(route="shadow", version="2", label="b", key=row.id, unit=unit)
            for row, unit in zip(rows, (None, None, None, KNOWN_UNIT), strict=True)
        ]
        ledger.record([*rows, *shadows])
        ledger.record_labels([Label(row.id, "a", NOON, "test") for row in rows])
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(0, 2, 0, 0, unknown=2)
        assert len(ledger.outcomes.list_shadow_units("films", "2", group_key="text")) == 2


class RequestsContract:
    """Requests for labels, and labels that are taken back."""

    def test_hard_labels_are_no_sample_before_a_later_draw_is_labelled(self, ledger: Ledger) -> None:
        """A random queue without labels does not turn what an earlier queue chose into a sample."""
        rows = [make_prediction() for _ in range(20)]
        ledger.record(rows)
        ledger.record_labels([Label(rows[0].id, "a", NOON, "s")])
        later = NOON + _MINUTE
        ledger.label_requests.record([LabelRequest("q1", rows[0].id, NOON, "uncertain")])
        ledger.label_requests.record([LabelRequest("q2", row.id, later, "random", 1.0) for row in rows])
        other = make_prediction()
        ledger.record([other])
        ledger.record_labels([Label(other.id, "a", NOON, "s")])
        reasons = {label.prediction_id: label.reason for label in ledger.labels(requested=True)}
        assert reasons == {rows[0].id: "uncertain"}
        ledger.retention.erase([other.id])
        ledger.record_labels([Label(row.id, "a", later, "s") for row in rows[1:19]])
        assert {label.reason for label in ledger.labels()} == {"random"}

    def test_a_label_is_withdrawn_by_who_gave_it(self, ledger: Ledger) -> None:
        """The label that counts goes if it has the source, and the one before counts again; another's stays."""
        known, other = make_prediction(), make_prediction()
        ledger.record([known, other])
        first, correction = Label(known.id, "a", NOON, "ada"), Label(known.id, "b", NOON + timedelta(1), "bob")
        ledger.record_labels([first, correction, Label(other.id, "a", NOON, "bob")])
        assert ledger.retention.withdraw_label(known.id, "ada") == correction
        assert list(ledger.labels(prediction_id=known.id)) == [correction]
        assert ledger.retention.withdraw_label(known.id, "bob") == correction
        assert list(ledger.labels(prediction_id=known.id, superseded=True)) == [first]
        assert ledger.retention.withdraw_label(known.id, "ada") == first
        assert ledger.retention.withdraw_label(known.id, "ada") is None
        assert ledger.retention.withdraw_label("nobody", "ada") is None
        assert [label.prediction_id for label in ledger.labels()] == [other.id]
        ledger.record_labels([first])
        assert list(ledger.labels(prediction_id=known.id)) == [first]

    def test_a_label_has_the_reason_of_its_request(self, ledger: Ledger) -> None:
        """A label is organic, or has the reason of the first request for it, of which a random one goes before all."""
        rows = [make_prediction() for _ in range(4)]
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "a", NOON, "s") for row in rows])
        later = NOON + _MINUTE
        requests = [
            LabelRequest("q1", rows[1].id, NOON, "uncertain"),
            LabelRequest("q1", rows[2].id, NOON, "drifted"),
            LabelRequest("q2", rows[1].id, later, "random", 0.25),
            LabelRequest("q2", rows[2].id, later, "uncertain"),
            LabelRequest("q2", rows[3].id, later, "random", 1.0),
        ]
        ledger.label_requests.record(requests)
        ledger.label_requests.record([LabelRequest("q1", rows[2].id, later, "uncertain"), *requests])
        expected = {rows[0].id: "organic", rows[1].id: "random", rows[2].id: "drifted", rows[3].id: "random"}
        assert {label.prediction_id: label.reason for label in ledger.labels()} == expected
        assert {row.id: label.reason for row, label in ledger.labelled_predictions()} == expected
        assert [label.is_sample for label in ledger.labels() if label.prediction_id == rows[2].id] == [False]
        assert list(ledger.label_requests.select(model_name="films")) == [
            *sorted(requests[:2], key=lambda one: one.prediction_id),
            *sorted(requests[2:], key=lambda one: one.prediction_id),
        ]
        assert len(list(ledger.label_requests.select(since=later))) == 3
        assert not list(ledger.label_requests.select(model_name="plays"))

    def test_what_a_caller_says_of_the_reason_is_not_stored(self, ledger: Ledger) -> None:
        """A label that says it was drawn at random is organic where the ledger holds no request."""
        row = make_prediction()
        ledger.record([row])
        ledger.record_labels([Label(row.id, "a", NOON, "s", "random")])
        assert [label.reason for label in ledger.labels()] == ["organic"]

    def test_an_erased_prediction_takes_its_requests_along(self, ledger: Ledger) -> None:
        """Nothing of an erased prediction is left."""
        row = make_prediction()
        ledger.record([row])
        ledger.label_requests.record([LabelRequest("q", row.id, NOON, "uncertain")])
        ledger.retention.erase([row.id])
        assert not list(ledger.label_requests.select())

    @pytest.mark.parametrize(
        "wrong",
        [
            LabelRequest("q", "p", NOON, "random"),
            LabelRequest("q", "p", NOON, "uncertain", 0.5),
            LabelRequest("q", "p", NOON, "random", 0.0),
            LabelRequest("q", "p", NOON, "organic"),
            LabelRequest("q", "p", NOON.replace(tzinfo=None), "uncertain"),
        ],
    )
    def test_an_impossible_request_is_refused(self, ledger: Ledger, wrong: LabelRequest) -> None:
        """A request whose reason and probability do not fit refuses the call; nothing of it is stored."""
        with pytest.raises(InputError, match="Request 1 of 2"):
            ledger.label_requests.record([LabelRequest("q", "o", NOON, "uncertain"), wrong])
        assert not list(ledger.label_requests.select())


def _split(unit: str, challenger: str = "2") -> dict[str, Any]:
    """What a row has that took part in a split test with half of the units for the challenger."""
    return {"unit": unit, "assignment": Assignment(challenger, 0.5).encode()}
