"""Running the console: a socket, uvicorn, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

from tiltyard.console.actions import ActionDesk
from tiltyard.console.sources import ConsoleSources
from tiltyard.errors import MissingExtraError
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.registry import Registry
from tiltyard.serving.auth import Guard
from tiltyard.serving.connections.unfit import unfit_error
from tiltyard.serving.process.guarded_server import GuardedServer
from tiltyard.serving.process.sockets import Address

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_SECONDS = 5


def require_console() -> None:
    """Check that the console's libraries are installed.

    Raises:
        MissingExtraError: they are not.
    """
    for module in ("plotly", "dash"):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            raise MissingExtraError("The console", "console") from None


def run_console(  # noqa: PLR0913 - what it shows, where, and to whom
    project: Project,
    registry: Registry,
    ledger: Ledger,
    listener: socket.socket,
    on_listening: Callable[[Address], None] | None = None,
    sources: ConsoleSources | None = None,
    *,
    guard: Guard,
    desk: ActionDesk | None = None,
) -> None:
    """Show a project's console until SIGTERM or SIGINT.

    Args:
        project: the project.
        registry: its versions.
        ledger: its predictions and decisions; left open.
        listener: a socket that listens; closed when this returns.
        on_listening: called with the address once the console serves there.
        sources: its runs, and the champion's files and scorer.
        guard: decides who may see it.
        desk: takes the actions of people; closed when this returns; None for a console that only reads.

    Raises:
        MissingExtraError: Dash is not installed.
        UsageError: the installed uvicorn does not fit.
    """
    require_console()
    from tiltyard.console.app import create_console  # noqa: PLC0415 - Dash is an extra, and slow to import

    app = create_console(project, registry, ledger, sources or ConsoleSources(), guard, desk)
    host, port = listener.getsockname()[:2]
    config = console_config(app, host)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(listener))
        if desk is not None:
            stack.enter_context(contextlib.closing(desk))
        stack.enter_context(_stop_on_signals())
        if on_listening is not None:
            # The socket listens already: connections are served as soon as the event loop runs.
            on_listening(Address(host, port))
        GuardedServer(config, guard).run(sockets=[listener])


def console_config(app: ASGIApp, host: str) -> uvicorn.Config:
    """How uvicorn serves the console: connections are bounded, and no headers of proxies are read by uvicorn.

    Raises:
        UsageError: the installed uvicorn does not fit.
    """
    # The application's lifespan would add a page for every address; ours are known.
    return uvicorn.Config(
        app,
        http=_bounded_connection(host),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _bounded_connection(host: str) -> type[asyncio.Protocol]:
    try:
        from tiltyard.serving.connections.connection import BoundedConnection  # noqa: PLC0415 - may fail
    except Exception as error:  # noqa: BLE001 - whatever another uvicorn does not have
        raise unfit_error(host, error) from None
    return BoundedConnection


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, and both without an exception; for the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
