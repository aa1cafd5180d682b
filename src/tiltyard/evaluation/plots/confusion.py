"""Plots of predictions: the confusion matrix and the figures of each label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tiltyard.charts.colours import GREY
from tiltyard.charts.matplotlib_figure import MAX_INCHES, format_labels, new_figure
from tiltyard.evaluation.evaluate import Evaluation
from tiltyard.evaluation.labelled_predictions import Labels, Probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
MAX_WRITTEN = 15  # more classes than this, and counts in the cells would be unreadable


def plot_confusion_matrix(evaluation: Evaluation) -> Figure:
    """Counts of predicted by true label; colours are shares of the true label."""
    counts = np.asarray(evaluation.confusion_matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(3.0 + 0.5 * len(evaluation.classes), MAX_INCHES)
    figure = new_figure(size + 1, size)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(evaluation.classes))
    names = format_labels(evaluation.classes)
    axes.set_xticks(ticks, names, rotation=45, ha="right")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(evaluation.classes) <= MAX_WRITTEN:
        for row in ticks:
            for column in ticks:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{int(counts[row, column]):,}", ha="center", va="center", color=colour)
    figure.colorbar(image, label="share of the true label")
    return figure


def plot_per_class(evaluation: Evaluation) -> Figure:
    """Precision, recall and F1 of each class as bars."""
    figure = new_figure(min(3.0 + 0.9 * len(evaluation.classes), MAX_INCHES), 4.0)
    axes = figure.add_subplot()
    positions = np.arange(len(evaluation.classes))
    for offset, name in enumerate(("precision", "recall", "f1")):
        heights = [evaluation.per_class[label][name] for label in evaluation.classes]
        axes.bar(positions + (offset - 1) * 0.27, heights, width=0.25, label=name)
    names = format_labels(evaluation.classes)
    axes.set_xticks(positions, names, rotation=45 if len(positions) > 4 else 0)
    axes.set_ylim(0, 1)
    axes.legend(loc="lower right")
    return figure


def plot_reliability(labels: Labels, probabilities: Probabilities, classes: tuple[str, ...]) -> Figure:
    """How often the predicted label was right, by the confidence with which it was given.

    Args:
        labels: n true labels.
        probabilities: (n, k).
        classes: the k labels of the columns.
    """
    confidence = probabilities.max(axis=1)
    right = np.asarray(classes)[probabilities.argmax(axis=1)] == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    mean_confidence = np.bincount(bins, weights=confidence, minlength=BINS)[used] / counts[used]
    mean_right = np.bincount(bins, weights=right, minlength=BINS)[used] / counts[used]
    figure = new_figure(5.0, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot([0, 1], [0, 1], linestyle="--", color=GREY, label="perfectly calibrated")
    upper.plot(mean_confidence, mean_right, marker="o", label="this version")
    upper.set_ylabel("share that was right")
    upper.set_ylim(0, 1)
    upper.legend(loc="upper left")
    lower.bar((np.arange(BINS) + 0.5) / BINS, counts, width=0.9 / BINS)
    lower.set_xlabel("confidence")
    lower.set_ylabel("rows")
    lower.set_xlim(0, 1)
    return figure
