"""How soon the console's data is there when a ledger is large: its pages, and what reports and monitoring count.

    python benchmarks/console.py --scale 0.1 --json console.json
    python benchmarks/console.py --scale 0.1 --postgres postgresql://user@host/empty

At scale 1 the ledger holds 10,000,000 predictions of the last 30 days, of three versions,
200,000 labels of them, 2,000 decisions, and the findings of
a monitoring run every quarter of an hour. Everything is stored by plain SQL, and read by the functions that fill the
pages. The first reading counts the hours of the whole ledger (``first_count_s``); then each page is read ``--rounds``
times. ``p95_ms`` is by page, by the clock, and by database; ``insert_us`` is what recording one prediction costs in
batches of 32, before and after.

Pages whose figures are of single rows (performance, estimates, slices) read the newest 100,000 and say so; they stand
in ``slow_ms``, read twice.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

from tiltyard.console.data import WINDOWS, PredictionQuery, decisions_view, predictions_stamp, predictions_view
from tiltyard.console.data.incidents import incidents_view
from tiltyard.console.data.overview import overview_stamp, overview_view
from tiltyard.ledger import Event, FindingRecord, Label, SqlLedger
from tiltyard.ledger.codec import PredictionRow
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


def fill_ledger(ledger: SqlLedger, scale: float, now: datetime) -> int:
    """Store predictions, labels and decisions; how many predictions."""
    count, stored = int(ROWS * scale), 0
    rng = random.Random(2)
    each = max(1, int(count / (LABELS * scale)))
    for rows in make_rows(count, now, 1):
        ledger.record_rows(rows)
        labelled = rows[::each]
        ledger.record_labels(
            [
                Label(
                    row.id,
                    row.label if rng.random() < 0.9 else "negative",
                    datetime.fromtimestamp(row.at_us / 1e6, UTC) + timedelta(hours=1),
                    "bench",
                )
                for row in labelled
            ]
        )
        stored += len(rows)
    ledger.findings.record(list(make_runs(int(DAYS * RUNS_A_DAY * scale), now)))
    for number in range(int(DECISIONS * scale)):
        ledger.append(Event("refused", f"{MODEL}/{number}", now, "bench", "the metric fell", {"metric": 0.9}))
    return stored


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
        rows = fill_ledger(ledger, scale, now)
        console.print(f"{rows:,} predictions stored in {time.perf_counter() - begin:.0f} s")
        begin = time.perf_counter()
        ledger.prediction_stats(MODEL)
        first = time.perf_counter() - begin
        console.print(f"counted once in {first:.1f} s")
        found = {}
        for name, read in list_pages(ledger, now).items():
            seconds = []
            for _ in range(rounds):
                begin = time.perf_counter()
                read()
                seconds.append(time.perf_counter() - begin)
            found[name] = round(float(np.quantile(seconds, 0.95)) * 1000, 1)
            console.print(f"{name:<32} {found[name]:>10.1f} ms")
        slow = {}
        for title, days in (("monitoring, day", 1), ("monitoring, week", 7)):
            begin = time.perf_counter()
            build_summary(ledger, SummaryQuery(MODEL), None, since=now - timedelta(days=days), until=now)
            slow[title] = round((time.perf_counter() - begin) * 1000, 1)
            console.print(f"{title:<32} {slow[title]:>10.1f} ms")
        return {
            "predictions": rows,
            "first_count_s": round(first, 2),
            "insert_us": {"empty": round(insert_before, 1), "full": round(time_inserts(ledger, now), 1)},
            "p95_ms": found,
            "slow_ms": slow,
        }


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is ten million predictions")
    parser.add_argument("--rounds", type=int, default=20, help="how often each page is read")
    parser.add_argument("--postgres", default=None, help="an empty PostgreSQL database, measured too")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    given = parser.parse_args()
    console = Console()
    result: dict[str, Any] = {"machine": machine("sqlalchemy"), "scale": given.scale}
    with tempfile.TemporaryDirectory() as folder:
        result["sqlite"] = measure(f"sqlite:///{folder}/ledger.db", given.scale, given.rounds, console)
    if given.postgres:
        result["postgresql"] = measure(given.postgres, given.scale, given.rounds, console)
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
