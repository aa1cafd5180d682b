"""What strangers can make a process keep is bounded: bytes, requests, connections and time."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator

import pytest

from tests.serving.connections.test_cuts import GET, POST, statuses
from tests.serving.connections.wire import Site, Transport, site
from tiltyard.serving.connections import open_connections
from tiltyard.serving.connections.limits import most_connections
from tiltyard.serving.connections.open_connections import connections_of

CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def films() -> Iterator[Site]:
    with site() as found:
        yield found


def reads(transport: Transport) -> bool:
    """Whether the server reads from a connection."""
    return not transport.paused


def kept(films: Site) -> int:
    """The bytes that all connections of a site keep."""
    return connections_of(films.state, None, films.loop).kept_bytes


def test_one_request_behind_the_one_under_way_is_parsed(films: Site) -> None:
    """Of many requests at once two are parsed; what was read besides is kept as bytes, and nothing more is read."""
    films.gate.clear()
    connection, transport = films.connect()
    connection.data_received(GET * 500)
    films.turn(3)
    assert len(connection.pipeline) == 1
    assert len(films.requests) == 1
    assert reads(transport) is False
    assert kept(films) == len(GET) * 500
    films.gate.set()
    films.turn(2500)
    assert statuses(transport.written) == [200] * 500
    assert reads(transport) is True
    assert kept(films) == 0


@pytest.mark.parametrize("trailer", [b"X-Late: " + b"x" * 4000 + b"\r\n", b"X-Late: y\r\n" * 400])
def test_trailers_are_bounded(films: Site, trailer: bytes) -> None:
    """Headers behind a body end the connection when there are too many, and are never kept."""
    connection, transport = films.connect()
    connection.data_received(CHUNKED + b"1\r\na\r\n0\r\n")
    for _ in range(10):
        connection.data_received(trailer)
    films.turn(5)
    assert statuses(transport.written) == [431]
    assert transport.ended
    assert connection.headers == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]


def test_one_trailer_without_an_end_is_bounded(films: Site) -> None:
    """A header behind a body that does not end is cut off."""
    connection, transport = films.connect()
    connection.data_received(CHUNKED + b"1\r\na\r\n0\r\nX-Late: ")
    for _ in range(100):
        connection.data_received(b"x" * 1000)
    films.turn(5)
    assert statuses(transport.written) == [431]


def test_what_all_connections_keep_is_bounded() -> None:
    """When all connections together keep too much, the oldest without a whole request goes, and its bytes with it."""
    with site(kept_bytes=100_000) as films:
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * 30_000
        opened = [films.connect() for _ in range(5)]
        for connection, _ in opened:
            connection.data_received(head)
            films.turn()
        assert [transport.aborted for _, transport in opened] == [True, True, False, False, False]
        assert kept(films) == 3 * len(head)
        for connection, _ in opened:
            connection.connection_lost(None)
        assert kept(films) == 0


def test_requests_kept_behind_a_slow_one_are_bounded() -> None:
    """A connection that has a whole request goes as well when nothing else is left to go."""
    with site(kept_bytes=100_000) as films:
        films.gate.clear()
        connection, transport = films.connect()
        connection.data_received(GET * 5000)
        assert transport.aborted
        assert kept(films) == 0


def test_a_full_process_has_room_for_one_more() -> None:
    """The connection that has waited for longest goes; those with a whole request stay, and newcomers get responses."""
    with site(connections=4) as films:
        films.gate.clear()
        busy, busy_transport = films.connect()
        busy.data_received(GET)
        silent = [films.connect()[1] for _ in range(3)]
        films.turn()
        for _ in range(10):
            connection, transport = films.connect()
            assert not transport.ended
            films.turn()
        assert [item.aborted for item in silent] == [True] * 3
        assert len(films.state.connections) == 4
        films.gate.set()
        connection.data_received(GET)
        films.turn(5)
        assert statuses(transport.written) == [200]
        assert statuses(busy_transport.written) == [200]


def test_a_flood_of_whole_requests_leaves_room_for_probes() -> None:
    """Where every connection has a request, some more are taken, and the rest are refused at once."""
    with site(connections=3, probes=2) as films:
        films.gate.clear()
        opened = []
        for _ in range(8):
            connection, transport = films.connect()
            connection.data_received(GET)
            films.turn()
            opened.append(transport)
        assert [statuses(item.written) for item in opened] == [[]] * 5 + [[503]] * 3
        films.gate.set()
        films.turn(5)
        assert [statuses(item.written) for item in opened] == [[200]] * 5 + [[503]] * 3


def test_connections_are_fewer_than_descriptors() -> None:
    """The limit of connections is below the limit of descriptors, which files and databases need as well."""
    assert most_connections() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]


STAGES: dict[str, tuple[list[bytes], float, list[int]]] = {
    "nothing": ([], 30, []),
    "a head": ([b"GET / HTTP/1.1\r\nHo"], 30, [408]),
    "a body": ([POST[:-1]], 30, [408]),
    "a body of the fast path": ([POST[:-9]], 30, [408]),
    "the end of a chunk": ([CHUNKED + b"1\r\na"], 30, [408]),
    "a second request": ([GET, GET[:9]], 30, [200, 408]),
    "after a response": ([GET], 75, [200]),
    "a body after its response": ([b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"], 30, [200]),
}


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_deadline(films: Site, name: str) -> None:
    """A client that falls silent anywhere is waited for so long; the response says so where one is due."""
    pieces, seconds, expected = STAGES[name]
    connection, transport = films.connect()
    films.feed(connection, transport, pieces)
    now = films.loop.time()
    connection.check_time(now + seconds - 1)
    assert (transport.closed, transport.ended) == (False, False)
    connection.check_time(now + seconds + 1)
    assert transport.closed or transport.ended
    assert statuses(transport.written) == expected
    connection.check_time(now + seconds + 10)
    assert transport.closed


def test_a_slow_body_has_more_time_the_more_has_come(films: Site) -> None:
    """A large body may take longer than a deadline, at a rate that any line has; a trickle may not."""
    connection, transport = films.connect()
    now = films.loop.time()
    connection.data_received(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
    for _ in range(10):
        connection.data_received(b"x" * 50_000)
        films.turn(3)
    connection.check_time(now + 80)
    assert not transport.ended
    connection.check_time(now + 100)
    assert transport.ended


def test_a_client_that_reads_nothing_is_left(films: Site) -> None:
    """A response that nobody reads is not kept for ever."""
    connection, transport = films.connect()
    connection.data_received(GET)
    films.turn(5)
    connection.pause_writing()
    now = films.loop.time()
    connection.check_time(now + 59)
    assert not transport.closed
    connection.check_time(now + 61)
    assert transport.aborted


def test_a_request_under_way_has_no_deadline(films: Site) -> None:
    """A slow model is not the client's fault."""
    films.gate.clear()
    connection, transport = films.connect()
    connection.data_received(POST)
    films.turn(3)
    connection.check_time(films.loop.time() + 1000)
    films.gate.set()
    films.turn(3)
    assert statuses(transport.written) == [200]


def test_the_event_loop_looks_for_slow_clients_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no call from outside."""
    monkeypatch.setattr(open_connections, "SWEEP_SECONDS", 0.01)
    with site(first_byte=0.0) as films:
        _, transport = films.connect()
        films.loop.run_until_complete(_until_closed(transport))
        assert transport.closed


async def _until_closed(transport: Transport) -> None:
    for _ in range(300):
        if transport.closed:
            return
        await asyncio.sleep(0.01)


def test_a_response_without_the_body_that_was_announced_ends_the_connection(films: Site) -> None:
    """A client that gets its response in place of a 100 may send the body or not: what comes is not a request."""
    connection, transport = films.connect()
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n"
    films.feed(connection, transport, [head, GET])
    assert statuses(transport.written) == [200]
    assert transport.ended
