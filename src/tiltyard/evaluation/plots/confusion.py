"""Plots of predictions: the confusion matrix and the figures of each label."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tiltyard.charts.colours import BLUE, GREEN, GREY, ORANGE
from tiltyard.charts.labels import FONT, LINE, format_labels, measure_labels
from tiltyard.charts.panel import FRAME, INK, Panel, Picture, draw_key, draw_picture, measure_key, spread
from tiltyard.charts.svg import draw_rect, draw_text
from tiltyard.evaluation.held_out_rows import Evaluation
from tiltyard.evaluation.labelled_predictions import Labels

BINS = 10
MAX_WRITTEN = 15  # more classes than this, and counts in the cells would be unreadable

_SHADES = 32
_PALE, _MIDDLE, _DEEP = (247, 251, 255), (107, 174, 214), (8, 48, 107)  # as ColorBrewer's Blues
_MOST = 960.0  # pixels of a side, however many classes there are
# Pixels: the bar of colours, and between it and the matrix.
_BAR, _BETWEEN = 16.0, 16.0
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_OF_CLASSES = {"precision": BLUE, "recall": ORANGE, "f1": GREEN}


def plot_confusion_matrix(evaluation: Evaluation) -> Picture:
    """Counts of predicted by true label; colours are shares of the true label."""
    counts = np.asarray(evaluation.confusion_matrix, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = format_labels(evaluation.classes)
    k, widest = len(names), measure_labels(names)
    side = min(130.0 + 40.0 * k, _MOST)
    left, below = max(widest, _tilted_height(widest)) + 2 * LINE, _tilted_height(widest) + 2 * LINE
    panel = Panel(left, LINE, side, side, (-0.5, k - 0.5), (k - 0.5, -0.5))
    bar = Panel(panel.right + _BETWEEN, LINE, _BAR, side)
    parts = [_draw_cells(panel, shares), panel.draw_frame()]
    parts += panel.draw_names_left(names) + panel.draw_names_below(names, tilted=True)
    if k <= MAX_WRITTEN:
        for row in range(k):
            for column in range(k):
                colour = "#ffffff" if shares[row, column] > 0.5 else INK
                words = draw_text(
                    panel.x(column), panel.y(row) + FONT / 3, f"{int(counts[row, column]):,}", anchor="middle"
                )
                parts.append(f'<g fill="{colour}">{words}</g>')
    steps = [
        bar.draw_bar((0, 1), (shade / _SHADES, (shade + 1) / _SHADES), _name_shade(shade)) for shade in range(_SHADES)
    ]
    parts.append(f'<g shape-rendering="crispEdges">{"".join(steps)}</g>')
    parts += [draw_text(bar.right + 5, bar.y(value) + FONT / 3, f"{value:g}") for value in _FIFTHS]
    parts += [bar.draw_frame(), bar.draw_title_left("share of the true label", -_BAR - 2.7 * LINE)]
    parts += [panel.draw_title_below("predicted", below - 0.4 * LINE), panel.draw_title_left("true", left - LINE)]
    return draw_picture(parts, "Confusion matrix", (bar.right + 3.5 * LINE, panel.bottom + below))


def plot_per_class(evaluation: Evaluation) -> Picture:
    """Precision, recall and F1 of each class as bars."""
    names = format_labels(evaluation.classes)
    k, widest = len(names), measure_labels(names)
    width = max(min(190.0 + 72.0 * k, _MOST), measure_key(_OF_CLASSES))
    tilts = widest + LINE / 2 > width / k
    lowest = _tilted_height(widest) + LINE / 2 if tilts else 1.5 * LINE
    panel = Panel(max(3 * LINE, lowest), 2 * LINE, width, 255.0, (-0.5, k - 0.5))
    parts = panel.draw_values_left(_FIFTHS) + panel.draw_names_below(names, tilted=tilts)
    for offset, (name, colour) in enumerate(_OF_CLASSES.items()):
        for place, label in enumerate(evaluation.classes):
            middle = place + (offset - 1) * 0.27
            height = evaluation.per_class[label][name]
            parts.append(panel.draw_bar((middle - 0.125, middle + 0.125), (0, height), colour))
    parts += [panel.draw_frame(), *draw_key(list(_OF_CLASSES.items()), panel.left, 1.4 * LINE)]
    return draw_picture(parts, "Precision, recall and F1 of each class", (panel.right + LINE, panel.bottom + lowest))


def plot_reliability(labels: Labels, predicted: Labels, confidence: NDArray[np.float64]) -> Picture:
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
    rows = spread(map(float, counts), zero=True)
    left = measure_labels([f"{int(rows[1]):,}", "0.25"]) + 2.5 * LINE
    upper = Panel(left, 2 * LINE, 340.0, 270.0)
    lower = Panel(left, upper.bottom + LINE, 340.0, 68.0, (0, 1), rows)
    parts = upper.draw_values_below(words=False) + upper.draw_values_left() + lower.draw_values_below()
    parts += lower.draw_values_left([0.0, float(counts.max())])
    parts.append(upper.draw_path([(0, 0), (1, 1)], GREY, dashed=True))
    points = [(float(x), float(y)) for x, y in zip(mean_confidence, mean_right, strict=True)]
    parts += [upper.draw_path(points, BLUE), *(upper.draw_dot(point, BLUE) for point in points)]
    for place, count in enumerate(counts):
        parts.append(lower.draw_bar(((place + 0.05) / BINS, (place + 0.95) / BINS), (0, float(count)), BLUE))
    parts += [upper.draw_frame(), lower.draw_frame()]
    parts += draw_key([("this version", BLUE), ("perfectly calibrated", GREY)], left, 1.4 * LINE)
    parts += [
        upper.draw_title_left("share that was right", left - LINE),
        lower.draw_title_left("rows", left - LINE),
    ]
    parts.append(lower.draw_title_below("confidence", 2.2 * LINE))
    title = "Reliability: confidence, and how often the label was right"
    return draw_picture(parts, title, (upper.right + LINE, lower.bottom + 3 * LINE))


def _draw_cells(panel: Panel, shares: NDArray[np.float64]) -> str:
    """The cells of a matrix that are not empty: a path a shade, for there may be very many."""
    shades = np.minimum((shares * _SHADES).astype(int), _SHADES - 1)
    unit = panel.width / len(shares)
    paths = [draw_rect(panel.left, panel.top, panel.width, panel.height, colour=_name_shade(0))]
    for shade in np.unique(shades[shares > 0]).tolist():
        rows, columns = np.nonzero((shades == shade) & (shares > 0))
        cells = "".join(f"M{column} {row}h1v1h-1z" for row, column in zip(rows.tolist(), columns.tolist(), strict=True))
        paths.append(f'<path fill="{_name_shade(shade)}" d="{cells}"/>')
    if len(shares) <= MAX_WRITTEN:
        lines = "".join(f"M{place} 0v{len(shares)}M0 {place}h{len(shares)}" for place in range(1, len(shares)))
        paths.append(
            f'<path d="{lines}" fill="none" stroke="{FRAME}" stroke-opacity="0.3" stroke-width="{1 / unit:.4f}"/>'
        )
    whole, cells = paths[0], "".join(paths[1:])
    return f'{whole}<g transform="translate({panel.left:.1f} {panel.top:.1f}) scale({unit:.4f})">{cells}</g>'


def _name_shade(shade: int) -> str:
    """The colour of a share, from white to deep blue."""
    place = 2 * shade / (_SHADES - 1)
    first, second = (_PALE, _MIDDLE) if place < 1 else (_MIDDLE, _DEEP)
    mixed = (round(a + (b - a) * (place % 1 if place < 2 else 1)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _tilted_height(width: float) -> float:
    """Height in pixels of a label of that width at 45 degrees."""
    return (width + LINE) * math.sqrt(0.5)
