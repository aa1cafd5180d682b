"""A bound on the heads of requests: request line and headers, which are read before anything can check them."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Ten times what browsers send; a proxy that adds more has an error.
LARGEST_HEAD = 64 * 1024
_RESPONSE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/problem+json\r\n"
    b"content-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)
_PROBLEM = (
    b'{"type":"about:blank","title":"Request Header Fields Too Large","status":431,'
    b'"detail":"Request line and headers are larger than %d bytes.","code":"request.head-too-large",'
    b'"next_step":"Send fewer or shorter headers, or a shorter URL."}' % LARGEST_HEAD
)


class HeaderLimitProtocol(HttpToolsProtocol):
    """uvicorn's HTTP over httptools, with a bound: by itself it keeps a head of any size in memory, from any client."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = False
        self._head_bytes = 0
        self._heads_begun = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client; a head that is longer than the limit ends the connection."""
        # What comes before a head in the same bytes is another request, and is not counted.
        was_in_head, heads_begun = self._in_head, self._heads_begun
        super().data_received(data)
        if not (was_in_head and self._in_head and heads_begun == self._heads_begun):
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(_RESPONSE % (len(_PROBLEM), _PROBLEM))
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self._heads_begun += 1

    def on_headers_complete(self) -> None:
        """The head is over; what follows is the body."""
        self._in_head = False
        super().on_headers_complete()
