"""A request target in absolute form: what clients send to proxies, and servers have to take.

Its host is the request's, whatever the header Host says (RFC 9112, section 3.2.2). So the header is replaced by it, and
everything behind the parser (the guard, the checks of other sites) reads one host.
"""

from __future__ import annotations

import re

_ABSOLUTE = re.compile(rb"https?://(?P<host>(?:\[[^\]/?#@]+\]|[^\[\]/?#@:]+)(?::\d*)?)(?P<rest>[/?].*)?", re.IGNORECASE)

ORIGIN_FORM = b"/"
"""How a target begins that is a path."""


def read_target(target: bytes, method: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The target without its host, which takes the place of the header Host.

    Args:
        target: in absolute form, or the asterisk that means the whole server.
        method: of the request.
        headers: its headers, with names in lower case and at most one Host; changed in place.

    Raises:
        ValueError: it does not name a host by ``http`` or ``https``, or names a user; or it is an asterisk, and the
            method is not OPTIONS, the one that may have this target (RFC 9112, section 3.2.4).
    """
    if target == b"*" and method == "OPTIONS":
        return target
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise ValueError("the request target is neither a path nor the URL of a host")
    place = next((number for number, (name, _) in enumerate(headers) if name == b"host"), len(headers))
    headers[place : place + 1] = [(b"host", found["host"])]
    rest = found["rest"] or b""
    if rest.startswith(b"/"):
        return rest
    return b"*" if method == "OPTIONS" and not rest else b"/" + rest
