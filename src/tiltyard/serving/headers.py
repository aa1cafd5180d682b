"""The one reading of a request's headers, for every part that reads them: guard, proxies, routes, fast path.

Source: RFC 9110, sections 5.2 and 5.3: lines of a header that is a list are joined in their order; another header must
not have two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.serving.problem_details import RequestError

SINGLE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"inference-header-content-length",
        b"origin",
        b"referer",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"x-api-key",
        b"x-forwarded-prefix",
        b"x-prediction-key",
        b"x-route-key",
    }
)
"""The headers that mean one thing; of two, one part would read the first and another the last."""


def read_headers(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """The headers by their names.

    Args:
        headers: those of an ASGI scope, whose names are in lower case.

    Raises:
        RequestError: one of ``SINGLE`` was sent twice.
    """
    found = dict(headers)
    return found if len(found) == len(headers) else _join(headers)


def _join(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in found:
            found[name] = value
        elif name in SINGLE:
            shown = name.decode("latin-1")
            raise RequestError(
                f"The header {shown} was sent twice.",
                status=400,
                code="request.header",
                next_step=f"Send the header {shown} once.",
            )
        else:
            # Cookies are a list in another notation (RFC 6265, section 4.2.1).
            found[name] += (b"; " if name == b"cookie" else b", ") + value
    return found
