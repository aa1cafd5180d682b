"""The clock that every system in ``benchmarks/trees.py`` is measured by; imports nothing but NumPy."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

CHUNK = 200


def read_rows(folder: Path) -> tuple[np.ndarray[Any, Any], list[str], list[dict[str, float]]]:
    """The rows to predict: as an array, the names of the features, and the first 1,000 as dictionaries."""
    rows = np.load(folder / "rows.npy")
    names = [f"f{place}" for place in range(rows.shape[1])]
    return rows, names, [dict(zip(names, row, strict=True)) for row in rows[:1000].tolist()]


def make_reader(names: list[str], dtype: Any) -> Callable[[Mapping[str, float]], np.ndarray[Any, Any]]:
    """What makes an array of one row from a dictionary: the fastest way that we found in Python and NumPy."""
    cells = itemgetter(*names)
    return lambda row: np.array((cells(row),), dtype)


def time_single(
    predict: Callable[[Mapping[str, float]], Any], rows: Sequence[Mapping[str, float]], calls: int
) -> float:
    """Microseconds of processor time a row, one call a row: of the fastest of the chunks of calls."""
    spent = []
    for first in range(0, calls, CHUNK):
        chosen = [rows[(first + place) % len(rows)] for place in range(CHUNK)]
        begun = time.process_time_ns()
        for row in chosen:
            predict(row)
        spent.append((time.process_time_ns() - begun) / CHUNK / 1000)
    return min(spent)


def time_batch(predict: Callable[[], Any], rows: int, rounds: int = 15) -> float:
    """Microseconds of processor time a row in a batch: of the fastest round."""
    predict()
    spent = []
    for _ in range(rounds):
        begun = time.process_time_ns()
        predict()
        spent.append((time.process_time_ns() - begun) / rows / 1000)
    return min(spent)


def report(folder: Path, found: Any, single: float, batch: float) -> None:
    """Print what was measured, with the largest difference from what the library predicted."""
    expected = np.load(folder / "expected.npy")
    predicted = np.asarray(found, np.float64).reshape(len(expected), -1)
    if predicted.shape[1] == expected.shape[1] + 1:
        predicted = predicted[:, 1:]
    difference = float(np.max(np.abs(predicted - expected)))
    print(json.dumps({"single": single, "batch": batch, "parity": difference}))


def start() -> tuple[Path, str]:
    """The folder of the model and its library, from the command line."""
    return Path(sys.argv[1]), sys.argv[2]
