"""A table from Parquet to Parquet: ``tiltyard score``, here and on Ray, the loop that people write, and MLflow pyfunc.

They run one after the other on the same cores, each in its own processes, with the same version: a boosting and a
linear model over 20 columns, and a model of texts. Rows a second count from the start of the program, imports
included, to the last byte of its result. Peak memory is the largest sum over all processes of a program. Each night but
the first is meant: ``tiltyard score`` has scored a thousand rows on this host before, by which the version is compiled.

``python benchmarks/batch.py --rows 10000000 --texts 1000000 --json batch.json``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine

HERE = Path(__file__).resolve().parent
GROUP = 250_000
TRAINED = 20_000
NUMBERS, WORDS, SWITCHES = 14, 4, 2
SYSTEMS = ("tiltyard", "ray", "loop", "pyfunc")
_PORT = 6390  # of the Ray cluster
_TOWNS = np.array([f"town {number}" for number in range(40)])
_TABLE = """
[project]
name = "{name}"
task = "tabular-classification"
[data]
source = "train.parquet"
label = "label"
[training]
candidates = ["{candidate}"]
"""
_TEXT = """
[project]
name = "{name}"
task = "text-classification"
[data]
source = "train.parquet"
text = "text"
label = "label"
[training]
candidates = ["{candidate}"]
"""
MODELS = {"boosting": (_TABLE, "gradient-boosting"), "linear": (_TABLE, "logreg"), "texts": (_TEXT, "nb-logreg")}


def make_table(rows: int, seed: int) -> pd.DataFrame:
    """Rows of 20 columns and a label: numbers with gaps, words and truth values."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"n{place}": random.normal(size=rows) for place in range(NUMBERS)})
    frame.loc[random.random(rows) < 0.05, "n3"] = np.nan
    for place in range(WORDS):
        frame[f"w{place}"] = _TOWNS[random.integers(0, 5 + 10 * place, rows)]
    for place in range(SWITCHES):
        frame[f"s{place}"] = random.random(rows) < 0.4
    score = frame["n0"] + 0.6 * frame["n1"] * frame["n2"] + (frame["w0"] == "town 1") + random.logistic(size=rows)
    frame["label"] = np.where(score > 0.3, "yes", "no")
    return frame


def make_texts(rows: int, seed: int) -> pd.DataFrame:
    """Texts of about 40 words, whose label follows from some of them."""
    random = np.random.default_rng(seed)
    parts = [first + vowel for first in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = np.array([first + second for first in parts for second in parts])[:4900]
    picked = (random.pareto(1.1, (rows, 40)) * 20).astype(int) % len(words)
    texts = [" ".join(row) for row in words[picked]]
    return pd.DataFrame({"text": texts, "label": np.where((picked < 40).sum(axis=1) > 27, "yes", "no")})


def write_source(path: Path, model: str, rows: int) -> None:
    """The rows to score, without their label, in row groups."""
    make = make_texts if model == "texts" else make_table
    part = 50_000 if model == "texts" else GROUP
    writer = None
    for number, start in enumerate(range(0, rows, part)):
        frame = make(min(part, rows - start), 100 + number).drop(columns="label")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def prepare(folder: Path, model: str) -> None:
    """A project with a champion."""
    template, candidate = MODELS[model]
    (folder / "tiltyard.toml").write_text(template.format(name=model, candidate=candidate), encoding="utf-8")
    make = make_texts if model == "texts" else make_table
    make(TRAINED, 1).to_parquet(folder / "train.parquet", index=False)
    run_tiltyard(folder, "train", "--champion")
    write_source(folder / "first.parquet", model, 1_000)
    run_tiltyard(folder, "score", "first.parquet", "--to", "first-out.parquet")


def run_tiltyard(folder: Path, *words: str) -> None:
    """One command, whose output is shown where it fails."""
    command = [sys.executable, "-m", "tiltyard", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(done.stdout + done.stderr)


def measure(folder: Path, system: str, source: Path, cores: int) -> tuple[float, float]:
    """Seconds and the peak of memory in MB of one program over a source."""
    target = folder / f"out-{system}.parquet"
    target.unlink(missing_ok=True)
    if system in ("tiltyard", "ray"):
        words = ["score", str(source), "--to", str(target), "--workers", str(cores), "--restart"]
        words += ["--engine", "ray"] if system == "ray" else []
        command = [sys.executable, "-m", "tiltyard", *words]
    else:
        command = [sys.executable, str(Path(__file__)), "--peer", system, str(source), str(target)]
    environment = {**os.environ, "RAY_ADDRESS": f"127.0.0.1:{_PORT}"}
    began = time.perf_counter()
    process = psutil.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode not in (0, 3):
        sys.exit(f"{system}: {output}")
    if pq.read_metadata(target).num_rows != pq.read_metadata(source).num_rows:
        sys.exit(f"{system} wrote another number of rows than the source has")
    return seconds, peak[0]


def _watch(process: psutil.Process, peak: list[float]) -> None:
    """The largest sum of what all processes of a program have for themselves (PSS where the system tells it)."""
    while True:
        try:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(_memory(one) for one in family) / 1e6)
        except psutil.Error:
            return
        time.sleep(0.05)


def _memory(process: psutil.Process) -> float:
    try:
        full = process.memory_full_info()
        return float(getattr(full, "pss", full.rss))
    except psutil.Error:
        return 0.0


@contextmanager
def ray_cluster(cores: int) -> Iterator[None]:
    """A cluster of one node with so many processors; it is not counted in the time, nor in the memory."""
    program = str(Path(sys.executable).with_name("ray"))
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    words = ["start", "--head", "--num-cpus", str(cores), "--port", str(_PORT), "--include-dashboard=false"]
    subprocess.run([program, *words], env=environment, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([program, "stop", "--force"], check=False, capture_output=True)


def run_peer(system: str, source: Path, target: Path) -> None:
    """A program that people write: chunks of a data frame through the model, appended to a file."""
    import mlflow  # noqa: PLC0415 - the peers' own

    from tiltyard import wiring  # noqa: PLC0415 - to find the version
    from tiltyard.models.to_sklearn import to_sklearn_pipeline  # noqa: PLC0415 - likewise
    from tiltyard.project import load_project  # noqa: PLC0415 - likewise

    project = load_project(Path())
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    info = registry.get_version(project.model_name, alias="champion")
    if system == "pyfunc":
        mlflow.set_tracking_uri(settings.tracking_uri)
        model = mlflow.pyfunc.load_model(f"models:/{info.name}/{info.version}")
        predict = model.predict
    else:
        pipeline = wiring.open_version_loader(settings, registry).load(info).pipeline
        if project.data.text is not None:
            plain = to_sklearn_pipeline(pipeline)  # people have scikit-learn's vectoriser
            predict = lambda chunk: pd.DataFrame(plain.predict_proba(chunk["text"].tolist()))  # noqa: E731
        else:
            predict = lambda chunk: pd.DataFrame(pipeline.predict_proba(chunk))  # noqa: E731
    writer = None
    for batch in pq.ParquetFile(source).iter_batches(100_000):
        found: Any = predict(batch.to_pandas())
        frame = pd.DataFrame(found).rename(columns=str)
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def main() -> None:
    """Measure all systems on all models, and print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peer", nargs=3, metavar=("SYSTEM", "SOURCE", "TARGET"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peer:
        run_peer(chosen.peer[0], Path(chosen.peer[1]), Path(chosen.peer[2]))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rates: dict[str, dict[str, float]] = {system: {} for system in chosen.systems}
    peaks: dict[str, dict[str, float]] = {system: {} for system in chosen.systems}
    for model in chosen.models:
        rows = chosen.texts if model == "texts" else chosen.rows
        with tempfile.TemporaryDirectory(prefix="tiltyard-batch-") as made:
            folder = Path(made)
            prepare(folder, model)
            source = folder / "rows.parquet"
            write_source(source, model, rows)
            for system in chosen.systems:
                with ray_cluster(cores) if system == "ray" else nullcontext():
                    seconds, peak = measure(folder, system, source, cores)
                rates[system][model], peaks[system][model] = rows / seconds, peak
                print(f"{model:<9} {system:<9} {rows / seconds:>12,.0f} rows a second {peak:>8,.0f} MB", flush=True)
    report = {
        "machine": machine(),
        "cores": cores,
        "rows": {model: chosen.texts if model == "texts" else chosen.rows for model in chosen.models},
        "rows_per_second": rates,
        "peak_mb": peaks,
        "ratio_to_loop": _divide(rates, "tiltyard", "loop"),
        "ray_to_local": _divide(rates, "ray", "tiltyard"),
    }
    print(json.dumps({name: report[name] for name in ("ratio_to_loop", "ray_to_local")}, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _divide(rates: dict[str, dict[str, float]], first: str, second: str) -> dict[str, float]:
    """The ratio of two systems by model, where both ran."""
    both = rates.get(first, {}), rates.get(second, {})
    return {model: rate / both[1][model] for model, rate in both[0].items() if model in both[1]}


if __name__ == "__main__":
    main()
