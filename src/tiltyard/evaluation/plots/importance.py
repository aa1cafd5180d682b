"""Pictures of importance: the columns or terms that count most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiltyard.charts.matplotlib_figure import MAX_INCHES, format_labels, new_figure
from tiltyard.evaluation.importance import FeatureWeight, Importance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 20
MOST_PANELS = 4


def plot_importance(importance: Importance) -> Figure:
    """Bars of the 20 most important features; terms by label, of at most four labels."""
    labels = list(dict.fromkeys(feature.label for feature in importance.features))[:MOST_PANELS]
    panels = [[one for one in importance.features if one.label == label][:MOST_BARS] for label in labels] or [[]]
    bars = max(1, *(len(features) for features in panels))
    figure = new_figure(min(3.2 + 3.0 * len(panels), MAX_INCHES), 1.0 + 0.24 * bars)
    titles = format_labels(label or "" for label in labels)
    for axes, title, features in zip(figure.subplots(1, len(panels), squeeze=False)[0], titles, panels, strict=False):
        _draw(axes, features)
        axes.set_title(title)
    figure.supxlabel(importance.unit)
    return figure


def _draw(axes: Any, features: Sequence[FeatureWeight]) -> None:
    positions = range(len(features))
    deviations = [feature.deviation or 0.0 for feature in features]
    axes.barh(positions, [feature.value for feature in features], xerr=deviations if any(deviations) else None)
    axes.set_yticks(positions, format_labels(feature.name for feature in features))
    axes.invert_yaxis()
