"""Components that the pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dash import dcc, html

from tiltyard.console.layout import figures
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_count

_MAX_BARS = 12
_WIDEST_FIGURE = 14


def card(*content: Any, title: str) -> html.Section:
    """A framed section of a page, with a heading."""
    return html.Section([html.H2(title), *content], className="card")


def slot(name: str, style: str = "") -> html.Div:
    """A place for content that changes."""
    return html.Div(id=name, className=style)


def plot(name: str, height: int) -> html.Figure:
    """A place for a plot, ``height`` pixels high, and one for its description: ``NAME-words``."""
    graph = dcc.Graph(id=name, config=figures.CONFIG, className="plot", responsive=True, style={"height": height})
    return html.Figure(
        [html.Figcaption(id=f"{name}-words", className="hint"), html.Div(graph, **{"aria-hidden": "true"})]
    )


def plot_slots(name: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The slots of a plot."""
    return (name, "figure"), (f"{name}-words", "children")


def facts(pairs: Sequence[tuple[str, Any, Any]]) -> html.Dl:
    """Large figures in a row: name, value, and a remark below it."""
    return html.Dl(
        [
            html.Div([html.Dt(name), html.Dd(value, className=_figure_class(value)), html.Dd(remark, className="hint")])
            for name, value, remark in pairs
        ],
        className="facts",
    )


def _figure_class(value: Any) -> str:
    is_long = isinstance(value, html.Time) or (isinstance(value, str) and len(value) > _WIDEST_FIGURE)
    return "figure name" if is_long else "figure"


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


def proportion_bars(caption: str, counts: Mapping[str, int], colors: Mapping[str, str]) -> html.Div:
    """Names with their counts and shares, as a table with bars; names beyond the 12 most frequent are summed up."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    if len(ordered) > _MAX_BARS:
        rest = ordered[_MAX_BARS - 1 :]
        ordered = [*ordered[: _MAX_BARS - 1], (f"{format_count(len(rest), 'other')}", sum(count for _, count in rest))]
    rows = [
        (
            html.Strong(name),
            bar(count / total, colors.get(name)),
            f"{count:,}",
            f"{count / total:.1%}",
        )
        for name, count in ordered
    ]
    return table(caption, (("Name", ""), ("", "stretch"), ("Predictions", "number"), ("Share", "number")), rows)


def bar(share: float, color: str | None = None) -> html.Span:
    """A share of 1 as a bar; the number is next to it, so screen readers skip the bar."""
    style = {"width": f"{share:.1%}", **({"background": color} if color else {})}
    return html.Span(html.Span(style=style), className="bar", **{"aria-hidden": "true"})


def badge(text: str, style: str = "") -> html.Span:
    """A word in a frame."""
    return html.Span(text, className=f"badge {style}".strip())


def empty(title: str, sentence: str, *commands: str) -> html.Section:
    """A message that there is no data yet, and the commands that change that."""
    return html.Section(
        [html.H2(title), html.P(sentence), *map(command, commands)],
        className="card empty",
    )


def command(text: str) -> html.Pre:
    """A command to copy; it scrolls sideways, with the keyboard too."""
    return html.Pre(html.Code(text), tabIndex=0)


def notice(error: TiltyardError) -> html.Section:
    """An error, and what to do about it."""
    return html.Section(
        [html.H2("This page is not available"), html.P(error.message), html.P(error.next_step, className="hint")],
        className="card notice bad",
        role="alert",
    )


def time_text(at: datetime, *, seconds: bool = True) -> html.Time:
    """A time for people, in UTC."""
    at = at.astimezone(UTC)
    text = f"{at:%Y-%m-%d %H:%M:%S}" if seconds else f"{at:%Y-%m-%d %H:%M}"
    return html.Time(text, dateTime=at.isoformat(), title=f"{at:%Y-%m-%d %H:%M:%S.%f} UTC")
