"""The fast text vectoriser next to scikit-learn's, on one core: time to fit, time to transform, peak memory.

    python benchmarks/vectoriser.py --train reviews.parquet --json vectoriser.json

Each round runs both on the same texts with the same settings, taking turns at going first, so that a busy machine
slows both; the ratios are the medians over the rounds. Ratios of processor time are given too: other programs disturb
them less. Compiling is done before the first round and reported by itself. Memory is the peak of a process that
reads the texts, fits and transforms, one process for each.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine, peak_mb

EXAMPLE = Path(__file__).parents[1] / "examples" / "sentiment" / "data" / "reviews.csv"
MEASURABLE = 5_000_000  # characters; fewer are repeated until they are so many
NAMES = ("tiltyard", "scikit-learn")
SETTINGS: dict[str, Any] = {"ngram_range": (1, 2), "min_df": 2, "max_features": 200_000, "sublinear_tf": True}


def main() -> None:
    options = _options()
    if options.peak:
        _peak(options.peak, options)
        return
    _stay_on_one_core()
    peaks = {name: _peak_in_a_process(name, options) for name in NAMES}
    texts, about = _texts(options.train, options.text)
    from tiltyard.models.tfidf.vectoriser import warm_up  # noqa: PLC0415

    once = {"compiling": _compiling_in_a_process(), "loading": warm_up()}
    rounds = [_round(texts, number % 2 == 1) for number in range(options.rounds)]
    report = _report(rounds, peaks, once, about)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, default=EXAMPLE, help="CSV or Parquet file (default: the example's data)")
    parser.add_argument("--text", default="text", help="the text column (default: text)")
    parser.add_argument("--rounds", type=int, default=3, help="paired runs (default: 3)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--peak", choices=NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.train.exists():
        parser.error(f"{options.train} does not exist; name a file of texts with --train")
    if options.rounds < 1:
        parser.error("--rounds must be 1 at least")
    return options


def _texts(file: Path, column: str) -> tuple[list[str], str]:
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    if file.suffix == ".parquet":
        table = pyarrow.parquet.read_table(file)
    else:
        newlines = pyarrow.csv.ParseOptions(newlines_in_values=True)
        table = pyarrow.csv.read_csv(file, parse_options=newlines)
    if column not in table.column_names:
        sys.exit(f"{file} has no column {column!r}; name the text column with --text: {', '.join(table.column_names)}")
    texts = [str(text) for text in table[column].to_pylist() if text is not None]
    size = sum(map(len, texts))
    if not size:
        sys.exit(f"{file} holds no text in column {column!r}")
    times = -(-MEASURABLE // size)
    about = f"{len(texts):,} texts of {size:,} characters from {file.name}"
    if times > 1:
        about += (
            f", repeated {times} times to be measurable (a small vocabulary: not what a real corpus of this size has)"
        )
    return texts * times, about


def _vectoriser(name: str) -> Any:
    if name == "tiltyard":
        from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer  # noqa: PLC0415

        return FastTfidfVectorizer(**SETTINGS)
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    return TfidfVectorizer(**SETTINGS)


def _round(texts: list[str], ours_last: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    matrices: dict[str, Any] = {}
    for name in NAMES[::-1] if ours_last else NAMES:
        vectoriser = _vectoriser(name)
        for step, work in (("fit", vectoriser.fit_transform), ("transform", vectoriser.transform)):
            matrices.pop(name, None)
            gc.collect()
            wall, processor = time.perf_counter(), time.process_time()
            matrices[name] = work(texts)
            figures[f"{name} {step}"] = time.perf_counter() - wall
            figures[f"{name} {step} processor"] = time.process_time() - processor
    ours, theirs = (matrices[name] for name in NAMES)
    if not (np.array_equal(ours.indices, theirs.indices) and np.array_equal(ours.data, theirs.data)):
        sys.exit("The two matrices differ, so their times cannot be compared.")
    return figures


def _compiling_in_a_process() -> float:
    code = "from tiltyard.models.tfidf.vectoriser import warm_up; print(warm_up())"
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def _peak(name: str, options: argparse.Namespace) -> None:
    _stay_on_one_core()
    texts, _ = _texts(options.train, options.text)
    before = peak_mb()
    vectoriser = _vectoriser(name)
    matrix = vectoriser.fit_transform(texts)
    del matrix
    vectoriser.transform(texts)
    print(json.dumps({"peak_mb": peak_mb(), "texts_mb": before}))


def _peak_in_a_process(name: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--peak", name, "--train", str(options.train), "--text", options.text]
    for _ in range(2 if name == "tiltyard" else 1):  # the first run may have to compile, which takes memory too
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _stay_on_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _report(
    rounds: list[dict[str, float]], peaks: dict[str, dict[str, float]], once: dict[str, float], about: str
) -> dict[str, Any]:
    def ratio(step: str) -> float:
        return statistics.median(one[f"scikit-learn {step}"] / one[f"tiltyard {step}"] for one in rounds)

    return {
        "fit_ratio": ratio("fit"),
        "transform_ratio": ratio("transform"),
        "memory_ratio": peaks["tiltyard"]["peak_mb"] / peaks["scikit-learn"]["peak_mb"],
        "fit_processor_ratio": ratio("fit processor"),
        "transform_processor_ratio": ratio("transform processor"),
        "seconds": {name: statistics.median(one[name] for one in rounds) for name in rounds[0]},
        "peaks": peaks,
        "compile_seconds": once["compiling"],
        "load_compiled_seconds": once["loading"],
        "rounds": len(rounds),
        "data": about,
        "settings": {name: str(value) for name, value in SETTINGS.items()},
        "machine": machine("scikit-learn", "numba", "numpy"),
    }


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title="TF-IDF of 1–2-grams, one core")
    for heading in ("", "tiltyard", "scikit-learn", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    seconds, peaks = report["seconds"], report["peaks"]
    for step, ratio, label in (
        ("fit", "fit_ratio", "fit_transform"),
        ("fit processor", "fit_processor_ratio", "  processor time"),
        ("transform", "transform_ratio", "transform"),
        ("transform processor", "transform_processor_ratio", "  processor time"),
    ):
        ours, theirs = seconds[f"tiltyard {step}"], seconds[f"scikit-learn {step}"]
        table.add_row(label, f"{ours:.2f} s", f"{theirs:.2f} s", f"{report[ratio]:.1f} times as fast")
    ours, theirs = peaks["tiltyard"]["peak_mb"], peaks["scikit-learn"]["peak_mb"]
    table.add_row("peak memory", f"{ours:.0f} MB", f"{theirs:.0f} MB", f"{report['memory_ratio']:.2f} of the memory")
    ours, theirs = (peaks[name]["peak_mb"] - peaks[name]["texts_mb"] for name in ("tiltyard", "scikit-learn"))
    table.add_row("  of which not the texts", f"{ours:.0f} MB", f"{theirs:.0f} MB", f"{ours / theirs:.2f}")
    console = Console()
    console.print(table)
    console.print(f"Data: {report['data']}")
    console.print(f"Median of {report['rounds']} paired rounds; the two matrices were equal to the bit in each.")
    console.print(
        f"Before them, once for an installation, compiling: {report['compile_seconds']:.1f} s; "
        f"once in each process, loading what was compiled: {report['load_compiled_seconds']:.1f} s."
    )
    console.print(f"Machine: {report['machine']}")


if __name__ == "__main__":
    main()
