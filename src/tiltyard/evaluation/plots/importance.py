"""Pictures of importance: the columns or terms that count most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiltyard.charts.colours import BLUE
from tiltyard.charts.matplotlib_figure import (
    LINE,
    Margins,
    draw_lying_bars,
    format_labels,
    measure_labels,
    name_lines,
    new_figure,
)
from tiltyard.evaluation.importance import FeatureWeight, Importance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 20
MOST_PANELS = 4

_WIDTH = 2.8  # inches of a panel


def plot_importance(importance: Importance) -> Figure:
    """Bars of the 20 most important features; terms by label, of at most four labels."""
    labels = list(dict.fromkeys(feature.label for feature in importance.features))[:MOST_PANELS]
    panels = [[one for one in importance.features if one.label == label][:MOST_BARS] for label in labels] or [[]]
    bars = max(1, *(len(features) for features in panels))
    names = [format_labels(feature.name for feature in features) for features in panels]
    room = measure_labels(name for some in names for name in some) + LINE
    width = _WIDTH * len(panels) + (room + LINE) * (len(panels) - 1)
    margins = Margins(left=room + LINE / 2, top=2 * LINE, bottom=3.5 * LINE)
    figure = new_figure(width, 0.2 + 0.24 * bars, margins)
    between = {"wspace": (room + LINE) / _WIDTH}
    places = figure.subplots(1, len(panels), squeeze=False, gridspec_kw=between)[0]
    titles = format_labels(label or "" for label in labels)
    for axes, title, features, some in zip(places, titles, panels, names, strict=False):
        _draw(axes, features, some)
        axes.set_title(title)
    figure.supxlabel(importance.unit)
    return figure


def _draw(axes: Any, features: Sequence[FeatureWeight], names: Sequence[str]) -> None:
    draw_lying_bars(axes, [feature.value for feature in features], BLUE)
    if any(feature.deviation for feature in features):
        spreads = [(feature.value, feature.deviation or 0.0) for feature in features]
        axes.hlines(
            range(len(features)),
            [value - spread for value, spread in spreads],
            [value + spread for value, spread in spreads],
            colors="black",
        )
    axes.locator_params("x", nbins=4)
    name_lines(axes, names)
