"""A whole training next to scikit-learn's fit alone.

    python benchmarks/training.py --train reviews.parquet --json training.json

Each round takes turns: scikit-learn fits TF-IDF of 1–2-grams and logistic regression to all rows, once it is imported
and they are read; and `tiltyard train`, in its own process with all its imports, reads the same rows, checks them,
keeps them, splits them, fits the same recipe, evaluates and examines it, logs everything, packages the version with its
compiled scorer and registers it, in a folder that holds nothing but the rows and a project file. Compiling, which an
installation does once, is done before the first round and reported by itself. Wall time is what counts; processor time
is disturbed less by other programs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

PROJECT = """
[project]
name = "benchmark"
task = "text-classification"
[data]
source = {source}
text = {text}
label = {label}
"""

Figures = dict[str, float]


def main() -> None:
    options = _options()
    if options.plain:
        print(json.dumps(_plain(options)))
        return
    compiled = _compiling()
    rounds = [_round(options, number % 2 == 1) for number in range(options.rounds)]
    report = _report(rounds, compiled, options)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="CSV, Parquet or JSON Lines file to learn from")
    parser.add_argument("--text", default="text", help="the text column (default: text)")
    parser.add_argument("--label", default="label", help="the label column (default: label)")
    parser.add_argument("--rounds", type=int, default=3, help="paired runs (default: 3)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.train.exists():
        parser.error(f"{options.train} does not exist")
    if options.rounds < 1:
        parser.error("--rounds must be 1 at least")
    return options


def _round(options: argparse.Namespace, ours_last: bool) -> dict[str, Any]:
    both: dict[str, Any] = {}
    for name in ("sklearn", "tiltyard") if ours_last else ("tiltyard", "sklearn"):
        both[name] = _ours(options) if name == "tiltyard" else _plain_in_a_process(options)
    return both


def _ours(options: argparse.Namespace) -> dict[str, Any]:
    """Wall and processor time of the command, from start to end of its process, and what it printed."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-benchmark-") as folder:
        file = Path(folder) / options.train.name
        shutil.copyfile(options.train, file)
        names = {"source": file.name, "text": options.text, "label": options.label}
        project = PROJECT.format(**{name: json.dumps(value) for name, value in names.items()})
        (Path(folder) / "tiltyard.toml").write_text(project, encoding="utf-8")
        kept_out = ("TILTYARD_", "MLFLOW_", "PREFECT_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(kept_out)}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard", "train", "--json", "--project", folder],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
        seconds = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.exit(f"tiltyard train failed:\n{done.stdout}")
        report = json.loads(done.stdout)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor": processor, "accuracy": report["metrics"]["accuracy"], **_sides(report)}


def _sides(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in ("candidate", "train_rows", "test_rows", "fit_seconds")}


def _plain_in_a_process(options: argparse.Namespace) -> dict[str, Any]:
    words = ["--train", str(options.train), "--text", options.text, "--label", options.label, "--plain"]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _plain(options: argparse.Namespace) -> Figures:
    """Time of ``fit`` alone: rows read, everything imported."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415

    frame = _read(options.train)
    for column in (options.text, options.label):
        if column not in frame.columns:
            sys.exit(f"{options.train} has no column {column!r}: {', '.join(map(str, frame.columns))}")
    frame = frame.dropna(subset=[options.text, options.label])
    texts, labels = frame[options.text].astype(str).to_list(), frame[options.label].astype(str).to_numpy()
    pipeline = Pipeline(
        [
            ("tfidf", TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=200_000, sublinear_tf=True)),
            ("classifier", LogisticRegression(C=10.0, max_iter=1000)),
        ]
    )
    wall, processor = time.perf_counter(), time.process_time()
    pipeline.fit(texts, labels)
    return {
        "seconds": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
        "rows": float(len(texts)),
    }


def _read(file: Path) -> Any:
    import pandas as pd  # noqa: PLC0415

    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    if file.suffix in (".jsonl", ".ndjson"):
        return pd.read_json(file, lines=True, dtype=False)
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def _compiling() -> float:
    """Compile what an installation compiles once, and say how long that took (seconds where it was done before)."""
    code = "from tiltyard.models.tfidf.vectoriser import warm_up; warm_up()"
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    with tempfile.TemporaryDirectory(prefix="tiltyard-benchmark-") as folder:
        lines = [f"{word} film number {place},{word}" for place in range(150) for word in ("good", "bad")]
        (Path(folder) / "rows.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
        project = PROJECT.format(source='"rows.csv"', text='"text"', label='"label"')
        (Path(folder) / "tiltyard.toml").write_text(project, encoding="utf-8")
        words = ["-m", "tiltyard", "train", "--accept-data", "--json", "--project", folder]
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - begun


def _report(rounds: list[dict[str, Any]], compiled: float, options: argparse.Namespace) -> dict[str, Any]:
    def median(name: str, figure: str) -> float:
        return float(statistics.median(one[name][figure] for one in rounds))

    def ratio(figure: str) -> float:
        return float(statistics.median(one["tiltyard"][figure] / one["sklearn"][figure] for one in rounds))

    return {
        "train_seconds": median("tiltyard", "seconds"),
        "sklearn_fit_seconds": median("sklearn", "seconds"),
        "ratio": ratio("seconds"),
        "train_processor_seconds": median("tiltyard", "processor"),
        "sklearn_fit_processor_seconds": median("sklearn", "processor"),
        "processor_ratio": ratio("processor"),
        "compile_seconds": compiled,
        "rounds": rounds,
        "data": options.train.name,
        "machine": machine("scikit-learn", "numpy"),
    }


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=f"A whole training next to scikit-learn's fit alone: {report['data']}")
    for heading in (
        "round",
        "tiltyard train",
        "scikit-learn fit",
        "ratio",
        "processor time",
        "accuracy of the version",
    ):
        table.add_column(heading, justify="right")
    for number, one in enumerate(report["rounds"], start=1):
        ours, theirs = one["tiltyard"], one["sklearn"]
        table.add_row(
            str(number),
            f"{ours['seconds']:.1f} s",
            f"{theirs['seconds']:.1f} s",
            f"{ours['seconds'] / theirs['seconds']:.2f}",
            f"{ours['processor']:.1f} s, {theirs['processor']:.1f} s",
            f"{ours['accuracy']:.4f} on {ours['test_rows']:,} rows",
        )
    console = Console()
    console.print(table)
    console.print(
        f"Median ratio {report['ratio']:.2f} (processor time {report['processor_ratio']:.2f}). Before the first round, "
        f"compiling or loading what was compiled, and a small training: {report['compile_seconds']:.1f} s."
    )
    console.print(f"Machine: {report['machine']}")


if __name__ == "__main__":
    main()
