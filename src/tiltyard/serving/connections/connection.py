"""A connection that speaks HTTP/1.1 and nothing else, and keeps little before a request is whole.

uvicorn's protocol over httptools by itself keeps heads, trailers and waiting requests of any size from any client, has
no deadline but one between requests, and loses the body of a request that offers another protocol. Here:

- A request is parsed only when at most one awaits its response and none waits behind it. What was read beyond that is
  kept unparsed, and reading is paused.
- The list of headers is closed when the head ends; trailers are dropped.
- An offer of another protocol is ignored: another parser, which does not leave HTTP, reads the rest of it.
- Wherever the bytes are cut, each request gets one response, in order; a refusal waits for those before it.

A head ends at its first blank line, and so does a chunked body; so the bytes are parsed in pieces that end there, of
which each completes at most one head. The ordinary piece, one request in one segment, is parsed as it came.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tiltyard.serving.connections import refusals
from tiltyard.serving.connections.codings import has_unknown_coding
from tiltyard.serving.connections.flow import HeldFlow
from tiltyard.serving.connections.limits import LARGEST_HEAD, LARGEST_TRAILERS, MOST_HEADERS, ConnectionLimits
from tiltyard.serving.connections.open_connections import SWEEP_SECONDS, connections_of
from tiltyard.serving.connections.pieces import BLANK_LINE, end_of_piece
from tiltyard.serving.connections.target import ORIGIN_FORM, read_target

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's HTTP over httptools, within ``ConnectionLimits``."""

    limits: ClassVar[ConnectionLimits | None] = None
    """The limits of this class of connections; None for those that fit the process."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._all = connections_of(self.server_state, self.limits, self.loop)
        # Nothing was received, or all of it has its response: the next bytes begin a request.
        self._idle = True
        # The request that gets its response, or got it last.
        self._active: RequestResponseCycle | None = None
        # The parser stands between two requests; it is in a head; neither: it is in a body or its trailers.
        self._between = True
        self._in_head = False
        self._head_bytes = self._body_bytes = self._trailer_bytes = self._quiet_bytes = 0
        # How many headers Host the head has, and whether one names transfer codings.
        self._hosts, self._is_coded = 0, False
        # The last bytes that were parsed, where a blank line may have begun.
        self._tail = b""
        # The head offers another protocol; and: a head without that offer is being parsed.
        self._offered = self._repeating = False
        # What was read too early, and where in it the parser stopped.
        self._unparsed, self._unparsed_from = b"", 0
        self._refusal = b""
        self._ended = False
        self._kept = 0
        self._since, self._stage = 0.0, ""
        self._write_paused_at = 0.0

    # What the process reads.

    @property
    def is_waiting(self) -> bool:
        """Whether it has no whole request that awaits its response."""
        cycle = self.cycle
        return not self.pipeline and (cycle is None or cycle.response_complete or cycle.more_body)

    @property
    def waits_since(self) -> float:
        """When it began to wait for what it waits for, by the loop's clock."""
        return self._since

    @property
    def kept_bytes(self) -> int:
        """How many bytes of requests it keeps that are not whole, or wait."""
        return self._kept

    def drop(self) -> None:
        """End it now, without a word."""
        self._ended = True
        self.connections.discard(self)
        self._keep(0)
        self.transport.abort()

    def check_time(self, now: float) -> None:
        """End it if its client is too slow."""
        limits, waited = self._all.limits, now - self._since
        if self._ended:
            if waited > limits.linger:
                self.drop()
        elif self.flow.write_paused:
            if now - self._write_paused_at > limits.write:
                self.drop()
        elif not self._between or self._head_bytes:
            self._check_request_time(waited, limits)
        elif self.is_waiting and waited > (limits.first_byte if self.cycle is None else limits.idle):
            self.transport.close()

    def _check_request_time(self, waited: float, limits: ConnectionLimits) -> None:
        """Refuse a request that arrives too slowly; a body that is not read does not."""
        in_body = not self._in_head and not self._between
        longest = limits.body + self._body_bytes / limits.body_rate if in_body else limits.head
        if self.flow.read_paused:
            self._since += SWEEP_SECONDS
        elif waited > longest:
            self._refuse(refusals.TOO_SLOW)

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there is room."""
        super().connection_made(transport)
        self.flow = self._flow = HeldFlow(transport)
        self._since = self.loop.time()
        if not self._all.admit(self):
            # Without a moment for its client: in a flood, those moments would take the descriptors.
            self._ended = True
            self.connections.discard(self)
            transport.write(refusals.TOO_MANY_CONNECTIONS)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what is kept."""
        super().connection_lost(exc)
        if self._active is not None and not self._active.response_complete:
            self._abandon(self._active)
        self._ended = True
        self._unparsed = b""
        self._keep(0)

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._write_paused_at = self.loop.time()
        super().pause_writing()

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client, in pieces where they may hold more than one request."""
        # White space before a request is left to the other way.
        if self._idle and len(data) <= LARGEST_HEAD and data.count(BLANK_LINE) == 1 and data[0] > ord(" "):
            self._idle = False
            before = self.cycle
            self._feed(data)
            if self._between:
                return
            if self._in_head and not self._head_bytes:
                self._count_head(data, behind_request=self.cycle is not before)
        else:
            self._idle = False
            self._take(data)
        self._note_stage()

    # Parsing.

    def _count_head(self, data: bytes, *, behind_request: bool) -> None:
        """Count the bytes of a head that is not whole, and may have begun behind a whole request."""
        begin = 0
        if behind_request:
            length = next((value for name, value in self.cycle.scope["headers"] if name == b"content-length"), b"0")
            begin = data.find(BLANK_LINE) + len(BLANK_LINE) + int(length)
        self._head_bytes, self._tail = len(data) - begin, data[begin:][-3:]

    def _take(self, data: bytes, place: int = 0) -> None:
        """Parse bytes request by request, from a place on; what comes too early is kept."""
        if self._unparsed:
            data, place = self._unparsed[self._unparsed_from :] + data, 0
            self._unparsed = b""
        size = len(data)
        while place < size and not self._ended:
            if self._between and self._refusal:
                return
            if self._between and self.pipeline:
                self._unparsed, self._unparsed_from = data, place
                self._flow.hold()
                return
            if self._between and not self._keeps_alive():
                return
            end = end_of_piece(data, place, self._tail, self._body_left)
            piece = data if end - place == size else data[place:end]
            in_head = self._between or self._in_head
            if in_head:
                self._head_bytes += end - place
                if self._head_bytes > LARGEST_HEAD:
                    self._refuse(refusals.HEAD_TOO_LARGE)
                    return
            place = end
            before = self._body_bytes
            self._tail = b"" if piece.endswith(BLANK_LINE) else (self._tail + piece[-3:])[-3:]
            self._feed(piece)
            if in_head or self._body_bytes != before:
                self._quiet_bytes = 0
            else:
                self._quiet_bytes += len(piece)
                if self._quiet_bytes > LARGEST_HEAD and not self._between:
                    self._refuse(refusals.TRAILERS_TOO_LARGE)

    def _keeps_alive(self) -> bool:
        """Whether another request may follow the last one."""
        return self.cycle is None or self.cycle.keep_alive

    @property
    def _body_left(self) -> int:
        """How many bytes of the body are to come; 0 outside of bodies whose length is known."""
        if self._between or self._in_head:
            return 0
        length = next((value for name, value in self.headers if name == b"content-length"), None)
        return 0 if length is None else int(length) - self._body_bytes

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._stay_in_http(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or refusals.MALFORMED)

    def _stay_in_http(self, rest: bytes) -> None:
        """Continue after a head that offered another protocol: its body, and what follows, are HTTP/1.1 all the same.

        The parser read the body as the other protocol's. Another one is given a head with the same framing.
        """
        self._offered = False
        framing = [pair for pair in self.headers if pair[0] in (b"content-length", b"transfer-encoding")]
        lines = [b"POST / HTTP/1.1\r\n", *(b"%b: %b\r\n" % pair for pair in framing), b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._repeating = True
        self._feed(b"".join(lines))
        self._repeating = False
        if rest:
            self._take(rest)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._repeating:
            return
        super().on_message_begin()
        self._between = self._is_coded = False
        self._in_head = True
        self._hosts = self._body_bytes = self._trailer_bytes = self._quiet_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; those behind a body are counted and dropped."""
        if not self._in_head:
            if not self._repeating:
                self._trailer_bytes += len(name) + len(value) + 4
                if self._trailer_bytes > LARGEST_TRAILERS:
                    raise self._stop_parser(refusals.TRAILERS_TOO_LARGE)
            return
        name = name.lower()
        if name == b"host":
            self._hosts += 1 if value else 2  # an empty one is refused, too
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name == b"transfer-encoding":
            self._is_coded = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is over; what follows is the body."""
        if self._repeating:
            return
        self._in_head = False
        self._head_bytes = 0
        self._offered = self.parser.should_upgrade()
        if self._offered and self.parser.get_method() == b"CONNECT":
            raise self._stop_parser(refusals.TUNNEL)
        if self._hosts != 1 or self.expect_100_continue:
            is_old = self.parser.get_http_version() == "1.0"
            if self._hosts > 1 or not (self._hosts or is_old):
                raise self._stop_parser(refusals.WITHOUT_HOST)
            # A client of HTTP/1.0 does not know what 100 means.
            self.expect_100_continue = self.expect_100_continue and not is_old
        if self._is_coded and has_unknown_coding(self.headers):
            raise self._stop_parser(refusals.UNKNOWN_CODING)
        if len(self.headers) > MOST_HEADERS:
            raise self._stop_parser(refusals.TOO_MANY_HEADERS)
        if not self.url.startswith(ORIGIN_FORM):
            self.url = read_target(self.url, self.parser.get_method().decode("ascii"), self.headers)
        super().on_headers_complete()
        if not self.pipeline:
            self._active = self.cycle

    def on_body(self, body: bytes) -> None:
        """Take bytes of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; unless its body was read as another protocol's."""
        if self._offered:
            return
        self._between = True
        self._tail = b""
        if self._kept:
            self._keep(len(self._unparsed))
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the request that waits, or with what was kept unparsed; else wait for the next one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._ended:
            return
        self._since = self.loop.time()
        self._stage = ""
        if self.pipeline:
            self._active, app = self.pipeline.pop()
            self._start_asgi_task(self._active, app)
        elif self._refusal:
            self._end(self._refusal)
            return
        elif self.expect_100_continue and not (self._between or self._in_head or self._body_bytes):
            # It has its response without the body, and may send that or not.
            self._end(b"")
            return
        if self._unparsed:
            data, self._unparsed = self._unparsed, b""
            self._take(data, self._unparsed_from)
            self._note_stage()
        if self._flow.read_paused and not self._unparsed and not self._ended:
            self._flow.release()
        self._idle = self._between and not self._head_bytes and self.is_waiting

    # Ends.

    def _stop_parser(self, response: bytes) -> Exception:
        """The error that stops the parser, which responds with this."""
        self._refusal = response
        return ValueError("refused")

    def _refuse(self, response: bytes) -> None:
        """Respond to what cannot become a request, after the responses that are due, and end the connection."""
        self._refusal = response
        self._idle = False
        self._unparsed = b""
        in_body = not self._between and not self._in_head
        # Nothing of it can follow; the parser is not given more.
        self._between = True
        # A head that was refused at its end never became a request.
        broken = self.cycle if in_body and self.cycle is not None and self.cycle.scope is self.scope else None
        if broken is not None and self.pipeline:
            self.pipeline.clear()
            self.cycle = self._active  # type: ignore[assignment]
        elif broken is not None:
            response = b"" if broken.response_started else response
            self._abandon(broken)
            self._active = None
        if self._active is None or self._active.response_complete:
            self._end(response)
        else:
            self._flow.hold()

    @staticmethod
    def _abandon(cycle: RequestResponseCycle) -> None:
        """Let the application see that its client is gone."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _end(self, response: bytes) -> None:
        """Send the last bytes; the client has a moment to read them while what it still sends is dropped."""
        self._ended = True
        self._idle = False
        self._since = self.loop.time()
        self._unparsed = b""
        self._keep(0)
        if response:
            self.transport.write(response)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
        self._flow.release()

    # What is kept.

    def _note_stage(self) -> None:
        """Note since when the connection waits for the rest of what it has begun, and how much it keeps of it."""
        if self._ended:
            return
        stage = "" if self._between and not self._head_bytes else "head" if self._in_head or self._between else "body"
        if stage != self._stage:
            self._stage, self._since = stage, self.loop.time()
        if stage == "head" and len(self.headers or ()) > MOST_HEADERS:
            self._refuse(refusals.TOO_MANY_HEADERS)
            return
        body = len(self.cycle.body) if stage == "body" and self.cycle is not None else 0
        self._keep(self._head_bytes + body + len(self._unparsed))

    def _keep(self, size: int) -> None:
        difference, self._kept = size - self._kept, size
        if difference:
            self._all.keep(difference, self)
