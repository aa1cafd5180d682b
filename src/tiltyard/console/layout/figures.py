"""Plots. The page's style sheet sets the colours of text, grid and background, so light and dark both work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from plotly import graph_objects as go

from tiltyard.charts.colours import COLOURS
from tiltyard.console.data.versions import column_title
from tiltyard.data.conform.labels import order_classes
from tiltyard.formatting import format_interval

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "scrollZoom": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendDataToCloud", "sendChartToCloud", "editInChartStudio"],
}
"""For every plot: no logo, no cloud, no buttons."""

DISTINCT = ".6~f"
"""How an axis writes values: with as many decimals as they have, so that no two ticks read alike."""

_DATE = "%Y-%m-%d %H:%M:%S"
_GOLD = "#d9a514"


def metrics_figure(history: pd.DataFrame, metric: str) -> go.Figure:
    """Metrics over versions, oldest at the left; the project's metric is emphasised, and the champion is marked.

    Args:
        history: as ``metric_history`` makes it.
        metric: the project's metric.
    """
    figure = blank()
    names = [name for name in history.columns[4:] if history[name].notna().any()]
    versions = [f"v{version}" for version in history["version"]]
    dates = [f"{at:%Y-%m-%d %H:%M} UTC" for at in history["registered_at"]]
    about = [f"{recipe}<br>{date}" if recipe else date for recipe, date in zip(history["recipe"], dates, strict=True)]
    for position, name in enumerate(names):
        main = name == metric
        color = COLOURS[position % len(COLOURS)]
        figure.add_scatter(
            x=versions,
            y=[None if pd.isna(value) else float(value) for value in history[name]],
            name=column_title(name),
            mode="lines+markers",
            line={"color": color, "width": 3 if main else 1.5},
            marker={"size": 9 if main else 6, "color": color},
            opacity=1.0 if main else 0.75,
            customdata=about,
            hovertemplate="<b>%{x}</b> %{fullData.name} %{y:.4f}<br>%{customdata}<extra></extra>",
        )
    _mark_champion(figure, history, versions, names[0] if names else None)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(tickformat=DISTINCT)
    return figure


def confidence_figure(histogram: pd.DataFrame, colors: Mapping[str, str]) -> go.Figure:
    """Confidence of the latest predictions, by label: ``low``, ``high``, ``label``, ``count``."""
    figure = blank()
    figure.update_layout(barmode="stack", bargap=0.06)
    for label, rows in histogram.groupby("label", sort=True):
        width = (rows["high"] - rows["low"]).tolist()
        figure.add_bar(
            x=((rows["low"] + rows["high"]) / 2).tolist(),
            y=rows["count"].tolist(),
            width=[value * 0.92 for value in width],
            name=str(label),
            marker={"color": colors[str(label)]},
            customdata=[f"{low:.0%} to {high:.0%}" for low, high in zip(rows["low"], rows["high"], strict=True)],
            hovertemplate="%{customdata}: %{y:,} %{fullData.name}<extra></extra>",
        )
    low = float(histogram["low"].min()) if len(histogram) else 0.0
    figure.update_xaxes(tickformat=".0%", range=[low, 1.0], showgrid=False)
    return figure


def numbers_figure(histogram: pd.DataFrame, color: str) -> go.Figure:
    """Predicted numbers: ``low``, ``high``, ``count``."""
    figure = blank()
    figure.add_bar(
        x=((histogram["low"] + histogram["high"]) / 2).tolist(),
        y=histogram["count"].tolist(),
        width=((histogram["high"] - histogram["low"]) * 0.92).tolist(),
        marker={"color": color},
        customdata=[format_interval(ends) for ends in zip(histogram["low"], histogram["high"], strict=True)],
        hovertemplate="%{customdata}: %{y:,}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(showgrid=False)
    return figure


def timeline_figure(timeline: pd.DataFrame, step: timedelta, colors: Mapping[str, str]) -> go.Figure:
    """Predictions over time, by label: ``start``, ``label``, ``count``, in bins as wide as ``step``."""
    figure = blank()
    figure.update_layout(barmode="stack")
    for label, rows in timeline.groupby("label", sort=True):
        figure.add_bar(
            x=[f"{start:{_DATE}}" for start in rows["start"]],
            y=rows["count"].tolist(),
            width=step.total_seconds() * 1000 * 0.9,
            name=str(label),
            marker={"color": colors[str(label)]},
            offset=0,
            hovertemplate="%{x|%d %b %H:%M} UTC: %{y:,} %{fullData.name}<extra></extra>",
        )
    show_dates(figure, (timeline["start"].min(), timeline["start"].max() + step) if len(timeline) else None)
    return figure


def label_colors(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, so that a label looks the same in all plots of a page."""
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(reversed(order_classes(labels)))}


def _mark_champion(figure: go.Figure, history: pd.DataFrame, versions: list[str], metric: str | None) -> None:
    champions = history.index[history["champion"]].tolist()
    if metric is None or not champions or pd.isna(history[metric][champions[0]]):
        return
    position = champions[0]
    figure.add_scatter(
        x=[versions[position]],
        y=[float(history[metric][position])],
        name="Champion",
        mode="markers",
        marker={"symbol": "star", "size": 20, "color": _GOLD, "line": {"width": 1.5, "color": "#7a5c00"}},
        hovertemplate="<b>%{x}</b> is champion<extra></extra>",
    )


def blank() -> go.Figure:
    """An empty plot in the common style."""
    axis = {"automargin": True, "zeroline": False, "fixedrange": True}
    return go.Figure(
        layout={
            "template": "none",
            "margin": {"l": 4, "r": 4, "t": 4, "b": 4, "pad": 4},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "hovermode": "closest",
            "dragmode": False,
            # A constant revision: traces that a user switched off stay off when the page refreshes.
            "uirevision": "kept",
            "xaxis": dict(axis),
            "yaxis": dict(axis),
        }
    )


def hide_empty_axes(figure: go.Figure) -> go.Figure:
    """A plot in which nothing is drawn says so, and has no axes: they would show values that nobody measured."""
    if any(_has_points(trace) for trace in figure.data):
        return figure
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(shapes=[], showlegend=False)
    words = {"text": "Nothing to show yet", "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    figure.add_annotation(**words, font={"size": 14})
    return figure


def _has_points(trace: Any) -> bool:
    """Whether a trace has a value: bars of nothing, and a lone level over an empty period, show nothing."""
    values = trace.x if getattr(trace, "orientation", None) == "h" else trace.y
    known = [value for value in values if value is not None] if values is not None else []
    return any(known) if trace.type == "bar" else bool(known) and not (trace.line and trace.line.dash == "dash")


def show_dates(figure: go.Figure, ends: tuple[datetime, datetime] | None = None) -> None:
    """Make the horizontal axis one of time, from the first to the second of ``ends``.

    Its words are short and upright, so that they fit below a figure as narrow as a telephone. A part of it can be
    marked, which ``console.js`` makes the time of all pages; another range is another state of the plot.
    """
    day = 24 * 60 * 60 * 1000
    figure.update_layout(dragmode="zoom")
    figure.update_xaxes(
        type="date",
        showgrid=False,
        fixedrange=False,
        uirevision=str(ends),
        range=[f"{end:{_DATE}}" for end in ends] if ends else None,
        tickangle=0,
        nticks=5,
        tickformatstops=[
            {"dtickrange": [None, day - 1], "value": "%H:%M\n%d %b"},
            {"dtickrange": [day, None], "value": "%d %b\n%Y"},
        ],
    )


def runs_figure(runs: pd.DataFrame) -> go.Figure:
    """Metrics of runs by start time: ``start_time``, ``run_name``, then one column per metric."""
    figure = blank()
    for position, name in enumerate(str(column) for column in runs.columns[2:]):
        figure.add_scatter(
            x=[f"{at:{_DATE}}" for at in runs["start_time"]],
            y=[None if pd.isna(value) else float(value) for value in runs[name]],
            name=column_title(name),
            mode="lines+markers",
            line={"color": COLOURS[position % len(COLOURS)], "width": 1.5},
            customdata=runs["run_name"].tolist(),
            hovertemplate="%{x|%d %b %H:%M} UTC: %{y:.4f} %{fullData.name}<br>%{customdata}<extra></extra>",
        )
    starts = runs["start_time"]
    # A single run has no extent: its axis would tell fractions of a second.
    room = max((starts.max() - starts.min()) * 0.05, timedelta(minutes=30)) if len(runs) else timedelta()
    show_dates(figure, (starts.min() - room, starts.max() + room) if len(runs) else None)
    figure.update_yaxes(tickformat=DISTINCT)
    return figure


def probabilities_figure(probabilities: Mapping[str, float]) -> go.Figure:
    """The probability of each label, the likeliest at the top."""
    figure = blank()
    ordered = sorted(probabilities.items(), key=lambda pair: pair[1])
    colors = label_colors(probabilities)
    figure.add_bar(
        x=[value for _, value in ordered],
        y=[name for name, _ in ordered],
        orientation="h",
        marker={"color": [colors[name] for name, _ in ordered]},
        text=[f"{value:.1%}" for _, value in ordered],
        # Outside a bar the text has the contrast of all other texts; the axis leaves room for it at 100 %.
        textposition="outside",
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(range=[0, 1.1], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], tickformat=".0%")
    figure.update_yaxes(type="category", showgrid=False)
    return figure
