"""Stories of a server: predictions in a spool, and their way to the central ledger."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from benchmarks.power.stories.databases import list_damage, prediction_ids
from benchmarks.power.stories.ledger import open_central
from benchmarks.power.story import Log, Marks, Verdict

from tiltyard.errors import UnavailableError
from tiltyard.ledger import Label, Ledger, SqlLedger
from tiltyard.ledger.spools.spool import SpooledLedger, list_spools
from tiltyard.ledger.spools.spool_shipper import ship_folder
from tiltyard.testing import make_event, make_prediction
from tiltyard.testing.records import NOON

ROUNDS = 3


class Serving:
    """A worker records into its spool while the central ledger is away, stops and starts again."""

    name = "spool"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """Nothing is there before."""

    def run(self, root: Path, log: Log) -> None:
        """Record predictions, labels and a decision; each round is another start."""
        for number in range(ROUNDS):
            _serve(root, log, number, _away)

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """After one round of shipping, all of it is in the central ledger."""
        _check_shipped(root, marks, verdict)


class Shipping:
    """A worker records while a shipper empties its spool into the central ledger."""

    name = "shipping"
    at_one_path = False
    imports: tuple[str, ...] = ()

    def prepare(self, root: Path) -> None:
        """The central ledger is there."""
        open_central(root).close()

    def run(self, root: Path, log: Log) -> None:
        """Record and ship in turn, while the worker runs and after it has ended."""
        for number in range(ROUNDS):
            with log.step("open central") as opened:
                central = open_central(root)
            if not opened.done:
                continue
            _serve(root, log, number, lambda: open_central(root), ship_to=central)
            _serve_and_die(root, log)
            # The rows stay in the spool, which nothing has open now: who closes it last copies its log.
            with log.step("ship in vain"), suppress(UnavailableError):
                ship_folder(root / "state" / "spool", cast(Ledger, _AwayLedger()))
            _ship(root, log, central)
            with log.step("close central"):
                central.close()

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """After another round of shipping, all of it is in the central ledger, once."""
        _check_shipped(root, marks, verdict)


class _AwayLedger:
    """A central ledger whose network is down: nothing of it can be used."""

    def __getattr__(self, name: str) -> Ledger:
        return _away()


def _serve_and_die(root: Path, log: Log) -> None:
    """A worker that records and is killed: it closes nothing."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        with log.step("start") as started:
            spool = SpooledLedger.open(root / "state" / "spool", "worker-2", _away)
        if started.done:
            batch = [make_prediction() for _ in range(30)]
            with log.step("record", ids=[prediction.id for prediction in batch]):
                spool.record(batch)
    finally:
        os._exit(0)


def _away() -> Ledger:
    raise UnavailableError("The central ledger is away.", next_step="Wait.", code="ledger.away")


def _serve(root: Path, log: Log, number: int, connect: Callable[[], Ledger], ship_to: Ledger | None = None) -> None:
    with log.step("start") as started:
        spool = SpooledLedger.open(root / "state" / "spool", "worker-1", connect)
    if not started.done:
        return
    for count in (1, 30):
        batch = [make_prediction() for _ in range(count)]
        ids = [prediction.id for prediction in batch]
        with log.step("record", ids=ids) as recorded:
            spool.record(batch)
        if ship_to is not None and count == 1:
            _ship(root, log, ship_to)
        if recorded.done:
            with log.step("label", ids=ids[:1]):
                spool.record_labels([Label(ids[0], "positive", NOON, "person")])
    with log.step("decide", actors=[f"actor-{number}"]):
        spool.append(make_event(actor=f"actor-{number}"))
    if ship_to is not None and number == 1:
        _ship(root, log, ship_to)
    with log.step("stop"):
        spool.close()


def _ship(root: Path, log: Log, central: Ledger) -> None:
    with log.step("ship"):
        ship_folder(root / "state" / "spool", central)


def _check_shipped(root: Path, marks: Marks, verdict: Verdict) -> None:
    folder = root / "state" / "spool"
    for file in list_spools(folder):
        SqlLedger.open(f"sqlite:///{file}").close()  # as its worker does
    with open_central(root) as central:
        if folder.is_dir():
            ship_folder(folder, central)
        found = prediction_ids(central)
        verdict.expect("predictions", marks.values("done", "record", "ids"), found)
        tried = set(marks.values("tried", "record", "ids"))
        verdict.expect_whole([f"{id_} was never recorded" for id_ in set(found) - tried])
        labelled = [label.prediction_id for label in central.labels()]
        verdict.expect("labels", marks.values("done", "label", "ids"), labelled)
        actors = [event.actor for event in central.events()]
        verdict.expect("decisions", marks.values("done", "decide", "actors"), actors)
        verdict.expect_whole([f"The decision of {actor} is there twice" for actor in actors if actors.count(actor) > 1])
        verdict.expect_whole(central.verify_events())
    left = [file.name for file in list_spools(folder) if _count_left(file)]
    verdict.expect_whole([f"{name} still holds rows" for name in left])
    verdict.expect_whole(list(list_damage(root)))


def _count_left(file: Path) -> int:
    with SqlLedger.open(f"sqlite:///{file}") as spool:
        return spool.prediction_stats().total + len(list(spool.events()))
