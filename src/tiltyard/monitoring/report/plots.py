"""The plots of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tiltyard.charts.axes import HEIGHT, WIDTH, BinChart, TimeChart, ValueAxis
from tiltyard.charts.colours import BLUE, COLOURS, GREY, ORANGE
from tiltyard.charts.svg import STYLE, draw_legend, draw_svg
from tiltyard.charts.svg_bars import draw_limits
from tiltyard.evaluation import get_metric
from tiltyard.formatting import choose_form, format_count
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.summary import CONFIDENCE_BINS, Summary

LABELS, ESTIMATE, BASELINE = ORANGE, BLUE, GREY
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
    chart = _chart_buckets(summary, ValueAxis(0, most * 1.05))
    bars = [chart.draw_bar((part.since, part.until), 0, part.stats.total, BLUE) for part in summary.buckets]
    caption = f"{format_count(summary.stats.total, 'prediction')}; at most {most:,} in {_format_step(summary)}."
    title = "Predictions over time"
    return Plot("predictions", title, _draw([*chart.draw_axes(), *bars], title), "", caption)


def _plot_labels(summary: Summary) -> Plot | None:
    if not summary.stats.by_label:  # no predictions, or of numbers
        return None
    names = list(summary.stats.by_label)[:MOST_LABELS]
    colours = dict(zip(names, COLOURS, strict=False))
    chart = _chart_buckets(summary, ValueAxis(0, 1, percent=True))
    bars = []
    for part in summary.buckets:
        base = 0.0
        for name in names:
            share = part.stats.by_label.get(name, 0) / part.stats.total if part.stats.total else 0.0
            if share:
                bars.append(chart.draw_bar((part.since, part.until), base, base + share, colours[name]))
            base += share
    title = "Shares of the labels"
    shares = ", ".join(f"{name} {count / summary.stats.total:.1%}" for name, count in summary.stats.by_label.items())
    svg = _draw([*chart.draw_axes(), *bars], title)
    return Plot("labels", title, svg, draw_legend(list(colours.items())), f"Over the whole period: {shares}.")


def _plot_confidence(summary: Summary) -> Plot | None:
    if not sum(summary.confidence):
        return None
    now = _to_shares(summary.confidence)
    then = _to_shares(summary.confidence_at_training) if summary.confidence_at_training else None
    most: float = max([*now, *(then or [])]) * 1.08
    first = next(position for position, share in enumerate(map(sum, zip(now, then or now, strict=True))) if share)
    span = CONFIDENCE_BINS - first
    chart = BinChart(span, ValueAxis(0, most, percent=True))
    parts = chart.draw_axes([f"{position / CONFIDENCE_BINS:.0%}" for position in range(first, CONFIDENCE_BINS)])
    parts += [chart.draw_bar(position, now[first + position], BLUE) for position in range(span)]
    if then:
        parts += [chart.draw_mark(position, then[first + position], BASELINE) for position in range(span)]
    title = "Confidence of the predictions"
    keys = [("in this time", BLUE), *([("held-out rows at training", BASELINE)] if then else [])]
    mean = f"On average {summary.stats.mean_confidence:.1%}." if summary.stats.mean_confidence is not None else ""
    return Plot("confidence", title, _draw(parts, title), draw_legend(keys), mean)


def _plot_performance(summary: Summary) -> Plot | None:
    headline = summary.query.headline
    is_share = headline == "accuracy"
    measured_points = [
        (part.since + (part.until - part.since) / 2, part.performance.figures.get(summary.query.headline))
        for part in summary.buckets
    ]
    estimated_points = [
        (part.since + (part.until - part.since) / 2, part.estimate.figures.get(headline) if part.estimate else None)
        for part in summary.buckets
    ]
    labels = [(at, figure) for at, figure in measured_points if figure is not None]
    estimates = [(at, figure) for at, figure in estimated_points if figure is not None]
    if not labels and not estimates:
        return None
    baseline = summary.baseline.get(headline)
    lows = [figure.interval.low if figure.interval else figure.value for _, figure in (*labels, *estimates)]
    if is_share:
        low = max(0.0, min((*lows, *([baseline] if baseline is not None else []))) - 0.03)
        axis = ValueAxis(low, 1.0, percent=True)
    else:
        highs = [figure.interval.high if figure.interval else figure.value for _, figure in labels]
        axis = ValueAxis(0.0, 1.05 * max((*highs, baseline or 0.0)) or 1.0, percent=False)
    chart = _chart_buckets(summary, axis)
    parts = chart.draw_axes()
    if estimates:
        parts += chart.draw_band(_with_intervals(estimates), ESTIMATE)
    if baseline is not None:
        parts.append(chart.values.draw_rule(baseline, BASELINE))
    parts += chart.draw_whiskers(_with_intervals(labels), LABELS)
    title = f"{get_metric(headline).title} over time"
    keys = [
        *([("with labels, 95 % interval", LABELS)] if labels else []),
        *([("estimated without labels, 95 % interval", ESTIMATE)] if estimates else []),
        *([("at training", BASELINE)] if baseline is not None else []),
    ]
    have = choose_form(summary.labels, "has", "have")
    caption = f"{summary.labels:,} of {format_count(summary.stats.total, 'prediction')} {have} a label."
    return Plot("performance", title, _draw(parts, title), draw_legend(keys), caption)


def _plot_drift(summary: Summary) -> Plot | None:
    """The latest score of each feature as a bar against its limit, the worst first."""
    ranked = rank_drift_by_feature(summary.latest_findings)
    if not ranked:
        return None
    title = "Drift by feature"
    over = sum(record.status == "found" for record, _ in ranked)
    bars = [(record.subject, ratio, f"{record.score:.3g}", record.status == "found") for record, ratio in ranked]
    return Plot("drift", title, draw_limits(bars, title), "", f"{over} of {len(ranked)} shown are over their limit.")


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


def _chart_buckets(summary: Summary, values: ValueAxis) -> TimeChart:
    return TimeChart(summary.buckets[0].since, summary.buckets[-1].until, values)


def _draw(parts: Sequence[str], title: str) -> str:
    return draw_svg(parts, title, (WIDTH, HEIGHT), STYLE)


def _with_intervals(points: Sequence[tuple[datetime, Figure]]) -> list[tuple[datetime, float, float, float]]:
    return [
        (at, figure.value, *((figure.interval.low, figure.interval.high) if figure.interval else (figure.value,) * 2))
        for at, figure in points
    ]


def _to_shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _format_step(summary: Summary) -> str:
    hours = summary.step.total_seconds() / 3600
    return f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"
