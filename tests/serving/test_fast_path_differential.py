"""The fast path differs from ASGI in speed alone: the same requests get the same responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.interfaces import ROW, ServerUnderTest, run_server
from tiltyard.serving.auth import KeyFile, NewKey
from tiltyard.serving.connections.connection import BoundedConnection

JSON = {"Content-Type": "application/json"}
# What differs for each request, on either path.
VARYING_HEADERS = {"date"}
PREDICTION_ID = re.compile(rb'"prediction_id":"[0-9a-f-]{36}"')

Response = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """API keys by their scope, with the path of their file."""
    file = KeyFile(tmp_path_factory.mktemp("keys") / "api-keys.json")
    made = {scope: NewKey.generate([scope], name=scope) for scope in ("predict", "read")}
    for key in made.values():
        file.add(key.key)
    return {"file": str(file.path), **{scope: key.token for scope, key in made.items()}}


@pytest.fixture(scope="module")
def sites(
    tmp_path_factory: pytest.TempPathFactory, text_package: Path, table_package: Path, keys: dict[str, str]
) -> Iterator[dict[str, ServerUnderTest]]:
    """Servers of each kind: of texts, of tables, without a version, and with API keys."""
    with ExitStack() as stack:

        def start(name: str, package: Path | None, api_keys: Path | None = None) -> ServerUnderTest:
            return stack.enter_context(run_server(tmp_path_factory.mktemp(name), package, api_keys, max_text=500))

        yield {
            "text": start("text", text_package),
            "table": start("table", table_package),
            "empty": start("empty", None),
            "keys": start("keys", text_package, Path(keys["file"])),
        }


@pytest.fixture
def asgi_paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of requests that uvicorn gave to the ASGI application, errors of the fast path included."""
    paths: list[str] = []
    start = BoundedConnection._start_asgi_task

    def start_noted(self: BoundedConnection, cycle: Any, app: Any) -> None:
        paths.append(cycle.scope["path"])
        start(self, cycle, app)

    monkeypatch.setattr(BoundedConnection, "_start_asgi_task", start_noted)
    return paths


def send(running: ServerUnderTest, body: bytes, headers: dict[str, str]) -> Response:
    """The response to a request: status, headers that should not vary, and body without the prediction's id."""
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    try:
        connection.request("POST", "/predict", body, headers)
        response = connection.getresponse()
        content = PREDICTION_ID.sub(b"", response.read())
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, {name: found[name] for name in found.keys() - VARYING_HEADERS}, content
    finally:
        connection.close()


def both_ways(running: ServerUnderTest, body: bytes, headers: dict[str, str]) -> tuple[Response, Response]:
    """The responses by the fast path and by ASGI: a client that awaits a 100 is never on the fast path."""
    return send(running, body, headers), send(running, body, {**headers, "Expect": "100-continue"})


def send_again(running: ServerUnderTest, body: bytes, headers: dict[str, str]) -> Response:
    """The response to a request behind a good one with the same headers, on one connection."""
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    try:
        for content in (b'{"text":"before"}', body):
            connection.request("POST", "/predict", content, headers)
            response = connection.getresponse()
            received = PREDICTION_ID.sub(b"", response.read())
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, {name: found[name] for name in found.keys() - VARYING_HEADERS}, received
    finally:
        connection.close()


def request(content: Any, **headers: str) -> tuple[bytes, dict[str, str]]:
    """A request with JSON, and with headers beyond its type."""
    return json.dumps(content).encode(), JSON | {name.replace("_", "-"): value for name, value in headers.items()}


REQUESTS: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "a text": ("text", *request({"text": "a good film"}), 200),
    "an empty text": ("text", *request({"text": ""}), 200),
    "a text with a key": ("text", *request({"text": "good"}, X_Prediction_Key="order 7"), 200),
    "JSON by another name": ("text", b'{"text":"good"}', {"Content-Type": "application/x+json; charset=utf-8"}, 200),
    "a gzip of nothing": ("text", *request({"text": "good"}, Content_Encoding="gzip"), 400),
    "an unknown encoding": ("text", *request({"text": "good"}, Content_Encoding="br"), 415),
    "a bad key": ("text", *request({"text": "good"}, X_Prediction_Key="x" * 300), 400),
    "a wrong field": ("text", *request({"txt": "good"}), 422),
    "one field too many": ("text", *request({"text": "good", "more": 1}), 422),
    "a number": ("text", *request({"text": 7}), 422),
    "a long text": ("text", *request({"text": "x" * 501}), 422),
    "half a character": ("text", b'{"text":"\\ud83d"}', JSON, 400),
    "a list": ("text", *request([1]), 422),
    "no JSON": ("text", b"{", JSON, 400),
    "no body": ("text", b"", JSON, 400),
    "no type": ("text", b'{"text":"good"}', {}, 200),
    "another type": ("text", b'{"text":"good"}', {"Content-Type": "text/plain"}, 415),
    "a large body": ("text", b" " * 70_000, JSON, 413),
    "a row": ("table", *request({"features": ROW}), 200),
    "a row with gaps": ("table", *request({"features": {**ROW, "age": None}}), 200),
    "a wrong feature": ("table", *request({"features": {**ROW, "age": "old"}}), 422),
    "an unknown feature": ("table", *request({"features": {**ROW, "agee": 7}}), 422),
    "a missing feature": ("table", *request({"features": {"age": 7}}), 422),
    "a text for a table": ("table", *request({"text": "good"}), 422),
    "no version": ("empty", *request({"text": "good"}), 503),
    "no API key": ("keys", *request({"text": "good"}), 401),
    "an unknown API key": ("keys", *request({"text": "good"}, X_API_Key="nonsense"), 401),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_fast_path_responds_as_asgi_does(sites: dict[str, ServerUnderTest], name: str) -> None:
    """Status, headers and body of a response are those that ASGI sends."""
    kind, body, headers, status = REQUESTS[name]
    fast, asgi = both_ways(sites[kind], body, headers)
    assert fast == asgi
    assert fast[0] == status, fast
    assert send_again(sites[kind], body, headers) == asgi


@pytest.mark.parametrize(("scope", "status"), [("predict", 200), ("read", 403)])
def test_scopes_of_api_keys_count_on_both_paths(
    sites: dict[str, ServerUnderTest], keys: dict[str, str], scope: str, status: int
) -> None:
    """A key opens the fast path if, and only if, it opens the ASGI application."""
    body, headers = request({"text": "good"}, X_API_Key=keys[scope])
    fast, asgi = both_ways(sites["keys"], body, headers)
    assert fast == asgi == send_again(sites["keys"], body, headers)
    assert fast[0] == status


def test_a_ledger_that_is_away_is_the_same_503_on_both_paths(sites: dict[str, ServerUnderTest]) -> None:
    """A prediction that cannot be recorded is sent by neither path."""
    sites["text"].ledger.away = True
    try:
        fast, asgi = both_ways(sites["text"], *request({"text": "good"}))
    finally:
        sites["text"].ledger.away = False
    assert fast == asgi
    assert (fast[0], json.loads(fast[2])["code"]) == (503, "ledger.unavailable")


def test_the_two_ways_are_two(sites: dict[str, ServerUnderTest], asgi_paths: list[str]) -> None:
    """A request goes the fast path, and the same one with ``Expect`` does not: the tests here compare two things."""
    body, headers = request({"text": "good"})
    send(sites["text"], body, headers)
    assert asgi_paths == []
    send(sites["text"], body, {**headers, "Expect": "100-continue"})
    assert asgi_paths == ["/predict"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["text", "features", "texts", "more", ""])
BODIES = st.binary(max_size=60) | st.one_of(
    JSON_VALUES, st.dictionaries(FIELDS, JSON_VALUES, max_size=2), st.builds(lambda text: {"text": text}, st.text())
).map(lambda value: json.dumps(value).encode())
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "APPLICATION/JSON;x=y", "a/b+json", "text/csv", ";"]),
        "X-Prediction-Key": st.sampled_from(["a", "", "x" * 201]),
        "X-Route-Key": st.just("caller"),
        "Content-Encoding": st.sampled_from(["identity", "gzip", "deflate", "", "br"]),
    },
)


@settings(deadline=None, max_examples=150)
@given(kind=st.sampled_from(["text", "table", "empty"]), body=BODIES, headers=HEADERS)
def test_any_request_gets_the_same_response_on_both_paths(
    sites: dict[str, ServerUnderTest], kind: str, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever comes, the two paths send one response."""
    fast, asgi = both_ways(sites[kind], body, headers)
    assert fast == asgi


DOUBLED = {
    "Authorization": ("Bearer nonsense", "Bearer nonsense"),
    "X-API-Key": ("one", "two"),
    "Content-Type": ("application/json", "text/plain"),
    "Idempotency-Key": ("one", "two"),
    "X-Prediction-Key": ("one", "two"),
    "X-Route-Key": ("one", "two"),
    "Origin": ("http://localhost", "http://evil.example"),
    "Sec-Fetch-Site": ("none", "cross-site"),
    "X-Forwarded-Prefix": ("/a", "/b"),
}


@pytest.mark.parametrize("name", DOUBLED)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations", "/health", "/metrics"])
@pytest.mark.parametrize("kind", ["text", "keys"])
def test_a_doubled_header_is_refused_on_every_path(
    sites: dict[str, ServerUnderTest], kind: str, path: str, name: str
) -> None:
    """A header that means one thing is refused when it comes twice, equal or not, by whatever path."""
    method = "GET" if path in ("/health", "/metrics") else "POST"
    lines = [(name, value) for value in DOUBLED[name]]
    found = [send_lines(sites[kind], method, path, [*lines, *more]) for more in ([], [("Expect", "100-continue")])]
    assert found[0] == found[1]
    status, problem = found[0]
    assert (status, problem["code"]) == (400, "request.header")
    assert name.lower() in problem["detail"]


def test_a_doubled_list_is_joined_on_both_paths(sites: dict[str, ServerUnderTest]) -> None:
    """Lines of a header that is a list are one list: two encodings are one after the other, cookies are cookies."""
    for lines, expected in (
        ([("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")], 415),
        ([("Accept", "text/html"), ("Accept", "application/json"), ("Cookie", "a=b"), ("Cookie", "c=d")], 200),
    ):
        for more in ([], [("Expect", "100-continue")]):
            assert send_lines(sites["text"], "POST", "/predict", [*lines, *more])[0] == expected


def send_lines(
    running: ServerUnderTest, method: str, path: str, lines: list[tuple[str, str]]
) -> tuple[int, dict[str, Any]]:
    """Status and body of the response to a request with these lines of headers."""
    body = b'{"text":"good"}' if method == "POST" else b""
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    try:
        connection.putrequest(method, path)
        for name, value in [*lines, ("Content-Length", str(len(body)))]:
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
