"""Boosters: one row from a dictionary to probabilities, and batches of 10,000 rows, next to other ways to run them.

Each system runs in its own environment (made in ``--environments`` where it is missing), on one core, on the same
models and rows; a round runs all of them in turn, and the fastest round of each counts, in processor time. The library
fits the model and says what is right; every other system reports its largest difference from that.

``python benchmarks/trees.py --json trees.json``; ``--model lightgbm --rounds 1`` for a first look.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import machine
from benchmarks.tree_peers.stopwatch import read_rows, time_batch, time_single

from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preprocessing_arrays import compile_coded_columns
from tiltyard.scoring.table.table_scorer import TableScorer
from tiltyard.scoring.trees.tree_head import build_tree_head
from tiltyard.scoring.trees.tree_model import TreeModel

HERE = Path(__file__).resolve().parent
PEERS = HERE / "tree_peers"
MODELS = {"lightgbm": 2, "lightgbm-3-classes": 3, "xgboost": 2, "xgboost-3-classes": 3, "catboost": 2}
FEATURES, TRAINED, ROWS = 28, 20_000, 10_000
_BOOSTERS = ["lightgbm==4.7.0", "xgboost-cpu==3.2.0", "catboost==1.2.10", "scikit-learn==1.9.1", "pandas==3.1.1"]
SYSTEMS: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "library": ("library.py", _BOOSTERS, ("lightgbm", "xgboost", "catboost")),
    # lleaves 1.3 calls what later versions of llvmlite no longer have.
    "lleaves": ("compiled_lleaves.py", ["lleaves==1.3.0", "llvmlite==0.44.0", "lightgbm==4.7.0"], ("lightgbm",)),
    "treelite": ("compiled_treelite.py", ["treelite==4.8.1", "tl2cgen==1.0.0"], ("lightgbm", "xgboost")),
    "onnxruntime": (
        "onnx_runtime.py",
        ["onnxruntime==1.32.0", "onnxmltools==1.16.0", "skl2onnx==1.20.0", *_BOOSTERS],
        ("lightgbm", "xgboost", "catboost"),
    ),
}


def make_model_data(folder: Path, classes: int) -> None:
    """Numbers of which some products and waves make the label."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(TRAINED + ROWS, FEATURES))
    score = rows[:, 0] * rows[:, 1] + rows[:, 2] + np.sin(3 * rows[:, 3]) + random.normal(0, 0.7, len(rows))
    labels = (score > 0).astype(int) if classes == 2 else np.digitize(score, [-0.7, 0.7])
    np.save(folder / "train.npy", rows[:TRAINED])
    np.save(folder / "labels.npy", labels[:TRAINED])
    np.save(folder / "rows.npy", rows[TRAINED:])


def find_python(system: str, environments: Path) -> Path:
    """The interpreter of a system's environment, made with uv where it is missing."""
    python = environments / system / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *SYSTEMS[system][1]], check=True)
    return python


def run_peer(system: str, folder: Path, library: str, environments: Path) -> dict[str, float] | str:
    """What a system measured of a model; or why it could not."""
    script = PEERS / SYSTEMS[system][0]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PEERS)}
    done = subprocess.run(
        [find_python(system, environments), "-W", "ignore", script, folder, library],
        capture_output=True,
        text=True,
        env=alone,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with {done.returncode}"
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def measure_ours(folder: Path, library: str) -> dict[str, float]:
    """The compiled scorer, from the library's file; the batch is of prepared features, as the others' are."""
    rows, names, dictionaries = read_rows(folder)
    document = (folder / ("model.txt" if library == "lightgbm" else "model.json")).read_bytes()
    labels = [str(label) for label in np.load(folder / "classes.npy")]
    columns = InputColumns(dict.fromkeys(names, "float64"))
    head = build_tree_head(read_ensemble(library, document), len(labels))  # type: ignore[arg-type]
    prepared = compile_coded_columns(names, {}, columns)
    scorer = TableScorer(columns, prepared, TreeModel(head), labels)
    expected = np.load(folder / "expected.npy")
    cells = [dict(zip(names, row, strict=True)) for row in rows.tolist()]
    found = scorer.score(cells).probabilities
    alone = np.concatenate([scorer.score([row]).probabilities for row in dictionaries])
    if not np.array_equal(alone, found[: len(alone)]):
        raise SystemExit("a batch is predicted otherwise than its rows")
    return {
        "single": time_single(lambda row: scorer.score([row]).probabilities, dictionaries, 20_000),
        "batch": time_batch(lambda: head.predict(rows), len(rows)),
        "dictionaries": time_batch(lambda: scorer.score(cells), len(rows), 5),
        "parity": float(np.max(np.abs(found[:, -expected.shape[1] :] - expected))),
    }


def merge_rounds(kept: dict[str, float], found: dict[str, float]) -> dict[str, float]:
    """The fastest of two rounds, and the larger difference."""
    return {name: (max if name == "parity" else min)(value, kept.get(name, value)) for name, value in found.items()}


def measure(
    models: Sequence[str], rounds: int, environments: Path
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, str]]:
    """By model and system what was measured, and what could not run."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="tiltyard-trees-") as place:
        for model in models:
            library = model.split("-")[0]
            folder = Path(place) / model
            folder.mkdir()
            make_model_data(folder, MODELS[model])
            held = results.setdefault(model, {})
            for _ in range(rounds):
                for system, (_, _, libraries) in SYSTEMS.items():
                    if library not in libraries or f"{model} {system}" in failed:
                        continue
                    found = run_peer(system, folder, library, environments)
                    if isinstance(found, str):
                        failed[f"{model} {system}"] = found
                        continue
                    held[system] = merge_rounds(held.get(system, {}), found)
                held["tiltyard"] = merge_rounds(held.get("tiltyard", {}), measure_ours(folder, library))
            print(model, json.dumps(held), file=sys.stderr, flush=True)
    return results, failed


def lay_out(results: dict[str, dict[str, dict[str, float]]], key: str) -> dict[str, dict[str, float]]:
    """One key by model and system."""
    return {model: {name: one[key] for name, one in held.items() if key in one} for model, held in results.items()}


def main() -> None:
    """Measure all, print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one (repeatable; default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "tiltyard-tree-peers")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results, failed = measure(given.model or list(MODELS), given.rounds, given.environments)
    report: dict[str, Any] = {key: lay_out(results, key) for key in ("single", "batch", "dictionaries", "parity")}
    report |= {
        "machine": machine("numba", "numpy"),
        "failed": failed,
        "versions": {k: v[1] for k, v in SYSTEMS.items()},
    }
    for key in ("single", "batch", "parity"):
        print(f"\n{key}")
        for model, held in report[key].items():
            print(f"  {model:20}", "  ".join(f"{name} {value:.3g}" for name, value in held.items()))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
