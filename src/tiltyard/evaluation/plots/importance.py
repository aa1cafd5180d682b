"""Pictures of importance: the columns or terms that count most."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.charts.colours import BLUE
from tiltyard.charts.labels import LINE, format_label, format_labels, measure_labels
from tiltyard.charts.panel import INK, Panel, Picture, draw_picture, spread
from tiltyard.evaluation.importance import FeatureWeight, Importance

MOST_BARS = 20
MOST_PANELS = 4

# Pixels of a panel, of a line in it, above and below the panels, and between them.
_WIDTH, _ROW, _TOP, _BOTTOM, _BETWEEN = 240.0, 20.0, 2 * LINE, 3.5 * LINE, LINE


def plot_importance(importance: Importance) -> Picture:
    """Bars of the 20 most important features; terms by label, of at most four labels."""
    labels = list(dict.fromkeys(feature.label for feature in importance.features))[:MOST_PANELS]
    chosen = [[one for one in importance.features if one.label == label][:MOST_BARS] for label in labels] or [[]]
    bars = max(1, *(len(features) for features in chosen))
    names = [format_labels(feature.name for feature in features) for features in chosen]
    room = measure_labels(name for some in names for name in some) + LINE
    titles = format_labels(label or "" for label in labels) or [""]
    parts: list[str] = []
    left, height, across = room, _ROW * bars, max(_WIDTH, measure_labels(titles))
    for title, features, some in zip(titles, chosen, names, strict=True):
        panel = Panel(left, _TOP, across, height, _find_ends(features), (bars - 0.5, -0.5))
        parts += [*panel.draw_values_below(), *_draw(panel, features), *panel.draw_names_left(some)]
        parts += [panel.draw_frame(), panel.draw_title(title)]
        left += across + _BETWEEN + room
    width = left - _BETWEEN - room
    unit = Panel(room, _TOP, width - room, height).draw_title_below(format_label(importance.unit), 2.5 * LINE)
    return draw_picture([*parts, unit], "Importance", (width + 1.5 * LINE, _TOP + height + _BOTTOM))


def _find_ends(features: Sequence[FeatureWeight]) -> tuple[float, float]:
    spreads = [(feature.value, feature.deviation or 0.0) for feature in features]
    return spread((value + side * deviation for value, deviation in spreads for side in (-1, 1)), zero=True)


def _draw(panel: Panel, features: Sequence[FeatureWeight]) -> list[str]:
    found = [
        panel.draw_bar((0, feature.value), (line - 0.4, line + 0.4), BLUE) for line, feature in enumerate(features)
    ]
    for line, feature in enumerate(features):
        if feature.deviation:
            ends = ((feature.value + side * feature.deviation, line) for side in (-1, 1))
            found.append(panel.draw_path(ends, INK))
    return found
