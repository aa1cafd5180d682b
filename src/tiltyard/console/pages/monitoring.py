"""The page of monitoring: the champion in production, and its open findings."""

from __future__ import annotations

from typing import Any

from dash import html

from tiltyard.console.data.monitoring import champion_health, monitoring_stamp, monitoring_view
from tiltyard.console.layout import components, monitoring_figures
from tiltyard.console.layout.controls import choose_time
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.evaluation import get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.findings import SEVERITIES
from tiltyard.formatting import choose_form, format_count
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.estimates.by_target import describe_blind_spot
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.report import select_reportable
from tiltyard.monitoring.summary import Summary

REFRESH_SECONDS = 10.0
MAX_ROWS = 40
FACTS, ALERTS, STANDING, HISTORY = "monitoring-facts", "monitoring-alerts", "monitoring-standing", "monitoring-history"
PERFORMANCE, COVERAGE, DRIFT = "monitoring-performance", "monitoring-coverage", "monitoring-drift"
VERSIONS = "monitoring-versions"

_BADGES = {"ok": "good", "act": "bad", "attention": "bad", "unknown": ""}
_TITLES = {"ok": "Healthy", "act": "Act", "attention": "Attention", "unknown": "Unknown"}
_STATUSES = {"could_not_judge": "could not check"}
_STYLES = {"error": "bad", "warning": "bad", "clear": "good"}


def monitoring_page(data: PageData) -> Page:
    """The page over a ledger and the champion."""

    def fill(where: Where) -> Slots | Placeholder:
        monitored = data.sources.monitored()
        return draw_monitoring(monitoring_view(data.ledger, data.project, monitored, where.period, data.now()))

    model = data.project.model_name
    return Page(
        name="monitoring",
        path="/monitoring",
        title="Monitoring",
        lead="The champion in production: drift, performance with and without labels, and open findings.",
        refresh_seconds=REFRESH_SECONDS,
        controls=lambda where: [choose_time(where)],
        frame=(
            components.slot(FACTS, "card"),
            components.slot(ALERTS),
            components.card(components.plot(PERFORMANCE, 280), title="Performance over time"),
            html.Div(
                [
                    components.card(components.plot(DRIFT, 320), title="Drift by feature"),
                    components.card(components.plot(COVERAGE, 320), title="Labels"),
                ],
                className="grid",
            ),
            components.card(components.slot(VERSIONS), title="By version and route"),
            components.card(components.slot(STANDING), title="Latest findings"),
            components.card(components.slot(HISTORY), title="Findings of this period"),
        ),
        slots=(
            (FACTS, "children"),
            (ALERTS, "children"),
            *components.plot_slots(PERFORMANCE),
            *components.plot_slots(DRIFT),
            *components.plot_slots(COVERAGE),
            (VERSIONS, "children"),
            (STANDING, "children"),
            (HISTORY, "children"),
        ),
        stamp=lambda where: monitoring_stamp(data.ledger, model, where.period.title, data.now()),
        draw=fill,
    )


def draw_monitoring(summary: Summary) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not summary.stats.total and not summary.latest_findings:
        return Placeholder(
            components.empty(
                "No predictions yet",
                f"{summary.query.model_name} has no predictions in this period. Train, serve and monitor a champion:",
                "tiltyard train --champion",
                "tiltyard serve",
                "tiltyard monitor",
            )
        )
    return {
        FACTS: _facts(summary),
        ALERTS: _alerts(summary),
        PERFORMANCE: monitoring_figures.performance_figure(summary),
        f"{PERFORMANCE}-words": _describe_performance(summary),
        DRIFT: monitoring_figures.drift_figure(summary),
        f"{DRIFT}-words": _describe_drift(summary),
        COVERAGE: monitoring_figures.coverage_figure(summary),
        f"{COVERAGE}-words": f"{summary.labels:,} of {format_count(summary.stats.total, 'prediction')} "
        f"({summary.label_coverage:.1%}) {choose_form(summary.labels, 'has', 'have')} a label. {summary.basis}".strip(),
        VERSIONS: _versions(summary),
        STANDING: _findings("Latest findings", sorted(summary.latest_findings, key=_severity_order)),
        HISTORY: _findings("Findings of this period", select_reportable(summary.findings)),
    }


def _facts(summary: Summary) -> html.Dl:
    state = champion_health(summary.latest_findings)
    headline = summary.query.headline
    title = get_metric(headline).title
    measured = summary.performance.figures.get(summary.query.headline)
    estimated = summary.estimate.figures.get(summary.query.headline) if summary.estimate else None
    service = summary.operations
    p95 = f"{service.latency_ms['p95']:.1f} ms" if service.latency_ms else "–"
    champion = f"v{summary.version}" if summary.version else "none"
    return components.facts(
        [
            ("State", components.badge(_TITLES[state.word], _BADGES[state.word]), state.sentence),
            ("Champion", champion, "serves users"),
            ("Predictions", f"{summary.stats.total:,}", f"{service.predictions_before:,} in the period before"),
            (f"{title}, labels", _value(measured, headline), _interval(measured, headline)),
            (f"{title}, estimate", _value(estimated, headline), _interval(estimated, headline)),
            ("Latency", p95, "95 % of the predictions"),
        ]
    )


def _alerts(summary: Summary) -> list[Any]:
    """Open findings that need attention, each with its next step; drift of single features is in the plot."""
    shown = [one for one in summary.alarms if one.code == "drift.verdict" or not one.code.startswith("drift.")]
    return [
        html.Section(
            [
                html.Div(
                    [
                        html.H2(f"{one.code}: {one.subject}"),
                        components.badge(one.severity, "bad"),
                        *([components.badge(f"v{one.version}")] if one.version else []),
                        html.Span([components.time_text(one.at, seconds=False), " UTC"], className="hint"),
                    ],
                    className="head",
                ),
                html.P(one.message),
                *([html.P(one.next_step, className="hint")] if one.next_step else []),
            ],
            className="card notice bad",
            role="status",
        )
        for one in shown
    ]


def _describe_performance(summary: Summary) -> list[Any]:
    words = [summary.performance.caveat] if summary.performance.caveat else []
    check = summary.estimate.check if summary.estimate else None
    if check is not None and check.contradicts:
        how = "contradict" if check.is_worse else "show more than"
        words.append(f"The labels {how} the estimate: {check.summary}.")
    if summary.estimate is not None and summary.estimate.reason:
        words.append(f"No estimate: {summary.estimate.reason}")
    if blind_spot := describe_blind_spot(summary.estimate):
        words.append(blind_spot)
    return [html.Span(f"{word} ") for word in words] or [html.Span("No labels and no estimate yet.")]


def _describe_drift(summary: Summary) -> str:
    verdict = next((one for one in summary.latest_findings if one.code == "drift.verdict"), None)
    if verdict is None:
        return "Drift has not been checked yet: run tiltyard monitor."
    return f"{verdict.at:%Y-%m-%d %H:%M} UTC. {verdict.message}"


def _versions(summary: Summary) -> html.Div:
    headline = summary.query.headline
    title = get_metric(headline).title
    counted = (("Predictions", "number"), ("Labels", "number"))
    heads = (("Version", ""), ("Route", ""), *counted, (title, "number"), ("95 % interval", "number"))
    rows = [
        (
            html.Strong(f"v{version}"),
            route,
            f"{one.predictions:,}",
            f"{one.labelled:,}",
            _value(one.figures.get(headline), headline),
            _interval(one.figures.get(headline), headline),
        )
        for (version, route), one in summary.by_version.items()
    ]
    return components.table("By version and route", heads, rows)


def _findings(caption: str, found: Any) -> Any:
    if not found:
        return html.P("None.", className="hint")
    heads = (("Verdict", "nowrap"), ("Finding", "nowrap"), ("Subject", ""), ("Details", "input"),
             ("When (UTC)", "nowrap"))  # fmt: skip
    return components.table(caption, heads, [_row(record) for record in list(found)[:MAX_ROWS]])


def _severity_order(record: FindingRecord) -> tuple[bool, int]:
    return record.status != "found", -SEVERITIES.index(record.severity)


def _row(record: FindingRecord) -> tuple[Any, ...]:
    word = record.severity if record.status == "found" else _STATUSES.get(record.status, record.status)
    return (
        components.badge(word, _STYLES.get(word, "")),
        html.Code(record.code),
        record.subject,
        html.Span(record.message, title=record.next_step),
        components.time_text(record.at, seconds=False),
    )


def _value(figure: Figure | None, metric: str) -> str:
    return "–" if figure is None else _write(figure.value, metric)


def _interval(figure: Figure | None, metric: str) -> str:
    if figure is None or figure.interval is None:
        return ""
    return f"{_write(figure.interval.low, metric)} to {_write(figure.interval.high, metric)}"


def _write(value: float, metric: str) -> str:
    """A metric of labels is a share; one of numbers is in the label's unit."""
    return TaskEvaluation.find_for_target(get_metric(metric).target).show_value(value)
