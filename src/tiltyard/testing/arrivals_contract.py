"""What every ledger must do with what comes from spools. Needs pytest."""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tiltyard.ledger import Label, Ledger, Prediction
from tiltyard.ledger.arrivals import ArrivalReceipt, SetAsideRecord, is_redacted
from tiltyard.ledger.codec import encode_predictions
from tiltyard.ledger.records import SHADOW
from tiltyard.testing.records import NOON, make_prediction


class ArrivalsContract:
    """What was predicted is kept, and what was removed stays so, whatever a spool brings."""

    def test_what_comes_twice_is_there_once(self, ledger: Ledger) -> None:
        """A row that is shipped again changes nothing, nor does the same prediction of another host at another time."""
        row = make_prediction(key="k", unit="r0123456789abcdef")
        assert receive(ledger, row) == ArrivalReceipt()
        other_host = replace(
            row,
            at=row.at + timedelta(seconds=1),
            latency_ms=9.0,
            unit=None,
            probabilities={"negative": 0.25 + 1e-12, "positive": 0.75 - 1e-12},
        )
        assert receive(ledger, row, other_host) == ArrivalReceipt()
        assert list(ledger.predictions()) == [row]
        assert list(ledger.arrivals.select()) == []
        assert ledger.arrivals.count() == []

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"label": "negative"}, "label"),
            ({"version": "2", "route": "challenger"}, "version, route"),
            ({"input": {"text": "Bad."}}, "input"),
            ({"key": "k"}, "key"),
            ({"probabilities": {"negative": 0.26, "positive": 0.74}}, "probabilities"),
            ({"project": "songs"}, "project"),
        ],
    )
    def test_another_prediction_with_a_known_id_is_set_aside(
        self, ledger: Ledger, changes: dict[str, Any], named: str
    ) -> None:
        """The row that came first stays; the other is kept with what differs, once, however often it comes."""
        first = make_prediction()
        second, news = replace(first, **changes), make_prediction()
        receive(ledger, first)
        assert receive(ledger, second, news, origin="b:0") == ArrivalReceipt(set_aside=1)
        assert receive(ledger, second, origin="b:0") == ArrivalReceipt(set_aside=1)
        assert ledger.prediction(first.id) == first
        assert ledger.prediction(news.id) == news
        [kept] = ledger.arrivals.select()
        assert (kept.kind, kept.reason, kept.subject, kept.origin) == ("prediction", "differs", first.id, "b:0")
        assert kept.message.endswith(f"differ in: {named}.")
        assert kept.content == encode_predictions([second])[0]._asdict()
        [count] = ledger.arrivals.count()
        assert (count.project, count.reason, count.rows) == (second.project, "differs", 1)

    def test_what_was_erased_stays_erased(self, ledger: Ledger) -> None:
        """Erased rows and their shadows do not come back, known to the ledger or not; their labels need not wait."""
        mine, unseen, other = make_prediction(), make_prediction(), make_prediction()
        shadow, early = (make_prediction(key=mine.id, route=SHADOW) for _ in range(2))
        receive(ledger, mine, other, early)
        receive(ledger, replace(mine, label="negative"))
        assert ledger.retention.erase([mine.id, unseen.id]) == 2
        assert list(ledger.arrivals.select()) == []
        assert receive(ledger, shadow, mine, unseen, other, early) == ArrivalReceipt(kept_out=4)
        assert list(ledger.predictions()) == [other]
        assert ledger.arrivals.find_erased([mine.id, unseen.id, other.id]) == {mine.id, unseen.id}
        assert [(count.project, count.reason, count.rows) for count in ledger.arrivals.count(model_name="films")] == [
            ("films", "erased", 4)
        ]
        assert ledger.record_labels([Label(mine.id, "positive", NOON, "s")]).unknown == (mine.id,)

    def test_what_is_made_after_an_erasure_is_another_prediction(self, ledger: Ledger) -> None:
        """A request that is repeated after the erasure gets the same id: its prediction is new, and recorded."""
        mine = make_prediction(key="customer-7")
        receive(ledger, mine)
        ledger.retention.erase([mine.id])
        ledger.retention.bar("films", ["customer-7"])
        again = replace(mine, at=datetime.now(UTC) + timedelta(hours=1))
        assert receive(ledger, mine, again) == ArrivalReceipt(kept_out=1)
        assert list(ledger.predictions()) == [again]

    def test_a_clock_that_was_ahead_does_not_bring_an_erased_row_back(self, ledger: Ledger) -> None:
        """A row that the ledger held stays erased even where its time is after the erasure."""
        mine = make_prediction(at=datetime.now(UTC) + timedelta(hours=1))
        receive(ledger, mine)
        ledger.retention.erase([mine.id])
        assert receive(ledger, mine) == ArrivalReceipt(kept_out=1)

    def test_a_barred_key_takes_its_list_and_shadows(self, ledger: Ledger) -> None:
        """What still comes with an erased key, or as an item of its list, is left out, with its shadows."""
        sent = [make_prediction(key=key) for key in ("seven", "seven/0", "seven/12")]
        others = [make_prediction(key=key) for key in ("seven/x", "seven/1/2", "seven/", "seventy")]
        others += [make_prediction(), make_prediction(key="seven", project="songs")]
        shadows = [make_prediction(key=row.id, route=SHADOW) for row in sent]
        receive(ledger, shadows[0])
        assert ledger.retention.bar("films", ["seven"]) == 0
        receipt = receive(ledger, *shadows[1:], *sent, *others)
        assert receipt == ArrivalReceipt(kept_out=5)
        assert {row.id for row in ledger.predictions()} == {row.id for row in others}
        # The shadow of a row that was known by its key may come last.
        assert receive(ledger, shadows[0]) == ArrivalReceipt(kept_out=1)

    def test_what_was_set_aside_goes_with_its_key(self, ledger: Ledger) -> None:
        """Erasing a key removes what was set aside with it, and with the items of its list."""
        rows = [make_prediction(key=key) for key in ("seven", "seven/3", "eight")]
        receive(ledger, *rows)
        receive(ledger, *(replace(row, label="negative") for row in rows))
        assert ledger.retention.bar("films", ["seven"]) == 2
        assert [kept.key for kept in ledger.arrivals.select()] == ["eight"]

    def test_what_was_redacted_comes_redacted(self, ledger: Ledger) -> None:
        """Rows that were redacted, by id or by key, are stored without input and key, and come again as the same."""
        known, unseen = make_prediction(), make_prediction(key="seven/0", unit="r0123456789abcdef")
        shadow, early = (make_prediction(key=unseen.id, route=SHADOW) for _ in range(2))
        receive(ledger, known, early)
        ledger.retention.redact([known.id], "asked")
        ledger.retention.bar("films", ["seven"], "asked")
        receive(ledger, known, unseen, shadow)
        receive(ledger, known, unseen, shadow)
        rows = {row.id: row for row in ledger.predictions()}
        assert len(rows) == 4
        assert all(is_redacted(row.input) for row in rows.values())
        changed = rows[unseen.id]
        assert (changed.key, changed.assignment, changed.label) == (None, None, unseen.label)
        assert changed.unit not in (None, unseen.unit)
        assert list(ledger.arrivals.select()) == []

    def test_what_was_pruned_stays_pruned(self, ledger: Ledger) -> None:
        """Rows from before the pruning stay out, whether the ledger held them or not; those of other models come."""
        old, unseen, new = (make_prediction(at=NOON + timedelta(days=days)) for days in (-9, -8, 0))
        other = make_prediction(at=old.at, project="songs")
        receive(ledger, old, new)
        receive(ledger, replace(old, label="negative"))
        assert ledger.retention.prune("films", NOON) == 1
        ledger.retention.prune("films", NOON - timedelta(days=20))
        assert receive(ledger, old, unseen, new, other) == ArrivalReceipt(kept_out=2)
        assert {row.id for row in ledger.predictions()} == {new.id, other.id}
        assert list(ledger.arrivals.select()) == []
        assert [(count.reason, count.rows) for count in ledger.arrivals.count()] == [("pruned", 2)]

    def test_anything_can_be_set_aside(self, ledger: Ledger) -> None:
        """What no table can hold is set aside all the same, and can be read, listed by model, and discarded."""
        content = {"text": "NUL \0, half \ud83d, \N{GRINNING FACE}", "number": 2**70, "long": "x" * 20_000}
        odd = SetAsideRecord(
            kind="event",
            reason="refused",
            message="NUL \0",
            origin="a:0",
            subject="s\0\ud83d" * 3000,
            content=content,
        )
        of_songs = SetAsideRecord(
            kind="label",
            reason="refused",
            message="no",
            origin="a:0",
            subject="7",
            project="songs",
            made=NOON,
            content={},
        )
        ledger.arrivals.keep([odd, of_songs])
        ledger.arrivals.keep([odd])
        found = {kept.id: kept for kept in ledger.arrivals.select()}
        assert found[odd.id].content == content
        assert found[of_songs.id] == of_songs
        assert [kept.id for kept in ledger.arrivals.select(model_name="films")] == [odd.id]
        assert {(count.project, count.rows) for count in ledger.arrivals.count()} == {("", 1), ("songs", 1)}
        assert ledger.arrivals.discard([odd.id, "none"]) == 1
        assert list(ledger.arrivals.select()) == [of_songs]

    def test_the_items_of_a_list_are_found_by_its_key(self, ledger: Ledger) -> None:
        """With ``list_items`` a key finds the rows of a list that was sent with it, and nothing else."""
        keys = ["a%/b", "a%/b/0", "a%/b/10", "a%/b/", "a%/b/1/2", "a%/b/x1", "a%/b0", "a%/c/0", None]
        ledger.record([make_prediction(key=key) for key in keys])
        found = ledger.predictions(key="a%/b", list_items=True)
        assert {row.key for row in found} == {"a%/b", "a%/b/0", "a%/b/10"}
        assert [row.key for row in ledger.predictions(key="a%/b")] == ["a%/b"]


def receive(ledger: Ledger, *rows: Prediction, origin: str = "a:0") -> ArrivalReceipt:
    """Let predictions come from a spool."""
    return ledger.arrivals.receive(encode_predictions(rows), origin)
