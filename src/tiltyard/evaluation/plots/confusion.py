"""Plots of predictions: the confusion matrix and the figures of each label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tiltyard.charts.colours import GREY
from tiltyard.charts.matplotlib_figure import LINE, MAX_INCHES, Margins, format_labels, measure_labels, new_figure
from tiltyard.evaluation.evaluate import Evaluation
from tiltyard.evaluation.labelled_predictions import Labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
MAX_WRITTEN = 15  # more classes than this, and counts in the cells would be unreadable

# Inches: the bar of colours, and between it and the matrix.
_BAR, _BETWEEN = 0.2, 0.2


def plot_confusion_matrix(evaluation: Evaluation) -> Figure:
    """Counts of predicted by true label; colours are shares of the true label."""
    counts = np.asarray(evaluation.confusion_matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = format_labels(evaluation.classes)
    widest = measure_labels(names)
    side = min(1.6 + 0.5 * len(evaluation.classes), MAX_INCHES)
    margins = Margins(left=widest + 2 * LINE, right=4 * LINE, bottom=_measure_tilted_height(widest) + 2 * LINE)
    figure = new_figure(side + _BETWEEN + _BAR, side, margins)
    between = {"wspace": 2 * _BETWEEN / (side + _BAR)}
    axes, bar = figure.subplots(1, 2, width_ratios=(side, _BAR), gridspec_kw=between)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(evaluation.classes))
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(evaluation.classes) <= MAX_WRITTEN:
        for row in ticks:
            for column in ticks:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{int(counts[row, column]):,}", ha="center", va="center", color=colour)
    figure.colorbar(image, cax=bar, label="share of the true label")
    return figure


def plot_per_class(evaluation: Evaluation) -> Figure:
    """Precision, recall and F1 of each class as bars."""
    names = format_labels(evaluation.classes)
    width = min(2.4 + 0.9 * len(names), MAX_INCHES)
    widest = measure_labels(names)
    tilts = widest + LINE > width / len(names)
    lowest = _measure_tilted_height(widest) if tilts else LINE
    margins = Margins(left=max(3 * LINE, lowest), bottom=lowest + LINE)
    figure = new_figure(width, 3.2, margins)
    axes = figure.add_subplot()
    positions = np.arange(len(names))
    for offset, name in enumerate(("precision", "recall", "f1")):
        heights = [evaluation.per_class[label][name] for label in evaluation.classes]
        axes.bar(positions + (offset - 1) * 0.27, heights, width=0.25, label=name)
    axes.set_xticks(positions, names)
    if tilts:
        axes.tick_params("x", rotation=45)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_ylim(0, 1)
    axes.locator_params("y", nbins=4)
    axes.legend(loc="lower right")
    return figure


def plot_reliability(labels: Labels, predicted: Labels, confidence: NDArray[np.float64]) -> Figure:
    """How often the predicted label was right, by the confidence with which it was given.

    Args:
        labels: n true labels.
        predicted: n predicted labels.
        confidence: the probability of each of these.
    """
    right = predicted == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    mean_confidence = np.bincount(bins, weights=confidence, minlength=BINS)[used] / counts[used]
    mean_right = np.bincount(bins, weights=right, minlength=BINS)[used] / counts[used]
    figure = new_figure(4.2, 4.3, Margins(left=4 * LINE, bottom=3 * LINE))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1), gridspec_kw={"hspace": 0.08})
    upper.plot([0, 1], [0, 1], linestyle="--", color=GREY, label="perfectly calibrated")
    upper.plot(mean_confidence, mean_right, marker="o", label="this version")
    upper.set_ylabel("share that was right")
    upper.set_ylim(0, 1)
    upper.legend(loc="upper left")
    lower.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.9 / BINS)
    lower.set_xlabel("confidence")
    lower.set_ylabel("rows")
    lower.set_xlim(0, 1)
    lower.locator_params("x", nbins=4)
    upper.locator_params("y", nbins=4)
    return figure


def _measure_tilted_height(width: float) -> float:
    """Height in inches of a label of that width at 45 degrees."""
    return (width + LINE) * math.sqrt(0.5)
