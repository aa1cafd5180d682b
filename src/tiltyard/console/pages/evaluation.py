"""The page of evaluation: what the training of the champion, or of the newest version, found."""

from __future__ import annotations

from typing import Any

from dash import html

from tiltyard.aliases import CHAMPION
from tiltyard.console.layout import components
from tiltyard.console.layout import controls as controls_of
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.monitoring.report.evaluation_tables import NO_EVALUATION, EvaluationTable, evaluation_tables
from tiltyard.registry import VersionInfo
from tiltyard.registry.package.stored_evaluation import StoredEvaluation

REFRESH_SECONDS = 10.0
WHICH = "version"
TITLE, TABLES = "evaluation-title", "evaluation-tables"
CHOICES = {"": "Champion", "newest": "Newest version"}


def evaluation_page(data: PageData) -> Page:
    """The page over a registry and the files of its versions."""

    def choose(where: Where) -> VersionInfo | None:
        versions, which = data.registry.list_versions(data.project.model_name), where.find(WHICH)
        if which == "newest":
            return next(iter(versions), None)
        if which:
            return next((info for info in versions if info.version == which), None)
        return next((info for info in versions if CHAMPION in info.aliases), None)

    def fill(where: Where) -> Slots | Placeholder:
        info = choose(where)
        return draw_evaluation(info, data.sources.evaluation(info) if info else None)

    def stamp(where: Where) -> str:
        info = choose(where)
        return info.version if info else ""

    def controls(where: Where) -> list[Any]:
        which = where.find(WHICH)
        options = {**CHOICES, **({} if which in CHOICES else {which: f"Version {which}"})}
        return [controls_of.choose(where, WHICH, "Version", options)]

    return Page(
        name="evaluation",
        path="/evaluation",
        title="Evaluation",
        lead="What training found on the held-out rows: guessing, errors, coverage, importance and fairness.",
        refresh_seconds=REFRESH_SECONDS,
        controls=controls,
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
