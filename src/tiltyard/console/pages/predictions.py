"""The page of predictions: counts, labels, confidence, and the latest ones in a list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

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
from tiltyard.console.data.task_part import PageWords, TaskConsole
from tiltyard.console.pages import components
from tiltyard.console.pages.page import Page, PageData, Placeholder, Slots
from tiltyard.console.pages.prediction import link_prediction
from tiltyard.formatting import format_interval
from tiltyard.ledger import Prediction
from tiltyard.tasks import TASKS

REFRESH_SECONDS = 3.0
WINDOW, SEARCH = "predictions-window", "predictions-search"
FACTS, LABELS, VERSIONS = "predictions-facts", "predictions-labels", "predictions-versions"
TIMELINE, CONFIDENCE, RECENT = "predictions-timeline", "predictions-confidence", "predictions-recent"


def predictions_page(data: PageData) -> Page:
    """The page over a ledger."""

    target = TASKS[data.project.task].target

    def query(window: str | None, search: str | None) -> PredictionQuery:
        known = window if window is not None and window in WINDOWS else "day"
        return PredictionQuery(data.project.model_name, known, data.now(), str(search or "").strip(), target)

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
        frame=_frame(TaskConsole.find_for_target(target).words),
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
    picture, words, values = TaskConsole.find_for_target(query.target).draw_values(view, colors)
    return {
        FACTS: _facts(view, query),
        TIMELINE: figures.timeline_figure(view.timeline, view.step, colors),
        f"{TIMELINE}-words": _describe_timeline(view),
        CONFIDENCE: picture,
        f"{CONFIDENCE}-words": words,
        LABELS: values,
        VERSIONS: components.proportion_bars("Predictions by version", versions, {}),
        RECENT: _recent(view, query),
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
                        html.Label("Search the predictions of the period", htmlFor=SEARCH, className="unseen"),
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


def _recent(view: PredictionsView, query: PredictionQuery) -> list[Any]:
    listed, of_target = len(view.recent), TaskConsole.find_for_target(query.target)
    if query.search:
        reach = "the whole period was searched"
        if view.searched_since is not None:
            reach = f"searched back to {view.searched_since:%Y-%m-%d %H:%M:%S} UTC"
        note = f"“{query.search}”: {listed:,} listed, newest first; {reach}"
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
    rows = [_row(prediction, of_target) for prediction in view.recent]
    return [html.P(note, className="hint", role="status"), components.table("Recent predictions", heads, rows)]


def _row(prediction: Prediction, of_target: TaskConsole) -> tuple[Any, ...]:
    route = [] if prediction.route == "champion" else [" ", components.badge(prediction.route, prediction.route)]
    return (
        components.time_text(prediction.at),
        link_prediction(prediction.id, format_input(prediction) or prediction.id),
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
