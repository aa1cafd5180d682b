"""Transfer codings of a request: the server takes a body apart that is chunked, and undoes no other coding."""

from __future__ import annotations

from collections.abc import Iterable

_CHUNKED = b"chunked"


def has_unknown_coding(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a chunked body has another coding inside the chunks, which the application would read as the content.

    Where chunked is not the last coding, the end of the body is not known: the parser refuses that as malformed
    (RFC 9112, sections 6.1 and 6.3).

    Args:
        headers: of the head, with names in lower case.
    """
    listed = b",".join(value for name, value in headers if name == b"transfer-encoding").lower()
    codings = [coding for part in listed.split(b",") if (coding := part.strip())]
    return codings[-1:] == [_CHUNKED] and codings.count(_CHUNKED) < len(codings)
