"""Pages of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.console.data.predictions import BINS, PredictionsView
from tiltyard.console.data.task_part import PageWords, TaskConsole
from tiltyard.console.data.try_it import TrialPrediction
from tiltyard.console.layout import components, figures
from tiltyard.formatting import format_count, format_interval, format_number
from tiltyard.ledger import Prediction, PredictionStats

_NUMBERS = "predictions"
"""The one name under which predicted numbers are counted, as no two are equal."""
_QUANTILES = {0.0: "lowest", 0.25: "a quarter is at most", 0.5: "half is at most", 0.75: "three quarters are at most",
              1.0: "highest"}  # fmt: skip


class NumberConsole(TaskConsole):
    """The ``TaskConsole`` of numbers."""

    words = PageWords("Predicted numbers", "Distribution", "Number", "Interval")
    has_sets = False
    has_probabilities = False

    def list_numbers(self, latest: Sequence[Prediction]) -> tuple[float, ...]:
        return tuple(filter(math.isfinite, (float(one.label) for one in latest)))

    def count_values(self, stats: PredictionStats) -> PredictionStats:
        return replace(stats, by_label={_NUMBERS: stats.total} if stats.total else {})

    def count_bins(self, latest: Sequence[Prediction]) -> pd.DataFrame:
        """Counts of predicted numbers in 20 bins of one width, from the lowest to the highest."""
        counts, ends = np.histogram(self.list_numbers(latest), bins=BINS)
        return pd.DataFrame({"low": ends[:-1], "high": ends[1:], "label": _NUMBERS, "count": counts})

    def draw_values(self, view: PredictionsView, colors: Mapping[str, str]) -> tuple[Any, str, Any]:
        quantiles = zip(_QUANTILES, np.quantile(view.numbers, list(_QUANTILES)), strict=True)
        rows = [(_QUANTILES[share], format_number(float(number))) for share, number in quantiles]
        table = components.table("Predicted numbers", (("Of the latest", ""), ("Prediction", "number")), rows)
        words = f"The latest {format_count(view.read, 'predicted number')}."
        return figures.numbers_figure(view.bins, next(iter(colors.values()))), words, table

    def summarise(self, view: PredictionsView) -> tuple[str, str, str]:
        mean = format_number(float(np.mean(view.numbers))) if view.numbers else "–"
        return "Mean prediction", mean, f"of the latest {view.read:,}"

    def show_value(self, label: str) -> str:
        return format_number(float(label))

    def sum_up_trial(self, predictions: Sequence[TrialPrediction]) -> tuple[tuple[str, str], tuple[str, str]]:
        """The number, or the mean of several; its interval, or the mean width of those that have two ends."""
        mean = format_number(sum(float(prediction.value) for prediction in predictions) / len(predictions))
        if len(predictions) == 1:
            return ("Prediction", mean), ("Interval", format_interval(predictions[0].interval))
        closed = [ends for ends in (prediction.interval for prediction in predictions) if ends and None not in ends]
        widths = [float(ends[1] or 0) - float(ends[0] or 0) for ends in closed]
        width = format_number(sum(widths) / len(widths)) if widths else "–"
        return ("Mean prediction", mean), ("Width of interval", width)

    def draw_trial(self, predictions: Sequence[TrialPrediction]) -> tuple[Any, str] | None:
        return None


PART = NumberConsole()
