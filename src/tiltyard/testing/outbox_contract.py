"""What every outbox must do. Needs pytest.

A test module holds a ledger to it by providing the fixture ``ledger``, an empty one, in a subclass.
"""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tiltyard.errors import InputError
from tiltyard.ledger import Ledger, Notice
from tiltyard.testing.records import NOON, make_event

MINUTE = timedelta(minutes=1)


def make_notice(**changes: Any) -> Notice:
    """A notification like any other, but for the changes."""
    fields: dict[str, Any] = {
        "topic": "model.promoted",
        "destination": "ops",
        "payload": {"title": "films: version 2 is champion", "data": {"rows": 3}},
        "at": NOON,
    }
    return Notice(**(fields | changes))


class Clock:
    """The time of an outbox, which a test sets."""

    def __init__(self, ledger: Any) -> None:
        self.now = NOON
        ledger.outbox.clock = lambda: self.now


class OutboxContract:
    """Notices go in with decisions, and come out until they are delivered or given up.

    The outbox of the ledger has an attribute ``clock``, which may be set to a function that gives the present.
    """

    def test_a_notice_is_stored_unchanged_and_once(self, ledger: Ledger) -> None:
        """What was enqueued is what a dispatcher leases, once only however often it was enqueued."""
        Clock(ledger)
        notice = make_notice(id="n1")
        ledger.outbox.enqueue([notice, make_notice(id="n1", topic="another")])
        ledger.outbox.enqueue([make_notice(id="n1", topic="another")])
        (item,) = ledger.outbox.lease(MINUTE, limit=5)
        assert (item.notice.id, item.notice.payload, item.notice.at) == ("n1", notice.payload, NOON)
        assert (item.state, item.attempts, item.leased_until) == ("waiting", 1, NOON + MINUTE)

    def test_a_decision_is_stored_with_its_notices_or_not_at_all(self, ledger: Ledger) -> None:
        """An event is appended with its notices, or neither is stored."""
        ledger.append(make_event(), [make_notice(), make_notice(destination="audit")])
        with pytest.raises(InputError, match="payload"):
            ledger.append(make_event(), [make_notice(payload={"what": object()})])
        with pytest.raises(InputError, match="NUL"):
            ledger.append(make_event(), [make_notice(destination="\0")])
        assert len(list(ledger.events())) == 1
        assert sorted(item.notice.destination for item in ledger.outbox.items()) == ["audit", "ops"]

    def test_a_leased_parcel_is_nobody_elses(self, ledger: Ledger) -> None:
        """While one dispatcher has an item no other gets it; when its lease is over the next one does."""
        clock = Clock(ledger)
        ledger.outbox.enqueue([make_notice()])
        (first,) = ledger.outbox.lease(MINUTE)
        clock.now += MINUTE / 2
        assert ledger.outbox.lease(MINUTE) == []
        clock.now += MINUTE / 2
        (second,) = ledger.outbox.lease(MINUTE)
        assert second.attempts == 2
        assert not ledger.outbox.mark_sent(first)
        assert not ledger.outbox.mark_failed(first, "late", None)
        assert ledger.outbox.mark_sent(second)
        assert not ledger.outbox.mark_sent(second)
        assert [(item.state, item.sent) for item in ledger.outbox.items()] == [("sent", clock.now)]

    def test_a_clock_that_was_set_back_holds_nothing_up(self, ledger: Ledger) -> None:
        """What arose, waits or is leased until a time that only a clock far ahead could reach is due all the same."""
        clock = Clock(ledger)
        clock.now = NOON + timedelta(days=400)
        ledger.outbox.enqueue([make_notice(id=name, at=clock.now) for name in ("arose", "failed", "leased")])
        items = {item.notice.id: item for item in ledger.outbox.lease(MINUTE, limit=3)}
        ledger.outbox.mark_failed(items["failed"], "503", timedelta(days=3))
        ledger.outbox.enqueue([make_notice(id="new", at=clock.now)])
        clock.now = NOON
        assert {item.notice.id for item in ledger.outbox.lease(MINUTE, limit=9)} == {*items, "new"}
        assert ledger.outbox.lease(MINUTE, limit=9) == []

    def test_a_wait_is_bounded(self, ledger: Ledger) -> None:
        """However long a receiver asks to be left alone, the next attempt follows within a day."""
        clock = Clock(ledger)
        ledger.outbox.enqueue([make_notice()])
        (item,) = ledger.outbox.lease(MINUTE)
        ledger.outbox.mark_failed(item, "503", timedelta(days=30))
        clock.now += timedelta(days=1) - MINUTE
        assert ledger.outbox.lease(MINUTE) == []
        clock.now += MINUTE
        assert len(ledger.outbox.lease(MINUTE)) == 1

    def test_items_come_when_they_are_due_longest_due_first(self, ledger: Ledger) -> None:
        """Items come when they are due, the longest due first, and not before."""
        clock, late = Clock(ledger), make_notice(due=NOON + MINUTE)
        ledger.outbox.enqueue([late, make_notice(id="b"), make_notice(id="a")])
        assert [item.notice.id for item in ledger.outbox.lease(MINUTE, limit=9)] == ["a", "b"]
        clock.now += MINUTE
        assert [item.notice.id for item in ledger.outbox.lease(MINUTE)] == ["a"]

    def test_an_item_given_up_waits_for_a_retry(self, ledger: Ledger) -> None:
        """A failed attempt leaves its error; an item that was given up is not leased until it is retried."""
        Clock(ledger)
        ledger.outbox.enqueue([make_notice(id="x"), make_notice(id="y", destination="audit")])
        x, y = ledger.outbox.lease(MINUTE, limit=2)
        assert ledger.outbox.mark_failed(x, "503 \ud800 \0", MINUTE)
        assert ledger.outbox.mark_failed(y, "gone", None)
        assert ledger.outbox.lease(MINUTE) == []
        states = {item.notice.id: item.state for item in ledger.outbox.items()}
        assert states == {"x": "waiting", "y": "given-up"}
        assert [item.error for item in ledger.outbox.items("given-up")] == ["gone"]
        assert ledger.outbox.retry(["y", "unknown"]) == 1
        (again,) = ledger.outbox.lease(MINUTE, limit=2)
        assert (again.notice.id, again.attempts) == ("y", 2)
        ledger.outbox.mark_sent(again)
        assert ledger.outbox.retry() == 1, "what was sent is not sent again"
        assert [item.notice.id for item in ledger.outbox.lease(MINUTE, limit=2)] == ["x"]

    def test_concurrent_dispatchers_never_hold_the_same_item(self, ledger: Ledger) -> None:
        """Dispatchers that lease at once never hold the same item, and together they get all."""
        Clock(ledger)
        ledger.outbox.enqueue([make_notice() for _ in range(40)])

        def empty(_: int) -> list[str]:
            mine: list[str] = []
            while items := ledger.outbox.lease(MINUTE, limit=3):
                assert all(ledger.outbox.mark_sent(item) for item in items)
                mine += [item.notice.id for item in items]
            return mine

        with ThreadPoolExecutor(4) as pool:
            leased = [id_ for mine in pool.map(empty, range(4)) for id_ in mine]
        assert len(leased) == len(set(leased)) == 40
