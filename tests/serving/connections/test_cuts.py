"""Wherever the bytes of a connection are cut, each request gets one response, and the same one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.serving.connections.wire import Site, site

GET = b"GET /one HTTP/1.1\r\nHost: films\r\n\r\n"
POST = b"POST /two HTTP/1.1\r\nHost: films\r\nContent-Length: 9\r\n\r\n\r\n\r\nabcde"
CHUNKED = (
    b"POST /three HTTP/1.1\r\nHost: films\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\n\r\n\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Key: late\r\nX-More: 1\r\n\r\n"
)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
SOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"


def offering(request: bytes, offer: bytes = UPGRADE) -> bytes:
    """The same request with an offer of another protocol."""
    line, _, rest = request.partition(b"\r\n")
    return line + b"\r\n" + offer + rest


def coded(codings: bytes) -> bytes:
    """A request with these transfer codings, whose body has chunks."""
    return b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + codings + b"\r\n\r\n1\r\na\r\n0\r\n\r\n"


STREAMS: dict[str, tuple[bytes, list[int]]] = {
    "one of each": (GET + POST + CHUNKED + GET, [200, 200, 200, 200]),
    "offers of HTTP/2": (offering(POST) + offering(GET) + offering(CHUNKED) + GET, [200, 200, 200, 200]),
    "an offer of a web socket": (offering(GET, SOCKET) + POST, [200, 200]),
    "blank lines between requests": (b"\r\n\r\n" + GET + b"\r\n\r\n" + POST, [200, 200]),
    "the last one says so": (GET + POST.replace(b"Host", b"Connection: close\r\nHost") + GET, [200, 200]),
    "HTTP/1.0": (b"GET /old HTTP/1.0\r\n\r\n", [200]),
    "no requests": (POST + b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" + GET, [200, 400]),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "a broken chunk": (GET + b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", [200, 400]),
    "two lengths": (
        GET + b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        [200, 400],
    ),
    "length and chunks": (
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [400],
    ),
    "a coding inside the chunks": (GET + coded(b"gzip, chunked") + GET, [200, 501]),
    "codings in two lines": (coded(b"gzip\r\nTransfer-Encoding: chunked") + GET, [501]),
    "empty codings": (coded(b", chunked") + GET, [200, 200]),
    "chunks that are not last": (coded(b"chunked, gzip") + GET, [400]),
    "no chunks": (coded(b"gzip") + GET, [400]),
    "no host": (POST + b"GET / HTTP/1.1\r\n\r\n" + GET, [200, 400]),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" + GET, [400]),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n" + GET, [400]),
    "the whole server": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + GET, [200, 200]),
    "an asterisk of another method": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n" + GET, [400]),
    "something behind an asterisk": (b"OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n" + GET, [400]),
    "two hosts of HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", [400]),
    "a tunnel": (b"CONNECT films:443 HTTP/1.1\r\nHost: films:443\r\n\r\n" + GET, [405]),
    "an early response": (b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde" + GET, [200, 200]),
    "a client that waits": (POST.replace(b"Host", b"Expect: 100-continue\r\nHost") + GET, [100, 200, 200]),
    "HTTP/1.0 does not wait": (
        b"POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        [200],
    ),
}


@pytest.fixture(scope="module")
def films() -> Iterator[Site]:
    with site() as found:
        yield found


def statuses(received: bytes) -> list[int]:
    """The status of each response."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("name", STREAMS)
def test_every_cut_gets_the_responses_of_the_whole(films: Site, name: str) -> None:
    """A stream that is cut in two anywhere, or into single bytes, gets the responses that it gets in one piece."""
    stream, expected = STREAMS[name]
    whole = films.send(stream)
    assert statuses(whole) == expected, whole
    for cut in range(1, len(stream)):
        assert films.send(stream[:cut], stream[cut:]) == whole, cut
    assert films.send(*(stream[place : place + 1] for place in range(len(stream)))) == whole


def test_the_body_of_an_offer_is_read(films: Site) -> None:
    """A request that offers HTTP/2 is the same request as without the offer."""
    films.requests.clear()
    films.send(offering(POST))
    films.send(offering(CHUNKED))
    assert [(path, body) for _, path, _, body in films.requests] == [
        ("/two", b"\r\n\r\nabcde"),
        ("/three", b"\r\n\r\nabc"),
    ]


def test_headers_are_complete_when_the_head_is(films: Site) -> None:
    """What follows a body adds no header to the request that the application has begun to serve."""
    films.requests.clear()
    films.send(CHUNKED)
    assert [name for name, _ in films.requests[0][2]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 431)], ids=["the longest", "one byte more"])
def test_the_longest_head_does_not_depend_on_cuts(films: Site, size: int, status: int) -> None:
    """The bound on heads is about their bytes, however they come and whatever comes before them."""
    start, end = b"GET /long HTTP/1.1\r\nHost: films\r\nX-Long: ", b"\r\n\r\n"
    head = start + b"x" * (size - len(start) - len(end)) + end
    for pieces in (
        [head],
        [head[:60_000], head[60_000:]],
        [GET + head],
        [POST + head[:10_000], head[10_000:]],
        [POST + head[:30_000], head[30_000:] + GET],
        [POST + head[:-2], head[-2:]],
    ):
        assert status in statuses(films.send(*pieces)), pieces[0][:10]


def test_headers_are_counted(films: Site) -> None:
    """A head of very many small headers is refused, whole or not."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 5000
    assert statuses(films.send(head)) == [431]
    assert statuses(films.send(head + b"\r\n")) == [431]
