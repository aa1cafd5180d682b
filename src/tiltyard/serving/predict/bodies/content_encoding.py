"""Compressed request bodies, unpacked while they arrive and never beyond a limit.

Source: RFC 9110, section 8.4.1: ``gzip`` (RFC 1952), and ``deflate`` (the zlib format of RFC 1950).
"""

from __future__ import annotations

import zlib

from tiltyard.serving.problem_details import RequestError

# zlib's window bits: its header's own size, and 16 more for gzip's header.
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
ACCEPTED = ("gzip", "deflate")
# Each member of a gzip file costs memory and time, also an empty one.
_MOST_MEMBERS = 1000


class BodyDecoder:
    """Unpacks the pieces of one body in their order.

    Args:
        encoding: one of ``ACCEPTED``, or ``x-gzip``.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._members = 1

    def decode(self, data: bytes | bytearray, limit: int) -> bytes:
        """The unpacked bytes of the next piece; unpacking stops at ``limit + 1`` of them.

        Raises:
            RequestError: the body is not of this encoding.
        """
        unpacked: list[bytes] = []
        room = limit + 1
        try:
            while data and room > 0:
                if self._stream.eof:
                    self._begin_member()
                unpacked.append(self._stream.decompress(data, room))
                room -= len(unpacked[-1])
                data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        except zlib.error as error:
            raise self._malformed_error(str(error)) from None
        return b"".join(unpacked)

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            RequestError: it ends too early.
        """
        if not self._stream.eof:
            raise self._malformed_error("it ends too early")

    def _begin_member(self) -> None:
        self._members += 1
        if self._encoding == "deflate" or self._members > _MOST_MEMBERS:
            raise self._malformed_error("more data follows its end")
        self._stream = zlib.decompressobj(_WINDOW_BITS[self._encoding])

    def _malformed_error(self, reason: str) -> RequestError:
        return RequestError(
            f"The body cannot be unpacked as {self._encoding}: {reason}.",
            status=400,
            code="request.malformed",
            next_step=f"Compress the body with {self._encoding}, or send it without the header Content-Encoding.",
        )


def body_decoder(content_encoding: bytes | None) -> BodyDecoder | None:
    """The decoder that a ``Content-Encoding`` header names; None for a plain body.

    Raises:
        RequestError: the server cannot unpack this encoding.
    """
    if content_encoding is None:
        return None
    encoding = content_encoding.decode("latin-1").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in _WINDOW_BITS:
        raise RequestError(
            f"The Content-Encoding is {encoding!r:.80}, and the server accepts {' and '.join(ACCEPTED)}.",
            status=415,
            code="request.media-type",
            next_step=f"Compress the body with {ACCEPTED[0]}, or send it without compression.",
            headers={"Accept-Encoding": ", ".join(ACCEPTED)},
        )
    return BodyDecoder(encoding)
