"""How often the interval of an estimate without labels holds the figure that labels would have shown.

Each loop makes a model's predictions and their labels from a known truth, calibrates on held-out rows, estimates from
the predictions of a window alone, and compares with the labels of that same window.

    python benchmarks/cbpe.py [--loops N] [--classes K] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation import METRICS, label_predictions, wilson
from tiltyard.ledger import Prediction
from tiltyard.monitoring.estimates.cbpe import CbpeBasis, estimate_performance
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.registry import HoldoutPredictions

METRIC_NAMES = ("accuracy", "f1_macro", "roc_auc")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One way in which the world may be.

    Attributes:
        name: for people.
        classes: number of labels.
        confidence: what the model multiplies its true log odds by; 1 is calibrated, 2 far too sure.
        held_out: rows to calibrate on.
        window: rows to estimate.
        spread: factor of the log odds in the window: less than 1 makes the inputs harder than the held-out ones.
        shift: added to the log odds of one class in the window.
        meaning: factor of the log odds by which labels follow from inputs in the window; not 1 is concept drift.
    """

    name: str
    classes: int
    confidence: float
    held_out: int
    window: int
    spread: float = 1.0
    shift: float = 0.0
    meaning: float = 1.0


CASES = (
    Case("calibrated, undrifted", 2, 1.0, 1000, 1000),
    Case("calibrated, undrifted, few held out", 2, 1.0, 200, 1000),
    Case("calibrated, undrifted, few predictions", 2, 1.0, 1000, 100),
    Case("too sure, undrifted", 2, 2.0, 1000, 1000),
    Case("too unsure, undrifted", 2, 0.5, 1000, 1000),
    Case("calibrated, harder inputs", 2, 1.0, 1000, 1000, spread=0.5),
    Case("too sure, harder inputs", 2, 2.0, 1000, 1000, spread=0.5),
    Case("too sure, one class more frequent", 2, 2.0, 1000, 1000, shift=1.0),
    Case("three classes, calibrated, undrifted", 3, 1.0, 1000, 1000),
    Case("three classes, too sure, undrifted", 3, 2.0, 1000, 1000),
    Case("three classes, too sure, harder inputs", 3, 2.0, 1000, 1000, spread=0.5),
    Case("three classes, too sure, one class more frequent", 3, 2.0, 1000, 1000, shift=1.0),
    Case("concept drift (labels half as predictable)", 2, 1.0, 1000, 1000, meaning=0.5),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=int, default=200)
    parser.add_argument("--json", type=Path, default=None, metavar="OUT")
    parser.add_argument("--classes", type=int, default=None, metavar="K", help="only cases of so many classes: 2 or 3")
    options = parser.parse_args()
    started = time.perf_counter()
    rows = []
    for seed, case in enumerate(CASES):
        if options.classes in (None, case.classes):
            rows.append(measure(case, options.loops, seed))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    print(f"\n{options.loops} loops a case, {time.perf_counter() - started:.0f} s")
    if options.json:
        options.json.write_text(json.dumps({"loops": options.loops, "rows": rows}, indent=1), encoding="utf-8")


def measure(case: Case, loops: int, seed: int) -> dict[str, Any]:
    """The share of loops in which each metric's interval held the realised value, and how wide it was."""
    random = np.random.default_rng(seed)
    held: dict[str, int] = defaultdict(int)
    widths: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for loop in range(loops):
        realised, found = one_loop(case, random, loop)
        for name in METRIC_NAMES:
            interval = found[name].interval
            assert interval is not None
            held[name] += interval.low <= realised[name] <= interval.high
            widths[name].append(interval.high - interval.low)
            errors[name].append(found[name].value - realised[name])
    coverage = {name: held[name] / loops for name in METRIC_NAMES}
    return {
        "case": case.name,
        "held_out": case.held_out,
        "window": case.window,
        "coverage": coverage,
        "coverage_interval": {name: list(wilson(held[name], loops)) for name in METRIC_NAMES},
        "mean_width": {name: float(np.mean(widths[name])) for name in METRIC_NAMES},
        "mean_error": {name: float(np.mean(errors[name])) for name in METRIC_NAMES},
    }


def one_loop(case: Case, random: np.random.Generator, seed: int) -> tuple[dict[str, float], Any]:
    """The realised metrics of a window, and what was estimated of it."""
    names = tuple(f"class {position}" for position in range(case.classes))
    truth, probabilities = _rows(case, random, case.held_out)
    held_out = HoldoutPredictions(
        np.asarray(names)[truth], np.asarray(names)[probabilities.argmax(axis=1)], probabilities
    )
    truth, probabilities = _rows(case, random, case.window, spread=case.spread, shift=case.shift, meaning=case.meaning)
    predicted = np.asarray(names)[probabilities.argmax(axis=1)]
    predictions = tuple(_prediction(n, names, row) for n, row in enumerate(probabilities))
    found = estimate_performance(
        PredictionWindow("m", None, None, predictions, {}),
        CbpeBasis("1", names, held_out, seed=seed),
        names=METRIC_NAMES,
    )
    facts = label_predictions(np.asarray(names)[truth], predicted, probabilities, names)
    return {name: METRICS[name].compute(facts) for name in METRIC_NAMES}, found.figures


def _rows(
    case: Case, random: np.random.Generator, rows: int, *, spread: float = 1.0, shift: float = 0.0, meaning: float = 1.0
) -> tuple[NDArray[np.intp], Array]:
    odds = random.normal(size=(rows, case.classes)) * 1.5 * spread
    odds[:, 0] += shift
    likely = _softmax(odds * meaning)
    truth = (random.random((rows, 1)) > np.cumsum(likely, axis=1)).sum(axis=1).clip(0, case.classes - 1)
    return truth, _softmax(odds * case.confidence)


def _softmax(odds: Array) -> Array:
    raised = np.exp(odds - odds.max(axis=1, keepdims=True))
    found: Array = raised / raised.sum(axis=1, keepdims=True)
    return found


def _prediction(number: int, names: tuple[str, ...], row: Array) -> Prediction:
    best = int(row.argmax())
    given = dict(zip(names, row.tolist(), strict=True))
    return Prediction(str(number), NOON, "m", "1", "champion", {"text": "x"}, names[best], float(row[best]), given, 1.0)


def table(rows: list[dict[str, Any]]) -> str:
    """The coverage table as Markdown."""
    head = ["Case", "Held out", "Answers", *(f"{METRICS[name].title}: held (width)" for name in METRIC_NAMES)]
    show: Callable[[dict[str, Any], str], str] = lambda row, name: (  # noqa: E731
        f"{row['coverage'][name]:.1%} ({row['mean_width'][name]:.3f})"
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [
        f"| {row['case']} | {row['held_out']} | {row['window']} | "
        + " | ".join(show(row, name) for name in METRIC_NAMES)
        + " |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
