"""The page of labelling: one prediction at a time, a key for each class, and how far it is."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from tiltyard.console.data.labelling import QueuedCandidate, QueueProgress, read_labelling_queue
from tiltyard.console.data.task_part import TaskConsole
from tiltyard.console.layout import components
from tiltyard.console.layout.controls import choose
from tiltyard.console.layout.offers import draw_offers, list_offers
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.formatting import format_count, format_interval
from tiltyard.ledger.records import input_text
from tiltyard.tasks import TASKS

REFRESH_SECONDS = 10.0
MOST_WAITING = 50
MOST_KEYS = 9
PROGRESS, CARD, PEOPLE, NUMBER = "labelling-progress", "labelling-card", "labelling-people", "labelling-number"
SHOWN = {"": "Prediction hidden", "prediction": "Prediction shown"}
_REASONS = {
    "random": "drawn at random, so that rates can be measured on it",
    "uncertain": "the model is uncertain about it",
    "abstained": "the model left it to a person",
    "drifted": "it is unlike the training rows",
}


def labelling_page(data: PageData) -> Page:
    """The page over the requests of a ledger."""
    model, target = data.project.model_name, TASKS[data.project.task].target

    def read() -> QueueProgress:
        return read_labelling_queue(data.ledger, model, MOST_WAITING)

    def stamp(_where: Where) -> str:
        found = read()
        return f"{found.requested} {found.labelled} {[one.prediction.id for one in found.waiting[:2]]}"

    return Page(
        name="labelling",
        path="/labelling",
        title="Labelling",
        lead="Predictions whose true label was requested. What the model predicted is hidden, since it would sway you.",
        refresh_seconds=REFRESH_SECONDS,
        controls=lambda where: [choose(where, "show", "Prediction", SHOWN)],
        frame=(
            components.slot(PROGRESS, "card"),
            components.slot(CARD),
            components.card(components.slot(PEOPLE), title="Who labelled"),
        ),
        slots=((PROGRESS, "children"), (CARD, "children"), (PEOPLE, "children")),
        stamp=stamp,
        draw=lambda where: draw_labelling(read(), where, data, TaskConsole.find_for_target(target)),
    )


def draw_labelling(found: QueueProgress, where: Where, data: PageData, of_target: TaskConsole) -> Slots | Placeholder:
    """The content of the page's slots."""
    fill = draw_offers(data, "model", None, only=("fill-queue",))
    if not found.requested:
        nothing = components.empty(
            "No label is requested",
            "A queue takes uncertain predictions, new ones, and some at random:",
            "tiltyard label queue",
        )
        return Placeholder(html.Div([nothing, *fill]))
    return {
        PROGRESS: _draw_progress(found),
        CARD: _draw_card(found, where, data, of_target) if found.waiting else _draw_end(fill),
        PEOPLE: _draw_people(found),
    }


def _draw_progress(found: QueueProgress) -> list[Any]:
    share = found.labelled / found.requested
    return [
        html.Div(
            [html.Strong(f"{found.labelled:,} of {found.requested:,} labelled"), components.bar(share)],
            className="progress",
        ),
        html.P(
            f"{found.random_labelled:,} of {format_count(found.random_requested, 'random one')}: rates are of these.",
            className="hint",
        ),
    ]


def _draw_end(fill: list[Any]) -> Any:
    return html.Section(
        [html.H2("All requested labels are there"), html.P("Thank you. A new queue asks for more:"), *fill],
        className="card",
    )


def _draw_card(found: QueueProgress, where: Where, data: PageData, of_target: TaskConsole) -> html.Section:
    """The prediction that is to be labelled; ``labelling.js`` sends what is pressed."""
    skipped = where.find("skip")
    place = min(int(skipped), len(found.waiting) - 1) if skipped.isdecimal() else 0
    one = found.waiting[place]
    known = list_offers(data, "prediction", one.prediction.id, only=("label",))
    refused = known[0].refused if known else "This console only reads."
    shown = where.choose("show", SHOWN, "") == "prediction"
    return html.Section(
        [
            html.P(f"Requested: {_REASONS.get(one.request.reason, one.request.reason)}.", className="hint"),
            _draw_input(one),
            *([_draw_prediction(one, of_target)] if shown else []),
            html.H2("What is it?", className="unseen"),
            _draw_choices(found.classes, one.prediction.id, refused),
            html.Div(
                [
                    html.Button(
                        ["Undo ", html.Kbd("U")],
                        type="button",
                        className="act",
                        disabled=True,
                        **{"data-undo-label": ""},
                    ),
                    dcc.Link("Skip (S)", href=where.link(skip=str(place + 1)), className="act", id="labelling-skip"),
                    *([html.Span(refused, className="hint")] if refused else []),
                    html.Span("", className="outcome", role="status", id="labelling-outcome"),
                ],
                className="offers",
            ),
        ],
        className="card labelling",
        **{"data-labelling": one.prediction.id},
    )


def _draw_input(one: QueuedCandidate) -> Any:
    given = one.prediction.input
    text = input_text(given)
    if text is not None:
        return html.Blockquote(text)
    rows = [(html.Strong(name), "–" if value is None else str(value)) for name, value in given.items()]
    return components.table("Input", (("Name", ""), ("Value", "input")), rows)


def _draw_prediction(one: QueuedCandidate, of_target: TaskConsole) -> html.P:
    found = one.prediction
    sure = f"{found.confidence:.1%}" if found.confidence is not None else format_interval(found.interval)
    return html.P(["Predicted: ", html.Strong(of_target.show_value(found.label)), f" ({sure})"], className="hint")


def _draw_choices(classes: tuple[str, ...], prediction: str, refused: str) -> html.Div:
    """A button and a key for each class; a field for a number."""
    if not classes:
        return html.Div(
            [
                html.Label("The true number", htmlFor=NUMBER),
                dcc.Input(id=NUMBER, type="text", inputMode="decimal", autoComplete="off", disabled=bool(refused)),
                html.Button(
                    "Save", type="button", className="ask", disabled=bool(refused), **{"data-label-number": prediction}
                ),
            ],
            className="choices-of-label",
        )
    buttons = [
        html.Button(
            [html.Kbd(str(place)), f" {name}"] if place <= MOST_KEYS else name,
            type="button",
            className="act label",
            disabled=bool(refused),
            **{"data-label": name, "data-prediction": prediction},
        )
        for place, name in enumerate(classes, 1)
    ]
    return html.Div(buttons, className="choices-of-label")


def _draw_people(found: QueueProgress) -> Any:
    if not found.by_source:
        return html.P("Nobody yet.", className="hint")
    rows = [(name, f"{count:,}") for name, count in found.by_source.items()]
    return components.table("Who labelled", (("Source", ""), ("Labels", "number")), rows)
