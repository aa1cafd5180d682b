"""Large responses are packed with gzip for clients that accept it; Starlette does the packing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Receive, Scope, Send

# A response of fewer bytes is sent in a few segments anyhow.
SMALLEST = 8 * 1024
# The fastest one: JSON shrinks to about a sixth all the same.
_LEVEL = 1
# A millisecond of the event loop at most; larger ones are packed in a thread.
_IN_THREAD = 64 * 1024


async def respond_compressed(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let an application respond to an HTTP request; a large response is packed if the client accepts that.

    ``Vary`` says of each large response, packed or not, that it depends on ``Accept-Encoding``.
    """
    responder = (
        GZipResponder(app, SMALLEST, _LEVEL, thread_minimum_size=_IN_THREAD)
        if accepts_gzip(scope["headers"])
        else IdentityResponder(app, SMALLEST)
    )
    await responder(scope, receive, send)


def accepts_gzip(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the client accepts gzip (RFC 9110, section 12.5.3): by name or by ``*``, and not with the weight 0."""
    weights: dict[str, bool] = {}
    for value in [value for name, value in headers if name == b"accept-encoding"]:
        for part in value.decode("latin-1").lower().split(","):
            coding, _, parameters = part.partition(";")
            weights[coding.strip()] = _is_wanted(parameters)
    return _first(weights, ("gzip", "x-gzip", "*"))


def _first(weights: Mapping[str, bool], names: Sequence[str]) -> bool:
    return next((weights[name] for name in names if name in weights), False)


def _is_wanted(parameters: str) -> bool:
    name, _, weight = parameters.partition("=")
    if name.strip() != "q":
        return True
    try:
        return float(weight) > 0
    except ValueError:
        return False
