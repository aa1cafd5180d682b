"""The live outcomes that every ledger must count. Needs pytest; part of ``LedgerContract``."""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

from datetime import timedelta

from tiltyard.ledger import Label, Ledger, ShadowOutcomes, SplitOutcome
from tiltyard.testing.records import NOON, make_prediction

_MINUTE = timedelta(minutes=1)


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
        challenger = make_prediction(route="challenger", version="2", label="1", at=NOON + _MINUTE)
        ledger.record([served, shadow, challenger])
        ledger.record_labels([Label(row.id, "1.0", NOON, "test") for row in (served, challenger)])
        assert ledger.outcomes.count_shadow("films", "2") == ShadowOutcomes(0, 1, 0, 0)
        assert list(ledger.outcomes.list_split("films", "2")) == [SplitOutcome(True, True)]

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
            make_prediction(route="challenger", version="2", label=theirs, at=NOON + _MINUTE) for _, theirs, _ in cases
        ]
        ledger.record([*served, *shadows, *split])
        truths = [truth for _, _, truth in cases]
        ledger.record_labels([Label(row.id, truth, NOON, "test") for row, truth in zip(served, truths, strict=True)])
        ledger.record_labels(
            [Label(row.id, truth, NOON + _MINUTE, "test") for row, truth in zip(split, truths, strict=True)]
        )
        assert ledger.outcomes.count_shadow("films", "2", became=became) == ShadowOutcomes(0, 2, 2, 0)
        rows = [row.right for row in ledger.outcomes.list_split("films", "2", became=became)]
        assert rows == [False, True, True]

    def test_a_split_lists_rows_in_the_order_of_labels(self, ledger: Ledger) -> None:
        """Rows of both come in the order of their labels, the champion's only from the challenger's first one on."""
        before = make_prediction(at=NOON - _MINUTE)
        champion = make_prediction(at=NOON + _MINUTE, label="a")
        challenger = make_prediction(route="challenger", version="2", label="a")
        foreign = make_prediction(route="challenger", version="1", label="a")
        ledger.record([before, champion, challenger, foreign])
        came = [(before, 0), (challenger, 3), (champion, 2), (foreign, 1)]
        ledger.record_labels([Label(row.id, "a", NOON + position * _MINUTE, "test") for row, position in came])
        assert list(ledger.outcomes.list_split("films", "2")) == [SplitOutcome(False, True), SplitOutcome(True, True)]
        assert list(ledger.outcomes.list_split("films", "9")) == []
