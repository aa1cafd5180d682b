"""Plots of performance, labels, latency and drift over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from plotly import graph_objects as go

from tiltyard.charts.colours import BLUE, GREEN, GREY, ORANGE, RED
from tiltyard.console.data.overview import MeasuredPoint, PerformanceTrack
from tiltyard.console.layout.figures import blank, show_dates
from tiltyard.evaluation import get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.report.plots import rank_drift_by_feature
from tiltyard.monitoring.summary import Summary

ESTIMATED, LABELLED, _BASELINE = BLUE, ORANGE, GREY
_DATE = "%Y-%m-%d %H:%M:%S"
_MOST_MARKS = 8
_MOST_MARKERS = 60


def performance_figure(summary: Summary) -> go.Figure:
    """Accuracy, of numbers the mean absolute error, over time.

    Estimated with its band, with labels and their intervals, and at training.
    """
    figure, headline = blank(), summary.query.headline
    written = ".1%" if headline == "accuracy" else ",.4g"
    estimated = [
        (part.since + (part.until - part.since) / 2, part.estimate.figures[headline])
        for part in summary.buckets
        if part.estimate and headline in part.estimate.figures
    ]
    measured = [
        (part.since + (part.until - part.since) / 2, part.performance.figures[headline])
        for part in summary.buckets
        if headline in part.performance.figures
    ]
    if estimated:
        _band(figure, estimated, written, "Estimated without labels")
    if measured:
        low, high = _ends(measured)
        values = [one.value for _, one in measured]
        figure.add_scatter(
            x=_times(measured),
            y=values,
            name="With labels",
            mode="markers",
            marker={"size": 8, "color": LABELLED},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [top - value for top, value in zip(high, values, strict=True)],
                "arrayminus": [value - bottom for bottom, value in zip(low, values, strict=True)],
                "thickness": 1.2,
                "color": LABELLED,
            },
            hovertemplate=f"%{{x|%d %b %H:%M}} UTC: %{{y:{written}}} with labels<extra></extra>",
        )
    if headline in summary.baseline:
        figure.add_scatter(
            x=[f"{summary.since:{_DATE}}", f"{summary.until:{_DATE}}"],
            y=[summary.baseline[headline]] * 2,
            name="At training",
            mode="lines",
            line={"color": _BASELINE, "dash": "dash", "width": 1.5},
            hovertemplate=f"%{{y:{written}}} at training<extra></extra>",
        )
    show_dates(figure, (summary.since, summary.until))
    # A single level has no extent: the axis would run beyond all that a share can be.
    if headline == "accuracy":
        figure.update_yaxes(tickformat=".4~%", range=None if estimated or measured else [0, 1])
    else:
        figure.update_yaxes(rangemode="tozero")
    return figure


def coverage_figure(summary: Summary) -> go.Figure:
    """Predictions over time, with and without labels."""
    figure = blank()
    figure.update_layout(barmode="stack", bargap=0.08)
    starts = [f"{part.since:{_DATE}}" for part in summary.buckets]
    known = [part.labels for part in summary.buckets]
    rest = [max(0, part.stats.total - part.labels) for part in summary.buckets]
    # Each as wide as its own time: the first one is cut by the period, and Plotly would make all as narrow as that.
    widths = [0.92 * (part.until - part.since).total_seconds() * 1000 for part in summary.buckets]
    for name, counts, colour in (("With a label", known, LABELLED), ("Without", rest, ESTIMATED)):
        figure.add_bar(
            x=starts,
            y=counts,
            width=widths,
            offset=0,
            name=name,
            marker={"color": colour},
            hovertemplate="%{x|%d %b %H:%M} UTC: %{y:,} %{fullData.name}<extra></extra>",
        )
    show_dates(figure)
    return figure


def drift_figure(summary: Summary) -> go.Figure:
    """The latest drift score of each feature as a multiple of its limit, the worst at the top."""
    figure = blank()
    rows = list(reversed(rank_drift_by_feature(summary.latest_findings)))
    figure.add_bar(
        x=[round(ratio, 4) for _, ratio in rows],
        y=[record.subject for record, _ in rows],
        orientation="h",
        width=0.6,
        marker={"color": [RED if record.status == "found" else GREEN for record, _ in rows]},
        customdata=[record.message for record, _ in rows],
        hovertemplate="%{y}: %{x:.2f} times its limit<br>%{customdata}<extra></extra>",
        showlegend=False,
    )
    if rows:
        figure.add_vline(x=1, line_dash="dash", line_color=_BASELINE)
    # Room for four at least: a single bar would fill the whole figure.
    figure.update_yaxes(type="category", showgrid=False, range=[len(rows) - 0.5 - max(4, len(rows)), len(rows) - 0.5])
    figure.update_xaxes(rangemode="tozero", visible=bool(rows), title="times its limit")
    return figure


def _band(figure: go.Figure, points: Sequence[tuple[datetime, Figure]], written: str, name: str) -> None:
    low, high = _ends(points)
    shared = {"x": _times(points), "mode": "lines", "hoverinfo": "skip", "showlegend": False, "line": {"width": 0}}
    figure.add_scatter(y=high, name="Upper end", **shared)
    figure.add_scatter(y=low, name="Lower end", fill="tonexty", fillcolor="rgba(63,143,210,0.22)", **shared)
    figure.add_scatter(
        x=_times(points),
        y=[one.value for _, one in points],
        name=name,
        mode="lines+markers",
        line={"color": ESTIMATED, "width": 2},
        marker={"size": 5, "color": ESTIMATED},
        customdata=[f"{bottom:{written}} to {top:{written}}" for bottom, top in zip(low, high, strict=True)],
        hovertemplate=f"%{{x|%d %b %H:%M}} UTC: %{{y:{written}}} estimated (%{{customdata}})<extra></extra>",
    )


def _times(points: Sequence[tuple[datetime, Figure]]) -> list[str]:
    return [f"{at:{_DATE}}" for at, _ in points]


def _ends(points: Sequence[tuple[datetime, Figure]]) -> tuple[list[float], list[float]]:
    low = [one.interval.low if one.interval else one.value for _, one in points]
    return low, [one.interval.high if one.interval else one.value for _, one in points]


def track_figure(track: PerformanceTrack, ends: tuple[datetime, datetime]) -> go.Figure:
    """The project's metric as the monitoring runs found it, the level of training, and who became champion when."""
    figure = blank()
    written = (
        ".2%" if TaskEvaluation.find_for_target(get_metric(track.metric).target).headline == "accuracy" else ",.4g"
    )
    series = [
        (track.measured, "With labels", LABELLED, "rgba(217,114,46,0.18)"),
        (track.estimated if track.estimate_metric == track.metric else (), "Estimated without labels", ESTIMATED,
         "rgba(63,143,210,0.22)"),
    ]  # fmt: skip
    for points, name, colour, shade in series:
        if points:
            _draw_points(figure, points, name, colour, shade, written)
    if track.baseline is not None:
        figure.add_scatter(
            x=[f"{end:{_DATE}}" for end in ends],
            y=[track.baseline] * 2,
            name="At training",
            mode="lines",
            line={"color": _BASELINE, "dash": "dash", "width": 1.5},
            hovertemplate=f"%{{y:{written}}} at training<extra></extra>",
        )
    for place, mark in enumerate(track.marks[-_MOST_MARKS:]):
        at = f"{mark.at:{_DATE}}"
        # Words on the side where there is room for them.
        late = (mark.at - ends[0]) > 0.75 * (ends[1] - ends[0])
        figure.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": GREEN, "width": 1.5})
        figure.add_annotation(
            x=at,
            y=1 - 0.09 * (place % 3),
            yref="paper",
            text=mark.words,
            showarrow=False,
            xanchor="right" if late else "left",
            xshift=-4 if late else 4,
        )
    show_dates(figure, ends)
    figure.update_yaxes(tickformat=".4~%" if written == ".2%" else None)
    return figure


def _draw_points(
    figure: go.Figure, points: Sequence[MeasuredPoint], name: str, colour: str, shade: str, written: str
) -> None:
    times = [f"{one.at:{_DATE}}" for one in points]
    shared = {"x": times, "mode": "lines", "hoverinfo": "skip", "showlegend": False, "line": {"width": 0}}
    figure.add_scatter(y=[one.value if one.high is None else one.high for one in points], name=name, **shared)
    figure.add_scatter(
        y=[one.value if one.low is None else one.low for one in points],
        name=name,
        fill="tonexty",
        fillcolor=shade,
        **shared,
    )
    figure.add_scatter(
        x=times,
        y=[one.value for one in points],
        name=name,
        mode="lines+markers" if len(points) < _MOST_MARKERS else "lines",
        line={"color": colour, "width": 2},
        marker={"size": 5, "color": colour},
        hovertemplate=f"%{{x|%d %b %H:%M}} UTC: %{{y:{written}}} {name.lower()}<extra></extra>",
    )


def latency_figure(latency: pd.DataFrame, ends: tuple[datetime, datetime]) -> go.Figure:
    """Mean latency over time: ``start``, ``latency_ms``."""
    figure = blank()
    figure.add_scatter(
        x=[f"{at:{_DATE}}" for at in latency["start"]],
        y=latency["latency_ms"].tolist(),
        name="Mean latency",
        mode="lines+markers" if len(latency) < _MOST_MARKERS else "lines",
        line={"color": BLUE, "width": 2},
        marker={"size": 5},
        hovertemplate="%{x|%d %b %H:%M} UTC: %{y:.1f} ms<extra></extra>",
        showlegend=False,
    )
    show_dates(figure, ends)
    figure.update_yaxes(rangemode="tozero", ticksuffix=" ms")
    return figure
