"""The page of predictions: counts, labels, confidence, and the latest ones in a list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dash import html

from tiltyard.console.data import (
    PredictionQuery,
    PredictionsView,
    format_input,
    predictions_stamp,
    predictions_view,
)
from tiltyard.console.data.predictions import PeriodValues
from tiltyard.console.data.task_part import PageWords, TaskConsole
from tiltyard.console.layout import components, figures
from tiltyard.console.layout import controls as controls_of
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.prediction import link_prediction
from tiltyard.console.pages.version import link_version
from tiltyard.formatting import format_interval
from tiltyard.ledger import Prediction
from tiltyard.tasks import TASKS

REFRESH_SECONDS = 3.0
ROUTES = {"": "All routes", "champion": "Champion", "challenger": "Challenger"}
FACTS, LABELS, VERSIONS = "predictions-facts", "predictions-labels", "predictions-versions"
TIMELINE, CONFIDENCE, RECENT = "predictions-timeline", "predictions-confidence", "predictions-recent"


def predictions_page(data: PageData) -> Page:
    """The page over a ledger."""

    target = TASKS[data.project.task].target
    of_target, known = TaskConsole.find_for_target(target), PeriodValues(data.ledger)

    def query(where: Where) -> PredictionQuery:
        return PredictionQuery(
            data.project.model_name,
            where.window,
            data.now(),
            where.find("search"),
            target,
            where.period,
            version=where.find("version"),
            route=where.choose("route", ROUTES, ""),
            label=where.find("label"),
        )

    def controls(where: Where) -> list[Any]:
        values = known.list_values(query(where))
        return [
            controls_of.choose_time(where),
            *controls_of.narrow(where, "version", "versions", values.versions, "v"),
            *(controls_of.narrow(where, "label", "labels", values.labels) if of_target.has_probabilities else []),
            controls_of.choose(where, "route", "Route", ROUTES),
        ]

    return Page(
        name="predictions",
        path="/predictions",
        title="Predictions",
        lead=f"The predictions in the ledger, refreshed every {REFRESH_SECONDS:.0f} seconds.",
        refresh_seconds=REFRESH_SECONDS,
        fields=lambda where: [
            controls_of.search_field(
                "predictions", where, "Search the predictions of the period", "Search input, label, version or id …"
            )
        ],
        controls=controls,
        frame=_frame(of_target.words),
        slots=(
            (FACTS, "children"),
            *components.plot_slots(TIMELINE),
            *components.plot_slots(CONFIDENCE),
            (LABELS, "children"),
            (VERSIONS, "children"),
            (RECENT, "children"),
        ),
        stamp=lambda where: predictions_stamp(data.ledger, query(where)),
        draw=lambda where: draw_predictions(predictions_view(data.ledger, query(where)), query(where), where),
    )


def draw_predictions(view: PredictionsView, query: PredictionQuery, where: Where) -> Slots | Placeholder:
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
        sentence = f"{query.period.title}: choose a longer period."
        return Placeholder(components.empty("No prediction in this period", sentence))
    colors = figures.label_colors(view.stats.by_label)
    versions = {f"v{version}": count for version, count in view.stats.by_version.items()}
    picture, words, values = TaskConsole.find_for_target(query.target).draw_values(view, colors)
    return {
        FACTS: _facts(view, query),
        TIMELINE: figures.timeline_figure(view.timeline, view.step, colors),
        f"{TIMELINE}-words": _describe_timeline(view),
        CONFIDENCE: picture,
        f"{CONFIDENCE}-words": words,
        LABELS: values,
        VERSIONS: components.proportion_bars("Predictions by version", versions, {}),
        RECENT: _recent(view, query, where),
    }


def _frame(words: PageWords) -> tuple[Any, ...]:
    return (
        components.slot(FACTS, "card"),
        html.Div(
            [
                components.card(components.plot(TIMELINE, 240), title="Over time"),
                components.card(components.slot(LABELS), title=words.values),
                components.card(components.plot(CONFIDENCE, 240), title=words.spread),
                components.card(components.slot(VERSIONS), title="Versions"),
            ],
            className="grid",
        ),
        components.card(components.slot(RECENT), title="Recent predictions"),
    )


def _facts(view: PredictionsView, query: PredictionQuery) -> html.Dl:
    stats = view.stats
    latency = "–" if stats.mean_latency_ms is None else f"{stats.mean_latency_ms:.1f} ms"
    first = f"since {stats.first_at:%Y-%m-%d %H:%M} UTC" if stats.first_at else ""
    last = f"{stats.last_at:%H:%M:%S}" if stats.last_at else "–"
    day = f"{stats.last_at:%Y-%m-%d} UTC" if stats.last_at else ""
    return components.facts(
        [
            ("Predictions", f"{stats.total:,}", first),
            TaskConsole.find_for_target(query.target).summarise(view),
            ("Mean latency", latency, "from acceptance to the ledger"),
            ("Latest", last, day),
        ]
    )


def _recent(view: PredictionsView, query: PredictionQuery, where: Where) -> list[Any]:
    listed, of_target = len(view.recent), TaskConsole.find_for_target(query.target)
    if query.narrows:
        reach = "the whole period was searched"
        if view.searched_since is not None:
            reach = f"searched back to {view.searched_since:%Y-%m-%d %H:%M:%S} UTC"
        what = f"“{query.search}”: " if query.search else ""
        note = f"{what}{listed:,} listed, newest first; {reach}"
    else:
        note = f"The latest {listed:,}, newest first"
    heads = (
        ("Time (UTC)", "nowrap"),
        ("Input", "input"),
        (of_target.words.value, ""),
        (of_target.words.certainty, "number"),
        ("Version", "number"),
        ("Latency", "number"),
    )
    rows = [_row(prediction, of_target, where) for prediction in view.recent]
    return [html.P(note, className="hint", role="status"), components.table("Recent predictions", heads, rows)]


def _row(prediction: Prediction, of_target: TaskConsole, where: Where) -> tuple[Any, ...]:
    route = [] if prediction.route == "champion" else [" ", components.badge(prediction.route, prediction.route)]
    return (
        components.time_text(prediction.at),
        link_prediction(prediction.id, format_input(prediction) or prediction.id, where),
        html.Span([html.Strong(of_target.show_value(prediction.label)), *route]),
        html.Span(
            [
                components.bar(prediction.confidence),
                f"{prediction.confidence:.1%}",
            ]
            if prediction.confidence is not None
            else format_interval(prediction.interval),
            className="with-bar",
        ),
        link_version(prediction.version),
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
