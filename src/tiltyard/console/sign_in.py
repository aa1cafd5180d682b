"""Who may see the console: the guard of the server, and a page where a browser signs in with an API key."""

from __future__ import annotations

from collections.abc import Container
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tiltyard.console.session import begin_session
from tiltyard.project import ServingSection
from tiltyard.serving.auth import Guard, SignIns, guard_for
from tiltyard.serving.auth.proxy_identity import ProxyIdentity
from tiltyard.serving.auth.scopes import RequiredScope
from tiltyard.serving.headers import read_headers
from tiltyard.serving.problem_details import RequestError, from_error

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
# A key has some 60 characters.
LARGEST_FORM = 4096
_UNAUTHORISED = 401

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Tiltyard</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/assets/style.css">
</head>
<body>
<main class="wrap">
<h1>Sign in</h1>
<p class="lead">The console shows every recorded input. It takes an API key with the scope read; the key's role says
what you may do.</p>
{problem}
<form class="card sign-in" method="post" action="{action}">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="off" required autofocus>
<button type="submit">Sign in</button>
</form>
<p class="hint">To make a key, run on the host: <code>tiltyard keys api new --role viewer</code> (or labeller, operator,
admin)</p>
</main>
</body>
</html>"""


def console_guard(
    options: ServingSection,
    keys: Path | None,
    host: str,
    *,
    insecure_open: bool = False,
    mark: Path | None = None,
    identity: ProxyIdentity | None = None,
) -> Guard:
    """The guard of a console that is about to listen.

    Args:
        options: the project's ``[serving]``; a console has no limit of requests, and trusts the same proxies.
        keys: the file of API keys.
        host: the address that it listens on.
        insecure_open: whether it may listen beyond loopback without a key.
        mark: the file that says that this host has had keys.
        identity: whom a proxy signed in; default: nobody.

    Raises:
        UsageError: it would be open to others without ``insecure_open``; or the file cannot be read.
    """
    proxies = ServingSection(trusted_proxies=options.trusted_proxies)
    return guard_for(
        proxies,
        keys,
        host=host,
        insecure_open=insecure_open,
        mark=mark,
        scope_of=console_scope,
        sign_ins=SignIns(),
        needed="read",
        identity=identity,
    )


def console_scope(path: str) -> RequiredScope:
    """The scope that a path of the console requires: all that shows anything requires read."""
    return "public" if path in (SIGN_IN, SIGN_OUT) or path.startswith("/assets/") else "read"


class Guarded:
    """Lets through what the guard lets through, and signs browsers in and out.

    Args:
        app: the console.
        guard: decides who may see it.
        pages: the addresses of its pages; without a key they lead to the one where browsers sign in.
    """

    def __init__(self, app: ASGIApp, guard: Guard, pages: Container[str]) -> None:
        self._app = app
        self._guard = guard
        self._sign_ins = guard.sign_ins or SignIns()
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or send why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response: Response | None
        try:
            begin_session(self._guard.check(scope))
            response = await self._sign(scope, receive)
        except RequestError as error:
            response = self._refuse(scope, error)
        await (response or self._app)(scope, receive, send)

    async def _sign(self, scope: Scope, receive: Receive) -> Response | None:
        """The response to a request that signs in or out; None for every other."""
        path, method = scope["path"], scope["method"]
        if path == SIGN_OUT and method == "POST":
            cookie = self._sign_ins.end(scope, _read_header(scope, b"cookie"))
            return RedirectResponse(SIGN_IN, 303, {"Set-Cookie": cookie})
        if path != SIGN_IN:
            return None
        page = self._wanted_page(scope)
        if self._guard.is_open:
            return RedirectResponse(page, 303)
        return await self._sign_in(scope, receive, page) if method == "POST" else _sign_in_page(page)

    async def _sign_in(self, scope: Scope, receive: Receive, page: str) -> Response:
        form = parse_qs((await _read_body(receive)).decode("utf-8", "replace"))
        address = (scope.get("client") or ("",))[0]
        try:
            caller = self._guard.authenticate(form.get("key", [""])[0].strip(), address, "read")
        except RequestError as error:
            return _sign_in_page(page, f"{error.message} {error.next_step}", error.status)
        if caller.key is None:
            return _sign_in_page(page)
        by_tls = self._guard.proxies.came_by_tls(address, read_headers(scope["headers"]))
        cookie = self._sign_ins.begin(scope, caller.key, secure=by_tls)
        return RedirectResponse(page, 303, {"Set-Cookie": cookie})

    def _refuse(self, scope: Scope, error: RequestError) -> Response:
        if error.status == _UNAUTHORISED and scope["method"] in ("GET", "HEAD") and scope["path"] in self._pages:
            query = scope["query_string"].decode("latin-1")
            address = f"{scope['path']}?{query}" if query else scope["path"]
            return RedirectResponse(f"{SIGN_IN}?page={quote(address, safe='/')}", 303)
        return from_error(error)

    def _wanted_page(self, scope: Scope) -> str:
        page = parse_qs(scope["query_string"].decode("latin-1")).get("page", ["/"])[0]
        return page if page.partition("?")[0] in self._pages else "/"


def _sign_in_page(page: str, problem: str = "", status: int = 200) -> Response:
    shown = f'<p class="card notice bad" role="alert">{escape(problem)}</p>' if problem else ""
    return HTMLResponse(_PAGE.format(problem=shown, action=escape(f"{SIGN_IN}?page={quote(page, safe='/')}")), status)


def _read_header(scope: Scope, wanted: bytes) -> bytes:
    return read_headers(scope["headers"]).get(wanted, b"")


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_FORM:
            raise RequestError(
                f"The form has more than {LARGEST_FORM} bytes.",
                status=413,
                code="request.too-large",
                next_step="Send the API key alone.",
            )
        if not message.get("more_body"):
            return bytes(body)
