"""The page of evaluation: what the training of the champion, or of the newest version, found."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from tiltyard.aliases import CHAMPION
from tiltyard.console.pages import components
from tiltyard.console.pages.page import Page, PageData, Placeholder, Slots
from tiltyard.monitoring.report.evaluation_tables import NO_EVALUATION, EvaluationTable, evaluation_tables
from tiltyard.registry import VersionInfo
from tiltyard.registry.package.stored_evaluation import StoredEvaluation

REFRESH_SECONDS = 10.0
WHICH, TITLE, TABLES = "evaluation-which", "evaluation-title", "evaluation-tables"
CHOICES = {"champion": "Champion", "newest": "Newest version"}


def evaluation_page(data: PageData) -> Page:
    """The page over a registry and the files of its versions."""

    def choose(which: str | None) -> VersionInfo | None:
        versions = data.registry.list_versions(data.project.model_name)
        if which == "newest":
            return next(iter(versions), None)
        return next((info for info in versions if CHAMPION in info.aliases), None)

    def fill(which: str | None) -> Slots | Placeholder:
        info = choose(which)
        return draw_evaluation(info, data.sources.evaluation(info) if info else None)

    def stamp(which: str | None) -> str:
        info = choose(which)
        return f"{which} {info.version if info else ''}"

    return Page(
        name="evaluation",
        path="/evaluation",
        title="Evaluation",
        lead="What training found on the held-out rows: guessing, errors, coverage, importance and fairness.",
        refresh_seconds=REFRESH_SECONDS,
        controls=_controls(),
        inputs=((WHICH, "value"),),
        frame=(components.slot(TITLE), components.slot(TABLES)),
        slots=((TITLE, "children"), (TABLES, "children")),
        stamp=stamp,
        draw=fill,
    )


def draw_evaluation(info: VersionInfo | None, stored: StoredEvaluation | None) -> Slots | Placeholder:
    """The content of the page's slots."""
    if info is None:
        sentence = "There is no such version yet. Train one, and make it champion:"
        return Placeholder(components.empty("No evaluation yet", sentence, "tiltyard train --champion"))
    if stored is None:
        return Placeholder(components.empty(f"Version {info.version}", NO_EVALUATION, "tiltyard train"))
    aliases = [components.badge(alias, alias) for alias in info.aliases]
    return {
        TITLE: html.P([html.Strong(f"v{info.version}"), " ", *aliases], className="lead"),
        TABLES: [_draw_table(table) for table in evaluation_tables(stored)],
    }


def _draw_table(table: EvaluationTable) -> html.Section:
    content: list[Any] = [html.P(table.note, className="hint")]
    if table.rows:
        heads = [
            (title, "number" if _is_numeric([row[place] for row in table.rows]) else "")
            for place, title in enumerate(table.heads)
        ]
        content.append(components.table(table.title, heads, table.rows))
    return components.card(*content, title=table.title)


def _is_numeric(cells: list[str]) -> bool:
    return all(cell.strip("%-+").replace(",", "").replace(".", "", 1).isdigit() for cell in cells)


def _controls() -> tuple[Any, ...]:
    options = [{"label": title, "value": key} for key, title in CHOICES.items()]
    choice = dcc.RadioItems(id=WHICH, options=options, value="champion", inline=True, className="choice")
    return (html.Div(html.Div(choice, role="group", **{"aria-label": "Version"}), className="controls"),)
