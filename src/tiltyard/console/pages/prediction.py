"""The page of one prediction: its input, its result, and its label."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dash import dcc, html

from tiltyard.console.data.input_places import CellPlace, InputPlaces, find_input_places
from tiltyard.console.data.predictions import PredictionDetails, prediction_details
from tiltyard.console.data.task_part import TaskConsole
from tiltyard.console.layout import components, figures
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.console.pages.version import link_version
from tiltyard.formatting import format_interval
from tiltyard.tasks import TASKS, TaskTarget

REFRESH_SECONDS = 10.0
PATH = "/predictions/"
FACTS, INPUT, PROBABILITIES, LABEL = (f"prediction-{name}" for name in ("facts", "input", "probabilities", "label"))


def prediction_page(data: PageData) -> Page:
    """The page over a ledger; the id of a prediction ends its address."""
    model, target = data.project.model_name, TASKS[data.project.task].target
    with_probabilities = TaskConsole.find_for_target(target).has_probabilities
    return Page(
        name="prediction",
        path=PATH,
        parent="/predictions",
        title="Prediction",
        lead="One prediction: its input, its result, and its label.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            html.P(dcc.Link("← All predictions", href="/predictions")),
            components.slot(FACTS, "card"),
            html.Div(
                [
                    components.card(components.slot(INPUT), title="Input"),
                    *(
                        [components.card(components.plot(PROBABILITIES, 240), title="Probabilities")]
                        if with_probabilities
                        else []
                    ),
                ],
                className="grid",
            ),
            components.card(components.slot(LABEL), title="Label"),
        ),
        slots=(
            (FACTS, "children"),
            (INPUT, "children"),
            *(components.plot_slots(PROBABILITIES) if with_probabilities else ()),
            (LABEL, "children"),
        ),
        stamp=lambda where: repr(prediction_details(data.ledger, model, where.subject)),
        draw=lambda where: draw_prediction(prediction_details(data.ledger, model, where.subject), target, data),
    )


def link_prediction(id_: str, content: Any, where: Where | None = None) -> dcc.Link:
    """A link to the page of a prediction."""
    return dcc.Link(content, href=(where or Where()).link_to(f"{PATH}{quote(id_, safe='')}"), title=id_)


def draw_prediction(details: PredictionDetails | None, target: TaskTarget, data: PageData) -> Slots | Placeholder:
    """The content of the page's slots."""
    if details is None:
        sentence = "The ledger has no prediction of this model with the id in the address. It may have been erased."
        return Placeholder(components.empty("No such prediction", sentence))
    found, of_target = details.prediction, TaskConsole.find_for_target(target)
    slots: dict[str, Any] = {
        FACTS: _facts(details, of_target),
        INPUT: _draw_input(details, find_input_places(data.sources.version, found.version, found.input)),
        LABEL: [*_draw_label(details), *draw_offers(data, "prediction", found.id)],
    }
    if of_target.has_probabilities:
        slots[PROBABILITIES] = figures.probabilities_figure(found.probabilities)
        slots[f"{PROBABILITIES}-words"] = f"Version {found.version} gave {found.label} {found.confidence or 0:.1%}."
    return slots


def _facts(details: PredictionDetails, of_target: TaskConsole) -> Any:
    found = details.prediction
    sure = f"{found.confidence:.1%}" if found.confidence is not None else format_interval(found.interval)
    outcome = {None: ("none yet", ""), True: ("right", "good"), False: ("different", "bad")}[details.is_right]
    took = "" if found.latency_ms is None else f"in {found.latency_ms:.1f} ms"
    truth = details.label.label if details.label else ""
    return [
        components.facts(
            [
                ("Predicted", of_target.show_value(found.label), f"route {found.route}"),
                (of_target.words.certainty, sure, ""),
                ("Reported label", components.badge(*outcome), truth),
                ("Version", link_version(found.version), took),
            ]
        ),
        html.P(
            [components.time_text(found.at), " UTC · id ", html.Code(found.id), *_show_key(found.key)],
            className="hint apart",
        ),
    ]


def _show_key(key: str | None) -> list[Any]:
    return [] if key is None else [" · key ", html.Code(key)]


def _draw_input(details: PredictionDetails, places: InputPlaces) -> Any:
    given = details.prediction.input
    shown = [(name, "–" if value is None else str(value)) for name, value in given.items()]
    if not places.cells:
        table = components.table("Input", (("Name", ""), ("Value", "input")), [(html.Strong(a), b) for a, b in shown])
        return [table, *([html.P(places.reason, className="hint")] if places.reason else [])]
    rows = [(html.Strong(name), value, _draw_place(places.cells.get(name))) for name, value in shown]
    return components.table("Input", (("Name", ""), ("Value", "input"), ("In training", "")), rows)


def _draw_place(place: CellPlace | None) -> Any:
    if place is None:
        return "–"
    return html.Strong(place.words) if place.is_new else place.words


def _draw_label(details: PredictionDetails) -> list[Any]:
    label = details.label
    if label is None:
        return [
            html.P("This prediction has no label yet. Import one from a file with these columns:"),
            components.command(f"prediction_id,label\n{details.prediction.id},…"),
            components.command("tiltyard feedback import labels.csv"),
        ]
    words = f"{label.label}, reported by {label.source}"
    chosen = "" if label.is_sample else " Chosen for labelling because it is hard: no rate is measured on it."
    return [html.P([html.Strong(words), " · ", components.time_text(label.at), f" UTC.{chosen}"])]
