"""How fast a CSV becomes rows: Tiltyard's reading of a file against pandas' and others', clean and less clean.

    python benchmarks/reading.py --megabytes 1000 --json reading.json
    python benchmarks/reading.py --megabytes 100 --against ../before/src      # the source folder of another build

The same table (numbers, whole numbers, categories, a short text, a label) is written in four ways: clean; with gaps in
a third of the rows of three columns, the last among them; with every cell in quotes; with semicolons and decimal
commas. Each reader reads each file in a process that does nothing else:

- ``read``: Tiltyard's frame of all columns, every row counted, gaps and kinds settled (``read_source``);
- ``load``: from the file to the rows that a training takes, labels conformed and rows hashed (``load_dataset``);
- ``pandas``: ``pandas.read_csv``, its C parser, with no check; ``pyarrow``, ``polars`` where installed, on one thread.

Seconds are processor time of all threads, the best of ``--rounds``; the memory is the most that the process held, less
what it held before. Ratios are rows a second against pandas, or against the other build.

The other build is read at the same moment: both processes wait until both are ready, each is kept on its own core, and
in the second half of a round they change places. So whatever else the machine does slows both alike. The ratio is the
median over the rounds, by processor time and by the clock.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine, peak_mb

BLOCK = 100_000  # rows that are written at a time
WORDS = (
    "the card",
    "a fee",
    "lost late",
    "again when",
    "we called",
    "twice and",
    "nobody knew",
    "why it",
    "took so long",
)
SHAPES: Mapping[str, Mapping[str, str]] = {
    "clean": {},
    "gaps": {},
    "quoted": {},
    "decimal commas": {"separator": ";", "decimal": ","},
}
READERS = ("read", "load", "pandas", "pyarrow", "polars")
PROJECT = '[project]\nname = "reading"\ntask = "tabular-classification"\n[data]\nlabel = "churn"\nignore = ["note"]\n'


def main() -> None:
    options = _parse_options()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.shape, Path(options.folder), options.core)))
        return
    readers = [name for name in READERS if name in ("read", "load") or importlib.util.find_spec(name)]
    # Ratios are to pandas.
    readers = [name for name in readers if not options.readers or name in ("pandas", *options.readers)]
    results = []
    with tempfile.TemporaryDirectory(prefix="tiltyard-reading-", dir=options.folder) as scratch:
        for shape in options.shapes or SHAPES:
            rows, size = _write_table(Path(scratch), shape, options.megabytes * 1_000_000)
            for reader in readers:
                results.append({"shape": shape, "reader": reader, "rows": rows, "bytes": size})
                results[-1] |= _run(reader, shape, scratch, options.rounds, options.against)
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
            _data_file(Path(scratch), shape).unlink()
    _print_results(results, options.against is not None)
    if options.json:
        about = {"machine": machine("pandas", "pyarrow"), "megabytes": options.megabytes}
        options.json.write_text(json.dumps({**about, "results": results}, indent=1), encoding="utf-8")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=100, help="size of a file (default: 100)")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts (default: 2)")
    parser.add_argument("--shape", dest="shapes", action="append", choices=list(SHAPES), help="default: all")
    parser.add_argument(
        "--against", type=Path, help="source folder of another build of Tiltyard, read at the same moment"
    )
    parser.add_argument("--reader", dest="readers", action="append", choices=READERS, help="default: all")
    parser.add_argument("--folder", help="where the files are written (default: the folder for temporary files)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--measure", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.shape = options.shapes[0] if options.shapes else "clean"
    return options


def _data_file(folder: Path, shape: str) -> Path:
    return folder / f"{shape.replace(' ', '-')}.csv"


def _write_table(folder: Path, shape: str, size: int) -> tuple[int, int]:
    """Rows and bytes of a file of about some size."""
    random = np.random.default_rng(5)
    file, rows = _data_file(folder, shape), 0
    options: dict[str, Any] = {"sep": ";", "decimal": ","} if shape == "decimal commas" else {}
    if shape == "quoted":
        options["quoting"] = 1
    block = _make_block(random, shape)
    while not file.exists() or file.stat().st_size < size:
        # New numbers for each block would take longer than all that is measured here.
        block = block.assign(age=random.integers(18, 90, BLOCK), visits=random.integers(0, 100_000, BLOCK))
        block.to_csv(file, mode="a", header=not file.exists(), index=False, **options)
        rows += BLOCK
    return rows, file.stat().st_size


def _make_block(random: np.random.Generator, shape: str) -> pd.DataFrame:
    block = pd.DataFrame(
        {
            "age": random.integers(18, 90, BLOCK),
            "visits": random.integers(0, 100_000, BLOCK),
            "fee": random.normal(30, 9, BLOCK).round(2),
            "balance": random.normal(0, 5000, BLOCK).round(3),
            "rate": random.random(BLOCK),
            "plan": random.choice(["basic", "plus", "pro"], BLOCK),
            "city": random.choice([f"city {number}" for number in range(400)], BLOCK),
            "note": [" ".join(words) for words in random.choice(WORDS, (BLOCK, 4))],
            "churn": random.choice(["no", "yes"], BLOCK),
            "score": random.normal(0, 1, BLOCK).round(4),
        }
    )
    if shape == "gaps":
        for name in ("fee", "plan", "score"):
            block[name] = block[name].mask(random.random(BLOCK) < 1 / 3)
    return block


def _run(reader: str, shape: str, folder: str, rounds: int, against: Path | None) -> dict[str, float]:
    """The best of some rounds; with another build the best of it, too, and the median ratios of both."""
    words = [sys.executable, __file__, "--measure", reader, "--shape", shape, "--folder", folder]
    if against is None or reader not in ("read", "load"):
        found = [_finish(_start(words, None, None)) for _ in range(rounds)]
        return {name: min(one[name] for one in found) for name in found[0]}
    cores = sorted(os.sched_getaffinity(0))
    best: dict[str, float] = {}
    ratios: dict[str, list[float]] = {"seconds": [], "clock": []}
    for _ in range(rounds):
        spent = {(build, name): 0.0 for build in ("", "before_") for name in ratios}
        for turn in (cores[:2], cores[:2][::-1]):
            pair = {"": _start(words, None, turn[0]), "before_": _start(words, against.resolve(), turn[-1])}
            for process in pair.values():
                _await_ready(process)
            for build, measured in _finish_pair(pair).items():
                for name, value in measured.items():
                    best[build + name] = min(value, best.get(build + name, value))
                    if name in ratios:
                        spent[build, name] += value
        for name, found_ratios in ratios.items():
            found_ratios.append(spent["before_", name] / spent["", name])
    return best | {f"ratio_{name}": statistics.median(values) for name, values in ratios.items()}


def _start(words: list[str], source: Path | None, core: int | None) -> subprocess.Popen[str]:
    environment = dict(os.environ, OMP_NUM_THREADS="1", POLARS_MAX_THREADS="1")
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    pinned = words if core is None else [*words, "--core", str(core)]
    return subprocess.Popen(
        pinned, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise SystemExit(process.communicate()[1])


def _finish_pair(pair: Mapping[str, subprocess.Popen[str]]) -> dict[str, dict[str, float]]:
    """Let both begin, and wait for both."""
    for process in pair.values():
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return {build: _read_figures(process) for build, process in pair.items()}


def _finish(process: subprocess.Popen[str]) -> dict[str, float]:
    _await_ready(process)
    return _finish_pair({"": process})[""]


def _read_figures(process: subprocess.Popen[str]) -> dict[str, float]:
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)
    figures: dict[str, float] = json.loads(output)
    return figures


def _measure(reader: str, shape: str, folder: Path, core: int | None) -> dict[str, float]:
    """Read a file once, when the caller says so."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    work = _find_reader(reader, _data_file(folder, shape), SHAPES[shape])
    print("ready", flush=True)
    sys.stdin.readline()
    held, start, began = peak_mb(), time.process_time(), time.perf_counter()
    work()
    return {
        "seconds": time.process_time() - start,
        "clock": time.perf_counter() - began,
        "megabytes": peak_mb() - held,
    }


def _find_reader(reader: str, file: Path, layout: Mapping[str, str]) -> Callable[[], object]:
    separator, decimal = layout.get("separator", ","), layout.get("decimal", ".")
    if reader == "pandas":
        return lambda: pd.read_csv(file, sep=separator, decimal=decimal, low_memory=False)
    if reader == "pyarrow":
        arrow = importlib.import_module("pyarrow.csv")
        return lambda: arrow.read_csv(
            file,
            read_options=arrow.ReadOptions(use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=separator),
            convert_options=arrow.ConvertOptions(decimal_point=decimal),
        )
    if reader == "polars":
        polars = importlib.import_module("polars")
        return lambda: polars.read_csv(file, separator=separator, decimal_comma=decimal == ",")
    project = importlib.import_module("tiltyard.project")
    written = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"source": str(file), **layout}.items())
    folder = Path(tempfile.mkdtemp(dir=file.parent))  # two builds read at the same moment
    (folder / "tiltyard.toml").write_text(PROJECT + written, encoding="utf-8")
    parsed = project.load_project(folder)
    if reader == "load":
        load = importlib.import_module("tiltyard.data").load_dataset
        return lambda: load(parsed)
    read = importlib.import_module("tiltyard.data.sources").read_source
    return lambda: read(parsed.data, file.parent, verbatim=("churn",))


def _print_results(results: list[dict[str, Any]], compared: bool) -> None:
    heads = ["file", "reader", "million rows/s", "MB/s", "memory (MB)", "to pandas"]
    heads += ["to before", "by the clock"] if compared else []
    table = Table(*heads, title="From a file to rows, per second of processor time", title_justify="left")
    for one in results:
        plain = next(other for other in results if other["shape"] == one["shape"] and other["reader"] == "pandas")
        cells = [
            f"{one['shape']}, {one['bytes'] / 1e6:,.0f} MB",
            one["reader"],
            f"{one['rows'] / one['seconds'] / 1e6:.2f}",
            f"{one['bytes'] / one['seconds'] / 1e6:,.0f}",
            f"{one['megabytes']:,.0f}",
            f"{plain['seconds'] / one['seconds']:.2f}",
        ]
        ratios = [f"{one[name]:.2f}" if name in one else "" for name in ("ratio_seconds", "ratio_clock")]
        table.add_row(*cells, *(ratios if compared else []))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
