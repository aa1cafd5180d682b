"""The frame around all pages: brand, menu, palette, and the age of what is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from tiltyard.console.layout.page import Page
from tiltyard.console.layout.where import Where
from tiltyard.console.sign_in import SIGN_OUT
from tiltyard.project import Project

REFRESHED = "refreshed"
"""The id of the element that says how old the figures are; ``console.js`` writes it."""


def draw_shell(project: Project, pages: Sequence[Page], *, with_sign_out: bool) -> html.Div:
    """Everything that stays while pages come and go."""
    sign_out = html.Form(html.Button("Sign out", type="submit"), action=SIGN_OUT, method="POST", className="sign-out")
    return html.Div(
        [
            dcc.Location(id="address", refresh=False),
            html.A("Skip to the content", href="#main", className="skip"),
            html.Header(
                html.Div(
                    [
                        dcc.Link(
                            [html.Img(src="/assets/icon.svg", alt=""), "Tiltyard"],
                            href="/",
                            className="brand",
                            title="Overview",
                        ),
                        html.Span(project.model_name, className="badge"),
                        _go_button(pages),
                        html.Span(id=REFRESHED, className="hint", role="timer"),
                        *([sign_out] if with_sign_out else []),
                        html.Nav(id="menu", **{"aria-label": "Pages"}),
                    ],
                    className="wrap",
                )
            ),
            html.Main(id="main", className="wrap", tabIndex=-1),
            dcc.Store(id="arrived"),
        ]
    )


def _go_button(pages: Sequence[Page]) -> html.Button:
    """Opens the palette; ``palette.js`` reads from it which pages there are."""
    entries = [{"title": page.title, "href": page.path, "words": page.lead} for page in pages if not page.parent]
    return html.Button(
        ["Go to …", html.Kbd("Ctrl K")],
        id="palette",
        type="button",
        className="go",
        **{"data-pages": json.dumps(entries), "aria-haspopup": "dialog"},
    )


def draw_menu(pages: Sequence[Page], current: Page, where: Where) -> list[Any]:
    """The entries of the menu, which keep the time that was chosen."""
    return [
        html.Span(
            dcc.Link(page.title, href=where.link_to(page.path)),
            className="here" if page.path in (current.path, current.parent) else "",
        )
        for page in pages
        if not page.parent
    ]


def draw_frame(page: Page, where: Where) -> list[Any]:
    """A page before its data is there."""
    fields = list(page.fields(where))
    return [
        html.H1(page.title, tabIndex=-1),
        html.P(page.lead, className="lead"),
        html.Div(
            [html.Div(list(page.controls(where)), id=f"{page.name}-controls", className="choices"), *fields],
            className="controls",
        ),
        *page.head,
        html.Div(_skeleton(), id=f"{page.name}-instead", className="instead"),
        html.Div(list(page.frame), id=f"{page.name}-frame", hidden=True),
        dcc.Interval(id=f"{page.name}-tick", interval=int(page.refresh_seconds * 1000), disabled=False),
        dcc.Store(id=f"{page.name}-seen"),
        dcc.Store(id=page.where, data=where.to_stored()),
    ]


def _skeleton() -> html.Div:
    """Grey blocks where the figures will be, and the word for those who do not see them."""
    blocks = [html.Div(className="card block"), html.Div(className="card block tall")]
    return html.Div([html.Span("Loading …", className="unseen"), *blocks], className="skeleton", role="status")
