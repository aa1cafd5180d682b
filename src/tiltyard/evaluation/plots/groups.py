"""Pictures of parts of the rows: slices and groups as dots with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tiltyard.charts.colours import BLUE, GREEN, GREY, RED
from tiltyard.charts.labels import LINE, format_label, measure_labels
from tiltyard.charts.panel import Panel, Picture, draw_key, draw_picture, measure_key, spread
from tiltyard.evaluation.fairness import FairnessReport
from tiltyard.evaluation.intervals import Interval
from tiltyard.evaluation.metrics import get_metric
from tiltyard.evaluation.slices import SliceReport

# Of more columns, or of more groups and labels together, a picture would not be read.
MOST_PANELS = 8
_RATES = {"selection_rate": BLUE, "true_positive_rate": GREEN, "false_positive_rate": RED}

# Pixels of a panel, of a line in it, and between panels.
_WIDTH, _ROW, _BETWEEN = 380.0, 23.0, 2 * LINE
_PALE = 0.35


@dataclass(frozen=True)
class _Dot:
    title: str
    value: float
    interval: Interval
    colour: str
    sure: bool


def plot_slices(report: SliceReport) -> Picture:
    """Accuracy of each slice (of numbers, the mean absolute error) with its 95 % interval: a panel a column, at most 8.

    The dashed line is the accuracy on all rows; slices with too few rows are pale, those worse than the rest are red.
    """
    columns = list(dict.fromkeys(part.column for part in report.slices))[:MOST_PANELS]
    panels = [
        [
            _Dot(
                title=f"{format_label(part.title)} ({part.rows:,})",
                value=part.metrics[report.base],
                interval=part.intervals.get(report.base) or Interval(*[part.metrics[report.base]] * 2),
                colour=RED if part.worse else BLUE,
                sure=part.could_judge,
            )
            for part in report.slices
            if part.column == column
        ]
        for column in columns
    ]
    below = f"{get_metric(report.base).title.lower()}, with 95 % interval"
    return _draw_panels(columns, panels, "Slices", below, overall=report.overall[report.base])


def plot_fairness(report: FairnessReport) -> Picture:
    """Selection, true and false positive rates of each group with their 95 % intervals; pale where rows are too few.

    A panel a sensitive column and, with more than two labels, a label; at most eight.
    """
    titles: list[str] = []
    panels: list[list[_Dot]] = []
    for column in report.columns:
        for part in column.labels:
            titles.append(f"{column.column}: {part.label}")
            panels.append(
                [
                    _Dot(
                        f"{format_label(group.title)} ({group.rows:,})",
                        rate.value,
                        rate.interval,
                        colour,
                        rate.could_judge,
                    )
                    for group in part.groups
                    for name, colour in _RATES.items()
                    for rate in (group.rates[name],)
                    if rate.value is not None
                ]
            )
    key = [(name.replace("_", " "), colour) for name, colour in _RATES.items()]
    shown = titles[:MOST_PANELS], panels[:MOST_PANELS]
    return _draw_panels(*shown, "Rates of groups", "rate, with 95 % interval", key=key)


def _draw_panels(
    titles: Sequence[str],
    panels: Sequence[Sequence[_Dot]],
    title: str,
    below: str,
    *,
    overall: float | None = None,
    key: Sequence[tuple[str, str]] = (),
) -> Picture:
    """Panels below each other, with one axis; a dashed line at ``overall``."""
    ends = [end for dots in panels for dot in dots for end in (dot.value, dot.interval.low, dot.interval.high)]
    across = spread([*ends, *([] if overall is None else [overall])])
    left = measure_labels(dot.title for dots in panels for dot in dots) + LINE
    top = 2 * LINE + (1.5 * LINE if key else 0.0)
    width = max(_WIDTH, measure_key(name for name, _ in key))
    parts = draw_key(key, left, 1.4 * LINE)
    bottom = top
    for place, (name, dots) in enumerate(zip(titles, panels, strict=True)):
        lines = list(dict.fromkeys(dot.title for dot in dots))
        panel = Panel(left, top, width, _ROW * max(1, len(lines)), across, (len(lines) - 0.5, -0.5))
        parts += panel.draw_values_below(words=place == len(panels) - 1) + panel.draw_names_left(lines)
        if overall is not None:
            parts.append(panel.draw_path([(overall, end) for end in panel.up], GREY, dashed=True))
        parts += [*_draw(panel, lines, dots), panel.draw_frame(), panel.draw_title(format_label(name), "start")]
        bottom, top = panel.bottom, panel.bottom + _BETWEEN
    parts.append(Panel(left, bottom, width, 0.0).draw_title_below(below, 2.3 * LINE))
    return draw_picture(parts, title, (left + width + 1.5 * LINE, bottom + 3 * LINE))


def _draw(panel: Panel, lines: Sequence[str], dots: Sequence[_Dot]) -> list[str]:
    together = len(dots) / max(1, len(lines))
    drawn = dict.fromkeys(lines, 0)
    found: list[str] = []
    for dot in dots:
        # Dots of one line stand a little below each other, so that their intervals do not overlap.
        y = lines.index(dot.title) + 0.22 * (drawn[dot.title] - (together - 1) / 2)
        drawn[dot.title] += 1
        ends = [(dot.interval.low, y), (dot.interval.high, y)]
        mark = panel.draw_path(ends, dot.colour) + panel.draw_dot((dot.value, y), dot.colour)
        found.append(mark if dot.sure else f'<g opacity="{_PALE}">{mark}</g>')
    return found
