"""The console as an ASGI application: Dash on FastAPI, everything from this process, nothing from another host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output, State, ctx, no_update, set_props
from dash.dependencies import ClientsideFunction
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from tiltyard.console.actions import ActionDesk, OfferedAction, Subject
from tiltyard.console.api import API_PATH, ApiData, create_api
from tiltyard.console.layout import components
from tiltyard.console.layout.figures import hide_empty_axes
from tiltyard.console.layout.page import Page, PageAddresses, PageData, Placeholder
from tiltyard.console.layout.shell import draw_frame, draw_menu, draw_shell
from tiltyard.console.layout.where import Where
from tiltyard.console.middleware import PagePaths, SecureHeaders
from tiltyard.console.pages import all_pages
from tiltyard.console.session import current_session
from tiltyard.console.sign_in import Guarded
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
    pages = all_pages(PageData(project, registry, ledger, sources=sources, offers=_find_offers(desk)))
    app.layout = lambda: draw_shell(project, pages, with_sign_out=not guard.is_open)
    _route(app, pages)
    for page in pages:
        _keep_fresh(app, page)
    addresses = PageAddresses(pages)
    server.add_middleware(PagePaths, paths=addresses)
    server.add_middleware(Guarded, guard=guard, pages=addresses)
    server.add_middleware(SecureHeaders, script_hashes=tuple(app.csp_hashes()))
    return server


def _find_offers(desk: ActionDesk | None) -> Callable[[Subject, str | None], Sequence[OfferedAction]]:
    """What the reader of the request at hand can do; nothing in a console that only reads."""

    def offer(about: Subject, subject: str | None) -> Sequence[OfferedAction]:
        return [] if desk is None else desk.offer(about, subject, current_session())

    return offer


def _route(app: Dash, pages: tuple[Page, ...]) -> None:
    addresses = PageAddresses(pages)

    def show(path: str | None, search: str | None) -> tuple[Any, list[Any]]:
        page, subject = addresses.find(path)
        where = Where.read(page.path, subject, search)
        menu = draw_menu(pages, page, where)
        if set(ctx.triggered_prop_ids) == {"address.search"}:
            # The same page about something else: its figures change, and what is typed or open stays.
            set_props(page.where, {"data": where.to_stored()})
            return no_update, menu
        return draw_frame(page, where), menu

    app.callback(
        Output("main", "children"),
        Output("menu", "children"),
        Input("address", "pathname"),
        Input("address", "search"),
    )(show)
    app.clientside_callback(
        ClientsideFunction("tiltyard", "arrive"),
        Output("arrived", "data"),
        Input("main", "children"),
        State("arrived", "data"),
    )


def _keep_fresh(app: Dash, page: Page) -> None:
    """Fill a page when it is opened, when its address or an input changes, and when a tick finds new data."""

    async def refresh(_tick: int | None, address: Any, *values: Any) -> tuple[Any, ...]:
        *inputs, seen = values
        # The registry and the ledger block; other requests are served meanwhile.
        return await run_in_threadpool(_fill, page, Where.from_stored(address), inputs, seen)

    app.callback(
        Output(f"{page.name}-instead", "children"),
        Output(f"{page.name}-frame", "hidden"),
        Output(f"{page.name}-seen", "data"),
        Output(f"{page.name}-controls", "children"),
        *(Output(name, attribute) for name, attribute in page.slots),
        Input(f"{page.name}-tick", "n_intervals"),
        Input(page.where, "data"),
        *(Input(name, attribute) for name, attribute in page.inputs),
        State(f"{page.name}-seen", "data"),
        # One request at a time: the clock stands while figures are on their way.
        running=[
            (Output(f"{page.name}-tick", "disabled"), True, False),
            (Output(f"{page.name}-frame", "className"), "waiting", ""),
        ],
    )(refresh)


def _fill(page: Page, where: Where, inputs: Sequence[Any], seen: str | None) -> tuple[Any, ...]:
    """The component in place of the frame, whether it is hidden, the stamp, the controls, and the slots' content."""
    untouched = (no_update,) * len(page.slots)
    controls: Any = no_update
    try:
        controls = list(page.controls(where))
        stamp = f"{where.link()} {page.stamp(where, *inputs)}"
        if stamp == seen:
            # Drawing the same again would close open details and lose the selection.
            return no_update, no_update, no_update, no_update, *untouched
        drawn = page.draw(where, *inputs)
    except TiltyardError as error:
        return components.notice(error), True, None, controls, *untouched
    except Exception:
        log.exception("The page %s cannot be drawn", page.name)
        failure = TiltyardError("This page cannot be drawn.", next_step="The console's log has the details.")
        return components.notice(failure), True, None, controls, *untouched
    if isinstance(drawn, Placeholder):
        return drawn.component, True, stamp, controls, *untouched
    return None, False, stamp, controls, *(_finish(drawn[name], attribute) for name, attribute in page.slots)


def _finish(content: Any, attribute: str) -> Any:
    return hide_empty_axes(content) if attribute == "figure" else content
