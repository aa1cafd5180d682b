"""Pictures of predicted numbers: against the true ones, what is left over, and how large errors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiltyard.charts.colours import BLUE, GREY, RED
from tiltyard.charts.matplotlib_figure import LINE, Margins, new_figure
from tiltyard.evaluation.labelled_predictions import NumberPredictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of more rows every so-manieth is drawn: more dots cover each other.
MOST_DOTS = 3_000
BARS = 40

# Inches.
_SIDE = 4.2
_MARGINS = Margins(left=5.5 * LINE, right=1.5 * LINE, top=2 * LINE, bottom=3.5 * LINE)


def plot_predicted(rows: NumberPredictions) -> Figure:
    """Predicted against true numbers; on the dashed line they are the same."""
    shown = _thin_out(rows)
    figure = new_figure(_SIDE, _SIDE, _MARGINS)
    axes = figure.subplots()
    ends = [float(min(rows.truth.min(), rows.predicted.min())), float(max(rows.truth.max(), rows.predicted.max()))]
    axes.plot(ends, ends, linestyle="--", color=GREY)
    axes.scatter(shown.truth, shown.predicted, s=8, alpha=0.4, linewidths=0, color=BLUE)
    axes.set_xlabel("true number")
    axes.set_ylabel("predicted number")
    return figure


def plot_residuals(rows: NumberPredictions) -> Figure:
    """True less predicted number against the predicted one; a level cloud where nothing is missed."""
    shown = _thin_out(rows)
    figure = new_figure(_SIDE, _SIDE, _MARGINS)
    axes = figure.subplots()
    axes.axhline(0, linestyle="--", color=GREY)
    axes.scatter(shown.predicted, -shown.errors, s=8, alpha=0.4, linewidths=0, color=BLUE)
    axes.set_xlabel("predicted number")
    axes.set_ylabel("true less predicted number")
    return figure


def plot_errors(rows: NumberPredictions) -> Figure:
    """How many rows have which error; the red line is the mean error."""
    figure = new_figure(_SIDE, _SIDE, _MARGINS)
    axes = figure.subplots()
    counts, edges = np.histogram(rows.errors, bins=BARS)
    axes.stairs(counts, edges, fill=True, color=BLUE)
    axes.axvline(0, linestyle="--", color=GREY)
    axes.axvline(float(rows.errors.mean()), color=RED)
    axes.set_xlabel("predicted less true number")
    axes.set_ylabel("rows")
    return figure


def _thin_out(rows: NumberPredictions) -> NumberPredictions:
    step = max(1, -(-len(rows) // MOST_DOTS))
    return rows.take(np.arange(0, len(rows), step))
