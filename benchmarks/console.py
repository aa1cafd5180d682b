"""How soon the console's data is there when a ledger is large: its pages, and what reports and monitoring count.

    python benchmarks/console.py --scale 0.1 --json console.json
    python benchmarks/console.py --scale 0.1 --postgres postgresql://user@host/empty
    python benchmarks/console.py --postgres own

At scale 1 the ledger holds 10,000,000 predictions of the last 30 days, of three versions,
200,000 labels of them, 2,000 decisions, and the findings of
a monitoring run every quarter of an hour. Predictions are stored in bulk (SQLite's executemany, PostgreSQL's COPY), and
read by the functions that fill the pages. The first reading counts the hours of the whole ledger (``first_count_s``);
then each page is read ``--rounds`` times, or as often as fits into ten seconds, twice at least. ``p95_ms`` is by page,
by the clock, and by database; ``missed`` names the pages that take more than ``AIM_MS``. ``insert_us`` is what
recording one prediction costs in batches of 32, before and after.

``--postgres own`` starts a server in a temporary folder, as the tests do: without waiting for the disk (fsync=off),
which helps no reading but makes ``insert_us`` too low.

The figures of single rows (performance, estimates, slices) are of the newest 100,000 predictions, and the pages say so.
The tracking store is not among what is measured: no run and no version is made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

from tests.postgres import PostgresServer
from tiltyard.console.data import WINDOWS, PredictionQuery, decisions_view, predictions_stamp, predictions_view
from tiltyard.console.data.incidents import incidents_view
from tiltyard.console.data.overview import overview_stamp, overview_view
from tiltyard.ledger import Event, FindingRecord, Label, SqlLedger
from tiltyard.ledger.codec import PredictionRow
from tiltyard.monitoring.prediction_window import read_labelled_predictions, read_prediction_window
from tiltyard.monitoring.summary import SummaryQuery, build_summary
from tiltyard.project import Project
from tiltyard.testing import make_finding

MODEL = "reviews"
PROJECT = Project.model_validate(
    {
        "project": {"name": MODEL, "task": "text-classification", "model": MODEL},
        "data": {"source": "reviews.csv", "text": "text"},
    }
)
RUNS_A_DAY = 96
DAYS = 30
ROWS, LABELS, DECISIONS = 10_000_000, 200_000, 2_000
AT_ONCE = 20_000
AIM_MS = 200.0
PATIENCE_S = 10.0
WORDS = ("I liked it", "it was dull", "never again", "the best of the year", "a long evening", "well played")


def make_rows(count: int, now: datetime, seed: int) -> Iterator[list[PredictionRow]]:
    """Predictions of the days before now, in their order, some thousands at a time."""
    rng = np.random.default_rng(seed)
    end = int(now.timestamp() * 1e6)
    span = DAYS * 86_400_000_000
    times = np.sort(rng.random(count))
    at = end - span + (times * span).astype(np.int64)
    for start in range(0, count, AT_ONCE):
        some = at[start : start + AT_ONCE]
        sure = np.round(0.5 + rng.random(len(some)) / 2, 4)
        said = rng.random(len(some)) < 0.6
        yield [
            PredictionRow(
                f"{moment // 1000:012x}-{start + place:012x}",
                moment,
                MODEL,
                str(1 + 3 * (start + place) // count),
                "champion",
                "positive" if positive else "negative",
                float(confidence),
                1.5,
                None,
                json.dumps({"positive": float(confidence), "negative": float(1 - confidence)}),
                json.dumps({"text": f"{WORDS[place % len(WORDS)]} ({start + place})"}),
            )
            for place, (moment, positive, confidence) in enumerate(
                zip(some.tolist(), said.tolist(), sure.tolist(), strict=True)
            )
        ]


def fill_ledger(ledger: SqlLedger, url: str, scale: float, now: datetime) -> int:
    """Store predictions, labels and decisions; how many predictions."""
    count, stored = int(ROWS * scale), 0
    rng = random.Random(2)
    each = max(1, int(count / (LABELS * scale)))
    labels: list[Label] = []
    with open_store(url) as store:
        for rows in make_rows(count, now, 1):
            store(rows)
            labels.extend(
                Label(
                    row.id,
                    row.label if rng.random() < 0.9 else "negative",
                    datetime.fromtimestamp(row.at_us / 1e6, UTC) + timedelta(hours=1),
                    "bench",
                )
                for row in rows[::each]
            )
            stored += len(rows)
    for start in range(0, len(labels), AT_ONCE):
        ledger.record_labels(labels[start : start + AT_ONCE])
    ledger.findings.record(list(make_runs(int(DAYS * RUNS_A_DAY * scale), now)))
    for number in range(int(DECISIONS * scale)):
        ledger.append(Event("refused", f"{MODEL}/{number}", now, "bench", "the metric fell", {"metric": 0.9}))
    return stored


@contextlib.contextmanager
def open_store(url: str) -> Iterator[Callable[[Sequence[PredictionRow]], None]]:
    """A function that stores predictions in bulk, by the databases' own means."""
    names = ", ".join(PredictionRow._fields)
    if url.startswith("sqlite:///"):
        marks = ", ".join("?" * len(PredictionRow._fields))
        statement = f"INSERT INTO predictions ({names}) VALUES ({marks})"
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:

            def insert(rows: Sequence[PredictionRow]) -> None:
                with connection:
                    connection.executemany(statement, rows)

            connection.execute("PRAGMA synchronous = OFF")
            yield insert
        return

    with psycopg.connect(url, autocommit=True) as server:

        def copy(rows: Sequence[PredictionRow]) -> None:
            with server.cursor().copy(f"COPY predictions ({names}) FROM STDIN") as stream:
                # Nothing that is made here holds a tab, a line break or a backslash.
                lines = ["\t".join("\\N" if one is None else str(one) for one in row) for row in rows]
                stream.write("\n".join(lines) + "\n")

        yield copy
        server.execute("ANALYZE")


def make_runs(count: int, now: datetime) -> Iterator[FindingRecord]:
    """What monitoring runs found in the days before now: performance, estimate, failures, and twenty columns each."""
    step = timedelta(days=DAYS) / max(1, count)
    for number in range(count):
        at = now - timedelta(days=DAYS) + number * step
        evidence = {"metric": "accuracy", "baseline": 0.92, "value": 0.9, "interval": [0.88, 0.92]}
        outcomes = {"outcomes": {"predicted": 3000, "model-error": 2}}
        for code, subject, known in (
            ("performance.degradation", "accuracy", evidence),
            ("performance.estimate", "accuracy", evidence),
            ("operations.failures", "requests", outcomes),
            *(("drift.number", f"column {place}", {"rows": 3000}) for place in range(20)),
        ):
            yield make_finding(
                project=MODEL, code=code, subject=subject, status="clear", severity="info", at=at, evidence=known
            )


def time_inserts(ledger: SqlLedger, now: datetime, batches: int = 200) -> float:
    """Microseconds of the median batch of 32 predictions, for each of them."""
    seconds = []
    for rows in _in_batches(batches, now):
        begin = time.perf_counter()
        ledger.record_rows(rows)
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds)) / 32 * 1e6


def _in_batches(batches: int, now: datetime) -> Iterator[list[PredictionRow]]:
    stamp = time.time_ns()
    for number in range(batches):
        rows = next(make_rows(32, now, number))
        yield [row._replace(id=f"{stamp:x}-{number}-{place}", at_us=row.at_us) for place, row in enumerate(rows)]


def list_pages(ledger: SqlLedger, now: datetime) -> dict[str, Callable[[], Any]]:
    """What is read, by page."""

    def query(window: str, search: str = "") -> PredictionQuery:
        return PredictionQuery(MODEL, window, now, search)

    day = timedelta(days=1)
    return {
        **{
            f"predictions, {window}": partial(predictions_view, ledger, query(window))
            for window in ("hour", "day", "week", "all")
        },
        "predictions, is there news": lambda: predictions_stamp(ledger, query("day")),
        "predictions, search": lambda: predictions_view(ledger, query("day", "never again")),
        **{
            f"overview, {window}": partial(overview_view, ledger, PROJECT, WINDOWS[window], now)
            for window in ("day", "week", "month")
        },
        "overview, is there news": lambda: overview_stamp(ledger, MODEL, now),
        "incidents": lambda: incidents_view(ledger, MODEL, now),
        "decisions": lambda: decisions_view(ledger, MODEL),
        "findings": lambda: ledger.findings.latest(project=MODEL),
        "batches": lambda: ledger.batch_runs.select(model_name=MODEL, limit=100),
        "predictions stats": lambda: ledger.prediction_stats(MODEL),
        "report, counts of 30 days": lambda: ledger.profiles.count_steps(
            model_name=MODEL, since=now - 30 * day, until=now, step=day
        ),
        "report, labels of 30 days": lambda: ledger.profiles.count_labelled(
            model_name=MODEL, since=now - 30 * day, until=now, step=day
        ),
        **{
            f"monitoring, {title}": partial(
                build_summary, ledger, SummaryQuery(MODEL), None, since=now - days * day, until=now
            )
            for title, days in (("day", 1), ("week", 7))
        },
        "report, 30 days": partial(build_summary, ledger, SummaryQuery(MODEL), None, since=now - 30 * day, until=now),
        "monitor, predictions of a day": lambda: read_prediction_window(ledger, MODEL, since=now - day, until=now),
        "monitor, labels": lambda: read_labelled_predictions(ledger, MODEL, "3", now),
        "monitor, counts of a day": lambda: ledger.profiles.counts(
            model_name=MODEL, version="3", route="champion", since=now - day, until=now
        ),
    }


def measure(url: str, scale: float, rounds: int, console: Console) -> dict[str, Any]:
    """All figures of one database."""
    now = datetime.now(UTC)
    with SqlLedger.open(url) as ledger:
        insert_before = time_inserts(ledger, now)
        begin = time.perf_counter()
        rows = fill_ledger(ledger, url, scale, now)
        filled = time.perf_counter() - begin
        console.print(f"{rows:,} predictions stored in {filled:.0f} s")
        begin = time.perf_counter()
        ledger.prediction_stats(MODEL)
        first = time.perf_counter() - begin
        console.print(f"counted once in {first:.1f} s")
        found = {}
        for name, read in list_pages(ledger, now).items():
            found[name] = round(float(np.quantile(time_readings(read, rounds), 0.95)) * 1000, 1)
            console.print(f"{name:<32} {found[name]:>10.1f} ms{'' if found[name] <= AIM_MS else '  missed'}")
        return {
            "predictions": rows,
            "fill_s": round(filled, 1),
            "first_count_s": round(first, 2),
            "insert_us": {"empty": round(insert_before, 1), "full": round(time_inserts(ledger, now), 1)},
            "aim_ms": AIM_MS,
            "p95_ms": found,
            "missed": [name for name, took in found.items() if took > AIM_MS],
        }


def time_readings(read: Callable[[], Any], rounds: int) -> list[float]:
    """Seconds of each reading: ``rounds`` of them, fewer where they take long, two at least."""
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) < rounds and sum(seconds) < PATIENCE_S):
        begin = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - begin)
    return seconds


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is ten million predictions")
    parser.add_argument("--rounds", type=int, default=20, help="how often each page is read")
    parser.add_argument("--postgres", default=None, help="an empty PostgreSQL database, measured too; 'own' starts one")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    given = parser.parse_args()
    console = Console()
    result: dict[str, Any] = {"machine": machine("sqlalchemy"), "scale": given.scale}
    with tempfile.TemporaryDirectory() as folder:
        result["sqlite"] = measure(f"sqlite:///{folder}/ledger.db", given.scale, given.rounds, console)
    if given.postgres == "own":
        server = PostgresServer.start()
        try:
            result["postgresql"] = measure(server.database(), given.scale, given.rounds, console)
        finally:
            server.stop()
    elif given.postgres:
        result["postgresql"] = measure(given.postgres, given.scale, given.rounds, console)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
