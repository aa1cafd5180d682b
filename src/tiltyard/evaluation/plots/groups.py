"""Pictures of parts of the rows: slices and groups as dots with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiltyard.charts.colours import BLUE, GREEN, GREY, RED
from tiltyard.charts.matplotlib_figure import LINE, Margins, format_label, measure_labels, new_figure
from tiltyard.evaluation.fairness import FairnessReport
from tiltyard.evaluation.intervals import Interval
from tiltyard.evaluation.metrics import get_metric
from tiltyard.evaluation.slices import SliceReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of more columns, or of more groups and labels together, a picture would not be read.
MOST_PANELS = 8
_RATES = {"selection_rate": BLUE, "true_positive_rate": GREEN, "false_positive_rate": RED}


# Inches.
_WIDTH, _BETWEEN = 4.7, 0.4


@dataclass(frozen=True)
class _Dot:
    title: str
    value: float
    interval: Interval
    colour: str
    sure: bool


def plot_slices(report: SliceReport) -> Figure:
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
    figure = _panels(columns, panels)
    for axes in figure.axes:
        axes.axvline(report.overall[report.base], linestyle="--", color=GREY)
    figure.axes[-1].set_xlabel(f"{get_metric(report.base).title.lower()}, with 95 % interval")
    return figure


def plot_fairness(report: FairnessReport) -> Figure:
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
    figure = _panels(titles[:MOST_PANELS], panels[:MOST_PANELS])
    handles = [
        figure.axes[0].plot([], [], "o", color=colour, label=name.replace("_", " "))[0]
        for name, colour in _RATES.items()
    ]
    figure.legend(handles=handles, loc="upper right", ncols=len(handles))
    return figure


def _panels(titles: Sequence[str], panels: Sequence[Sequence[_Dot]]) -> Figure:
    lines = [len({dot.title for dot in dots}) for dots in panels]
    heights = [0.26 * count + 0.1 for count in lines]
    names = measure_labels(dot.title for dots in panels for dot in dots)
    margins = Margins(left=names + LINE, top=0.7, bottom=0.6)
    figure = new_figure(_WIDTH, sum(heights) + _BETWEEN * (len(panels) - 1), margins)
    between = {"hspace": _BETWEEN * len(panels) / sum(heights)}
    rows = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights, gridspec_kw=between)[:, 0]
    for axes, title, dots in zip(rows, titles, panels, strict=True):
        _draw(axes, dots)
        axes.set_title(format_label(title), loc="left", fontsize="medium")
    return figure


def _draw(axes: Any, dots: Sequence[_Dot]) -> None:
    from matplotlib.colors import to_rgba  # noqa: PLC0415

    names = list(dict.fromkeys(dot.title for dot in dots))
    together = len(dots) / max(1, len(names))
    drawn = dict.fromkeys(names, 0)
    lines: list[float] = []
    for dot in dots:
        # Dots of one line stand a little below each other, so that their intervals do not overlap.
        lines.append(names.index(dot.title) + 0.22 * (drawn[dot.title] - (together - 1) / 2))
        drawn[dot.title] += 1
    colours = [to_rgba(dot.colour, 1.0 if dot.sure else 0.35) for dot in dots]
    axes.hlines(lines, [dot.interval.low for dot in dots], [dot.interval.high for dot in dots], colors=colours)
    axes.scatter([dot.value for dot in dots], lines, color=colours, s=22, zorder=3)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
