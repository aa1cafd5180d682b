"""Pictures of predicted numbers: against the true ones, what is left over, and how large errors are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tiltyard.charts.axes import round_ticks
from tiltyard.charts.colours import BLUE, GREY, RED
from tiltyard.charts.labels import LINE, measure_labels
from tiltyard.charts.panel import Panel, Picture, Span, draw_picture, format_value, spread
from tiltyard.evaluation.labelled_predictions import NumberPredictions

# Of more rows every so-manieth is drawn: more dots cover each other.
MOST_DOTS = 3_000
BARS = 40

# Pixels of a panel, and what dots look like.
_SIDE = 340.0
_RADIUS, _OPACITY = 2.0, 0.4


def plot_predicted(rows: NumberPredictions) -> Picture:
    """Predicted against true numbers; on the dashed line they are the same."""
    shown = _thin_out(rows)
    ends = [float(min(rows.truth.min(), rows.predicted.min())), float(max(rows.truth.max(), rows.predicted.max()))]
    panel = _make_panel(spread(rows.truth.tolist()), spread(rows.predicted.tolist()))
    parts = [panel.draw_path(_clip(panel, ends), GREY, dashed=True)]
    parts.append(panel.draw_dots(_pair(shown.truth, shown.predicted), BLUE, _RADIUS, _OPACITY))
    return _finish(panel, parts, "Predicted and true numbers", ("true number", "predicted number"))


def plot_residuals(rows: NumberPredictions) -> Picture:
    """True less predicted number against the predicted one; a level cloud where nothing is missed."""
    shown = _thin_out(rows)
    panel = _make_panel(spread(rows.predicted.tolist()), spread([*(-rows.errors).tolist(), 0.0]))
    parts = [panel.draw_path([(end, 0.0) for end in panel.across], GREY, dashed=True)]
    parts.append(panel.draw_dots(_pair(shown.predicted, -shown.errors), BLUE, _RADIUS, _OPACITY))
    return _finish(panel, parts, "Residuals", ("predicted number", "true less predicted number"))


def plot_errors(rows: NumberPredictions) -> Picture:
    """How many rows have which error; the red line is the mean error."""
    counts, edges = np.histogram(rows.errors, bins=BARS)
    panel = _make_panel(spread([*edges.tolist(), 0.0]), spread(map(float, counts), zero=True))
    bars = zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    parts = [panel.draw_bar((low, high), (0, count), BLUE) for count, low, high in bars]
    for value, colour, dashed in ((0.0, GREY, True), (float(rows.errors.mean()), RED, False)):
        parts.append(panel.draw_path([(value, end) for end in panel.up], colour, dashed=dashed))
    return _finish(panel, parts, "Errors", ("predicted less true number", "rows"))


def _make_panel(across: Span, up: Span) -> Panel:
    left = measure_labels(map(format_value, round_ticks(*up))) + 2.5 * LINE
    return Panel(left, LINE, _SIDE, _SIDE, across, up)


def _finish(panel: Panel, parts: list[str], title: str, axes: tuple[str, str]) -> Picture:
    grid = panel.draw_values_below() + panel.draw_values_left()
    names = [panel.draw_title_below(axes[0], 2.3 * LINE), panel.draw_title_left(axes[1], panel.left - LINE)]
    return draw_picture([*grid, *parts, panel.draw_frame(), *names], title, (panel.right + 2 * LINE, _SIDE + 4 * LINE))


def _clip(panel: Panel, ends: list[float]) -> list[tuple[float, float]]:
    """The ends of the line of equal numbers, as far as it is within the panel."""
    low, high = max(ends[0], panel.across[0], panel.up[0]), min(ends[1], panel.across[1], panel.up[1])
    return [(low, low), (high, high)] if low < high else []


def _pair(across: Iterable[float], up: Iterable[float]) -> Iterable[tuple[float, float]]:
    return zip(map(float, across), map(float, up), strict=True)


def _thin_out(rows: NumberPredictions) -> NumberPredictions:
    step = max(1, -(-len(rows) // MOST_DOTS))
    return rows.take(np.arange(0, len(rows), step))
