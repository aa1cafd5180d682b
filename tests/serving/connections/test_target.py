"""The host of a request target in absolute form is the request's host (RFC 9112, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving.connections.test_cuts import statuses
from tests.serving.connections.wire import Site, site
from tiltyard.serving.connections.target import read_target


@pytest.fixture
def films() -> Iterator[Site]:
    with site() as found:
        yield found


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        (b"http://other/health", b"other", "/health"),
        (b"http://Other:8080/a%20b?x=1", b"Other:8080", "/a b"),
        (b"HTTPS://[::1]:8000/health", b"[::1]:8000", "/health"),
        (b"http://other", b"other", "/"),
        (b"http://other?x=1", b"other", "/"),
    ],
)
def test_the_targets_host_wins(films: Site, target: bytes, host: bytes, path: str) -> None:
    """The one Host that a request has behind the parser is the target's, and its path is what stands behind it."""
    written = films.send(b"GET " + target + b" HTTP/1.1\r\nA: 1\r\nHost: 127.0.0.1\r\nB: 2\r\n\r\n")
    assert statuses(written) == [200]
    assert films.requests == [("GET", path, [(b"a", b"1"), (b"host", host), (b"b", b"2")], b"")]


def test_a_target_names_the_host_of_an_old_request_without_one(films: Site) -> None:
    """HTTP/1.0 has no Host; a target in absolute form gives it one."""
    assert statuses(films.send(b"GET http://other/a HTTP/1.0\r\n\r\n")) == [200]
    assert films.requests == [("GET", "/a", [(b"host", b"other")], b"")]


@pytest.mark.parametrize(
    "target", [b"ftp://other/a", b"http://user@other/a", b"http://user:word@127.0.0.1/a", b"http:///a", b"http://:80/a"]
)
def test_a_target_that_names_no_host_of_http_is_malformed(films: Site, target: bytes) -> None:
    """Another scheme, user info and an empty host are refused before the application sees them."""
    assert statuses(films.send(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) == [400]
    assert films.requests == []


def test_two_hosts_are_refused_with_an_absolute_target_too(films: Site) -> None:
    """The target's host does not hide that Host was sent twice, or not at all."""
    head = b"GET http://127.0.0.1/a HTTP/1.1\r\n"
    assert statuses(films.send(head + b"Host: 127.0.0.1\r\nHost: other\r\n\r\n")) == [400]
    assert statuses(films.send(head + b"\r\n")) == [400]


def test_options_of_a_bare_host_means_the_asterisk(films: Site) -> None:
    """OPTIONS of a host without a path means the asterisk form (RFC 9112, section 3.2.4)."""
    assert read_target(b"http://other", "OPTIONS", []) == b"*"
    assert read_target(b"http://other/", "OPTIONS", []) == b"/"
