"""Where to divide the bytes of a connection, so that each piece completes at most one head of a request.

A head ends at its first blank line, and so does a chunked body with its trailers (RFC 9112, sections 2.1 and 7.1).
"""

from __future__ import annotations

BLANK_LINE = b"\r\n\r\n"


def end_of_piece(data: bytes, place: int, tail: bytes, body_left: int) -> int:
    """Where the next piece ends: at a blank line, at the end of a body whose length is known, or with the data.

    Args:
        data: bytes of a connection.
        place: where in them the piece begins.
        tail: the last bytes before it, at most three, where a blank line may have begun.
        body_left: bytes of a body that are to come; 0 in heads, and where the length is not known.
    """
    if body_left > 0:
        return min(len(data), place + body_left)
    if tail:
        straddling = (tail + data[place : place + 3]).find(BLANK_LINE)
        if straddling >= 0:
            return place + straddling + len(BLANK_LINE) - len(tail)
    found = data.find(BLANK_LINE, place)
    return len(data) if found < 0 else found + len(BLANK_LINE)
