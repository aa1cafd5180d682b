"""Profiles and tests of drift compared with NannyML, whylogs and Evidently: values a second on one core, and peak
memory.

    python benchmarks/drift.py --json drift.json            all of it, a quarter of an hour at most
    python benchmarks/drift.py --quick --json drift.json    peers on samples: two minutes

Every tool runs in its own process, pinned to one core, in its own environment (made with uv below --cache
at the first run: they need older pandas and numpy), on the same Parquet files: a reference of 100,000 rows and a window
in which some columns drifted. Reading the files and preparing the reference are outside of the clock. Rates are by
processor time, since a busy machine stretches the wall's. Texts are one column: one value a text.

Each peer gets a sample first. If all rows would take it longer than --patience by the rate seen there, or if it then
runs out of time or memory, the rate of the sample stands, and the table says so. Tiltyard always gets all rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
PEERS = HERE / "drift_peers"
NEEDS = {
    "nannyml": ["nannyml==0.13.1", "numpy<2", "pandas<2.3", "scipy<1.14", "statsmodels", "pyarrow<20"],
    "whylogs": ["whylogs[viz]==1.6.4", "pandas<3", "setuptools<80", "pyarrow"],
    "evidently": ["evidently==0.7.23", "pandas<3", "statsmodels", "pyarrow"],
}
NUMBERS, CATEGORIES, REFERENCE_ROWS = 16, 4, 100_000
PORTION = 250_000
"""Rows that are made, and written as one row group, at a time."""
SAMPLES = {"table": 200_000, "texts": 20_000}
SPARE = 0.8
"""Share of the machine's memory that a peer may have."""


def main() -> None:
    options = _options()
    interpreters = {"tiltyard": sys.executable, **_environments(options)}
    if "nannyml" in interpreters:
        interpreters["nannyml, univariate"] = interpreters["nannyml"]
    report: dict[str, Any] = {"machine": _machine(), "quick": options.quick, "scale": options.scale, "runs": []}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tiltyard-drift-") as folder:
        for case in _cases(options.scale):
            if options.cases and case["case"] not in options.cases:
                continue
            _tell(f"{case['case']}: writing {case['rows']:,} rows")
            files = _write(Path(folder), case)
            for tool, python in interpreters.items():
                found = _run(tool, python, files, case, options)
                report["runs"].append(found)
                _say(found)
            for file in Path(folder).iterdir():
                file.unlink()
    report["seconds"] = time.perf_counter() - started
    report["values_per_second"] = {
        case: {run["tool"]: run["values_per_second"] for run in report["runs"] if run["case"] == case}
        for case in dict.fromkeys(run["case"] for run in report["runs"])
    }
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="peers on samples alone: about two minutes")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--tools", nargs="*", default=list(NEEDS), choices=list(NEEDS), help="peers to run")
    parser.add_argument("--cases", nargs="*", help="of '1M x 20', '10M x 20' and '1M texts' (default: all)")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tiltyard-bench" / "drift")
    parser.add_argument("--patience", type=float, default=240, help="seconds that a peer may take (default: 240)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, to try the benchmark (default: 1)")
    return parser.parse_args()


def _cases(scale: float) -> list[dict[str, Any]]:
    """What is measured."""
    return [
        {"case": "1M x 20", "kind": "table", "rows": int(1_000_000 * scale)},
        {"case": "10M x 20", "kind": "table", "rows": int(10_000_000 * scale)},
        {"case": "1M texts", "kind": "texts", "rows": int(1_000_000 * scale)},
    ]


def _environments(options: argparse.Namespace) -> dict[str, str]:
    found = {}
    uv = Path(sys.executable).with_name("uv")
    for tool in options.tools:
        python = options.cache / tool / "bin" / "python"
        if not python.exists():
            print(f"Making an environment for {tool} in {options.cache / tool}", file=sys.stderr)
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *NEEDS[tool]], check=True)
        found[tool] = str(python)
    return found


def _run(
    tool: str, python: str, files: tuple[Path, Path], case: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    found = {"tool": tool, "case": case["case"], "sampled": False, "values_per_second": None}
    reference, window = files
    if tool.startswith("nannyml") and case["kind"] == "texts":
        return found | {"note": "has no drift of texts"}
    try:
        if tool == "tiltyard":
            return found | _in_a_process(tool, python, reference, window, None)
        rows = min(SAMPLES[case["kind"]], case["rows"])
        sample = _in_a_process(tool, python, reference, _sample(window, rows), options.patience)
    except (subprocess.SubprocessError, IndexError) as error:
        return found | {"note": f"failed: {_why(error)}"}
    sampled = found | sample | {"sampled": rows < case["rows"]}
    seconds = sample["processor_seconds"] * case["rows"] / rows
    if not sampled["sampled"] or options.quick:
        return sampled
    if seconds > options.patience:
        return sampled | {"note": f"all rows would take about {seconds:.0f} s"}
    try:
        # Reading the file and preparing the reference take their time, too.
        return found | _in_a_process(tool, python, reference, window, 2 * options.patience)
    except subprocess.TimeoutExpired:
        return sampled | {"note": f"not done with all rows after {2 * options.patience:.0f} s"}
    except (subprocess.SubprocessError, IndexError) as error:
        return sampled | {"note": f"failed on all rows: {_why(error)}"}


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not done after {error.timeout:.0f} s"
    said = str(getattr(error, "stderr", "") or error).strip().splitlines()
    return said[-1][-160:] if said else "it said nothing"


def _in_a_process(tool: str, python: str, reference: Path, window: Path, patience: float | None) -> dict[str, Any]:
    rows = pq.ParquetFile(window).metadata.num_rows
    _tell(f"{tool}: {rows:,} rows")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    quiet = {
        "PYTHONWARNINGS": "ignore",
        "DO_NOT_TRACK": "1",
        "WHYLOGS_NO_ANALYTICS": "True",
        "NML_DISABLE_USAGE_LOGGING": "1",
    }
    script, _, part = tool.partition(", ")
    done = subprocess.run(
        [python, str(PEERS / f"run_{script}.py"), str(reference), str(window), *(["--univariate"] if part else [])],
        capture_output=True,
        text=True,
        check=True,
        timeout=patience,
        env={**os.environ, **one, **quiet},
        preexec_fn=_confine,
    )
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def _confine() -> None:
    """One core, and not all of the memory: a process that wants more fails by itself, and harms no other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    most = int(SPARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _write(folder: Path, case: dict[str, Any]) -> tuple[Path, Path]:
    reference, window = folder / "reference.parquet", folder / "window.parquet"
    make = _texts if case["kind"] == "texts" else _table
    pq.write_table(make(REFERENCE_ROWS // (5 if case["kind"] == "texts" else 1), 0, moved=False), reference)
    writer = None
    # In small row groups, so that who reads them one by one needs little memory.
    for number, start in enumerate(range(0, case["rows"], PORTION)):
        table = make(min(PORTION, case["rows"] - start), 1 + number, moved=True)
        writer = writer or pq.ParquetWriter(window, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return reference, window


def _sample(file: Path, rows: int) -> Path:
    sampled = file.with_name(f"sample-{rows}.parquet")
    if not sampled.exists() or sampled.stat().st_mtime < file.stat().st_mtime:
        batch = next(pq.ParquetFile(file).iter_batches(rows))
        pq.write_table(pa.Table.from_batches([batch]), sampled)
    return sampled


def _table(rows: int, seed: int, *, moved: bool) -> pa.Table:
    """Numbers of several shapes and categories; every fifth column drifts in the window."""
    rng = np.random.default_rng(seed)
    shapes = (
        lambda: rng.normal(size=rows),
        lambda: rng.standard_t(3, size=rows),
        lambda: rng.lognormal(size=rows),
        lambda: rng.exponential(size=rows),
    )
    columns: dict[str, Any] = {}
    for number in range(NUMBERS):
        columns[f"number_{number}"] = shapes[number % len(shapes)]() * (1.5 if moved and number % 5 == 0 else 1.0)
    for number in range(CATEGORIES):
        shares = 1 / np.arange(1, 11 + 20 * number)
        if moved and number == 0:
            shares = shares[::-1]
        codes = rng.choice(len(shares), rows, p=shares / shares.sum())
        names = pa.array([f"kind {code}" for code in range(len(shares))])
        columns[f"category_{number}"] = names.take(pa.array(codes))
    return pa.table(columns)


def _texts(rows: int, seed: int, *, moved: bool) -> pa.Table:
    """Texts of 20 words on average, from a vocabulary with Zipf's law; in the window some words are new."""
    rng = np.random.default_rng(seed)
    words = np.array([f"w{number:x}" + "aeiou"[number % 5] * (number % 7) for number in range(20_000)], object)
    lengths = rng.poisson(20, rows) + 1
    drawn = np.minimum(rng.zipf(1.3, lengths.sum()) - 1, len(words) - 1)
    if moved:
        drawn = np.where(rng.random(len(drawn)) < 0.1, (drawn + 7000) % len(words), drawn)
    ends = np.cumsum(lengths)
    chosen = words[drawn]
    return pa.table({"text": [" ".join(chosen[end - size : end]) for end, size in zip(ends, lengths, strict=True)]})


def _tell(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _say(found: dict[str, Any]) -> None:
    rate = found["values_per_second"]
    figures = f"{rate / 1e6:8.2f} M values/s  {found['peak_mb']:7.0f} MB" if rate else ""
    notes = [found["note"]] if found.get("note") else []
    notes += [f"a sample of {found['rows']:,} rows"] if found["sampled"] else []
    print(f"{found['case']:>9}  {found['tool']:<20} {figures}  {'; '.join(notes)}", file=sys.stderr, flush=True)


def _show(report: dict[str, Any]) -> None:
    print("\n| case | tool | rows | values a second | peak MB | |\n|---|---|---|---|---|---|")
    for run in report["runs"]:
        rate = run["values_per_second"]
        notes = ["a sample"] if run["sampled"] else []
        notes += [run["note"]] if run.get("note") else []
        cells = (f"{run['rows']:,}", f"{rate:,.0f}", f"{run['peak_mb']:,.0f}") if rate else ("", "", "")
        print(f"| {run['case']} | {run['tool']} | {' | '.join(cells)} | {'; '.join(notes)} |")
    print()
    for case, rates in report["values_per_second"].items():
        peers = {tool: rate for tool, rate in rates.items() if rate and tool != "tiltyard"}
        if peers and rates["tiltyard"]:
            times = ", ".join(f"{rates['tiltyard'] / rate:.1f} times {tool}" for tool, rate in peers.items())
            print(f"{case}, per core: {times}")
    ours = [run for run in report["runs"] if run["tool"] == "tiltyard" and run["values_per_second"]]
    if ours:
        figures = ", ".join(f"{run['peak_mb']:,.0f} MB at {run['rows']:,} rows ({run['case']})" for run in ours)
        print(f"Tiltyard's memory, read and profiled {PORTION:,} rows at a time: {figures}")
    print(f"{report['seconds']:.0f} s in all")


def _machine() -> dict[str, Any]:
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "pandas": pd.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    main()
