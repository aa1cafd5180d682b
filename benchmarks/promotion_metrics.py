"""How often 'significant' promotes a challenger that is not better, by metrics other than accuracy.

    python benchmarks/promotion_metrics.py --json promotion_metrics.json

Simulated loops: champion and challenger score the same test rows, drawn anew for each loop. A row's two scores share
the row's difficulty and differ by separate noise, alike for both, so that neither is better in truth. Shown side by
side: the bootstrap's p-value alone, and the larger of bootstrap's and permutation's, by which ``compare`` decides. Both
are the package's own, with fewer draws (--draws) to save time.

Intervals are Clopper and Pearson's (Biometrika 26, 1934), 95 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from tiltyard.evaluation import LabelledPredictions, compare_bootstrap, get_metric, label_predictions
from tiltyard.evaluation.resampling.permutation_test import permutation_p_values

METRICS = ("f1", "log_loss", "roc_auc")
SIZES = (200, 500, 2_000)
POSITIVES = (0.5, 0.1)
# Distance of the classes in standard deviations of a score, halved: 90 % of a balanced test are predicted right.
DISTANCE = 1.28
SHARED = 0.8


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    started = time.perf_counter()
    figures = []
    for figure in _figures(options):
        figures.append(figure)
        alone, both = (_cell(figure[name]) for name in ("bootstrap", "significant"))
        sys.stdout.write(
            f"{figure['metric']:<9} {figure['rows']:>6,} rows, {figure['positive']:.0%} positive: "
            f"bootstrap alone {alone}, with permutation {both}\n"
        )
        sys.stdout.flush()
    report = {"alpha": options.alpha, "loops": options.loops, "draws": options.draws, "seed": options.seed}
    seconds = round(time.perf_counter() - started, 1)
    if options.json:
        text = json.dumps({**report, "figures": figures, "seconds": seconds}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{options.loops:,} loops each, {options.draws} draws, alpha {options.alpha:g}, {seconds:.0f} s\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=2_000, help="loops for each figure (default: 2,000)")
    parser.add_argument("--draws", type=int, default=399, help="draws of either test (default: 399)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="test rows (default: 200 500 2000)")
    parser.add_argument("--metrics", nargs="+", default=METRICS, help=f"metrics (default: {' '.join(METRICS)})")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


def _figures(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for rows in options.sizes:
        for name in options.metrics:
            for positive in POSITIVES:
                named = {"metric": name, "rows": rows, "positive": positive}
                yield {**named, **_wrong(options, name, rows, positive)}


def _wrong(options: argparse.Namespace, name: str, rows: int, positive: float) -> dict[str, Any]:
    metric, random = get_metric(name), np.random.default_rng([options.seed, rows, int(100 * positive)])
    alone = both = loops = 0
    while loops < options.loops:
        truth = random.random(rows) < positive
        if truth.all() or not truth.any():
            continue
        loops += 1
        shared = np.where(truth, DISTANCE, -DISTANCE) + np.sqrt(SHARED) * random.standard_normal(rows)
        champion, challenger = (
            _make_predictions(truth, shared + np.sqrt(1 - SHARED) * random.standard_normal(rows), positive)
            for _ in range(2)
        )
        found = compare_bootstrap(metric, champion, challenger, resamples=options.draws, seed=loops)
        if found.difference <= 0 or found.p_value >= options.alpha:
            continue
        alone += 1
        ahead, _ = permutation_p_values(metric, champion, challenger, resamples=options.draws, seed=loops)
        both += ahead < options.alpha
    return {"bootstrap": _rate(alone, loops), "significant": _rate(both, loops)}


def _make_predictions(truth: NDArray[np.bool_], score: NDArray[np.float64], positive: float) -> LabelledPredictions:
    """Predictions with the probability that the score means."""
    yes = 1 / (1 + np.exp(-(2 * DISTANCE * score + np.log(positive / (1 - positive)))))
    return label_predictions(
        np.where(truth, "1", "0"), np.where(yes > 0.5, "1", "0"), np.column_stack([1 - yes, yes]), ("0", "1"), "1"
    )


def _rate(hits: int, loops: int) -> dict[str, float]:
    interval = binomtest(hits, loops).proportion_ci(0.95, method="exact")
    return {"rate": hits / loops, "low": float(interval.low), "high": float(interval.high), "loops": loops}


def _cell(one: dict[str, float]) -> str:
    return f"{100 * one['rate']:.1f} ({100 * one['low']:.1f}–{100 * one['high']:.1f})"


if __name__ == "__main__":
    main()
