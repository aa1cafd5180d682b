"""The page of experiments: every training run in MLflow with its parameters and metrics."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pandas as pd
from dash import html

from tiltyard.console.data.experiments import ExperimentsView, experiments_view, over_time
from tiltyard.console.data.versions import column_title
from tiltyard.console.layout import components, figures
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots

REFRESH_SECONDS = 15.0
MAX_RUNS = 100
FACTS, OVER_TIME, RUNS, PARAMETERS = (
    "experiments-facts",
    "experiments-metrics",
    "experiments-runs",
    "experiments-parameters",
)


def experiments_page(data: PageData) -> Page:
    """The page over the runs of the project's experiment."""

    def view() -> ExperimentsView:
        return experiments_view(data.sources.runs(), data.project.training.metric)

    return Page(
        name="experiments",
        path="/experiments",
        title="Experiments",
        lead="Every training run in MLflow, with its parameters and metrics.",
        refresh_seconds=REFRESH_SECONDS,
        frame=(
            components.slot(FACTS, "card"),
            components.card(components.plot(OVER_TIME, 280), title="Metrics over time"),
            components.card(components.slot(RUNS), title="Runs"),
            components.card(components.slot(PARAMETERS), title="Training parameters"),
        ),
        slots=((FACTS, "children"), *components.plot_slots(OVER_TIME), (RUNS, "children"), (PARAMETERS, "children")),
        stamp=lambda _where: sha256(view().runs.to_json(date_format="iso").encode()).hexdigest(),
        draw=lambda _where: draw_experiments(view(), data.project.name),
    )


def draw_experiments(view: ExperimentsView, name: str) -> Slots | Placeholder:
    """The content of the page's slots."""
    if not len(view.runs):
        sentence = f"The experiment {name} has no run. Train a version:"
        return Placeholder(components.empty("No run yet", sentence, "tiltyard train --champion"))
    newest = view.runs.iloc[0]
    failed = int((view.runs["status"] == "FAILED").sum())
    return {
        FACTS: components.facts(
            [
                ("Runs", f"{len(view.runs):,}", f"of the experiment {name}"),
                ("Failed", f"{failed:,}", "of them"),
                (
                    "Newest",
                    str(newest["run_name"]),
                    components.time_text(newest["start_time"].to_pydatetime(), seconds=False),
                ),
            ]
        ),
        OVER_TIME: figures.runs_figure(over_time(view)),
        f"{OVER_TIME}-words": "Each run at its start time. Click a name to hide or show it.",
        RUNS: _runs(view),
        PARAMETERS: _parameters(view),
    }


def _runs(view: ExperimentsView) -> html.Div:
    heads = [
        ("Started (UTC)", "nowrap"),
        ("Run", "nowrap"),
        ("State", ""),
        *((column_title(name), "number") for name in view.metrics),
        ("Id", ""),
    ]
    rows = [
        (
            components.time_text(row["start_time"].to_pydatetime(), seconds=False),
            html.Strong(str(row["run_name"])),
            components.badge(str(row["status"]).lower(), {"FINISHED": "good", "FAILED": "bad"}.get(row["status"], "")),
            *(_number(row[f"metrics.{name}"]) for name in view.metrics),
            html.Code(str(row["run_id"])[:8], title=str(row["run_id"])),
        )
        for _, row in view.runs.head(MAX_RUNS).iterrows()
    ]
    return components.table("Runs", heads, rows)


def _parameters(view: ExperimentsView) -> list[Any]:
    """A table of the parameters that differ among the runs, and a list of those that are equal in all."""
    differing = [name for name in view.parameters if name not in view.constant]
    heads = [("Run", "nowrap"), ("Id", ""), *((name, "") for name in differing)]
    rows = [
        (
            str(row["run_name"]),
            html.Code(str(row["run_id"])[:8]),
            *("–" if pd.isna(row[f"params.{name}"]) else str(row[f"params.{name}"]) for name in differing),
        )
        for _, row in view.runs.head(MAX_RUNS).iterrows()
    ]
    found: list[Any] = [html.P("No parameter differs between the runs.", className="hint")]
    if differing:
        found = [components.table("Training parameters", heads, rows)]
    if view.constant:
        listed = [html.Li([html.Code(name), f" {value}"]) for name, value in view.constant.items()]
        found.append(html.Details([html.Summary("The same in all runs"), html.Ul(listed)]))
    return found


def _number(value: Any) -> str:
    return "–" if pd.isna(value) else f"{value:.4f}"
