"""Pictures of a column: training against now, and over time."""

from __future__ import annotations

from datetime import datetime

from plotly import graph_objects as go

from tiltyard.charts.colours import COLOURS, GREY
from tiltyard.console.data.columns import ColumnView
from tiltyard.console.layout.figures import blank, show_dates
from tiltyard.formatting import format_number, format_percent

NOW = COLOURS[1]
_DATE = "%Y-%m-%d %H:%M:%S"
_WIDEST = 14
_MOST_TICKS = 6

__all__ = ["blank", "column_figure", "describe_column", "series_figure"]


def column_figure(column: ColumnView) -> go.Figure:
    """The shares of the column's values at training and now, next to each other."""
    figure = blank()
    figure.update_layout(barmode="group", bargap=0.15, bargroupgap=0.0)
    names = [bar.name if len(bar.name) <= 2 * _WIDEST else f"{bar.name[: 2 * _WIDEST - 1]}…" for bar in column.bars]
    for title, values, colour in (
        ("Training", [bar.reference for bar in column.bars], GREY),
        ("Now", [bar.now for bar in column.bars], NOW),
    ):
        figure.add_bar(
            x=names,
            y=values,
            name=title,
            marker={"color": colour},
            customdata=[bar.name for bar in column.bars],
            hovertemplate="%{customdata}: %{y:.1%} of the rows (%{fullData.name})<extra></extra>",
        )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(type="category", showgrid=False)
    if any(bar.tick for bar in column.bars):
        every = max(1, len(names) // _MOST_TICKS)
        shown = range(1, len(names), every)
        figure.update_xaxes(
            tickangle=0,
            tickvals=[names[place] for place in shown],
            ticktext=[column.bars[place].tick for place in shown],
        )
    elif len(names) > _MOST_TICKS:
        figure.update_xaxes(tickangle=-30)
    return figure


def series_figure(column: ColumnView, ends: tuple[datetime, datetime]) -> go.Figure:
    """The column over time, with its level at training as a dashed line."""
    figure = blank()
    is_share = not any(one.name == "Mean" for one in column.series)
    written = ".1%" if is_share else ",.4g"
    for place, one in enumerate(column.series):
        colour = COLOURS[(place + 1) % len(COLOURS)]
        figure.add_scatter(
            x=[f"{at:{_DATE}}" for at, _ in one.points],
            y=[value for _, value in one.points],
            name=one.name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 5},
            hovertemplate=f"%{{x|%d %b %H:%M}} UTC: {one.name} %{{y:{written}}}<extra></extra>",
        )
        figure.add_scatter(
            x=[f"{end:{_DATE}}" for end in ends],
            y=[one.reference] * 2,
            name=f"{one.name} at training",
            mode="lines",
            line={"color": colour if len(column.series) > 1 else GREY, "dash": "dash", "width": 1.2},
            hovertemplate=f"%{{y:{written}}} at training<extra></extra>",
            showlegend=len(column.series) == 1,
        )
    show_dates(figure, ends)
    if is_share:
        figure.update_yaxes(tickformat=".0%")
    return figure


def describe_column(column: ColumnView) -> str:
    """The picture in words."""
    if not column.rows[1]:
        return f"{column.rows[0]:,} rows of training; the monitoring has profiled no row of this period."
    words = f"{column.rows[1]:,} rows of the period against {column.rows[0]:,} of training."
    most = max(column.bars, key=lambda bar: abs(bar.now - bar.reference), default=None)
    if most is not None and abs(most.now - most.reference) >= 0.01:
        words += f" {most.name}: {format_percent(most.reference)} then, {format_percent(most.now)} now."
    mean = next((one for one in column.series if one.name == "Mean"), None)
    if mean is not None and mean.points:
        words += f" The mean was {format_number(mean.reference)}."
    if max(column.missing) >= 0.001:
        words += f" Without a value: {format_percent(column.missing[0])} then, {format_percent(column.missing[1])} now."
    return words
