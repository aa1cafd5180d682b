"""Components that the pages share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dash import dcc, html
from plotly import graph_objects as go

from tiltyard.console import figures
from tiltyard.errors import TiltyardError


def card(*content: Any, title: str = "", note: str = "", wide: bool = False) -> html.Section:
    """A framed part of a page, with a heading and a quiet remark."""
    heading = [html.H2(title)] if title else []
    remark = [html.P(note, className="hint")] if note else []
    return html.Section([*heading, *remark, *content], className="card wide" if wide else "card")


def plot(name: str, figure: go.Figure, description: str) -> html.Figure:
    """A plot, and what it shows in words for those who do not see it."""
    graph = dcc.Graph(id=name, figure=figure, config=figures.CONFIG, className="plot")
    return html.Figure([html.Div(graph, **{"aria-hidden": "true"}), html.Figcaption(description, className="unseen")])


def facts(pairs: Sequence[tuple[str, Any, str]]) -> html.Dl:
    """Large figures in a row: name, value, and a remark below it."""
    return html.Dl(
        [
            html.Div([html.Dt(name), html.Dd(value, className="figure"), html.Dd(remark, className="hint")])
            for name, value, remark in pairs
        ],
        className="facts",
    )


def table(caption: str, heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> html.Div:
    """A table that scrolls sideways where it is too wide; ``heads`` are (title, class of the column)."""
    head = html.Tr([html.Th(title, scope="col", className=style) for title, style in heads])
    body = [
        html.Tr([html.Td(cell, className=style) for cell, (_, style) in zip(row, heads, strict=True)]) for row in rows
    ]
    return html.Div(
        html.Table([html.Caption(caption, className="unseen"), html.Thead(head), html.Tbody(body)]),
        className="scroll",
        tabIndex=0,
        role="region",
        **{"aria-label": caption},
    )


def badge(text: str, style: str = "") -> html.Span:
    """A word in a frame."""
    return html.Span(text, className=f"badge {style}".strip())


def empty(title: str, sentence: str, *commands: str) -> html.Section:
    """Nothing to show yet, and the commands that change that."""
    return html.Section(
        [html.H2(title), html.P(sentence), *(html.Pre(html.Code(command)) for command in commands)],
        className="card empty",
    )


def notice(error: TiltyardError) -> html.Section:
    """Something stands in the way: what, and what to do."""
    return html.Section(
        [html.H2("This cannot be shown now"), html.P(error.message), html.P(error.next_step, className="hint")],
        className="card notice bad",
        role="alert",
    )


def moment(at: datetime | None) -> Any:
    """A time as people read it, in UTC."""
    if at is None:
        return "–"
    at = at.astimezone(UTC)
    return html.Time(f"{at:%Y-%m-%d %H:%M:%S}", dateTime=at.isoformat(), title="UTC")
