"""The page of monitoring: how the champion does in production, and what stands."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from tiltyard.console import monitoring_figures
from tiltyard.console.data.monitoring import STRETCHES, health, monitoring_stamp, monitoring_view
from tiltyard.console.pages import components
from tiltyard.console.pages.page import Page, PageData, Placeholder, Slots
from tiltyard.findings import SEVERITIES
from tiltyard.ledger import FindingRecord
from tiltyard.monitoring.estimates.cbpe import BLIND_SPOT
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.report import select_reportable
from tiltyard.monitoring.summary import Summary

REFRESH_SECONDS = 10.0
MOST_ROWS = 40
STRETCH = "monitoring-stretch"
FACTS, ALERTS, STANDING, HISTORY = "monitoring-facts", "monitoring-alerts", "monitoring-standing", "monitoring-history"
PERFORMANCE, COVERAGE, DRIFT = "monitoring-performance", "monitoring-coverage", "monitoring-drift"
VERSIONS = "monitoring-versions"

_BADGES = {"ok": "good", "act": "bad", "attention": "bad", "unknown": ""}
_TITLES = {"ok": "Healthy", "act": "Act", "attention": "Look at it", "unknown": "Not judged"}
_STYLES = {"error": "bad", "warning": "bad", "clear": "good"}


def monitoring_page(sources: PageData) -> Page:
    """The page over a ledger and the champion."""

    def chosen(stretch: str | None) -> str:
        return stretch if stretch is not None and stretch in STRETCHES else "day"

    def fill(stretch: str | None) -> Slots | Placeholder:
        watched = sources.beyond.watched()
        return draw(monitoring_view(sources.ledger, sources.project, watched, chosen(stretch), sources.now()))

    model = sources.project.model_name
    return Page(
        name="monitoring",
        path="/monitoring",
        title="Monitoring",
        lead="How the champion does in production: drift, performance with labels and without, and what stands.",
        refresh_seconds=REFRESH_SECONDS,
        controls=_controls(),
        inputs=((STRETCH, "value"),),
        frame=(
            components.slot(FACTS, "card"),
            components.slot(ALERTS),
            components.card(components.plot(PERFORMANCE, 280), title="Accuracy over time"),
            html.Div(
                [
                    components.card(components.plot(DRIFT, 320), title="Drift by feature"),
                    components.card(components.plot(COVERAGE, 320), title="Labels"),
                ],
                className="grid",
            ),
            components.card(components.slot(VERSIONS), title="By version and route"),
            components.card(components.slot(STANDING), title="Where things stand"),
            components.card(components.slot(HISTORY), title="Findings of this time"),
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
        stamp=lambda stretch: monitoring_stamp(sources.ledger, model, chosen(stretch), sources.now()),
        draw=fill,
    )


def draw(seen: Summary) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not seen.stats.total and not seen.latest_findings:
        return Placeholder(
            components.empty(
                "Nothing to watch yet",
                f"{seen.query.model_name} has answered nothing in this time. Train a champion, serve it, and look:",
                "tiltyard train --champion",
                "tiltyard serve",
                "tiltyard monitor",
            )
        )
    return {
        FACTS: _facts(seen),
        ALERTS: _alerts(seen),
        PERFORMANCE: monitoring_figures.performance_figure(seen),
        f"{PERFORMANCE}-words": _performance_in_words(seen),
        DRIFT: monitoring_figures.drift_figure(seen),
        f"{DRIFT}-words": _drift_in_words(seen),
        COVERAGE: monitoring_figures.coverage_figure(seen),
        f"{COVERAGE}-words": f"{seen.performance.labelled:,} of {seen.performance.predictions:,} answers "
        f"({seen.performance.coverage:.1%}) have a label.",
        VERSIONS: _versions(seen),
        STANDING: _findings("Where things stand", sorted(seen.latest_findings, key=_gravity)),
        HISTORY: _findings("Findings of this time", select_reportable(seen.findings)),
    }


def _controls() -> tuple[Any, ...]:
    options = [{"label": title, "value": key} for key, (title, _) in STRETCHES.items()]
    choice = dcc.RadioItems(id=STRETCH, options=options, value="day", inline=True, className="choice")
    return (html.Div(html.Div(choice, role="group", **{"aria-label": "Time"}), className="controls"),)


def _facts(seen: Summary) -> html.Dl:
    state = health(seen.latest_findings)
    told = seen.performance.figures.get("accuracy")
    guessed = seen.estimate.figures.get("accuracy") if seen.estimate else None
    ran = seen.operations
    p95 = f"{ran.latency_ms['p95']:.1f} ms" if ran.latency_ms else "–"
    champion = f"v{seen.version}" if seen.version else "none"
    return components.facts(
        [
            ("State", components.badge(_TITLES[state.word], _BADGES[state.word]), state.sentence),
            ("Champion", champion, "answers users"),
            ("Answers", f"{seen.stats.total:,}", f"{ran.predictions_before:,} in the time before"),
            ("Accuracy, labels", _value(told), _interval(told)),
            ("Accuracy, estimate", _value(guessed), _interval(guessed)),
            ("Latency", p95, "95 % of the answers"),
        ]
    )


def _alerts(seen: Summary) -> list[Any]:
    """What stands and asks for attention, each with its next step; drift of single features is in the plot."""
    shown = [one for one in seen.alarms if one.code == "drift.verdict" or not one.code.startswith("drift.")]
    return [
        html.Section(
            [
                html.Div(
                    [
                        html.H2(f"{one.code}: {one.subject}"),
                        components.badge(one.severity, "bad"),
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


def _performance_in_words(seen: Summary) -> list[Any]:
    words = [seen.performance.caveat] if seen.performance.caveat else []
    check = seen.estimate.check if seen.estimate else None
    if check is not None and check.contradicts:
        words.append(
            f"The labels contradict the estimate: {check.accuracy:.1%} on {check.rows:,} labelled answers, "
            f"{check.estimated.value:.1%} expected."
        )
    if seen.estimate is not None and seen.estimate.reason:
        words.append(f"No estimate: {seen.estimate.reason}")
    if seen.estimate is not None and seen.estimate.figures:
        words.append(BLIND_SPOT)
    return [html.Span(f"{word} ") for word in words] or [html.Span("No labels and no estimate yet.")]


def _drift_in_words(seen: Summary) -> str:
    verdict = next((one for one in seen.latest_findings if one.code == "drift.verdict"), None)
    if verdict is None:
        return "No look has judged drift yet: run tiltyard monitor."
    return f"{verdict.at:%Y-%m-%d %H:%M} UTC. {verdict.message}"


def _versions(seen: Summary) -> html.Div:
    heads = (("Version", ""), ("Route", ""), ("Answers", "number"), ("Labels", "number"), ("Accuracy", "number"),
             ("95 % interval", "number"))  # fmt: skip
    rows = [
        (
            html.Strong(f"v{version}"),
            route,
            f"{one.predictions:,}",
            f"{one.labelled:,}",
            _value(one.figures.get("accuracy")),
            _interval(one.figures.get("accuracy")),
        )
        for (version, route), one in seen.by_version.items()
    ]
    return components.table("By version and route", heads, rows)


def _findings(caption: str, found: Any) -> html.Div:
    heads = (("Verdict", "nowrap"), ("Finding", "nowrap"), ("Subject", ""), ("What was seen", "input"),
             ("When (UTC)", "nowrap"))  # fmt: skip
    return components.table(caption, heads, [_row(record) for record in list(found)[:MOST_ROWS]])


def _gravity(record: FindingRecord) -> tuple[bool, int]:
    return record.status != "found", -SEVERITIES.index(record.severity)


def _row(record: FindingRecord) -> tuple[Any, ...]:
    word = record.severity if record.status == "found" else record.status.replace("_", " ")
    return (
        components.badge(word, _STYLES.get(word, "")),
        html.Code(record.code),
        record.subject,
        html.Span(record.message, title=record.next_step),
        components.time_text(record.at, seconds=False),
    )


def _value(figure: Figure | None) -> str:
    return "–" if figure is None else f"{figure.value:.1%}"


def _interval(figure: Figure | None) -> str:
    if figure is None or figure.interval is None:
        return ""
    return f"{figure.interval.low:.1%} to {figure.interval.high:.1%}"
