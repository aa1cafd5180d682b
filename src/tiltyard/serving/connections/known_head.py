"""The head of a connection's last request: a client sends the same one again, with another length.

To parse a head, and to make an ASGI scope of it, takes longer than to predict a short text. The same bytes mean the
same, so what was read once is taken again: a head counts as known only where it differs from the last one of its
connection in the digits of Content-Length, and where the whole body has come with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tiltyard.serving.connections.limits import LARGEST_HEAD
from tiltyard.serving.connections.pieces import BLANK_LINE

LARGEST = 2048
"""Bytes of a head that is kept with its connection, of which there may be many."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([1-9][0-9]{0,4})\r\n", re.IGNORECASE)
_MOST_DIGITS, _ZERO = 5, ord("0")
# With these, the bytes of a head do not say all: the client waits, or the body is framed in another way.
_UNORDINARY = frozenset({b"expect", b"upgrade", b"transfer-encoding", b"trailer"})


class KnownHead(NamedTuple):
    """A head as it was parsed.

    Attributes:
        before: its bytes up to the digits of Content-Length.
        after: its bytes behind them, up to the blank line.
        place: where Content-Length stands among the headers.
        headers: ASGI's.
        scope: the rest of ASGI's scope.
    """

    before: bytes
    after: bytes
    place: int
    headers: list[tuple[bytes, bytes]]
    scope: dict[str, Any]

    def match(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The digits of Content-Length, and the body, of bytes that are one whole request with this head; else None."""
        if not data.startswith(self.before):
            return None
        begin = len(self.before)
        end = data.find(b"\r", begin, begin + _MOST_DIGITS + 1)
        if not data.startswith(self.after, end):
            return None
        digits, body = data[begin:end], data[end + len(self.after) :]
        if not digits.isdigit() or digits[0] == _ZERO or int(digits) != len(body) or len(data) > LARGEST_HEAD:
            return None
        return digits, body


def learn_head(data: bytes, scope: Mapping[str, Any]) -> KnownHead | None:
    """What is known of the head of a request that was parsed; None where its bytes do not say all.

    Args:
        data: the bytes of the whole request, and of nothing else.
        scope: ASGI's scope of it.
    """
    end = data.find(BLANK_LINE) + len(BLANK_LINE)
    headers = scope["headers"]
    if not len(BLANK_LINE) <= end <= LARGEST or not _UNORDINARY.isdisjoint(dict(headers)):
        return None
    found = list(_LENGTH.finditer(data, 0, end))
    stated = [place for place, (name, _) in enumerate(headers) if name == b"content-length"]
    if len(found) != 1 or len(stated) != 1:
        return None
    first, last = found[0].span(1)
    if headers[stated[0]][1] != data[first:last] or int(data[first:last]) != len(data) - end:
        return None
    rest = {name: value for name, value in scope.items() if name != "headers"}
    return KnownHead(data[:first], data[last:end], stated[0], list(headers), rest)
