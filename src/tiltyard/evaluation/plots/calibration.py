"""Pictures of calibration: what was predicted against what came true, label by label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tiltyard.charts.colours import BLUE, GREY
from tiltyard.charts.matplotlib_figure import LINE, Margins, format_labels, new_figure
from tiltyard.evaluation.calibration import CalibrationReport, Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS = 9

# Inches of a panel, and between panels.
_SIDE, _BETWEEN, _BELOW = 3.0, 0.4, 0.4


def plot_calibration(report: CalibrationReport) -> Figure:
    """Reliability of each label's probability with 95 % intervals; dots grow with their rows.

    Of two labels only the positive one is shown, for the other is its mirror image; of more than nine, the nine with
    the greatest error.
    """
    labels = dict(report.by_label)
    if len(labels) == 2 and report.positive in labels:
        labels = {report.positive: labels[report.positive]}
    worst = sorted(labels, key=lambda label: -labels[label].error)[:MOST_PANELS]
    panels = [label for label in labels if label in worst]
    columns = min(3, max(1, len(panels)))
    rows = math.ceil(len(panels) / columns) or 1
    margins = Margins(left=4.5 * LINE, top=2 * LINE, bottom=3.5 * LINE)
    figure = new_figure(_SIDE * columns + _BETWEEN * (columns - 1), _SIDE * rows + _BELOW * (rows - 1), margins)
    between = {"wspace": _BETWEEN / _SIDE, "hspace": _BELOW / _SIDE}
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=between).ravel()
    for panel, label, title in zip(axes, panels, format_labels(panels), strict=False):
        _draw(panel, title, labels[label])
    for panel in axes[len(panels) :]:
        panel.set_visible(False)
    figure.supxlabel("predicted probability")
    figure.supylabel("share that came true", x=0.1 / figure.get_figwidth())
    return figure


def _draw(axes: Any, title: str, one: Reliability) -> None:
    most = max(part.rows for part in one.bins)
    predicted, observed = [part.predicted for part in one.bins], [part.observed for part in one.bins]
    down = [part.observed - part.interval.low for part in one.bins]
    up = [part.interval.high - part.observed for part in one.bins]
    axes.plot([0, 1], [0, 1], linestyle="--", color=GREY)
    axes.errorbar(predicted, observed, yerr=[down, up], linewidth=0, elinewidth=1, color=BLUE)
    axes.scatter(predicted, observed, s=[8 + 60 * math.sqrt(part.rows / most) for part in one.bins], color=BLUE)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.locator_params(nbins=4)
    axes.set_title(f"{title}: error {one.error:.3f}", fontsize="medium")
