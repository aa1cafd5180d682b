"""The console as an ASGI application: Dash on FastAPI, everything from this process, nothing from another host."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.dependencies import ClientsideFunction
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from tiltyard.console.actions import ActionDesk
from tiltyard.console.api import API_PATH, ApiData, create_api
from tiltyard.console.figures import hide_empty_axes
from tiltyard.console.middleware import PagePaths, SecureHeaders
from tiltyard.console.pages import Page, PageAddresses, PageData, Placeholder, all_pages, components
from tiltyard.console.sign_in import SIGN_OUT, Guarded
from tiltyard.console.sources import ConsoleSources
from tiltyard.errors import TiltyardError
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry
from tiltyard.serving.auth import Guard

ASSETS = Path(__file__).parent / "assets"

NO_SOURCES = ConsoleSources()

log = logging.getLogger(__name__)

_INDEX = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
{%css%}
</head>
<body>
{%app_entry%}
<noscript><p class="card notice">The console needs JavaScript. Without it: <code>tiltyard list-versions</code> and
<code>tiltyard predictions stats</code>.</p></noscript>
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def create_console(
    project: Project,
    registry: Registry,
    ledger: Ledger,
    sources: ConsoleSources = NO_SOURCES,
    guard: Guard | None = None,
    desk: ActionDesk | None = None,
) -> FastAPI:
    """Build the console of a project.

    Args:
        project: the project.
        registry: its versions; only read.
        ledger: its predictions and decisions; only read, and left open.
        sources: its runs, and the champion's files and scorer.
        guard: decides who may see it; default: everybody.
        desk: takes the actions of people; None for a console that only reads.
    """
    guard = guard or Guard.open_to_all()
    # Without the addresses of FastAPI's own documentation pages, which load their scripts from elsewhere.
    server = FastAPI(title="Tiltyard console", openapi_url=None, docs_url=None, redoc_url=None)
    # Before Dash: a route of it takes every address.
    server.mount(API_PATH, create_api(ApiData(project, registry, ledger, sources, desk)))
    app = Dash(
        __name__,
        server=server,
        assets_folder=str(ASSETS),
        title=f"{project.name} · Tiltyard",
        update_title="",
        serve_locally=True,
        index_string=_INDEX,
        # The components of a page exist only while it is open.
        suppress_callback_exceptions=True,
        add_log_handler=False,
    )
    # Nothing here streams; without this the browser would try to open a missing web socket for ever.
    app.backend.websocket_capability = False
    pages = all_pages(PageData(project, registry, ledger, sources=sources, desk=desk))
    app.layout = lambda: _shell(project, with_sign_out=not guard.is_open)
    _route(app, pages)
    for page in pages:
        _keep_fresh(app, page)
    addresses = PageAddresses(pages)
    server.add_middleware(PagePaths, paths=addresses)
    server.add_middleware(Guarded, guard=guard, pages=addresses)
    server.add_middleware(SecureHeaders, script_hashes=tuple(app.csp_hashes()))
    return server


def _shell(project: Project, *, with_sign_out: bool) -> html.Div:
    sign_out = html.Form(html.Button("Sign out", type="submit"), action=SIGN_OUT, method="POST", className="sign-out")
    return html.Div(
        [
            dcc.Location(id="address"),
            html.A("Skip to the content", href="#main", className="skip"),
            html.Header(
                html.Div(
                    [
                        html.Span([html.Img(src="/assets/icon.svg", alt=""), "Tiltyard"], className="brand"),
                        html.Span(project.model_name, className="badge"),
                        html.Nav(id="menu", **{"aria-label": "Pages"}),
                        *([sign_out] if with_sign_out else []),
                    ],
                    className="wrap",
                )
            ),
            html.Main(id="main", className="wrap", tabIndex=-1),
            dcc.Store(id="arrived"),
        ]
    )


def _route(app: Dash, pages: tuple[Page, ...]) -> None:
    def show(path: str | None) -> tuple[list[Any], list[Any]]:
        page, subject = PageAddresses(pages).find(path)
        return _frame(page, subject), _menu(pages, page)

    app.callback(Output("main", "children"), Output("menu", "children"), Input("address", "pathname"))(show)
    app.clientside_callback(
        ClientsideFunction("tiltyard", "arrive"),
        Output("arrived", "data"),
        Input("main", "children"),
        State("arrived", "data"),
    )


def _menu(pages: Sequence[Page], current: Page) -> list[Any]:
    return [
        html.Span(
            dcc.Link(page.title, href=page.path),
            className="here" if page.path in (current.path, current.parent) else "",
        )
        for page in pages
        if not page.parent
    ]


def _frame(page: Page, subject: str) -> list[Any]:
    return [
        html.H1(page.title, tabIndex=-1),
        html.P(page.lead, className="lead"),
        *page.controls,
        html.Div("Loading …", id=f"{page.name}-instead"),
        html.Div(list(page.frame), id=f"{page.name}-frame", hidden=True),
        dcc.Interval(id=f"{page.name}-tick", interval=int(page.refresh_seconds * 1000)),
        dcc.Store(id=f"{page.name}-seen"),
        *([dcc.Store(id=page.subject, data=subject)] if page.parent else []),
    ]


def _keep_fresh(app: Dash, page: Page) -> None:
    """Fill a page when it is opened, when a control changes, and when a tick finds new data."""

    async def refresh(_tick: int | None, *values: Any) -> tuple[Any, ...]:
        *inputs, seen = values
        # The registry and the ledger block; other requests are served meanwhile.
        return await run_in_threadpool(_fill, page, inputs, seen)

    app.callback(
        Output(f"{page.name}-instead", "children"),
        Output(f"{page.name}-frame", "hidden"),
        Output(f"{page.name}-seen", "data"),
        *(Output(name, attribute) for name, attribute in page.slots),
        Input(f"{page.name}-tick", "n_intervals"),
        *([Input(page.subject, "data")] if page.parent else []),
        *(Input(name, attribute) for name, attribute in page.inputs),
        State(f"{page.name}-seen", "data"),
    )(refresh)


def _fill(page: Page, inputs: Sequence[Any], seen: str | None) -> tuple[Any, ...]:
    """The component in place of the frame, whether the frame is hidden, the stamp, and the slots' content."""
    untouched = (no_update,) * len(page.slots)
    try:
        stamp = page.stamp(*inputs)
        if stamp == seen:
            # Drawing the same again would close open details and lose the selection.
            return no_update, no_update, no_update, *untouched
        drawn = page.draw(*inputs)
    except TiltyardError as error:
        return components.notice(error), True, None, *untouched
    except Exception:
        log.exception("The page %s cannot be drawn", page.name)
        failure = TiltyardError("This page cannot be drawn.", next_step="The console's log has the details.")
        return components.notice(failure), True, None, *untouched
    if isinstance(drawn, Placeholder):
        return drawn.component, True, stamp, *untouched
    return None, False, stamp, *(_finish(drawn[name], attribute) for name, attribute in page.slots)


def _finish(content: Any, attribute: str) -> Any:
    return hide_empty_axes(content) if attribute == "figure" else content
