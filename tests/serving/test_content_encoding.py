"""Compressed bodies: read by every route that takes a body, and never unpacked beyond the limit of plain ones."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ServerUnderTest, run_server
from tiltyard.serving.predict.bodies.content_encoding import BodyDecoder, body_decoder
from tiltyard.serving.problem_details import RequestError

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}
V2 = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a good film"]}]}
BODIES: dict[str, Any] = {
    "/predict": {"text": "a good film"},
    "/predict/batch": {"texts": ["a good film", "a dull one"]},
    "/explain": {"text": "a good film"},
    "/invocations": {"dataframe_records": [{"text": "a good film"}]},
    f"/v2/models/{MODEL}/infer": V2,
    f"/v2/models/{MODEL}/versions/1/infer": V2,
}
PATHS = [*BODIES, "/feedback"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("films"), text_package, max_text=1000, max_request=10) as running:
        yield running


def body_of(films: ServerUnderTest, path: str) -> bytes:
    """A body that a route takes."""
    if path == "/feedback":
        prediction = films.client.post("/predict", json={"text": "good"}).json()["prediction_id"]
        return json.dumps({"prediction_id": prediction, "label": "good"}).encode()
    return json.dumps(BODIES[path]).encode()


def post(films: ServerUnderTest, path: str, body: bytes, encoding: str) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    return films.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "identity", "GZip"])
def test_every_route_reads_compressed_bodies(films: ServerUnderTest, path: str, encoding: str) -> None:
    """A compressed body gets the response of the plain one."""
    encode = ENCODERS.get(encoding.lower(), bytes)
    assert post(films, path, encode(body_of(films, path)), encoding).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "nonsense"])
def test_unknown_encodings_are_refused_with_the_accepted_ones(films: ServerUnderTest, path: str, encoding: str) -> None:
    """An encoding that the server cannot unpack is 415, and the response names those that it can."""
    response = post(films, path, body_of(films, path), encoding)
    assert (response.status_code, response.json()["code"]) == (415, "request.media-type")
    assert response.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("path", PATHS)
def test_unpacked_bodies_have_the_limit_of_plain_ones(films: ServerUnderTest, path: str) -> None:
    """A small body that unpacks to more than the route takes is 413."""
    response = post(films, path, gzip.compress(b" " * 40_000_000), "gzip")
    assert (response.status_code, response.json()["code"]) == (413, "request.too-large")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "spoil", [lambda body: body[:-4], lambda body: b"{}", lambda body: body + b"more", lambda body: b""]
)
def test_broken_bodies_are_malformed(films: ServerUnderTest, path: str, spoil: Callable[[bytes], bytes]) -> None:
    """A body that is truncated, followed by other bytes, or not compressed at all is 400."""
    response = post(films, path, spoil(gzip.compress(body_of(films, path))), "gzip")
    assert (response.status_code, response.json()["code"]) == (400, "request.malformed")


def test_texts_beyond_the_limit_are_named_in_compressed_bodies_too(films: ServerUnderTest) -> None:
    """A compressed body is checked like a plain one once it is unpacked."""
    body = json.dumps({"text": "x" * 1001}).encode()
    plain = films.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    packed = post(films, "/predict", gzip.compress(body), "gzip")
    assert (packed.status_code, packed.json()) == (422, plain.json())


@given(
    members=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 500), max_size=10),
    limit=st.integers(0, 20_000),
)
def test_pieces_unpack_to_the_whole_or_to_just_beyond_the_limit(
    members: list[bytes], cuts: list[int], limit: int
) -> None:
    """However a body of several members is cut, its pieces unpack to it, or to one byte more than the limit."""
    whole, packed = b"".join(members), b"".join(gzip.compress(member) for member in members)
    decoder, found, position = BodyDecoder("gzip"), b"", 0
    for cut in [*cuts, len(packed)]:
        found += decoder.decode(packed[position : position + cut], limit - len(found))
        position += cut
        if len(found) > limit:
            break
    if len(whole) > limit:
        assert found == whole[: limit + 1]
    else:
        decoder.finish()
        assert found == whole


def test_a_memory_bomb_is_not_unpacked() -> None:
    """Unpacking a body of a thousand times its size takes no more memory than the limit, twice."""
    packed, limit = gzip.compress(bytes(300_000_000), 1), 100_000
    tracemalloc.start()
    try:
        assert len(BodyDecoder("gzip").decode(packed, limit)) == limit + 1
        assert tracemalloc.get_traced_memory()[1] < 2 * limit + len(packed) * 2
    finally:
        tracemalloc.stop()


def test_members_without_content_are_bounded() -> None:
    """A body of empty members, each of which costs time, is refused."""
    with pytest.raises(RequestError, match="more data follows"):
        BodyDecoder("gzip").decode(gzip.compress(b"") * 2000, 100)


@pytest.mark.parametrize("header", [None, b"", b"identity", b" Identity "])
def test_plain_bodies_need_no_decoder(header: bytes | None) -> None:
    """A body without an encoding is passed on as it is."""
    assert body_decoder(header) is None
