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


class OutboxContract:
    """Notices go in with decisions, and come out until they are delivered or given up."""

    def test_a_notice_is_stored_unchanged_and_once(self, ledger: Ledger) -> None:
        """What was enqueued is what a dispatcher leases, once only however often it was enqueued."""
        notice = make_notice(id="n1")
        ledger.outbox.enqueue([notice, make_notice(id="n1", topic="another")])
        ledger.outbox.enqueue([make_notice(id="n1", topic="another")])
        (item,) = ledger.outbox.lease(NOON, MINUTE, limit=5)
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
        ledger.outbox.enqueue([make_notice()])
        (first,) = ledger.outbox.lease(NOON, MINUTE)
        assert ledger.outbox.lease(NOON + MINUTE / 2, MINUTE) == []
        (second,) = ledger.outbox.lease(NOON + MINUTE, MINUTE)
        assert second.attempts == 2
        assert not ledger.outbox.mark_sent(first, NOON + MINUTE)
        assert not ledger.outbox.mark_failed(first, "late", None)
        assert ledger.outbox.mark_sent(second, NOON + MINUTE)
        assert not ledger.outbox.mark_sent(second, NOON + MINUTE)
        assert [item.state for item in ledger.outbox.items()] == ["sent"]

    def test_items_come_when_they_are_due_longest_due_first(self, ledger: Ledger) -> None:
        """Items come when they are due, the longest due first, and not before."""
        late = make_notice(due=NOON + MINUTE)
        ledger.outbox.enqueue([late, make_notice(id="b"), make_notice(id="a")])
        assert [item.notice.id for item in ledger.outbox.lease(NOON, MINUTE, limit=9)] == ["a", "b"]
        assert [item.notice.id for item in ledger.outbox.lease(NOON + MINUTE, MINUTE)] == ["a"]

    def test_an_item_given_up_waits_for_a_retry(self, ledger: Ledger) -> None:
        """A failed attempt leaves its error; an item that was given up is not leased until it is retried."""
        ledger.outbox.enqueue([make_notice(id="x"), make_notice(id="y", destination="audit")])
        x, y = ledger.outbox.lease(NOON, MINUTE, limit=2)
        assert ledger.outbox.mark_failed(x, "503 \ud800 \0", NOON + MINUTE)
        assert ledger.outbox.mark_failed(y, "gone", None)
        assert ledger.outbox.lease(NOON, MINUTE) == []
        states = {item.notice.id: item.state for item in ledger.outbox.items()}
        assert states == {"x": "waiting", "y": "given-up"}
        assert [item.error for item in ledger.outbox.items("given-up")] == ["gone"]
        assert ledger.outbox.retry(NOON, ["y", "unknown"]) == 1
        (again,) = ledger.outbox.lease(NOON, MINUTE, limit=2)
        assert (again.notice.id, again.attempts) == ("y", 2)
        ledger.outbox.mark_sent(again, NOON)
        assert ledger.outbox.retry(NOON) == 1, "what was sent is not sent again"
        assert [item.notice.id for item in ledger.outbox.lease(NOON, MINUTE, limit=2)] == ["x"]

    def test_concurrent_dispatchers_never_hold_the_same_item(self, ledger: Ledger) -> None:
        """Dispatchers that lease at once never hold the same item, and together they get all."""
        ledger.outbox.enqueue([make_notice() for _ in range(40)])

        def empty(_: int) -> list[str]:
            mine: list[str] = []
            while items := ledger.outbox.lease(NOON, MINUTE, limit=3):
                assert all(ledger.outbox.mark_sent(item, NOON) for item in items)
                mine += [item.notice.id for item in items]
            return mine

        with ThreadPoolExecutor(4) as pool:
            leased = [id_ for mine in pool.map(empty, range(4)) for id_ in mine]
        assert len(leased) == len(set(leased)) == 40
