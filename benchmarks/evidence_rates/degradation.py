"""A metric in production against that of the test rows: healthy versions accused by chance, and losses found."""

from __future__ import annotations

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation import EvaluatedRows, get_metric, label_predictions, pair_numbers
from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.monitoring.degradation import evaluate_degradation
from tiltyard.project import MonitoringSection

ALPHA = MonitoringSection().false_alarm_rate
ALLOWED = MonitoringSection().max_loss
CLASS_METRICS = ("accuracy", "f1", "roc_auc", "log_loss")
SIZES = ((200, 500), (200, 2_000), (1_000, 1_000))


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about three minutes with ``scale`` 1."""
    runs = scaled(500, scale)
    rows = []
    for metric in (*CLASS_METRICS, "mae"):
        for test, labelled in SIZES:
            name = f"a healthy version found degraded by {metric}, {test:,} test rows, {labelled:,} labels"
            rows += _measure(name, ALPHA, metric, (test, labelled), runs)
        rows += _measure(
            f"a worse version found by {metric}, 1,000 test rows and labels", None, metric, SIZES[-1], runs
        )
    return rows + _measure_requests(runs)


def _measure_requests(runs: int) -> list[Row]:
    """Accuracy where rows of one request are right and wrong together; before, each row counted."""
    random, found = np.random.default_rng(106), np.zeros(2, dtype=np.int64)
    requests, size, alike, right = 20, 60, 0.4, 0.85
    name = f"a healthy version found degraded by accuracy, {requests} requests of {size} rows, correlation {alike}"
    units = np.repeat(np.arange(requests), size)
    for _ in show_progress(range(runs), name):
        level = random.beta(right * (1 / alike - 1), (1 - right) * (1 / alike - 1), requests)
        wrong = random.random(len(units)) >= level[units]
        together = arrange_stream(wrong, [f"r{unit}" for unit in units.tolist()]).by_unit
        for place, clusters in enumerate((None, units if together else None)):
            labels = np.where(wrong, "no", "yes")
            seen = label_predictions(labels, np.full(len(labels), "yes"), None, ("no", "yes"), "yes", clusters=clusters)
            (one,) = evaluate_degradation(seen, {"accuracy": right}, allowed=ALLOWED, baseline_rows=2_000, alpha=ALPHA)
            found[place] += one.verdict == "degraded"
    before, now = found.tolist()
    return [make_row(name, ALPHA, before, runs, "before"), make_row(name, ALPHA, now, runs)]


def draw_rows(random: np.random.Generator, metric: str, rows: int, strength: float = 1.0) -> EvaluatedRows:
    """Rows with what a version predicts, which depends on a score; the truth depends on it by ``strength``."""
    score = random.normal(size=rows)
    if metric not in CLASS_METRICS:
        return pair_numbers(score + random.standard_t(3, rows) / strength, score)
    truth = random.random(rows) < _to_probability(1.2 * strength * score - 0.8)
    probability = _to_probability(1.2 * score - 0.8)
    predicted, both = np.where(probability > 0.5, "yes", "no"), np.column_stack([1 - probability, probability])
    return label_predictions(np.where(truth, "yes", "no"), predicted, both, ("no", "yes"), "yes")


def is_degraded(random: np.random.Generator, metric: str, sizes: tuple[int, int], strength: float = 1.0) -> list[bool]:
    """Whether the version is found degraded: as before, with its test figure as exact, and now.

    Args:
        random: draws both samples.
        metric: the metric's name.
        sizes: rows of the test, and with a label in production.
        strength: of the labels' dependence on the score in production; 1 as in the test.
    """
    baseline = {metric: get_metric(metric).compute(draw_rows(random, metric, sizes[0]))}
    seen = draw_rows(random, metric, sizes[1], strength)
    return [
        evaluate_degradation(seen, baseline, allowed=ALLOWED, baseline_rows=rows, alpha=ALPHA)[0].verdict == "degraded"
        for rows in (None, sizes[0])
    ]


def _measure(name: str, promised: float | None, metric: str, sizes: tuple[int, int], runs: int) -> list[Row]:
    random, strength = np.random.default_rng(105), 1.0 if promised else 0.6
    found = [is_degraded(random, metric, sizes, strength) for _ in show_progress(range(runs), name)]
    return [
        make_row(name, promised, sum(one[place] for one in found), runs, build)
        for place, build in enumerate(("before", "now"))
    ]


def _to_probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-odds))
