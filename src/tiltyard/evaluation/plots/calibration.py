"""Pictures of calibration: what was predicted against what came true, label by label."""

from __future__ import annotations

import math

from tiltyard.charts.colours import BLUE, GREY
from tiltyard.charts.labels import LINE, format_labels, measure_labels
from tiltyard.charts.panel import Panel, Picture, draw_picture
from tiltyard.charts.svg import draw_text
from tiltyard.evaluation.calibration import CalibrationReport, Reliability

MOST_PANELS = 9

# Pixels of a panel, around the panels and between them.
_SIDE, _LEFT, _TOP, _RIGHT, _BOTTOM, _BETWEEN = 250.0, 4 * LINE, 2 * LINE, LINE, 3.5 * LINE, 2 * LINE
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def plot_calibration(report: CalibrationReport) -> Picture:
    """Reliability of each label's probability with 95 % intervals; dots grow with their rows.

    Of two labels only the positive one is shown, for the other is its mirror image; of more than nine, the nine with
    the greatest error.
    """
    labels = dict(report.by_label)
    if len(labels) == 2 and report.positive in labels:
        labels = {report.positive: labels[report.positive]}
    worst = sorted(labels, key=lambda label: -labels[label].error)[:MOST_PANELS]
    shown = [label for label in labels if label in worst]
    columns = min(3, max(1, len(shown)))
    rows = math.ceil(len(shown) / columns) or 1
    names = zip(shown, format_labels(shown), strict=True)
    titles = [f"{name}: error {labels[label].error:.3f}" for label, name in names]
    side = max(_SIDE, measure_labels(titles))
    parts: list[str] = []
    for place, (label, title) in enumerate(zip(shown, titles, strict=True)):
        row, column = divmod(place, columns)
        panel = Panel(_LEFT + column * (side + _BETWEEN), _TOP + row * (side + _BETWEEN), side, side)
        last = place + columns >= len(shown)  # no panel is below it
        parts += panel.draw_values_below(_QUARTERS, words=last) + panel.draw_values_left(_QUARTERS, words=not column)
        parts += _draw(panel, labels[label])
        parts.append(panel.draw_title(title))
    width, height = columns * (side + _BETWEEN) - _BETWEEN, rows * (side + _BETWEEN) - _BETWEEN
    whole = Panel(_LEFT, _TOP, width, height)
    parts.append(whole.draw_title_below("predicted probability", 2.5 * LINE))
    parts.append(whole.draw_title_left("share that came true", 3 * LINE))
    if not shown:
        parts.append(draw_text(_LEFT, _TOP, "no label has rows"))
    size = (_LEFT + width + _RIGHT, _TOP + height + _BOTTOM)
    return draw_picture(parts, "Calibration: predicted probability and share that came true", size)


def _draw(panel: Panel, one: Reliability) -> list[str]:
    most = max((part.rows for part in one.bins), default=1)
    found = [panel.draw_path([(0, 0), (1, 1)], GREY, dashed=True), panel.draw_frame()]
    for part in one.bins:
        ends = ((part.predicted, part.interval.low), (part.predicted, part.interval.high))
        found.append(panel.draw_path(ends, BLUE, width=1.0))
        found.append(panel.draw_dot((part.predicted, part.observed), BLUE, 1.5 + 3.5 * (part.rows / most) ** 0.25))
    return found
