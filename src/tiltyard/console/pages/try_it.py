"""The page to try the champion: by form, as JSON or with a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from dash import dcc, html

from tiltyard.console import figures
from tiltyard.console.data.try_it import (
    TrialPrediction,
    inputs_from_file,
    inputs_from_form,
    inputs_from_json,
    predict_inputs,
)
from tiltyard.console.pages import components
from tiltyard.console.pages.page import Page, PageData, Placeholder, Slots
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_count
from tiltyard.ledger.records import full_text
from tiltyard.scoring import UnknownPolicy
from tiltyard.tasks import reads_text

# The page changes only when the user sends an input.
REFRESH_SECONDS = 3600.0
MAX_LISTED = 100
SEND, MODE, JSON, FILE = "trial-ask", "trial-mode", "trial-json", "trial-file"
RESULT, PROBABILITIES, PREDICTIONS = "trial-result", "trial-probabilities", "trial-answers"

_MODES = {"form": "Form", "json": "JSON", "file": "File"}


def trial_page(data: PageData) -> Page:
    """The page over the champion."""
    project, columns = data.project, data.sources.columns or {}
    of_text = reads_text(project.task)
    fields = ["trial-field-0"] if of_text else [f"trial-field-{place}" for place in range(len(columns))]

    def stamp(clicks: int | None, mode: str | None, _json: str | None, file: str | None, *_: Any) -> str:
        uploaded = sha256(file.encode()).hexdigest()[:16] if file and mode == "file" else ""
        return f"{clicks or 0} {uploaded}"

    def fill(
        clicks: int | None, mode: str | None, text: str | None, file: str | None, name: str | None, *values: Any
    ) -> Slots | Placeholder:
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
            return draw_try_it(predict_inputs(champion, inputs, policy), champion.version if champion else "")
        except TiltyardError as error:
            return Placeholder(components.notice(error))

    return Page(
        name="trial",
        path="/try",
        title="Try it",
        lead="Predict with the champion. These predictions are not recorded.",
        refresh_seconds=REFRESH_SECONDS,
        controls=_controls(data, fields),
        inputs=(
            (SEND, "n_clicks"),
            (MODE, "value"),
            (JSON, "value"),
            (FILE, "contents"),
            (FILE, "filename"),
            *((field, "value") for field in fields),
        ),
        frame=(
            components.slot(RESULT, "card"),
            components.card(components.plot(PROBABILITIES, 220), title="Probabilities"),
            components.card(components.slot(PREDICTIONS), title="Predictions"),
        ),
        slots=((RESULT, "children"), *components.plot_slots(PROBABILITIES), (PREDICTIONS, "children")),
        stamp=stamp,
        draw=fill,
    )


def draw_try_it(predictions: Sequence[TrialPrediction], version: str) -> Slots:
    """The content of the page's slots."""
    first, total = predictions[0], len(predictions)
    names = dict.fromkeys(name for prediction in predictions for name in prediction.probabilities)
    mean = {name: sum(prediction.probabilities[name] for prediction in predictions) / total for name in names}
    counts = Counter(prediction.label for prediction in predictions)
    one = total == 1
    labels = first.label if one else ", ".join(f"{label} {count:,}" for label, count in counts.most_common())
    confidence = sum(prediction.confidence for prediction in predictions) / total
    return {
        RESULT: components.facts(
            [
                ("Prediction" if one else "Predictions", labels, f"of version {version}"),
                ("Confidence", f"{confidence:.1%}", "" if one else "on average"),
                ("Inputs", f"{total:,}", "predicted just now"),
            ]
        ),
        PROBABILITIES: figures.probabilities_figure(mean),
        f"{PROBABILITIES}-words": "The probability of each label."
        if one
        else f"The mean probability of each label, over {format_count(total, 'input')}.",
        PREDICTIONS: components.table(
            "Predictions",
            (("Input", "input"), ("Label", ""), ("Confidence", "number")),
            [
                (
                    html.Span(
                        [
                            full_text(prediction.input),
                            *(
                                html.Div(f"'{one.field}' {one.message}.", className="hint")
                                for one in prediction.warnings
                            ),
                        ]
                    ),
                    html.Strong(prediction.label),
                    html.Span(
                        [components.bar(prediction.confidence), f"{prediction.confidence:.1%}"], className="with-bar"
                    ),
                )
                for prediction in predictions[:MAX_LISTED]
            ],
        ),
    }


def _controls(data: PageData, fields: Sequence[str]) -> tuple[Any, ...]:
    options = [{"label": title, "value": mode} for mode, title in _MODES.items()]
    modes = dcc.RadioItems(id=MODE, options=options, value="form", inline=True, className="choice")
    return (
        html.Section(
            [
                html.Div(
                    html.Div(modes, role="group", **{"aria-label": "Kind of input"}),
                    className="controls",
                ),
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
        limits = {"min": rule.minimum, "max": rule.maximum} if rule else {}
        return dcc.Input(
            id=field,
            type="number",
            step="any" if kind == "number" else 1,
            **{key: value for key, value in limits.items() if value is not None},
        )
    known = ("true", "false") if kind == "boolean" else (rule.values if rule and rule.values else ())
    return dcc.Input(id=field, type="text", placeholder=" / ".join(known[:4]))


def _example(data: PageData) -> str:
    if reads_text(data.project.task):
        return '{"text": "I loved every minute of it"}'
    columns = data.sources.columns or {}
    cells = ", ".join(f'"{name}": {"0" if kind in ("number", "integer") else "null"}' for name, kind in columns.items())
    return f'{{"features": {{{cells}}}}}'
