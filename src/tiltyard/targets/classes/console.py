"""Pages of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tiltyard.console.data.predictions import BINS, PredictionsView
from tiltyard.console.data.task_part import PageWords, TaskConsole
from tiltyard.console.data.try_it import TrialPrediction
from tiltyard.console.layout import components, figures
from tiltyard.data.conform.labels import order_classes
from tiltyard.formatting import format_count
from tiltyard.ledger import Prediction, PredictionStats


class ClassConsole(TaskConsole):
    """The ``TaskConsole`` of classes."""

    words = PageWords("Labels", "Confidence", "Label", "Confidence")
    has_sets = True
    has_probabilities = True

    def list_numbers(self, latest: Sequence[Prediction]) -> tuple[float, ...]:
        return ()

    def count_values(self, stats: PredictionStats) -> PredictionStats:
        return stats

    def count_bins(self, latest: Sequence[Prediction]) -> pd.DataFrame:
        """Counts of (label, bin) in 20 bins over 0 to 1; the last includes 1. Bins below the lowest are left out."""
        counts = Counter(
            (prediction.label, min(int(prediction.confidence * BINS), BINS - 1))
            for prediction in latest
            if prediction.confidence is not None
        )
        lowest = min((position for _, position in counts), default=0)
        rows = [
            (position / BINS, (position + 1) / BINS, label, counts[label, position])
            for label in order_classes({label for label, _ in counts})
            for position in range(lowest, BINS)
        ]
        return pd.DataFrame(rows, columns=["low", "high", "label", "count"])

    def draw_values(self, view: PredictionsView, colors: Mapping[str, str]) -> tuple[Any, str, Any]:
        confident = view.bins.loc[view.bins["low"] >= 0.9, "count"].sum()
        words = f"Confidence of the latest {view.read:,} predictions: {confident / view.read:.0%} of them at least 90%."
        bars = components.proportion_bars("Predictions by label", view.stats.by_label, colors)
        return figures.confidence_figure(view.bins, colors), words, bars

    def summarise(self, view: PredictionsView) -> tuple[str, str, str]:
        stats = view.stats
        mean = "–" if stats.mean_confidence is None else f"{stats.mean_confidence:.1%}"
        return "Mean confidence", mean, "–" if stats.min_confidence is None else f"lowest {stats.min_confidence:.1%}"

    def show_value(self, label: str) -> str:
        return label

    def sum_up_trial(self, predictions: Sequence[TrialPrediction]) -> tuple[tuple[str, str], tuple[str, str]]:
        counts = Counter(str(prediction.value) for prediction in predictions)
        one = len(predictions) == 1
        labels = next(iter(counts)) if one else ", ".join(f"{label} {count:,}" for label, count in counts.most_common())
        mean = sum(prediction.confidence or 0.0 for prediction in predictions) / len(predictions)
        return ("Prediction" if one else "Predictions", labels), ("Confidence", f"{mean:.1%}")

    def draw_trial(self, predictions: Sequence[TrialPrediction]) -> tuple[Any, str] | None:
        total = len(predictions)
        names = dict.fromkeys(name for prediction in predictions for name in prediction.probabilities)
        mean = {name: sum(prediction.probabilities[name] for prediction in predictions) / total for name in names}
        words = (
            "The probability of each label."
            if total == 1
            else f"The mean probability of each label, over {format_count(total, 'input')}."
        )
        return figures.probabilities_figure(mean), words


PART = ClassConsole()
