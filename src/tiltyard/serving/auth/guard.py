"""The guard: authenticates the caller of each request, checks its scopes, and limits its rate.

It is the same for all that listens: the server, and the console, which also admits browsers that signed in with a key.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tiltyard.choices import ApiScope
from tiltyard.errors import UsageError
from tiltyard.project import ServingSection
from tiltyard.serving.auth.caller import Caller, identify_by_key, restrict_anonymous, trust_anonymous
from tiltyard.serving.auth.cross_site import (
    check_host_header,
    check_same_site,
    check_sent_by_page,
    is_loopback,
)
from tiltyard.serving.auth.forwarded import TrustedProxies, check_not_forwarded
from tiltyard.serving.auth.key_reloader import KeyReloader
from tiltyard.serving.auth.keys import ApiKey, KeySet, read_own_key
from tiltyard.serving.auth.keys_mark import KeysMark
from tiltyard.serving.auth.proxy_identity import ProxyIdentity
from tiltyard.serving.auth.rate_limit import RateLimiter
from tiltyard.serving.auth.scopes import RequiredScope, required_scope
from tiltyard.serving.auth.sign_ins import SignIns
from tiltyard.serving.headers import read_headers
from tiltyard.serving.problem_details import RequestError

AsgiScope = Mapping[str, Any]

log = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tiltyard"'}


@dataclass(frozen=True, slots=True)
class Admission:
    """That a request was let through.

    Attributes:
        caller: its caller.
        keys: the keys at that time; None where they were lost.
        limited: whether it counted for the caller's rate.
    """

    caller: Caller
    keys: KeySet | None
    limited: bool


class Guard:
    """Lets requests pass, or raises the error for the response. Safe to use from several threads.

    For code that responds to requests without FastAPI::

        try:
            caller = guard.check(scope)             # the ASGI scope of an HTTP request: path, method, headers, client
        except RequestError as error:               # 401, 403 or 429, with its headers
            response = problem_details.from_error(error)
        …                                           # and add middleware.HEADERS to every response

    It does not read the body, takes a few microseconds, and does not block. ``auth_middleware`` does this for all
    requests that reach the FastAPI application, so a request must be checked at one of the two places only.

    Args:
        keys: the valid keys.
        open_without_keys: whether every caller may do everything as long as no key was ever made.
        only_loopback: whether, while it is open, requests must name this host by a loopback name, and none may have
            been forwarded.
        rate: requests a second of one caller, 0 for no limit; a key's own limit goes before it.
        burst: requests that may come at once; default: those of a second, and at least 1.
        workers: processes that share the work; each lets its share pass.
        proxies: the proxies whose word about the caller's address counts; default: none.
        scope_of: the scope that a path requires; default: those of the server's routes.
        sign_ins: the browsers that signed in with a key; default: none.
        identity: whom a proxy signed in; default: nobody. With it nothing is open.
    """

    def __init__(  # noqa: PLR0913 - one for each thing that guards
        self,
        keys: KeyReloader,
        *,
        open_without_keys: bool,
        only_loopback: bool = False,
        rate: float = 0.0,
        burst: int | None = None,
        workers: int = 1,
        proxies: TrustedProxies | None = None,
        scope_of: Callable[[str], RequiredScope] = required_scope,
        sign_ins: SignIns | None = None,
        identity: ProxyIdentity | None = None,
    ) -> None:
        self.proxies = proxies or TrustedProxies()
        self._keys = keys
        self._open_without_keys = open_without_keys and identity is None
        self._identity = identity
        self._only_loopback = only_loopback
        self._rate = rate
        self._burst = burst
        self._workers = workers
        self._scope_of = scope_of
        self.sign_ins = sign_ins
        self._rate_limiter = RateLimiter()

    @classmethod
    def open_to_all(cls) -> Guard:
        """A guard that lets every request pass: for an application that is guarded elsewhere, and for tests."""
        return cls(KeyReloader(None), open_without_keys=True)

    @property
    def is_open(self) -> bool:
        """Whether callers need no key: none was ever made, and this host may be open."""
        return self._open_without_keys and not self._keys.current() and not self._keys.lost

    def check_keys(self) -> None:
        """See whether the keys were changed, or their files are gone, also while no request comes.

        Everything that listens calls it regularly: a process that knew of keys writes the mark again where the
        state folder was cleared, before another process starts there.
        """
        self._keys.current()

    def check(self, scope: AsgiScope) -> Caller:
        """Authenticate and authorise a request.

        Args:
            scope: the ASGI scope of an HTTP request.

        Returns:
            Its caller.

        Raises:
            RequestError: 400 where a header that means one thing was sent twice; 503 where the host has lost its keys;
                401 without a valid key; 403 where the key lacks the scope, the request comes from a page of another
                site or carries a session and names no page, or was forwarded to what is open; 421 where it names
                another host; 429 where the caller sends too many.
        """
        return self.admit(scope).caller

    def admit(self, scope: AsgiScope) -> Admission:
        """Authenticate and authorise a request; see ``check``."""
        headers = read_headers(scope["headers"])
        address = self.proxies.find_caller((scope.get("client") or ("",))[0], headers)
        required = self._scope_of(scope["path"])
        keys = self._keys.current()
        if self._open_without_keys and not keys and not self._keys.lost:
            if self._only_loopback:
                check_host_header(headers)
                check_not_forwarded(headers, scope.get("http_version", "1.1"))
            check_same_site(scope["method"], headers)
            caller = trust_anonymous(address)
        else:
            if self.sign_ins is not None:
                # A browser sends what it signed in with by itself, also where another site asks it to.
                check_same_site(scope["method"], headers)
            identified = self._identify(scope, headers, keys, address)
            if identified is None:
                if required == "public":
                    return Admission(restrict_anonymous(address), None, limited=False)
                raise self._lost_error() if self._keys.lost else _missing_error()
            caller = identified
            _check_scope(caller, required)
        limited = required != "public"
        if limited:
            self._check_rate(caller)
        return Admission(caller, None if self._keys.lost else keys, limited)

    def admit_again(self, admission: Admission) -> bool:
        """Let another request through that has the client, the path and the headers of one that was.

        Its headers are not read again: what comes of them depends on the keys alone, on the time, and on the rate.

        Returns:
            False where it has to be checked like any other: the keys are other ones, or its key is not valid any more.

        Raises:
            RequestError: 429 where the caller sends too many.
        """
        if self._keys.current() is not admission.keys or self._keys.lost or self.sign_ins is not None:
            return False
        key = admission.caller.key
        if key is not None and key.state(datetime.now(UTC)) != "valid":
            return False
        if admission.limited:
            self._check_rate(admission.caller)
        return True

    def authenticate(self, token: str, address: str, required: ApiScope) -> Caller:
        """The caller who shows a key in another way than by a header, such as in a form.

        Raises:
            RequestError: 401 where the key is not valid, 403 where it lacks the scope.
        """
        caller = _authenticate(self._keys.current(), token, address)
        _check_scope(caller, required)
        return caller

    def _identify(self, scope: AsgiScope, headers: Mapping[bytes, bytes], keys: KeySet, address: str) -> Caller | None:
        """The caller who shows a key, or signed in with one; None for one who shows nothing."""
        token = _read_token(headers)
        if token is None:
            key_id = self.sign_ins.find(scope, headers.get(b"cookie", b"")) if self.sign_ins else None
            if key_id is None:
                return self._identify_person(scope, headers, address)
            check_sent_by_page(scope["method"], headers)
            return _accept(keys.get(key_id), address)
        if self._keys.lost and keys.find(token) is None:
            raise self._lost_error()
        return _authenticate(keys, token, address)

    def _identify_person(self, scope: AsgiScope, headers: Mapping[bytes, bytes], address: str) -> Caller | None:
        """The caller whom a proxy signed in; the proxy knows browsers by a cookie, so that they have to name a page."""
        if self._identity is None:
            return None
        found = self._identity.identify((scope.get("client") or ("",))[0], address, scope["headers"])
        if found is not None:
            check_sent_by_page(scope["method"], headers)
        return found

    def _lost_error(self) -> RequestError:
        return RequestError(
            f"API keys were made on this host. {self._keys.why_lost}",
            status=503,
            code="api-key.lost",
            next_step="On the host, restore the file or make keys anew: tiltyard keys api new --scope predict",
        )

    def _check_rate(self, caller: Caller) -> None:
        own = caller.key.rate_limit if caller.key else None
        rate = (self._rate if own is None else own) / self._workers
        if not rate:
            return
        burst = rate if self._burst is None or own is not None else self._burst / self._workers
        name = caller.key.id if caller.key else caller.address
        wait = self._rate_limiter.take_token(name, rate, max(1.0, burst))
        if wait:
            raise RequestError(
                f"More than {rate * self._workers:g} requests a second came from {caller.name}.",
                status=429,
                code="rate.limited",
                next_step="Try again after the time in Retry-After, or send many inputs in one request.",
                headers={"Retry-After": str(math.ceil(wait))},
            )


def guard_for(  # noqa: PLR0913 - as the guard itself
    options: ServingSection,
    file: Path | None,
    *,
    host: str,
    workers: int = 1,
    insecure_open: bool = False,
    own_key: str | None = None,
    mark: Path | None = None,
    scope_of: Callable[[str], RequiredScope] = required_scope,
    sign_ins: SignIns | None = None,
    needed: ApiScope = "predict",
    knew_keys: bool = False,
    identity: ProxyIdentity | None = None,
) -> Guard:
    """The guard of a server, or of the console, that is about to listen.

    Args:
        options: the project's ``[serving]``.
        file: the file of API keys; None for no keys.
        host: the address that it listens on.
        workers: processes that share the work.
        insecure_open: whether it may listen beyond loopback without a key.
        own_key: the stored form of one key more, as JSON; it is for the program that started this server.
        mark: the file that says that keys were made on this host; see ``KeysMark``. Without keys and with it, the
            server listens and refuses all that needs a key; a restart changes nothing about that.
        scope_of: the scope that a path requires; default: those of the server's routes.
        sign_ins: the browsers that signed in with a key; default: none.
        needed: a scope that its callers need, for the next step of the error.
        knew_keys: whether the process that started this one knew of keys; see ``KeyReloader``.
        identity: whom a proxy signed in; default: nobody.

    Raises:
        UsageError: it would be open to others without ``insecure_open``; or the file or ``own_key`` cannot be read.
    """
    own = read_own_key(own_key) if own_key else None
    keys = KeyReloader(file, own, KeysMark(mark), knew_keys=knew_keys)
    loopback = is_loopback(host)
    if keys.lost:
        log.error(
            "API keys were made on this host. %s Requests are refused until it is back, or keys are made anew "
            "(tiltyard keys api new).",
            keys.why_lost,
        )
    elif not (loopback or insecure_open or identity or keys.current()):
        raise UsageError(
            f"It would listen on {host}, open to everybody who reaches it: there are no API keys.",
            next_step=f"Make one: tiltyard keys api new --scope {needed} (or go without keys: --insecure-open).",
            code="server.open",
        )
    return Guard(
        keys,
        open_without_keys=loopback or insecure_open,
        only_loopback=loopback and not insecure_open,
        rate=options.rate_limit or 0.0,
        burst=options.rate_burst,
        workers=workers,
        proxies=TrustedProxies(options.trusted_proxies),
        scope_of=scope_of,
        sign_ins=sign_ins,
        identity=identity,
    )


def _read_token(headers: Mapping[bytes, bytes]) -> str | None:
    """The key in ``Authorization: Bearer …`` or ``X-API-Key``; None if there is neither."""
    authorization = headers.get(b"authorization")
    if authorization is not None:
        kind, _, token = authorization.decode("latin-1").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
    header = headers.get(b"x-api-key")
    return header.decode("latin-1").strip() if header is not None else None


def _authenticate(keys: KeySet, token: str, address: str) -> Caller:
    return _accept(keys.find(token), address)


def _accept(key: ApiKey | None, address: str) -> Caller:
    """The caller who has a key, which must be valid now."""
    if key is None:
        raise _unauthorised_error("This server does not know the API key.", "api-key.invalid")
    state = key.state(datetime.now(UTC))
    if state != "valid":
        raise _unauthorised_error(f"The API key {key.id} is {state}.", f"api-key.{state}")
    return identify_by_key(key, address)


def _check_scope(caller: Caller, required: RequiredScope) -> None:
    if required in ("public", "any-key") or required in caller.scopes:
        return
    raise RequestError(
        f"The {caller.name} does not have the scope '{required}'.",
        status=403,
        code="api-key.scope",
        next_step=f"Use a key made with: tiltyard keys api new --scope {required}",
    )


def _missing_error() -> RequestError:
    return _unauthorised_error("The request carries no API key.", "api-key.missing")


def _unauthorised_error(message: str, code: str) -> RequestError:
    return RequestError(
        message,
        status=401,
        code=code,
        next_step="Send a valid key as 'Authorization: Bearer …' or 'X-API-Key: …'.",
        headers=CHALLENGE,
    )
