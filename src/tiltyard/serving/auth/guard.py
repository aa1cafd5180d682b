"""The guard: who asks, whether they may, and whether they ask too often."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.project import ServingSection
from tiltyard.serving.auth.key_reloader import KeyReloader
from tiltyard.serving.auth.keys import SCOPES, ApiKey, ApiScope, read_own_key
from tiltyard.serving.auth.rate_limit import RateLimiter
from tiltyard.serving.auth.scopes import RequiredScope, required_scope
from tiltyard.serving.problem_details import RequestError

AsgiScope = Mapping[str, Any]

# Where a request that was let in names its caller in the ASGI scope.
CALLER = "tiltyard.caller"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tiltyard"'}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_WANTED = frozenset({b"authorization", b"x-api-key", b"host", b"origin", b"sec-fetch-site"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        key: the key that was shown; None for a caller without one.
        address: where from, an IP address; empty where that is not known.
        scopes: what they may.
    """

    key: ApiKey | None
    address: str
    scopes: frozenset[ApiScope]

    def may(self, scope: ApiScope) -> bool:
        """Whether they may what the scope is about."""
        return scope in self.scopes

    @property
    def name(self) -> str:
        """Who it is, for events and logs."""
        if self.key is None:
            return f"anonymous at {self.address or 'this host'}"
        return f"API key {self.key.id}" + (f" ({self.key.name})" if self.key.name else "")


@lru_cache(maxsize=256)
def _everybody(address: str) -> Caller:
    return Caller(None, address, _EVERYTHING)


_EVERYTHING: frozenset[ApiScope] = frozenset(SCOPES)
_NOTHING: frozenset[ApiScope] = frozenset()


class Guard:
    """Lets requests in, or raises the error to answer them with. Safe to use from several threads.

    For whoever answers requests beside FastAPI::

        try:
            caller = guard.check(scope)             # the ASGI scope of an HTTP request: path, method, headers, client
        except RequestError as error:               # 401, 403 or 429, with its headers
            response = problems.from_error(error)
        …                                           # and add shield.HEADERS to every answer

    It reads nothing of the body, takes a few microseconds, and does not block. ``shield`` does this for all
    requests that reach the FastAPI application, so a request is to be checked at one of the two places only.

    Args:
        keys: the keys that open.
        open_without_keys: whether everybody may everything as long as no key was ever made.
        only_loopback: whether, while it is open, requests must name this host by a loopback name, as a page of
            another site that was let to resolve to 127.0.0.1 does not.
        rate: requests a second of one caller, 0 for no limit; a key's own limit goes before it.
        burst: requests that may come at once; default: those of a second, and at least 1.
        workers: processes that share the work; each lets in its share.
    """

    def __init__(
        self,
        keys: KeyReloader,
        *,
        open_without_keys: bool,
        only_loopback: bool = False,
        rate: float = 0.0,
        burst: int | None = None,
        workers: int = 1,
    ) -> None:
        self._keys = keys
        self._open_without_keys = open_without_keys
        self._only_loopback = only_loopback
        self._rate = rate
        self._burst = burst
        self._workers = workers
        self._buckets = RateLimiter()

    @classmethod
    def open_to_all(cls) -> Guard:
        """A guard that lets everybody in: for an application that is guarded elsewhere, and for tests."""
        return cls(KeyReloader(None), open_without_keys=True)

    @property
    def is_open(self) -> bool:
        """Whether callers need no key: none was ever made, and this host may be open."""
        return self._open_without_keys and not self._keys.current()

    def check(self, scope: AsgiScope) -> Caller:
        """Who asks, if they may.

        Args:
            scope: the ASGI scope of an HTTP request.

        Raises:
            RequestError: 401 without a valid key, 403 where it does not have the scope or a page of another site
                asks, 429 where the caller asks too often.
        """
        found = {name: value for name, value in scope["headers"] if name in _WANTED}
        address = (scope.get("client") or ("",))[0]
        need = required_scope(scope["path"])
        keys = self._keys.current()
        if self._open_without_keys and not keys:
            self._refuse_other_sites(scope["method"], found)
            caller = _everybody(address)
        else:
            token = _token(found)
            if token is None:
                if need != "nothing":
                    raise _unauthorised("The request carries no API key.", "api-key.missing")
                return Caller(None, address, _NOTHING)
            caller = self._known(keys.find(token), address)
            _refuse_without_scope(caller, need)
        if need != "nothing":
            self._refuse_too_many(caller)
        return caller

    def _known(self, key: ApiKey | None, address: str) -> Caller:
        if key is None:
            raise _unauthorised("The API key is not one of this server.", "api-key.invalid")
        state = key.state(datetime.now(UTC))
        if state != "valid":
            raise _unauthorised(f"The API key {key.id} is {state}.", f"api-key.{state}")
        return Caller(key, address, frozenset(scope for scope in SCOPES if key.may(scope)))

    def _refuse_too_many(self, caller: Caller) -> None:
        own = caller.key.rate_limit if caller.key else None
        rate = (self._rate if own is None else own) / self._workers
        if not rate:
            return
        burst = rate if self._burst is None or own is not None else self._burst / self._workers
        wait = self._buckets.take(caller.key.id if caller.key else caller.address, rate, max(1.0, burst))
        if wait:
            raise RequestError(
                f"More than {rate * self._workers:g} requests a second came from {caller.name}.",
                status=429,
                code="rate.limited",
                next_step="Ask again after the time in Retry-After, or send many inputs in one request.",
                headers={"Retry-After": str(math.ceil(wait))},
            )

    def _refuse_other_sites(self, method: str, found: Mapping[bytes, bytes]) -> None:
        """Keep pages of other sites, open in a browser on this host, from acting here without a key."""
        host = found.get(b"host", b"").decode("latin-1")
        if self._only_loopback and host and not _is_loopback_host(host):
            raise RequestError(
                f"The request is for the host {host!r}, and this server is open to this machine alone.",
                status=403,
                code="host.other",
                next_step="Ask for 127.0.0.1 or localhost, or make a key: tiltyard keys api new --scope predict",
            )
        if method in _SAFE:
            return
        site = found.get(b"sec-fetch-site")
        origin = found.get(b"origin", b"").decode("latin-1")
        # Browsers tell either; a page without an origin of its own says "null".
        same = (
            site in (b"same-origin", b"none")
            if site is not None
            else origin in ("", f"http://{host}", f"https://{host}")
        )
        if not same:
            raise RequestError(
                f"The request comes from a page of another site ({origin or 'unnamed'}).",
                status=403,
                code="site.other",
                next_step="Ask from a program, or with an API key from your own server.",
            )


def guard_for(
    options: ServingSection,
    file: Path | None,
    *,
    host: str,
    workers: int = 1,
    insecure_open: bool = False,
    own_key: str | None = None,
) -> Guard:
    """The guard of a server that is about to listen.

    Args:
        options: the project's ``[serving]``.
        file: the file of API keys; None for no keys.
        host: where it listens.
        workers: processes that share the work.
        insecure_open: whether it may listen beyond loopback without a key.
        own_key: what is kept of a key beside those of the file, as JSON; it is for whoever started this server.

    Raises:
        UsageError: it would be open to others, and nobody said that it may; or the file or ``own_key`` cannot be read.
    """
    keys = KeyReloader(file, read_own_key(own_key) if own_key else None)
    loopback = is_loopback(host)
    if not (loopback or insecure_open or keys.current()):
        raise UsageError(
            f"The server would listen on {host}, open to whoever reaches it: there are no API keys.",
            next_step="Make one: tiltyard keys api new --scope predict (or let all in: --insecure-open).",
            code="server.open",
        )
    return Guard(
        keys,
        open_without_keys=loopback or insecure_open,
        only_loopback=loopback and not insecure_open,
        rate=options.rate_limit or 0.0,
        burst=options.rate_burst,
        workers=workers,
    )


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _is_loopback_host(host: str) -> bool:
    """Whether a Host header, with or without a port, can only mean this machine."""
    if host.startswith("["):
        return is_loopback(host.partition("]")[0] + "]")
    return is_loopback(host.rpartition(":")[0] or host)


def _token(found: Mapping[bytes, bytes]) -> str | None:
    """The key in ``Authorization: Bearer …`` or ``X-API-Key``; None if there is neither."""
    given = found.get(b"authorization")
    if given is not None:
        kind, _, token = given.decode("latin-1").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
    own = found.get(b"x-api-key")
    return own.decode("latin-1").strip() if own is not None else None


def _refuse_without_scope(caller: Caller, need: RequiredScope) -> None:
    if need in ("nothing", "any-key") or need in caller.scopes:
        return
    raise RequestError(
        f"The {caller.name} does not have the scope '{need}'.",
        status=403,
        code="api-key.scope",
        next_step=f"Use a key made with: tiltyard keys api new --scope {need}",
    )


def _unauthorised(message: str, code: str) -> RequestError:
    return RequestError(
        message,
        status=401,
        code=code,
        next_step="Send a valid key as 'Authorization: Bearer …' or 'X-API-Key: …'.",
        headers=CHALLENGE,
    )
