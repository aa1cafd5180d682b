"""A batch run that is killed at random moments and finished: what it leaves, compared with an undisturbed run.

The command is killed with all its processes (SIGKILL to the group) 20 times: at the start, in the middle of fragments,
and while it finishes. Then it is started once more and has to end by itself. Held against a run that nobody disturbed:
the rows of the target and of the source, each prediction id (once in the target, and those of the recorded rows once in
the ledger), and every value of the results, bit for bit. Exit code 1 where anything differs, or where fewer kills came
about than were requested.

``python benchmarks/batch_kills.py --rows 10000000 --json kills.json``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.batch import make_table, prepare, run_tiltyard
from benchmarks.machine import machine

FRAGMENTS = 60
OWN = ("prediction_id", "run_id")
"""Columns that name the run; all others are the same in every run."""


def write_rows(path: Path, rows: int) -> int:
    """The rows to score, with a key, in about 60 row groups; returns the rows of a group."""
    group = max(1000, -(-rows // FRAGMENTS))
    writer = None
    for number, start in enumerate(range(0, rows, group)):
        frame = make_table(min(group, rows - start), 100 + number).drop(columns="label")
        frame["key"] = range(start, start + len(frame))
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return group


def kill_run(folder: Path, words: list[str], done: Path, chance: random.Random) -> bool:
    """Start the run, and kill all its processes at a random moment; False where it ended before."""
    before = _count(done)
    wanted = before + chance.choice((0, 1, 1, 2, 3))
    more = chance.uniform(0, 2 if wanted == before else 0.5)
    process = subprocess.Popen(
        [sys.executable, "-m", "tiltyard", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and _count(done) < wanted:
        time.sleep(0.005)
    time.sleep(more)
    ended = process.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return not ended


def compare(source: Path, whole: Path, killed: Path, ledger: Path, recorded: int) -> dict[str, Any]:
    """What the target of the killed run holds, next to the source, the undisturbed run, and the ledger."""
    rows, same, ids = 0, True, set[str]()
    parts = zip_longest(*(pq.ParquetFile(path).iter_batches(100_000) for path in (whole, killed)))
    for expected, found in parts:
        if expected is None or found is None:
            same = False
            break
        rows += found.num_rows
        ids |= set(found.column("prediction_id").to_pylist())
        names = [name for name in expected.schema.names if name not in OWN]
        same = same and expected.select(names).equals(found.select(names))
    return {
        "rows_of_source": pq.read_metadata(source).num_rows,
        "rows_of_target": rows,
        "distinct_prediction_ids": len(ids),
        "same_bits": same,
        "recorded": recorded,
        "recorded_in_ledger": len(_read_recorded(ledger) & ids),
    }


def main() -> int:
    """Run both, compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", choices=("boosting", "linear"), default="linear")
    parser.add_argument("--record", choices=("all", "sample", "none"), default="sample")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="tiltyard-kills-") as name:
        folder = Path(name)
        for variable in [one for one in os.environ if one.startswith(("TILTYARD_", "MLFLOW_"))]:
            del os.environ[variable]
        prepare(folder, given.model)
        source = folder / "rows.parquet"
        group = write_rows(source, given.rows)
        project = folder / "tiltyard.toml"
        project.write_text(f"{project.read_text()}[batch]\nfragment_rows = {group}\n", encoding="utf-8")

        def say(target: str) -> list[str]:
            words = ["score", "rows.parquet", "--to", target, "--columns", "key", "--key", "key"]
            return [*words, "--record", given.record, "--workers", str(given.workers)]

        began = time.perf_counter()
        run_tiltyard(folder, *say("whole.parquet"))
        seconds = time.perf_counter() - began
        done = folder / ".killed.parquet.tiltyard" / "done"
        kills = 0
        while kills < given.kills and kill_run(folder, say("killed.parquet"), done, chance):
            kills += 1
            print(f"killed {kills} times, {_count(done)} fragments are done", file=sys.stderr)
        shown = (folder / "killed.parquet").exists()
        finished = _finish(folder, say("killed.parquet"))
        found = compare(
            source,
            folder / "whole.parquet",
            folder / "killed.parquet",
            folder / ".tiltyard/ledger.db",
            finished["recorded"],
        )
    report = {
        "machine": machine(),
        "model": given.model,
        "kills": kills,
        "seconds_undisturbed": round(seconds, 1),
        "target_before_the_end": shown,
        "fragments_done_before_the_last_start": finished["resumed"],
        **found,
    }
    report["good"] = (
        kills == given.kills
        and not shown
        and found["same_bits"]
        and found["rows_of_source"] == found["rows_of_target"] == found["distinct_prediction_ids"] == given.rows
        and found["recorded"] == found["recorded_in_ledger"]
    )
    print(json.dumps(report, indent=2))
    if given.json is not None:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["good"] else 1


def _finish(folder: Path, words: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tiltyard", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(done.stdout + done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.json")) if folder.is_dir() else 0


def _read_recorded(ledger: Path) -> set[str]:
    """The ids of the recorded predictions; the primary key of their table has each once."""
    from tiltyard.ledger import SqlLedger  # noqa: PLC0415 - SQLAlchemy takes a second

    with SqlLedger.open(f"sqlite:///{ledger}") as opened:
        return {one.id for one in opened.predictions(route="batch")}


if __name__ == "__main__":
    sys.exit(main())
