"""The page to try the champion: by form, as JSON or with a file."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from dash import dcc, html

from tiltyard.console.data.task_part import TaskConsole
from tiltyard.console.data.try_it import (
    TrialPrediction,
    inputs_from_file,
    inputs_from_form,
    inputs_from_json,
    predict_inputs,
)
from tiltyard.console.layout import components
from tiltyard.console.layout.controls import choose
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_interval, format_number
from tiltyard.ledger.records import full_text
from tiltyard.scoring import UnknownPolicy
from tiltyard.tasks import reads_text

# The page changes only when the user sends an input.
REFRESH_SECONDS = 3600.0
MAX_LISTED = 100
SEND, JSON, FILE = "trial-ask", "trial-json", "trial-file"
RESULT, PROBABILITIES, PREDICTIONS = "trial-result", "trial-probabilities", "trial-answers"

MODES = {"": "Form", "json": "JSON", "file": "File"}
LEVELS = {"": "none", "0.8": "80%", "0.9": "90%", "0.95": "95%", "0.99": "99%"}


def trial_page(data: PageData) -> Page:
    """The page over the champion."""
    project, columns = data.project, data.sources.columns or {}
    of_text, of_task = reads_text(project.task), TaskConsole.find_for(project.task)
    fields = ["trial-field-0"] if of_text else [f"trial-field-{place}" for place in range(len(columns))]

    def read_mode(where: Where) -> str:
        return where.choose("mode", MODES, "")

    def controls(where: Where) -> list[Any]:
        found: list[Any] = [choose(where, "mode", "Kind of input", MODES)]
        if of_task.has_sets:
            found += [
                html.Span("Prediction sets:", className="hint"),
                choose(where, "level", "Prediction sets", LEVELS),
            ]
        # The style sheet shows the fields of this kind.
        return [*found, html.Span(className=f"by-{read_mode(where) or 'form'}")]

    def stamp(where: Where, clicks: int | None, _json: str | None, file: str | None, *_: Any) -> str:
        uploaded = sha256(file.encode()).hexdigest()[:16] if file and read_mode(where) == "file" else ""
        return f"{clicks or 0} {uploaded}"

    def fill(
        where: Where, clicks: int | None, text: str | None, file: str | None, name: str | None, *values: Any
    ) -> Slots | Placeholder:
        mode, level = read_mode(where), where.choose("level", LEVELS, "")
        if not clicks and not (file and mode == "file"):
            return Placeholder(components.empty("No input yet", "Fill in an input and press Predict."))
        try:
            if mode == "json":
                inputs = inputs_from_json(project, text)
            elif mode == "file":
                inputs = inputs_from_file(project, name, file)
            else:
                inputs = inputs_from_form(project, columns, values)
            champion = data.sources.champion()
            policy = UnknownPolicy.from_options(project.serving)
            predictions = predict_inputs(champion, inputs, policy, float(level) if level else None)
            return draw_try_it(predictions, champion.version if champion else "", of_task)
        except TiltyardError as error:
            return Placeholder(components.notice(error))

    return Page(
        name="trial",
        path="/try",
        title="Try it",
        lead="Predict with the champion. These predictions are not recorded.",
        refresh_seconds=REFRESH_SECONDS,
        controls=controls,
        head=_form_card(data, fields),
        inputs=(
            (SEND, "n_clicks"),
            (JSON, "value"),
            (FILE, "contents"),
            (FILE, "filename"),
            *((field, "value") for field in fields),
        ),
        frame=(
            components.slot(RESULT, "card"),
            *(
                [components.card(components.plot(PROBABILITIES, 220), title="Probabilities")]
                if of_task.has_sets
                else []
            ),
            components.card(components.slot(PREDICTIONS), title="Predictions"),
        ),
        slots=(
            (RESULT, "children"),
            *(components.plot_slots(PROBABILITIES) if of_task.has_sets else ()),
            (PREDICTIONS, "children"),
        ),
        stamp=stamp,
        draw=fill,
    )


def draw_try_it(predictions: Sequence[TrialPrediction], version: str, of_task: TaskConsole) -> Slots:
    """The content of the page's slots."""
    total, drawn = len(predictions), of_task.draw_trial(predictions)
    (title, value), (sure_title, sure) = of_task.sum_up_trial(predictions)
    note = "" if total == 1 else "on average"
    return {
        RESULT: components.facts(
            [
                (title, value, f"of version {version}"),
                (sure_title, sure, note),
                ("Inputs", f"{total:,}", "predicted just now"),
            ]
        ),
        **({} if drawn is None else {PROBABILITIES: drawn[0], f"{PROBABILITIES}-words": drawn[1]}),
        PREDICTIONS: components.table(
            "Predictions",
            (
                ("Input", "input"),
                (of_task.words.value, ""),
                (of_task.words.certainty, "number"),
                *((("Prediction set", ""),) if predictions[0].labels is not None else ()),
            ),
            [_row(prediction) for prediction in predictions[:MAX_LISTED]],
        ),
    }


def _row(prediction: TrialPrediction) -> tuple[Any, ...]:
    hints = (html.Div(f"'{one.field}' {one.message}.", className="hint") for one in prediction.warnings)
    value, sure = prediction.value, prediction.confidence
    return (
        html.Span([full_text(prediction.input), *hints]),
        html.Strong(value if isinstance(value, str) else format_number(value)),
        format_interval(prediction.interval)
        if sure is None
        else html.Span([components.bar(sure), f"{sure:.1%}"], className="with-bar"),
        *(() if prediction.labels is None else (", ".join(prediction.labels),)),
    )


def _form_card(data: PageData, fields: Sequence[str]) -> tuple[Any, ...]:
    return (
        html.Section(
            [
                html.Div(_form(data, fields), className="by form"),
                html.Div(
                    [
                        html.Label("JSON", htmlFor=JSON),
                        dcc.Textarea(id=JSON, value=_example(data), className="wide", rows=5),
                    ],
                    className="by json",
                ),
                html.Div(
                    dcc.Upload(
                        html.Span("Drop a CSV, JSON, Parquet, Excel or text file here, or click to choose one."),
                        id=FILE,
                        className="upload",
                    ),
                    className="by file",
                ),
                html.Button("Predict", id=SEND, className="ask"),
            ],
            className="card trial",
        ),
    )


def _form(data: PageData, fields: Sequence[str]) -> list[Any]:
    if reads_text(data.project.task):
        return [
            html.Label("Text", htmlFor=fields[0]),
            dcc.Textarea(id=fields[0], value="", className="wide", rows=4),
        ]
    columns = data.sources.columns or {}
    if not columns:
        return [
            html.P(
                "Neither the project file nor a champion named features when the console started: use JSON or a file.",
                className="hint",
            )
        ]
    return [
        html.Div([html.Label(name, htmlFor=field), _field(data, field, name, kind)])
        for field, (name, kind) in zip(fields, columns.items(), strict=True)
    ]


def _field(data: PageData, field: str, name: str, kind: str) -> Any:
    rule = data.project.columns.get(name)
    if kind in ("number", "integer"):
        # No limits: a browser drops a value outside of them in silence, where the version warns about it.
        ends = (rule.minimum, rule.maximum) if rule else (None, None)
        return dcc.Input(id=field, type="number", step="any", placeholder=_describe_range(*ends))
    known = ("true", "false") if kind == "boolean" else (rule.values if rule and rule.values else ())
    if not known:
        return dcc.Input(id=field, type="text")
    choices = f"{field}-known"
    return html.Div(
        [
            dcc.Input(id=field, type="text", placeholder=" / ".join(known[:4]), list=choices, autoComplete="off"),
            html.Datalist([html.Option(value=value) for value in known], id=choices),
        ]
    )


def _describe_range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "" if low is high else f"at least {low:g}" if high is None else f"at most {high:g}"
    return f"{low:g} to {high:g}"


def _example(data: PageData) -> str:
    if reads_text(data.project.task):
        return '{"text": "I loved every minute of it"}'
    columns = data.sources.columns or {}
    cells = ", ".join(f'"{name}": {"0" if kind in ("number", "integer") else "null"}' for name, kind in columns.items())
    return f'{{"features": {{{cells}}}}}'
