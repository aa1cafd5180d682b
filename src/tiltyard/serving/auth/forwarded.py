"""What a trusted proxy says about the requests that it forwards: the caller's address, and the path's prefix.

Anybody can send these headers. They count only where the connection comes from a proxy that ``trusted_proxies`` names;
of a list of addresses, only those count that trusted proxies appended, read from its end.

What is open without API keys is open to this machine alone, and a proxy admits strangers: there, a request that shows
that it was forwarded is refused, by a trusted proxy too.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from tiltyard.errors import UsageError
from tiltyard.serving.problem_details import RequestError

_FORWARDED_FOR = b"x-forwarded-for"
_FORWARDED = b"forwarded"
NOTE = "untrusted-proxy"
"""File in a host's state folder: the address of a proxy that forwards requests and is not trusted."""
_PREFIX = b"x-forwarded-prefix"
_SIGNS = frozenset(
    {
        b"forwarded",  # RFC 7239
        b"via",  # RFC 9110, section 7.6.3
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-proxyuser-ip",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-url",
        b"x-amzn-trace-id",
        b"true-client-ip",
        b"client-ip",
        b"cdn-loop",  # RFC 8586
        b"fastly-client-ip",
        b"fly-client-ip",
    }
)
_FIRST_PARTS = (b"x-forwarded-", b"cf-", b"x-envoy-", b"x-azure-", b"x-appengine-", b"x-vercel-", b"tailscale-")
_PARAMETER = re.compile(
    r"\s*(?P<name>[\w!#$%&'*+.^`|~-]+)="
    r"(?:(?P<token>[^\s\",;]*)|\"(?P<quoted>(?:[^\"\\]|\\.)*+)\")\s*(?:(?P<end>[,;])|\Z)"
)
_WHOLE_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_ADDRESS = re.compile(r"\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>[\d.]+)(?::\d+)?")

log = logging.getLogger(__name__)


class TrustedProxies:
    """The proxies whose headers count.

    Args:
        networks: addresses or networks, such as ``10.0.0.0/8``.
        on_untrusted: called with the address of the first proxy that is not trusted; may be set later.

    Raises:
        UsageError: one of them is neither.
    """

    def __init__(
        self, networks: Sequence[str] = (), on_untrusted: Callable[[str], object] = lambda _address: None
    ) -> None:
        self._networks = [_read_network(text) for text in networks]
        self.on_untrusted = on_untrusted
        self._reported = False

    def find_caller(self, address: str, headers: Mapping[bytes, bytes]) -> str:
        """The address of the caller of a request that was forwarded.

        A proxy writes ``X-Forwarded-For`` or ``Forwarded``, and may pass on what the caller sent in the other. So where
        both are there and name different callers, neither counts: the caller is the proxy, and shares its rate limit.

        Args:
            address: where the connection comes from.
            headers: the request's.
        """
        listed, written = headers.get(_FORWARDED_FOR), headers.get(_FORWARDED)
        if listed is None and written is None:
            return address
        if not self.trusts(address):
            self._report(address)
            return address
        callers = set()
        if listed is not None:
            callers.add(self._follow(address, listed.decode("latin-1").split(",")))
        if written is not None:
            callers.add(self._follow(address, [element.get("for", "") for element in read_forwarded(written)]))
        return callers.pop() if len(callers) == 1 else address

    def came_by_tls(self, address: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a trusted proxy says that the caller's connection to it was encrypted, and no header contradicts."""
        if not self.trusts(address):
            return False
        schemes = set()
        if (listed := headers.get(b"x-forwarded-proto")) is not None:
            schemes.add(listed.decode("latin-1").rpartition(",")[2].strip().lower())
        if elements := read_forwarded(headers.get(_FORWARDED, b"")):
            schemes.add(elements[-1].get("proto", "").lower())
        return schemes == {"https"}

    def _follow(self, address: str, parts: Sequence[str]) -> str:
        """The caller, from the end of a list of addresses to which each proxy appended where its request came from."""
        for part in reversed(parts):
            found = _read_address(part.strip())
            if found is None:
                return address  # what stands before it is not known
            address = found
            if not self.trusts(found):
                break
        return address

    def find_prefix(self, address: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The prefix under which callers see the server, such as ``/films``; empty for none, and for several."""
        if not self.trusts(address):
            return ""
        sent = [value for name, value in headers if name == _PREFIX]
        if len(sent) != 1:
            return ""
        prefix = sent[0].decode("latin-1").strip().rstrip("/")
        return prefix if _WHOLE_PREFIX.fullmatch(prefix) else ""

    def trusts(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        if not self._networks:
            return False
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def _report(self, address: str) -> None:
        if self._reported:
            return
        self._reported = True
        log.warning(
            "Requests come through a proxy at %s that is not trusted: all of its callers share one rate limit. "
            "Name it in [serving] trusted_proxies.",
            address,
        )
        self.on_untrusted(address)


def read_forwarded(value: bytes) -> Sequence[Mapping[str, str]]:
    """The elements of a header ``Forwarded`` (RFC 7239), one for each proxy: its parameters, names in lower case.

    A header that is not of that form has one element without parameters: a quote that a caller left open must not take
    in what a proxy appended.
    """
    text = value.decode("latin-1").strip()
    if not text:
        return []
    elements: list[dict[str, str]] = [{}]
    place = 0
    while place < len(text):
        found = _PARAMETER.match(text, place)
        if found is None:
            return [{}]
        name = found["name"].lower()
        if name in elements[-1]:
            return [{}]
        quoted = found["quoted"]
        plain = found["token"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        elements[-1][name] = plain
        place = found.end()
        if found["end"] == ",":
            elements.append({})
    return elements


def check_not_forwarded(headers: Mapping[bytes, bytes], http_version: str) -> None:
    """Refuse a request that a proxy, a tunnel or a content network forwarded, as far as that shows.

    nginx adds no header by default. It forwards by HTTP/1.0, names itself as the host, and closes the connection: no
    client of today does all three.

    Args:
        headers: of the request.
        http_version: by which it came, ``1.1``.

    Raises:
        RequestError: 403.
    """
    found = _find_sign(tuple(headers))
    sign = f"has the header {found.decode('latin-1')}" if found is not None else ""
    if http_version == "1.0" and b"host" in headers and headers.get(b"connection", b"").lower() == b"close":
        sign = "came by HTTP/1.0 and closes the connection, as nginx forwards"
    if sign:
        raise RequestError(
            f"The request was forwarded (it {sign}), and without API keys only this machine is served.",
            status=403,
            code="request.forwarded",
            next_step="Make a key: tiltyard keys api new --scope predict (or admit everybody: --insecure-open)",
        )


@lru_cache(maxsize=64)
def _find_sign(names: tuple[bytes, ...]) -> bytes | None:
    """The first header that shows that a request was forwarded; a client sends the same headers every time."""
    return next((name for name in names if name in _SIGNS or name.startswith(_FIRST_PARTS)), None)


def _read_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise UsageError(
            f"serving.trusted_proxies has {text!r}, which is neither an address nor a network.",
            next_step='Write addresses or networks, such as trusted_proxies = ["10.0.0.0/8"].',
            code="server.proxies",
        ) from None


def _read_address(text: str) -> str | None:
    """An address of a list, without the port that some proxies write; None where it is none."""
    matched = _ADDRESS.fullmatch(text)
    plain = (matched["six"] or matched["four"]) if matched else text
    try:
        return str(ip_address(plain))
    except ValueError:
        return None


def note_untrusted_proxy(state: Path, address: str) -> None:
    """Leave the address of a proxy that is not trusted for ``tiltyard doctor``."""
    with contextlib.suppress(OSError):
        (state / NOTE).write_text(address, encoding="utf-8")
