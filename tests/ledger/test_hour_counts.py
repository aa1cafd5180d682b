"""Summaries from the counts of hours are those of the rows, whatever arrived late or was removed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from tests.ledger.test_opening import go_back
from tests.postgres import PostgresServer
from tiltyard.backups.ledger_rows import copy_ledger
from tiltyard.ledger import Label, Prediction, PredictionStats, SqlLedger
from tiltyard.ledger.codec import encode_predictions
from tiltyard.ledger.sql.hours.fold import read_mark
from tiltyard.ledger.sql.schema import hour_counts
from tiltyard.testing import NOON, MemoryLedger, make_prediction

HOUR = timedelta(hours=1)
START = NOON - 9 * HOUR
WINDOWS = [
    (None, None),
    (START, NOON),
    (START + timedelta(minutes=20), NOON - timedelta(minutes=7)),
    (START + timedelta(minutes=20), START + timedelta(minutes=50)),
    (None, START + timedelta(hours=3, minutes=1)),
    (START + 2 * HOUR, None),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    with SqlLedger.open(url) as opened:
        yield fold_at_once(opened)


def fold_at_once(ledger: SqlLedger) -> SqlLedger:
    """Let every reader add what has arrived to the counts."""
    ledger._counts.fold.late_rows = 0
    return ledger


def draw_predictions(rng: random.Random, count: int) -> list[Prediction]:
    """Predictions of any kind, at any time of the ten hours before noon and one after."""
    made = []
    for _ in range(count):
        at = START + timedelta(seconds=rng.randrange(10 * 3600))
        model, version = rng.choice(["films", "films", "rents"]), rng.choice(["1", "2"])
        latency = rng.choice([None, rng.uniform(1, 9)])
        if rng.random() < 0.3:
            made.append(
                make_prediction(
                    project=model,
                    version=version,
                    at=at,
                    label=str(rng.random()),
                    confidence=None,
                    probabilities={},
                    latency_ms=latency,
                )
            )
        else:
            route = rng.choice(["champion", "champion", "shadow"])
            made.append(
                make_prediction(
                    project=model,
                    version=version,
                    at=at,
                    label=rng.choice(["positive", "negative", ""]),
                    confidence=rng.random(),
                    latency_ms=latency,
                    route=route,
                )
            )
    return made


def approximate(stats: PredictionStats) -> tuple[object, ...]:
    """All of a summary, with room for the order in which floats were added."""
    return (
        stats.total,
        dict(stats.by_label),
        dict(stats.by_version),
        pytest.approx(stats.mean_confidence),
        stats.min_confidence,
        stats.max_confidence,
        pytest.approx(stats.mean_latency_ms),
        stats.measured_latencies,
        stats.first_at,
        stats.last_at,
    )


def require_equal(ledger: SqlLedger, model: MemoryLedger) -> None:
    """Require that both say the same of every window, step and hour."""
    for since, until in WINDOWS:
        for name in ("films", None):
            for shadow in (False, True):
                mine = ledger.prediction_stats(name, since, until, shadow=shadow)
                theirs = model.prediction_stats(name, since, until, shadow=shadow)
                assert _values(mine) == approximate(theirs)
    for step in (timedelta(minutes=30), HOUR, 3 * HOUR):
        found, wanted = (
            one.profiles.count_steps(
                model_name="films", since=START + timedelta(minutes=20), until=NOON + 2 * HOUR, step=step
            )
            for one in (ledger, model)
        )
        assert {start: _values(stats) for start, stats in found.items()} == {
            start: approximate(stats) for start, stats in wanted.items()
        }
        # Of a long period the labels are fewer than the rows, of a short one the rows: both are counted.
        for since, until in ((START + timedelta(minutes=20), NOON + 2 * HOUR), *WINDOWS[3:4]):
            assert since is not None
            assert until is not None
            labelled, wanted_labels = (
                one.profiles.count_labelled(model_name="films", since=since, until=until, step=step)
                for one in (ledger, model)
            )
            assert labelled == wanted_labels
    mine_, theirs_ = (
        one.profiles.counts(model_name="films", version="1", route="champion", since=START, until=NOON + HOUR)
        for one in (ledger, model)
    )
    assert mine_ == theirs_


def _values(stats: PredictionStats) -> tuple[object, ...]:
    return (
        stats.total,
        dict(stats.by_label),
        dict(stats.by_version),
        stats.mean_confidence,
        stats.min_confidence,
        stats.max_confidence,
        stats.mean_latency_ms,
        stats.measured_latencies,
        stats.first_at,
        stats.last_at,
    )


def count_folded(ledger: SqlLedger) -> int:
    """How many predictions the counts cover."""
    with ledger._database.read() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(hour_counts.c.total), 0))).scalar_one())


@pytest.mark.parametrize("seed", range(6))
def test_summaries_are_those_of_the_rows_after_any_arrivals_and_removals(ledger: SqlLedger, seed: int) -> None:
    """After records, late arrivals, erasures and pruning in any order, every summary is that of the rows."""
    rng, model = random.Random(seed), MemoryLedger()
    stored: list[Prediction] = []
    for _ in range(12):
        act = rng.choice(["record", "record", "arrive", "erase", "redact", "prune", "last"])
        if act in ("record", "arrive"):
            made = draw_predictions(rng, rng.randrange(1, 40))
            for one in (ledger, model):
                if act == "record":
                    one.record(made)
                else:
                    one.arrivals.receive(encode_predictions(made), "b:0")
            stored += made
        elif act == "prune":
            before = START + timedelta(minutes=rng.randrange(240))
            assert ledger.retention.prune("films", before) == model.retention.prune("films", before)
        elif stored:
            chosen = [row.id for row in (stored[-3:] if act == "last" else rng.sample(stored, min(5, len(stored))))]
            for one in (ledger, model):
                if act == "redact":
                    one.retention.redact(chosen, "asked")
                else:
                    one.retention.erase(chosen)
        reported = [Label(row.id, rng.choice("ab"), row.at, "s") for row in rng.sample(stored, min(9, len(stored)))]
        assert ledger.record_labels(reported) == model.record_labels(reported)
        if rng.random() < 0.7:
            require_equal(ledger, model)
    require_equal(ledger, model)
    assert count_folded(ledger) == sum(1 for _ in ledger.predictions())


def test_a_ledger_from_before_is_counted_by_its_first_reader(url: str) -> None:
    """An earlier release's ledger says the same after the upgrade, and its rows are in the counts."""
    model, made = MemoryLedger(), draw_predictions(random.Random(1), 60)
    with SqlLedger.open(url) as earlier:
        earlier.record(made)
        go_back(earlier, "0009")
    with SqlLedger.open(url) as later:
        more = draw_predictions(random.Random(2), 20)
        later.record(more)
        model.record([*made, *more])
        require_equal(fold_at_once(later), model)
        assert count_folded(later) == 80


def test_rows_that_are_written_while_others_are_counted_are_not_missed(ledger: SqlLedger) -> None:
    """Threads that record and erase next to readers leave counts that are those of the rows."""
    batches = [draw_predictions(random.Random(seed), 12) for seed in range(24)]

    def write(number: int) -> None:
        ledger.record(batches[number])
        ledger.prediction_stats("films")
        if number % 3 == 0:
            ledger.retention.erase([row.id for row in batches[number][:4]])
        ledger.prediction_stats()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(len(batches))))
    model = MemoryLedger()
    model.record(list(ledger.predictions()))
    require_equal(ledger, model)
    assert count_folded(ledger) == 24 * 12 - 8 * 4


def test_a_transaction_that_began_earlier_and_ends_later_is_counted(postgres: PostgresServer) -> None:
    """In PostgreSQL a row whose transaction was open while later ones were counted is counted after its end."""
    with SqlLedger.open(postgres.database()) as ledger:
        fold_at_once(ledger)
        early, late = make_prediction(), make_prediction()
        with ledger._database.write() as connection:
            connection.exec_driver_sql(ledger._insert_predictions, encode_predictions([early]))
            ledger.record([late])
            assert ledger.prediction_stats().total == 1
        assert ledger.prediction_stats().total == 2
        assert count_folded(ledger) == 2


def test_a_file_whose_rows_were_numbered_anew_is_counted_anew(tmp_path: Path) -> None:
    """After a copy or VACUUM that gives rows other numbers, no row is counted twice or never."""
    url, model = f"sqlite:///{tmp_path}/ledger.db", MemoryLedger()
    made, more = draw_predictions(random.Random(3), 50), draw_predictions(random.Random(4), 7)
    with SqlLedger.open(url) as ledger:
        fold_at_once(ledger).record(made)
        ledger.retention.erase([row.id for row in made[10:20]])
        ledger.prediction_stats()
        with ledger._database.write() as connection:  # as VACUUM and tools that copy rows may leave them
            connection.execute(text("UPDATE predictions SET rowid = rowid - 10 WHERE rowid > 20"))
            assert not read_mark(connection).is_sound
        model.record([*made[:10], *made[20:], *more])
        ledger.record(more)
        require_equal(ledger, model)


def test_a_dump_that_was_restored_is_counted_anew(postgres: PostgresServer) -> None:
    """Marks that another database's transactions wrote are not mistaken for those of this one."""
    model, made = MemoryLedger(), draw_predictions(random.Random(5), 30)
    with SqlLedger.open(postgres.database()) as ledger:
        fold_at_once(ledger).record(made)
        ledger.prediction_stats()
        with ledger._database.write() as connection:  # as pg_restore writes them: as they were, by its own transaction
            connection.execute(text("UPDATE count_marks SET folded = folded + 100000, proof = '17'"))
            assert not read_mark(connection).is_sound
        more = draw_predictions(random.Random(6), 9)
        ledger.record(more)
        model.record([*made, *more])
        require_equal(ledger, model)


def test_a_copy_of_a_ledger_counts_for_itself(url: str, tmp_path: Path) -> None:
    """A ledger that was copied row by row into another database says what the first one says."""
    model, made = MemoryLedger(), draw_predictions(random.Random(7), 40)
    model.record(made)
    with SqlLedger.open(url) as ledger:
        fold_at_once(ledger).record(made)
        ledger.prediction_stats()
    other = f"sqlite:///{tmp_path}/copy.db"
    copy_ledger(url, other)
    with SqlLedger.open(other) as copied:
        require_equal(fold_at_once(copied), model)


def test_a_ledger_that_cannot_be_written_is_counted_row_by_row(tmp_path: Path) -> None:
    """While another process holds the file to write, summaries are exact and nothing waits to be counted."""
    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db?timeout=0.1") as ledger:
        made = [make_prediction() for _ in range(5)]
        fold_at_once(ledger).record(made)
        with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as other, other._database.write():
            assert ledger.prediction_stats().total == 5
        assert count_folded(ledger) == 0
        assert ledger.prediction_stats().total == 5
        assert count_folded(ledger) == 5


def test_few_arrivals_are_counted_row_by_row(url: str) -> None:
    """A reader who finds few arrivals writes nothing."""
    with SqlLedger.open(url) as ledger:
        ledger.record([make_prediction() for _ in range(5)])
        assert ledger.prediction_stats().total == 5
        assert count_folded(ledger) == 0
