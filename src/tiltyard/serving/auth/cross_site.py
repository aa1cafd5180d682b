"""Protection against pages of other sites: what a browser on this host may send to what listens here.

Pages of other sites can send requests to loopback (cross-site request forgery), and can have their own name resolve to
127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from tiltyard.serving.problem_details import RequestError

_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(:[0-9]*)?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_host_header(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request that names this host by anything but a loopback name, as DNS rebinding does.

    Raises:
        RequestError: 421 (RFC 9110, section 15.5.20).
    """
    host = headers.get(b"host", b"").decode("latin-1")
    if host and not _is_loopback_header(host):
        raise RequestError(
            f"The request is for the host {host!r}, and without API keys only this machine is served.",
            status=421,
            code="host.other",
            next_step="Use 127.0.0.1 or localhost, or make a key: tiltyard keys api new --scope predict --scope read",
        )


def check_same_site(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request that comes from a page of another site; a link that somebody follows may.

    Raises:
        RequestError: 403.
    """
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin", b"").decode("latin-1")
    referer = headers.get(b"referer", b"").decode("latin-1")
    safe = method in _SAFE_METHODS
    if site is not None:
        # What follows a link shows the page to the person alone; a script, an image or a frame is of the other page.
        same = site in (b"same-origin", b"none") or (safe and headers.get(b"sec-fetch-mode") == b"navigate")
    elif origin:
        # Browsers send either header; a page without an origin sends "null".
        host = headers.get(b"host", b"").decode("latin-1")
        same = origin in (f"http://{host}", f"https://{host}")
    else:
        same = safe or not referer or _host_of(referer) == headers.get(b"host", b"").decode("latin-1").lower()
    if not same:
        raise RequestError(
            f"The request comes from a page of another site ({origin or _host_of(referer) or 'unnamed'}).",
            status=403,
            code="site.other",
            next_step="Send it from a program, or with an API key from your own server.",
        )


def check_sent_by_page(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request that changes something and does not say which page it comes from.

    For requests that a cookie authenticates. Each browser of today sends ``Sec-Fetch-Site`` or ``Origin`` with them,
    and ``check_same_site`` compares these.

    Raises:
        RequestError: 403.
    """
    if method not in _SAFE_METHODS and b"sec-fetch-site" not in headers and b"origin" not in headers:
        raise RequestError(
            "The request carries a session and does not say which page it comes from.",
            status=403,
            code="site.unknown",
            next_step="Send an API key as X-API-Key, or the header Origin with the address of the console.",
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
def _is_loopback_header(host: str) -> bool:
    """Whether a Host header, with or without a port, can only mean this machine."""
    found = _HOST_AND_PORT.fullmatch(host)
    return found is not None and is_loopback(found["host"])


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return "unnamed"
