"""Large responses are packed for clients that accept gzip; all others are sent as they are."""

from __future__ import annotations

import gzip
import json
from http.client import HTTPConnection

import pytest

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ServerUnderTest
from tiltyard.serving.compression import SMALLEST, accepts_gzip

MANY = json.dumps({"texts": ["a good film"] * 300}).encode()
V2 = {"inputs": [{"name": "text", "shape": [300], "datatype": "BYTES", "data": ["a good film"] * 300}]}
LARGE: dict[str, tuple[str, str, bytes]] = {
    "a batch": ("POST", "/predict/batch", MANY),
    "V2": ("POST", f"/v2/models/{MODEL}/infer", json.dumps(V2).encode()),
    "OpenAPI": ("GET", "/openapi.json", b""),
    "metrics": ("GET", "/metrics", b""),
    "Swagger UI": ("GET", "/pages/swagger-ui-bundle.js", b""),
    "a page": ("GET", "/pages/style.css", b""),
}
SMALL: dict[str, tuple[str, str, bytes]] = {
    "a prediction": ("POST", "/predict", b'{"text":"good"}'),
    "a small batch": ("POST", "/predict/batch", b'{"texts":["good"]}'),
    "health": ("GET", "/health", b""),
}


def send(films: ServerUnderTest, request: tuple[str, str, bytes], accepted: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body as they are sent."""
    method, path, body = request
    connection = HTTPConnection("127.0.0.1", films.port, timeout=30)
    try:
        connection.request(method, path, body, {"Accept-Encoding": accepted, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("name", LARGE)
def test_a_large_response_is_packed_where_the_client_accepts_it(films: ServerUnderTest, name: str) -> None:
    """It unpacks to what other clients get, Vary says so to caches, and its length is that of the packed bytes."""
    status, headers, plain = send(films, LARGE[name], "identity")
    assert len(plain) >= SMALLEST
    assert "content-encoding" not in headers
    packed_status, packed_headers, packed = send(films, LARGE[name], "br, gzip")
    assert (packed_status, packed_headers["content-encoding"]) == (status, "gzip")
    assert len(packed) < len(plain) / 2
    assert int(packed_headers["content-length"]) == len(packed)
    assert headers["vary"] == packed_headers["vary"] == "Accept-Encoding"
    unpacked = gzip.decompress(packed)
    assert unpacked[:50] == plain[:50]
    if headers["content-type"].endswith("json"):
        assert json.loads(unpacked).keys() == json.loads(plain).keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_small_response_is_sent_as_it_is(films: ServerUnderTest, name: str) -> None:
    """Packing would cost more than it saves."""
    status, headers, _ = send(films, SMALL[name], "gzip")
    assert status == 200
    assert "content-encoding" not in headers


def test_a_page_is_the_same_packed_or_not(films: ServerUnderTest) -> None:
    """Its tag is weak, so that a cache may use either for both."""
    tags = {send(films, LARGE["a page"], accepted)[1]["etag"] for accepted in ("gzip", "identity")}
    [tag] = tags
    assert tag.startswith('W/"')
    assert films.client.get("/pages/style.css", headers={"If-None-Match": f'"other", {tag}'}).status_code == 304


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        (["gzip"], True),
        (["GZip;q=0.5, br"], True),
        (["gzip;q=0"], False),
        (["gzip; q=0.000, *"], False),
        (["*"], True),
        (["*;q=0"], False),
        (["identity", "x-gzip"], True),
        (["gzipped"], False),
        (["gzip;q=much"], False),
    ],
)
def test_gzip_is_accepted_by_name_and_weight(values: list[str], expected: bool) -> None:
    """A weight of 0 means that the client does not accept it; lines of the header are one list."""
    assert accepts_gzip([(b"accept-encoding", value.encode()) for value in values]) is expected
