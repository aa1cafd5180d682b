"""Stories of the central ledger in SQLite: predictions, labels, decisions, leases and notifications."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from benchmarks.power.stories.databases import list_damage, prediction_ids
from benchmarks.power.story import Log, Marks, Verdict

from tiltyard.ledger import Label, Notice, SqlLedger, new_id
from tiltyard.testing import make_event, make_prediction
from tiltyard.testing.records import NOON

ROUNDS = 3
HOLD = timedelta(hours=1)


def open_central(root: Path) -> SqlLedger:
    """The central ledger of a story."""
    return SqlLedger.open(f"sqlite:///{root}/state/ledger.db")


class CentralLedger:
    """Predictions, labels, decisions and a lease, in a ledger that is closed and opened again."""

    name = "ledger"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """Nothing is there before."""

    def run(self, root: Path, log: Log) -> None:
        """Record, label and decide, in rounds; each round opens the ledger anew."""
        for number in range(ROUNDS):
            with log.step("open") as opened:
                ledger = open_central(root)
            if not opened.done:
                continue
            batches = [[make_prediction() for _ in range(count)] for count in (1, 40)]
            for batch in batches:
                ids = [prediction.id for prediction in batch]
                with log.step("record", ids=ids) as recorded:
                    ledger.record(batch)
                if recorded.done:
                    with log.step("label", ids=ids[:1]):
                        ledger.record_labels([Label(ids[0], "positive", NOON, "person")])
            actor = f"actor-{number}"
            with log.step("decide", actors=[actor]):
                ledger.append(make_event(actor=actor))
            with log.step("lease", names=[f"turn-{number}"]):
                ledger.leases.acquire(f"turn-{number}", actor, HOLD)
            with log.step("close"):
                ledger.close()

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """All of it is there, the chain is whole, and the ledger takes more."""
        with open_central(root) as ledger:
            found = prediction_ids(ledger)
            verdict.expect("predictions", marks.values("done", "record", "ids"), found)
            verdict.expect_whole([f"{id_} was never recorded" for id_ in set(found) - _tried(marks)])
            labelled = [label.prediction_id for label in ledger.labels()]
            verdict.expect("labels", marks.values("done", "label", "ids"), labelled)
            actors = [event.actor for event in ledger.events()]
            verdict.expect("decisions", marks.values("done", "decide", "actors"), actors)
            verdict.expect_whole(ledger.verify_events())
            held = [
                name
                for name in marks.values("done", "lease", "names")
                if ledger.leases.acquire(name, "somebody else", HOLD) is None
            ]
            verdict.expect("leases", marks.values("done", "lease", "names"), held)
            ledger.record([make_prediction()])
            ledger.append(make_event())
        verdict.expect_whole(list(list_damage(root)))


class Notifications:
    """Decisions with notices, some of which were sent: the outbox."""

    name = "outbox"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """Nothing is there before."""

    def run(self, root: Path, log: Log) -> None:
        """Decide with notices in the same transaction, and note some as sent."""
        with log.step("open") as opened:
            ledger = open_central(root)
        if not opened.done:
            return
        for number in range(2 * ROUNDS):
            notices = [Notice("alert.raised", "team", {"title": "t"}, NOON, NOON, new_id()) for _ in range(2)]
            with log.step("decide", ids=[notice.id for notice in notices], actors=[f"actor-{number}"]):
                ledger.append(make_event(actor=f"actor-{number}"), notices)
            leased = []
            with log.step("lease"):
                leased = ledger.outbox.lease(HOLD)
            for item in leased:
                with log.step("send", ids=[item.notice.id]):
                    ledger.outbox.mark_sent(item)
        with log.step("close"):
            ledger.close()

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Each notification is there with its decision, and what was sent is not sent again."""
        with open_central(root) as ledger:
            verdict.expect(
                "notifications",
                marks.values("done", "decide", "ids"),
                [item.notice.id for item in ledger.outbox.items()],
            )
            sent = [item.notice.id for item in ledger.outbox.items("sent")]
            verdict.expect("notes that a notification was sent", marks.values("done", "send", "ids"), sent)
            actors = [event.actor for event in ledger.events()]
            notices = len(ledger.outbox.items())
            if notices != 2 * len(actors):
                verdict.corrupt.append(f"{len(actors)} decisions with two notifications each have {notices}")
            ledger.outbox.enqueue([Notice("alert.raised", "team", {"title": "t"}, NOON)])
        verdict.expect_whole(list(list_damage(root)))


def _tried(marks: Marks) -> set[str]:
    return set(marks.values("tried", "record", "ids"))
