"""The page of predictions: counts, labels, confidence, and the latest ones in a list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from dash import dcc, html

from tiltyard.console import figures
from tiltyard.console.data import (
    WINDOWS,
    PredictionQuery,
    PredictionsView,
    format_input,
    predictions_stamp,
    predictions_view,
)
from tiltyard.console.pages import components
from tiltyard.console.pages.page import Page, PageData, Placeholder, Slots
from tiltyard.formatting import format_count, format_interval, format_number
from tiltyard.ledger import Prediction
from tiltyard.tasks import predicts_numbers

REFRESH_SECONDS = 3.0
WINDOW, SEARCH = "predictions-window", "predictions-search"
FACTS, LABELS, VERSIONS = "predictions-facts", "predictions-labels", "predictions-versions"
_QUANTILES = {0.0: "lowest", 0.25: "a quarter is at most", 0.5: "half is at most", 0.75: "three quarters are at most",
              1.0: "highest"}  # fmt: skip
TIMELINE, CONFIDENCE, RECENT = "predictions-timeline", "predictions-confidence", "predictions-recent"


def predictions_page(data: PageData) -> Page:
    """The page over a ledger."""

    of_numbers = predicts_numbers(data.project.task)

    def query(window: str | None, search: str | None) -> PredictionQuery:
        known = window if window is not None and window in WINDOWS else "day"
        return PredictionQuery(data.project.model_name, known, data.now(), str(search or "").strip(), of_numbers)

    def fill(window: str | None, search: str | None) -> Slots | Placeholder:
        selection = query(window, search)
        return draw_predictions(predictions_view(data.ledger, selection), selection)

    return Page(
        name="predictions",
        path="/predictions",
        title="Predictions",
        lead=f"The predictions in the ledger, refreshed every {REFRESH_SECONDS:.0f} seconds.",
        refresh_seconds=REFRESH_SECONDS,
        controls=_controls(),
        inputs=((WINDOW, "value"), (SEARCH, "value")),
        frame=_frame(of_numbers=of_numbers),
        slots=(
            (FACTS, "children"),
            *components.plot_slots(TIMELINE),
            *components.plot_slots(CONFIDENCE),
            (LABELS, "children"),
            (VERSIONS, "children"),
            (RECENT, "children"),
        ),
        stamp=lambda window, search: predictions_stamp(data.ledger, query(window, search)),
        draw=fill,
    )


def draw_predictions(view: PredictionsView, query: PredictionQuery) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not view.any_ever:
        return Placeholder(
            components.empty(
                "No prediction yet",
                f"{query.model} has made no prediction. Train a champion if there is none, and serve it:",
                "tiltyard train --champion",
                "tiltyard serve",
            )
        )
    if not view.stats.total:
        title = WINDOWS[query.window].title
        return Placeholder(components.empty("No prediction in this period", f"{title}: choose a longer period."))
    colors = figures.label_colors(view.stats.by_label)
    versions = {f"v{version}": count for version, count in view.stats.by_version.items()}
    return {
        FACTS: _facts(view, query),
        TIMELINE: figures.timeline_figure(view.timeline, view.step, colors),
        f"{TIMELINE}-words": _describe_timeline(view),
        **(_draw_numbers if query.of_numbers else _draw_labels)(view, colors),
        VERSIONS: components.proportion_bars("Predictions by version", versions, {}),
        RECENT: _recent(view, query),
    }


def _draw_labels(view: PredictionsView, colors: Mapping[str, str]) -> Slots:
    return {
        CONFIDENCE: figures.confidence_figure(view.confidence, colors),
        f"{CONFIDENCE}-words": _describe_confidence(view),
        LABELS: components.proportion_bars("Predictions by label", view.stats.by_label, colors),
    }


def _draw_numbers(view: PredictionsView, colors: Mapping[str, str]) -> Slots:
    quantiles = zip(_QUANTILES, np.quantile(view.numbers, list(_QUANTILES)), strict=True)
    rows = [(_QUANTILES[share], format_number(float(number))) for share, number in quantiles]
    return {
        CONFIDENCE: figures.numbers_figure(view.confidence, next(iter(colors.values()))),
        f"{CONFIDENCE}-words": f"The latest {format_count(view.read, 'predicted number')}.",
        LABELS: components.table("Predicted numbers", (("Of the latest", ""), ("Prediction", "number")), rows),
    }


def _frame(*, of_numbers: bool) -> tuple[Any, ...]:
    return (
        components.slot(FACTS, "card"),
        html.Div(
            [
                components.card(components.plot(TIMELINE, 240), title="Over time"),
                components.card(components.slot(LABELS), title="Predicted numbers" if of_numbers else "Labels"),
                components.card(components.plot(CONFIDENCE, 240), title="Distribution" if of_numbers else "Confidence"),
                components.card(components.slot(VERSIONS), title="Versions"),
            ],
            className="grid",
        ),
        components.card(components.slot(RECENT), title="Recent predictions"),
    )


def _controls() -> tuple[Any, ...]:
    windows = [{"label": window.title, "value": key} for key, window in WINDOWS.items()]
    return (
        html.Div(
            [
                html.Div(
                    dcc.RadioItems(id=WINDOW, options=windows, value="day", inline=True, className="choice"),
                    role="group",
                    **{"aria-label": "Time"},
                ),
                html.Div(
                    [
                        html.Label("Search the latest predictions", htmlFor=SEARCH, className="unseen"),
                        dcc.Input(
                            id=SEARCH,
                            type="search",
                            value="",
                            debounce=0.3,
                            placeholder="Search input, label, version or id …",
                        ),
                    ],
                    className="search",
                ),
            ],
            className="controls",
        ),
    )


def _facts(view: PredictionsView, query: PredictionQuery) -> html.Dl:
    stats = view.stats
    confidence = "–" if stats.mean_confidence is None else f"{stats.mean_confidence:.1%}"
    latency = "–" if stats.mean_latency_ms is None else f"{stats.mean_latency_ms:.1f} ms"
    low = "–" if stats.min_confidence is None else f"lowest {stats.min_confidence:.1%}"
    first = f"since {stats.first_at:%Y-%m-%d %H:%M} UTC" if stats.first_at else ""
    last = f"{stats.last_at:%H:%M:%S}" if stats.last_at else "–"
    day = f"{stats.last_at:%Y-%m-%d} UTC" if stats.last_at else ""
    return components.facts(
        [
            ("Predictions", f"{stats.total:,}", first),
            (
                "Mean prediction",
                format_number(float(np.mean(view.numbers))) if view.numbers else "–",
                f"of the latest {view.read:,}",
            )
            if query.of_numbers
            else ("Mean confidence", confidence, low),
            ("Mean latency", latency, "from acceptance to the ledger"),
            ("Latest", last, day),
        ]
    )


def _describe_numbers(view: PredictionsView) -> tuple[str, str, str]:
    mean = format_number(float(np.mean(view.numbers))) if view.numbers else "–"
    return "Mean prediction", mean, f"of the latest {view.read:,}"


def _recent(view: PredictionsView, query: PredictionQuery) -> list[Any]:
    listed = len(view.recent)
    if query.search:
        note = f"“{query.search}”: {view.found:,} of the latest {view.read:,} predictions, {listed:,} listed"
    else:
        note = f"The latest {listed:,}, newest first"
    heads = (
        ("Time (UTC)", "nowrap"),
        ("Input", "input"),
        ("Number" if query.of_numbers else "Label", ""),
        ("Interval" if query.of_numbers else "Confidence", "number"),
        ("Version", "number"),
        ("Latency", "number"),
    )
    rows = [_row(prediction, of_numbers=query.of_numbers) for prediction in view.recent]
    return [html.P(note, className="hint", role="status"), components.table("Recent predictions", heads, rows)]


def _row(prediction: Prediction, *, of_numbers: bool) -> tuple[Any, ...]:
    shown = format_number(float(prediction.label)) if of_numbers else prediction.label
    route = [] if prediction.route == "champion" else [" ", components.badge(prediction.route, prediction.route)]
    return (
        components.time_text(prediction.at),
        html.Span(format_input(prediction), title=prediction.id),
        html.Span([html.Strong(shown), *route]),
        html.Span(
            [
                components.bar(prediction.confidence),
                f"{prediction.confidence:.1%}",
            ]
            if prediction.confidence is not None
            else format_interval(prediction.interval),
            className="with-bar",
        ),
        f"v{prediction.version}",
        "–" if prediction.latency_ms is None else f"{prediction.latency_ms:.1f} ms",
    )


def _width(step: timedelta) -> str:
    minutes = int(step.total_seconds() // 60)
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            count = minutes // size
            return name if count == 1 else f"{count} {name}s"
    return f"{minutes} minutes"


def _describe_timeline(view: PredictionsView) -> str:
    per_bin = view.timeline.groupby("start")["count"].sum()
    busiest, width = per_bin.idxmax(), _width(view.step)
    return (
        f"Predictions per {width}, UTC. The busiest {width} started at {busiest:%Y-%m-%d %H:%M} with {per_bin.max():,}."
    )


def _describe_confidence(view: PredictionsView) -> str:
    confident = view.confidence.loc[view.confidence["low"] >= 0.9, "count"].sum()
    return f"Confidence of the latest {view.read:,} predictions: {confident / view.read:.0%} of them at least 90%."
