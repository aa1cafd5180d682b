"""The plots of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from tiltyard.charts.svg_time_series import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Area,
    legend,
    picture,
    ticks,
)
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.summary import CONFIDENCE_BINS, Summary

LABELS, ESTIMATE, BASELINE = COLOURS[1], COLOURS[0], COLOURS[5]
MOST_LABELS = 6


@dataclass(frozen=True)
class Plot:
    """A plot and its texts.

    Attributes:
        name: short name, also of its file.
        title: its heading.
        svg: the plot.
        keys: the legend as HTML; empty for none.
        caption: what it shows, in a sentence.
    """

    name: str
    title: str
    svg: str
    keys: str
    caption: str


def draw_plots(summary: Summary) -> list[Plot]:
    """The plots for which there is data."""
    plots = [
        _plot_predictions(summary),
        _plot_labels(summary),
        _plot_confidence(summary),
        _plot_performance(summary),
        _plot_drift(summary),
    ]
    return [plot for plot in plots if plot is not None]


def _plot_predictions(summary: Summary) -> Plot | None:
    if not summary.stats.total:
        return None
    most = max(part.stats.total for part in summary.buckets)
    area = Area(summary.buckets[0].since, summary.buckets[-1].until, 0, most * 1.05)
    bars = [_draw_bar(area, part.since, part.until, 0, part.stats.total, COLOURS[0]) for part in summary.buckets]
    caption = f"{summary.stats.total:,} predictions; at most {most:,} in {_format_step(summary)}."
    title = "Predictions over time"
    return Plot("predictions", title, picture([*area.axes(percent=False), *bars], title), "", caption)


def _plot_labels(summary: Summary) -> Plot | None:
    if not summary.stats.total:
        return None
    names = list(summary.stats.by_label)[:MOST_LABELS]
    colours = dict(zip(names, COLOURS, strict=False))
    area = Area(summary.buckets[0].since, summary.buckets[-1].until, 0, 1)
    bars = []
    for part in summary.buckets:
        base = 0.0
        for name in names:
            share = part.stats.by_label.get(name, 0) / part.stats.total if part.stats.total else 0.0
            if share:
                bars.append(_draw_bar(area, part.since, part.until, base, base + share, colours[name]))
            base += share
    title = "Shares of the labels"
    shares = ", ".join(f"{name} {count / summary.stats.total:.1%}" for name, count in summary.stats.by_label.items())
    svg = picture([*area.axes(percent=True), *bars], title)
    return Plot("labels", title, svg, legend(list(colours.items())), f"Over the whole period: {shares}.")


def _plot_confidence(summary: Summary) -> Plot | None:
    if not sum(summary.confidence):
        return None
    now = _to_shares(summary.confidence)
    then = _to_shares(summary.confidence_at_training) if summary.confidence_at_training else None
    most: float = max([*now, *(then or [])]) * 1.08
    first = next(place for place, share in enumerate(map(sum, zip(now, then or now, strict=True))) if share)
    span = CONFIDENCE_BINS - first
    wide = (WIDTH - LEFT - RIGHT) / span

    def place(share: float) -> float:
        return HEIGHT - BOTTOM - share / most * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in ticks(0, most):
        parts.append(
            f'<line class="tg" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place(value):.1f}" y2="{place(value):.1f}"/>'
        )
        parts.append(
            f'<text class="tt" x="{LEFT - 8}" y="{place(value):.1f}" dy="4" text-anchor="end">{value:.0%}</text>'
        )
    for number in range(span):
        left = LEFT + number * wide
        share = now[first + number]
        low = (first + number) / CONFIDENCE_BINS
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{place(share):.1f}" width="{wide - 2:.1f}" '
            f'height="{HEIGHT - BOTTOM - place(share):.1f}" fill="{COLOURS[0]}"/>'
        )
        if then:
            y = place(then[first + number])
            parts.append(
                f'<line x1="{left:.1f}" x2="{left + wide:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="{BASELINE}" stroke-width="2.5"/>'
            )
        if number % 2 == 0:
            parts.append(f'<text class="tt" x="{left:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{low:.0%}</text>')
    title = "Confidence of the answers"
    keys = [("in this time", COLOURS[0]), *([("held-out rows at training", BASELINE)] if then else [])]
    mean = f"On average {summary.stats.mean_confidence:.1%}." if summary.stats.mean_confidence is not None else ""
    return Plot("confidence", title, picture(parts, title), legend(keys), mean)


def _plot_performance(summary: Summary) -> Plot | None:
    measured_points = [
        (part.since + (part.until - part.since) / 2, part.performance.figures.get("accuracy"))
        for part in summary.buckets
    ]
    estimated_points = [
        (part.since + (part.until - part.since) / 2, part.estimate.figures.get("accuracy") if part.estimate else None)
        for part in summary.buckets
    ]
    labels = [(at, figure) for at, figure in measured_points if figure is not None]
    estimates = [(at, figure) for at, figure in estimated_points if figure is not None]
    if not labels and not estimates:
        return None
    baseline = summary.baseline.get("accuracy")
    lows = [figure.interval.low if figure.interval else figure.value for _, figure in (*labels, *estimates)]
    low = max(0.0, min((*lows, *([baseline] if baseline is not None else []))) - 0.03)
    area = Area(summary.buckets[0].since, summary.buckets[-1].until, low, 1.0)
    parts = area.axes(percent=True)
    if estimates:
        parts += _draw_band(area, estimates)
    if baseline is not None:
        y = area.y(baseline)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{BASELINE}" '
            'stroke-width="1.5" stroke-dasharray="6 4"/>'
        )
    parts += _draw_whiskers(area, labels)
    title = "Accuracy over time"
    keys = [
        *([("with labels, 95 % interval", LABELS)] if labels else []),
        *([("estimated from confidence, 95 % interval", ESTIMATE)] if estimates else []),
        *([("at training", BASELINE)] if baseline is not None else []),
    ]
    caption = f"{summary.performance.labelled:,} of {summary.performance.predictions:,} predictions have a label."
    return Plot("performance", title, picture(parts, title), legend(keys), caption)


def _plot_drift(summary: Summary) -> Plot | None:
    """The latest score of each feature as a bar against its limit, the worst first."""
    shown = rank_drift_by_feature(summary.latest_findings)
    if not shown:
        return None
    tall = 24
    height = tall * len(shown) + 18
    widest = max([2.0, *(ratio for _, ratio in shown)])
    left = 230
    scale = (WIDTH - left - 70) / widest
    parts = []
    for row, (record, ratio) in enumerate(shown):
        y = row * tall + 4
        colour = COLOURS[6] if record.status == "found" else COLOURS[2]
        name = record.subject if len(record.subject) <= 32 else record.subject[:31] + "…"
        parts.append(f'<text class="tt" x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{max(1.0, ratio * scale):.1f}" height="{tall - 8}" fill="{colour}"/>'
        )
        parts.append(f'<text class="tt" x="{left + ratio * scale + 6:.1f}" y="{y + 13}">{record.score:.3g}</text>')
    x = left + scale
    parts.append(f'<line class="tg" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 16}" stroke-dasharray="4 3"/>')
    parts.append(f'<text class="tt" x="{x:.1f}" y="{height - 3}" text-anchor="middle">limit</text>')
    title = "Drift by feature"
    over = sum(record.status == "found" for record, _ in shown)
    return Plot(
        "drift", title, picture(parts, title, height), "", f"{over} of {len(shown)} shown are over their limit."
    )


def rank_drift_by_feature(findings: Sequence[FindingRecord], most: int = 20) -> list[tuple[FindingRecord, float]]:
    """The latest drift finding of each feature, with its score as a multiple of its limit; the worst first."""
    found: dict[str, tuple[FindingRecord, float]] = {}
    for record in findings:
        of_feature = record.code.startswith("drift.") and record.code != "drift.verdict"
        if not of_feature or record.score is None or not record.limit or record.limit <= 0:
            continue
        ratio = record.score / record.limit
        if record.subject not in found or ratio > found[record.subject][1]:
            found[record.subject] = (record, ratio)
    return sorted(found.values(), key=lambda pair: -pair[1])[:most]


def _draw_bar(area: Area, since: datetime, until: datetime, low: float, high: float, colour: str) -> str:
    left, right = area.x(since) + 1, area.x(until) - 1
    top, bottom = area.y(high), area.y(low)
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(1.0, right - left):.1f}" height="{bottom - top:.1f}" '
        f'fill="{colour}"/>'
    )


def _draw_band(area: Area, points: Sequence[tuple[datetime, Figure]]) -> list[str]:
    tops = [
        f"{area.x(at):.1f},{area.y(figure.interval.high if figure.interval else figure.value):.1f}"
        for at, figure in points
    ]
    lows = [
        f"{area.x(at):.1f},{area.y(figure.interval.low if figure.interval else figure.value):.1f}"
        for at, figure in points
    ]
    line = " ".join(f"{area.x(at):.1f},{area.y(figure.value):.1f}" for at, figure in points)
    parts = [
        f'<polygon points="{" ".join([*tops, *reversed(lows)])}" fill="{ESTIMATE}" fill-opacity="0.22"/>',
        f'<polyline points="{line}" fill="none" stroke="{ESTIMATE}" stroke-width="2"/>',
    ]
    if len(points) == 1:
        parts += _draw_whiskers(area, points, ESTIMATE)
    return parts


def _draw_whiskers(area: Area, points: Sequence[tuple[datetime, Figure]], colour: str = LABELS) -> list[str]:
    parts = []
    for at, figure in points:
        x = f"{area.x(at):.1f}"
        if figure.interval:
            low, high = area.y(figure.interval.low), area.y(figure.interval.high)
            parts.append(
                f'<line x1="{x}" x2="{x}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" stroke-width="1.5"/>'
            )
        parts.append(f'<circle cx="{x}" cy="{area.y(figure.value):.1f}" r="3.5" fill="{colour}"/>')
    return parts


def _to_shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _format_step(summary: Summary) -> str:
    hours = summary.step.total_seconds() / 3600
    return f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"
