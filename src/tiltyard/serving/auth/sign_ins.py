"""Who signed in with an API key in a browser: sessions, each known by a random cookie.

The cookie is not the key: cookies do not know ports, so that a browser shows it to whatever else listens on that host.
It ends with the process, after some hours, and as soon as its key is no longer valid.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any

from tiltyard.serving.auth.keys import ApiKey

LASTS_SECONDS = 12 * 3600.0
# So many at once; of more, the one that began first ends.
MOST_SESSIONS = 1000
_SECRET_BYTES = 32


class SignIns:
    """The sessions of one process. Safe to use from several threads.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._sessions: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def begin(self, scope: Mapping[str, Any], key: ApiKey, *, secure: bool) -> str:
        """Begin the session of a browser that showed a valid key.

        Args:
            scope: the ASGI scope of its request.
            key: the key.
            secure: whether the browser came by TLS, so that it shall send the cookie by nothing else.

        Returns:
            The value of the header Set-Cookie.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        with self._lock:
            self._sessions[_digest(secret)] = key.id, self._clock() + LASTS_SECONDS
            if len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return _set_cookie(scope, secret, int(LASTS_SECONDS), secure=secure)

    def find(self, scope: Mapping[str, Any], cookies: bytes) -> str | None:
        """The id of the key with which the browser that sends these cookies signed in; None where it did not."""
        secret = _read_cookie(scope, cookies)
        if secret is None:
            return None
        digest = _digest(secret)
        with self._lock:
            key_id, ends = self._sessions.get(digest, ("", 0.0))
            if key_id and ends <= self._clock():
                del self._sessions[digest]
                return None
        return key_id or None

    def end(self, scope: Mapping[str, Any], cookies: bytes) -> str:
        """End a browser's session; returns the value of Set-Cookie that takes the cookie from it."""
        secret = _read_cookie(scope, cookies)
        if secret is not None:
            with self._lock:
                self._sessions.pop(_digest(secret), None)
        return _set_cookie(scope, "", 0, secure=False)


def _digest(secret: str) -> bytes:
    # Looked up by a digest, so that the time it takes says nothing about a secret.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _cookie_name(scope: Mapping[str, Any]) -> str:
    """A name for each port: several consoles on one host have their own sessions."""
    server = scope.get("server") or ("", 0)
    return f"tiltyard-session-{server[1] or 0}"


def _set_cookie(scope: Mapping[str, Any], value: str, seconds: int, *, secure: bool) -> str:
    end = "; Secure" if secure else ""
    return f"{_cookie_name(scope)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{end}"


def _read_cookie(scope: Mapping[str, Any], cookies: bytes) -> str | None:
    name = _cookie_name(scope)
    for pair in cookies.decode("latin-1").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name and value:
            return value
    return None
