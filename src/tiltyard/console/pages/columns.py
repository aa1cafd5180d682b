"""The page of drift and data: every column at training and now, over time, and words that came and went."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from tiltyard.console.data.columns import ColumnsView, ColumnView, columns_view
from tiltyard.console.data.terms import TermChange, TermsView, terms_view
from tiltyard.console.layout import column_figures, components
from tiltyard.console.layout.controls import choose_time
from tiltyard.console.layout.page import Page, PageData, Placeholder, Slots
from tiltyard.console.layout.where import Where
from tiltyard.formatting import choose_form, format_count, format_percent

REFRESH_SECONDS = 30.0
MOST_COLUMNS = 60
VERDICT, PICTURE, SERIES = "columns-verdict", "columns-picture", "columns-series"
ONE, LIST, TERMS = "columns-one", "columns-list", "columns-terms"

READINGS = {
    "drift": ("drifted", "bad"),
    "difference": ("differs, less than the limit", ""),
    "alike": ("differs, as groups or periods of training do", ""),
    "chance": ("as at training", "good"),
    "untested": ("not tested", ""),
}


def columns_page(data: PageData) -> Page:
    """The page over the champion's profile and the profiles in the ledger."""

    def read(where: Where) -> tuple[ColumnsView, TermsView | None]:
        now, period = data.now(), where.period
        model = data.project.model_name
        first = None if period.span else next(iter(data.ledger.predictions(project=model, limit=1)), None)
        window = period.begin(now, first.at if first else None), period.end(now)
        monitored = data.sources.monitored()
        return columns_view(data.ledger, monitored, window), terms_view(data.ledger, monitored, window)

    def stamp(_where: Where) -> str:
        newest = next(
            iter(data.ledger.findings.select(project=data.project.model_name, newest_first=True, limit=1)), None
        )
        return f"{newest.id if newest else ''} {data.now():%Y%m%d%H}"

    return Page(
        name="columns",
        path="/data",
        title="Drift and data",
        lead="Every column of the input as training saw it, and as it is now.",
        refresh_seconds=REFRESH_SECONDS,
        controls=lambda where: [choose_time(where)],
        frame=(
            components.slot(VERDICT),
            html.Section(
                [
                    html.H2(id=ONE),
                    html.Div([components.plot(PICTURE, 280), components.plot(SERIES, 280)], className="pair"),
                ],
                className="card",
            ),
            components.slot(TERMS),
            components.card(components.slot(LIST), title="All columns"),
        ),
        slots=(
            (VERDICT, "children"),
            (ONE, "children"),
            *components.plot_slots(PICTURE),
            *components.plot_slots(SERIES),
            (TERMS, "children"),
            (LIST, "children"),
        ),
        stamp=stamp,
        draw=lambda where: draw_columns(*read(where), where),
    )


def draw_columns(view: ColumnsView, terms: TermsView | None, where: Where) -> Slots | Placeholder:
    """The content of the page's slots; the chosen column is in the address, else it is the first."""
    if not view.columns:
        commands = ("tiltyard train --champion",) if view.version is None else ("tiltyard train",)
        return Placeholder(components.empty("No columns to compare", view.reason, *commands))
    chosen = view.find(where.find("column")) or view.columns[0]
    ends = view.since, view.until or view.since
    return {
        VERDICT: _draw_verdict(view),
        ONE: [chosen.title, " ", components.badge(*READINGS[chosen.reading])],
        PICTURE: column_figures.column_figure(chosen),
        f"{PICTURE}-words": column_figures.describe_column(chosen),
        SERIES: column_figures.series_figure(chosen, ends),
        f"{SERIES}-words": _describe_series(chosen),
        TERMS: _draw_terms(terms),
        LIST: _draw_list(view, where, chosen),
    }


def _draw_verdict(view: ColumnsView) -> html.Section:
    known = f"Profiled until {view.until:%Y-%m-%d %H:%M} UTC." if view.until else "No hour of this period is profiled."
    if view.verdict is None:
        text = "Drift has not been checked yet: run tiltyard monitor, or tiltyard up."
        return html.Section([components.badge("not checked"), html.Span(f"{text} {known}")], className="card chain")
    found = view.verdict.status == "found" and view.verdict.severity != "info"
    word, style = ("drift", "bad") if found else ("no drift", "good")
    if view.verdict.status == "could_not_judge":
        word, style = "could not check", ""
    said = [components.badge(word, style), html.Span(f"{view.verdict.message} "), html.Span(known, className="hint")]
    return html.Section(said, className="card chain")


def _describe_series(column: ColumnView) -> str:
    if not any(one.points for one in column.series):
        return "Nothing over time in this period."
    if column.series[0].name == "Mean":
        return "The mean of each part of the period, and of training (dashed)."
    shares = choose_form(len(column.series), "The share of the value", "The shares of the values")
    return f"{shares} that moved most, and at training (dashed)."


def _draw_list(view: ColumnsView, where: Where, chosen: ColumnView) -> Any:
    heads = (("Column", ""), ("Since training", ""), ("Distance", "third"), ("", "number"), ("Missing", "number"),
             ("Test", "nowrap"))  # fmt: skip
    rows = [
        (
            html.Strong(dcc.Link(one.title, href=where.link(column=one.name)))
            if one is not chosen
            else html.Strong(one.title),
            components.badge(*READINGS[one.reading]),
            components.bar(min(1.0, one.distance)),
            format_percent(one.distance),
            format_percent(one.missing[1]),
            html.Span(one.message, className="hint"),
        )
        for one in view.columns[:MOST_COLUMNS]
    ]
    note = (
        f"{format_count(len(view.columns), 'column')} of version {view.version}, drifted ones first. The distance "
        "is the share of rows that would have to change for the two pictures to be alike."
    )
    return [html.P(note, className="hint"), components.table("All columns", heads, rows)]


def _draw_terms(terms: TermsView | None) -> list[Any]:
    if terms is None:
        return []
    if not terms.came and not terms.went:
        words = (
            "No word is in clearly more or fewer texts than at training."
            if terms.texts[1]
            else "No text in this period."
        )
        return [components.card(html.P(words, className="hint"), title="Words that came and went")]
    note = (
        f"Share of texts with the word: of {terms.texts[0]:,} at training, and of {terms.texts[1]:,} in the period. "
        "Words are named from a sample, and measured on all texts."
    )
    columns = [_draw_words("Came", terms.came), _draw_words("Went", terms.went)]
    return [
        components.card(
            html.P(note, className="hint"), html.Div(columns, className="pair"), title="Words that came and went"
        )
    ]


def _draw_words(title: str, changes: tuple[TermChange, ...]) -> html.Div:
    heads = (("Word", ""), ("Training", "number"), ("Now", "number"))
    rows = [(html.Strong(one.word), format_percent(one.reference), format_percent(one.now)) for one in changes]
    content = (
        components.table(f"Words that {title.lower()}", heads, rows) if rows else html.P("None.", className="hint")
    )
    return html.Div([html.H3(title), content])
