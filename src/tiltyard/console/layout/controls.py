"""Controls above a page: choices as links, so that each has an address, works with the keyboard, and back undoes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from tiltyard.console.data.period import WINDOWS
from tiltyard.console.layout.where import SINCE, UNTIL, USUAL_PERIOD, Where

_MOST_CHOICES = 6


def choose_time(where: Where) -> html.Nav:
    """The time picker, the same on every page."""
    since, until = where.find(SINCE), where.find(UNTIL)
    ranged = where.period.until is not None
    links = [
        _choice(title.title, where.link(period=None if key == USUAL_PERIOD else key, since=None, until=None),
                chosen=not ranged and key == where.window)
        for key, title in WINDOWS.items()
    ]  # fmt: skip
    words = where.period.title if ranged else "Range …"
    button = html.Button(
        words,
        type="button",
        className="option here" if ranged else "option",
        **{"data-range": "", "data-since": since, "data-until": until},
    )
    return html.Nav([*links, button], className="choice", **{"aria-label": "Time"})


def choose(where: Where, key: str, title: str, options: Mapping[str, str], usual: str = "") -> html.Nav:
    """A choice of one value of the query: ``options`` are titles by value, the usual one is left out of the address."""
    chosen = where.choose(key, options, usual)
    links = [
        _choice(words, where.link(**{key: None if value == usual else value}), chosen=value == chosen)
        for value, words in options.items()
    ]
    return html.Nav(links, className="choice", **{"aria-label": title})


def narrow(where: Where, key: str, title: str, values: Sequence[str], prefix: str = "") -> list[Any]:
    """A filter by one of some values, or by none; nothing where there is only one to choose."""
    if len(values) < 2 and not where.find(key):
        return []
    options = {"": f"All {title}", **{value: f"{prefix}{value}" for value in values}}
    if (chosen := where.find(key)) and chosen not in options:
        options[chosen] = f"{prefix}{chosen}"
    if len(options) <= _MOST_CHOICES:
        return [choose(where, key, title, options)]
    links = [
        html.Li(_choice(words, where.link(**{key: value or None}), chosen=value == where.find(key)))
        for value, words in options.items()
    ]
    shown = options[where.find(key)]
    return [html.Details([html.Summary(shown), html.Ul(links)], className="many", **{"aria-label": title})]


def search_field(page: str, where: Where, label: str, placeholder: str) -> html.Div:
    """A field whose text is in the address under ``search`` while it is typed; see ``console.js``."""
    name = f"{page}-search"
    return html.Div(
        [
            html.Label(label, htmlFor=name, className="unseen"),
            dcc.Input(id=name, type="search", value=where.find("search"), placeholder=placeholder, autoComplete="off"),
        ],
        className="search",
        **{"data-query": "search"},
    )


def _choice(words: str, href: str, *, chosen: bool) -> html.Span:
    link = dcc.Link(words, href=href, className="option")
    # dcc.Link has no aria-current: the frame around it has, and the style follows it.
    return html.Span(link, className="here" if chosen else "", **({"aria-current": "true"} if chosen else {}))
