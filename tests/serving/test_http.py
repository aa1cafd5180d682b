"""Real HTTP on loopback, against a server on its own thread."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry, changed_file
from tests.serving.fakes import TestLedger
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.ledger.sql.store import SqlLedger
from tiltyard.serving.process.sockets import bind
from tiltyard.serving.server import ModelServer, ServerBackends
from tiltyard.sqlite import open_sqlite

PROBLEM = "application/problem+json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def films(registry: FakeRegistry, text_package: Path, start: Start) -> Callable[..., httpx.Client]:
    """Starts a server whose champion is version 1, and gives a client of it."""
    registry.point_alias("champion", registry.add(text_package))
    return lambda **options: httpx.Client(base_url=start(**options).url, timeout=30)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def row(**changes: Any) -> dict[str, Any]:
    return {"age": 40, "income": 38.5, "town": "York", "member": True, **changes}


@pytest.mark.requirement("R-SERVE-02", "R-SERVE-06", "R-SERVE-20")
def test_a_text_gets_a_recorded_prediction(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A text gets its label under the project's name for it, with confidence, probabilities, version and id."""
    with films(answer="sentiment") as client:
        response = client.post("/predict", json={"text": "I loved this warm film"}).json()
    assert list(response) == ["sentiment", "confidence", "probabilities", "model_version", "prediction_id"]
    assert response["sentiment"] == "good"
    assert response["confidence"] == response["probabilities"]["good"] > 0.5
    assert sum(response["probabilities"].values()) == pytest.approx(1)
    assert response["model_version"] == "1"
    recorded = ledger.prediction(str(UUID(response["prediction_id"])))
    assert recorded is not None
    assert recorded.input == {"text": "I loved this warm film"}
    assert (recorded.label, recorded.confidence, recorded.project) == ("good", response["confidence"], MODEL)


@pytest.mark.requirement("R-SERVE-04", "R-PRED-01")
def test_texts_get_predictions_in_their_order(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A batch of texts gets predictions in its order, each as it would be alone."""
    texts = ["a warm film", "dull and slow", "a warm film", ""]
    with films() as client:
        responses = client.post("/predict/batch", json={"texts": texts}).json()["predictions"]
        alone = [client.post("/predict", json={"text": text}).json() for text in texts]
    assert [response["prediction"] for response in responses] == [response["prediction"] for response in alone]
    for response, single in zip(responses, alone, strict=True):
        assert response["probabilities"] == pytest.approx(single["probabilities"], abs=1e-12)
    assert len({response["prediction_id"] for response in responses}) == 4
    assert ledger.transactions[0] == 4


@pytest.mark.requirement("R-SERVE-03", "R-SERVE-05")
def test_rows_get_predictions_or_named_errors(
    registry: FakeRegistry, table_package: Path, start: Start, ledger: TestLedger
) -> None:
    """A row of features gets a prediction, and so does each of a batch, gaps as null."""
    registry.point_alias("champion", registry.add(table_package))
    with httpx.Client(base_url=start().url, timeout=30) as client:
        response = client.post("/predict", json={"features": row(town=None)}).json()
        assert response["prediction"] in ("low", "middle", "high")
        recorded = ledger.prediction(response["prediction_id"])
        assert recorded is not None
        assert recorded.input == row(town=None)
        rows = [row(age=age) for age in (20, 40, None)]
        responses = client.post("/predict/batch", json={"instances": rows}).json()["predictions"]
        assert len(responses) == 3
        refused = client.post("/predict/batch", json={"instances": [row(), row(age="old"), {"agee": 1}]})
        features = {item["name"]: item["type"] for item in client.get("/model-info").json()["features"]}
    assert features == {"age": "number", "income": "number", "town": "text", "member": "boolean"}
    assert refused.status_code == 422
    assert [item["field"] for item in refused.json()["errors"]] == [
        "instances[1].age",
        "instances[2].age",
        "instances[2].income",
        "instances[2].town",
        "instances[2].member",
        "instances[2].agee",
    ]
    assert "Did you mean 'age'?" in refused.json()["errors"][-1]["message"]


@pytest.mark.requirement("R-SERVE-15")
@pytest.mark.parametrize(
    ("path", "body", "expected", "fields"),
    [
        ("/predict", b'{"txt": "a"}', (422, "input.invalid"), ["text", "txt"]),
        ("/predict", b'{"text": "a", "lang": "en"}', (422, "input.invalid"), ["lang"]),
        ("/predict", b'{"text": null}', (422, "input.invalid"), ["text"]),
        ("/predict", b'{"text": 5}', (422, "input.invalid"), ["text"]),
        ("/predict", b'{"features": {"a": 1}}', (422, "input.invalid"), ["text", "features"]),
        ("/predict", b'["a"]', (422, "input.invalid"), [""]),
        ("/predict", b'{"text": "' + b"a" * 51 + b'"}', (422, "input.invalid"), ["text"]),
        ("/predict", b"", (400, "request.malformed"), []),
        ("/predict", b"{", (400, "request.malformed"), []),
        ("/predict", b"[" * 50_000, (400, "request.malformed"), []),
        ("/predict", b'{"text": "\xff"}', (400, "request.malformed"), []),
        ("/predict", b'{"text": "\\ud83d"}', (400, "request.malformed"), []),
        ("/predict", b'{"text": NaN}', (422, "input.invalid"), ["text"]),
        ("/predict", b" " * 70_000, (413, "request.too-large"), []),
        ("/predict/batch", b'{"texts": "a"}', (422, "input.invalid"), ["texts"]),
        ("/predict/batch", b'{"texts": []}', (422, "input.invalid"), ["texts"]),
        ("/predict/batch", b'{"texts": ["a", 1, "b", {}]}', (422, "input.invalid"), ["texts[1]", "texts[3].text"]),
        ("/predict/batch", b'{"texts": ["a", "a", "a", "a", "a", "a"]}', (413, "request.too-many"), []),
    ],
)
def test_bad_request_is_explained(
    films: Callable[..., httpx.Client], ledger: TestLedger, path: str, body: bytes, expected: Any, fields: Any
) -> None:
    """A request that cannot be read gets a problem document that names the fields; nothing is recorded."""
    status, code = expected
    with films(max_text=50, max_request=5) as client:
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert client.post("/predict", json={"text": "still here"}).status_code == 200
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    problem = response.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert problem["title"]
    assert problem["detail"].endswith((".", "?"))
    assert problem["next_step"]
    assert [item["field"] for item in problem.get("errors", [])] == fields
    assert "Traceback" not in response.text
    assert ledger.inputs == ["still here"]


def test_body_without_length_is_limited(films: Callable[..., httpx.Client]) -> None:
    """A body that does not announce its size is cut off all the same."""
    with films(max_text=50) as client:
        response = client.post(
            "/predict", content=(b" " * 10_000 for _ in range(20)), headers={"Content-Type": "application/json"}
        )
    assert response.json()["code"] == "request.too-large"


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x"])
def test_only_json_is_accepted(films: Callable[..., httpx.Client], kind: str) -> None:
    """A body that says it is something else than JSON is refused."""
    with films() as client:
        response = client.post("/predict", content=b'{"text": "a"}', headers={"Content-Type": kind})
        assert (response.status_code, response.json()["code"]) == (415, "request.media-type")
        kind = "application/json; charset=utf-8"
        assert client.post("/predict", content=b'{"text": "a"}', headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations", "/feedback"])
def test_a_curl_without_a_content_type_is_read_as_json(films: Callable[..., httpx.Client], path: str) -> None:
    """What ``curl -d`` sends for JSON, a form by its media type, is read as JSON; a form is not JSON."""
    inputs = {"/predict": {"text": "a"}, "/predict/batch": {"texts": ["a"]}, "/invocations": {"inputs": ["a"]}}
    with films() as client:
        known = client.post("/predict", json={"text": "a"}).json()["prediction_id"]
        body = inputs.get(path, {"labels": [{"prediction_id": known, "label": "good"}]})
        sent = client.post(path, content=json.dumps(body), headers={"Content-Type": FORM})
        assert sent.status_code in (200, 202), sent.text
        form = client.post(path, data={"text": "a"})
        assert (form.status_code, form.json()["code"]) == (400, "request.malformed")


def test_a_form_of_another_site_is_refused(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A form that a page of another site sends with JSON in it is refused, and nothing is recorded."""
    with films() as client:
        for origin in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            sent = client.post("/predict", content=b'{"text": "a"}', headers={"Content-Type": FORM, **origin})
            assert (sent.status_code, sent.json()["code"]) == (403, "site.other")
    assert ledger.inputs == []


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/predict", 405), ("DELETE", "/health", 405)]
)
def test_no_such_route_is_a_problem_too(
    films: Callable[..., httpx.Client], method: str, path: str, status: int
) -> None:
    """The router's own errors are problem documents as well."""
    with films() as client:
        response = client.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)
    assert response.json()["next_step"]


@pytest.mark.requirement("R-SERVE-14")
def test_no_prediction_before_a_champion_exists(registry: FakeRegistry, text_package: Path, start: Start) -> None:
    """Until a champion exists the response is 503 with what to do; when there is one, the server finds it."""
    with httpx.Client(base_url=start().url, timeout=30) as client:
        for response in (
            client.post("/predict", json={"text": "a"}),
            client.post("/predict/batch", json={"texts": ["a"]}),
            client.get("/model-info"),
            client.post("/admin/reload"),
        ):
            assert (response.status_code, response.headers["content-type"]) == (503, PROBLEM)
            assert response.json()["code"] == "champion.missing"
            assert "tiltyard train --champion" in response.json()["next_step"]
            assert int(response.headers["retry-after"]) > 0
        health = client.get("/health")
        assert health.status_code == 503
        state = health.json()
        assert (state["status"], state["model_loaded"], state["ready"]) == ("unhealthy", False, False)
        assert "No champion yet" in state["reason"]
        assert "tiltyard train --champion" in state["next_step"]
        registry.point_alias("champion", registry.add(text_package))
        until(lambda: client.get("/health").status_code == 200)
        assert client.post("/predict", json={"text": "a"}).json()["model_version"] == "1"


@pytest.mark.requirement("R-SERVE-07", "R-SERVE-08")
def test_health_shows_queue_ledger_and_totals(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A healthy server shows its version, the state of ledger and registry, and the totals."""
    with films() as client:
        client.post("/predict/batch", json={"texts": ["I loved this warm film", "dull and slow", "a waste of time"]})
        state = client.get("/health").json()
    assert {key: state[key] for key in ("status", "model_loaded", "ready", "model", "version", "reason")} == {
        "status": "healthy",
        "model_loaded": True,
        "ready": True,
        "model": MODEL,
        "version": "1",
        "reason": "",
    }
    assert state["uptime_seconds"] > 0
    assert state["queue"] == {"waiting": 0, "limit": 4096, "batches": 1, "largest_batch": 3}
    assert (state["ledger"]["ok"], state["registry"]["ok"]) == (True, True)
    assert state["statistics"]["total_predictions"] == 3
    assert state["statistics"]["by_label"] == {"bad": 2, "good": 1}
    confidences = [prediction.confidence or 0.0 for prediction in ledger.predictions()]
    assert state["statistics"]["mean_confidence"] == pytest.approx(sum(confidences) / 3)


def test_statistics_continue_after_a_restart(
    registry: FakeRegistry, text_package: Path, start: Start, ledger: TestLedger
) -> None:
    """Predictions from before the start are counted with those after it, each once."""
    registry.point_alias("champion", registry.add(text_package))
    first = start()
    httpx.post(f"{first.url}/predict/batch", json={"texts": ["a warm film", "dull"]})
    first.stop()
    url = start().url
    httpx.post(f"{url}/predict", json={"text": "a warm film"})

    def statistics() -> Any:
        return httpx.get(f"{url}/health").json()["statistics"]

    until(lambda: statistics()["complete"])
    assert statistics()["total_predictions"] == 3
    assert statistics()["by_version"] == {"1": 3}
    expected = ledger.prediction_stats(MODEL)
    assert statistics()["mean_confidence"] == pytest.approx(expected.mean_confidence)
    assert statistics()["min_confidence"] == expected.min_confidence
    assert statistics()["by_label"] == dict(expected.by_label)


@pytest.mark.requirement("R-SERVE-11")
def test_model_info_describes_the_version_in_service(films: Callable[..., httpx.Client]) -> None:
    """Model info names the version, its task, labels, metrics, data and scorer."""
    with films(answer="sentiment") as client:
        info = client.get("/model-info").json()
    expected = {
        "model_name": MODEL,
        "version": "1",
        "alias": "champion",
        "task": "text-classification",
        "classes": ["bad", "good"],
        "features": [],
        "answer_field": "sentiment",
        "metrics": {"accuracy": 0.9},
        "run_id": "run-1",
        "scorer": "compiled text",
        "data_fingerprint": "0" * 32,
    }
    assert {key: info[key] for key in expected} == expected
    assert {"created_at", "served_since", "libraries"} <= info.keys()


def test_full_queue_is_503_with_retry_after(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """When the queue is full, the next request gets 503 with Retry-After; those before get their predictions."""
    with films(max_queue=3, max_batch=1) as client, ThreadPoolExecutor(8) as clients:
        ledger.gate.clear()
        futures = [clients.submit(client.post, "/predict", json={"text": f"text {number}"}) for number in range(4)]
        until(lambda: client.get("/health").json()["queue"]["waiting"] == 3)
        assert client.get("/health").json()["ready"] is False
        refused = client.post("/predict", json={"text": "one too many"})
        assert (refused.status_code, refused.json()["code"]) == (503, "queue.full")
        assert refused.headers["retry-after"] == "1"
        ledger.gate.set()
        assert [response.result().status_code for response in futures] == [200] * 4
    assert sorted(ledger.inputs) == [f"text {number}" for number in range(4)]


def test_ledger_away_is_503_and_no_prediction_is_sent(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A prediction that cannot be recorded is not sent; health says so, and recovers."""
    with films() as client:
        ledger.away = True
        response = client.post("/predict", json={"text": "a"})
        assert (response.status_code, response.json()["code"]) == (503, "ledger.unavailable")
        assert response.headers["retry-after"] == "1"
        assert response.json()["next_step"] == "Make room."
        assert "prediction_id" not in response.text
        state = client.get("/health").json()
        assert (state["status"], state["ready"], state["ledger"]["ok"]) == ("degraded", False, False)
        assert "The disk is full." in state["reason"]
        ledger.away = False
        assert client.post("/predict", json={"text": "b"}).status_code == 200
        assert client.get("/health").json()["status"] == "healthy"
    assert ledger.inputs == ["b"]


def test_available_sends_unrecorded_and_records_later(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """Under 'available' a prediction that cannot be recorded is sent and says so; it is recorded once that works."""
    with films(policy="available") as client:
        ledger.away = True
        responses = [client.post("/predict", json={"text": f"text {number}"}) for number in range(3)]
        many = client.post("/predict/batch", json={"texts": ["text 3", "text 4"]})
        assert [response.status_code for response in (*responses, many)] == [200] * 4
        assert [response.json()["recorded"] for response in (*responses, many)] == [False] * 4
        state = client.get("/health").json()
        assert (state["status"], state["ready"], state["ledger"]["unrecorded"]) == ("degraded", True, 5)
        assert "predictions are sent unrecorded" in state["next_step"]
        ledger.away = False
        until(lambda: client.get("/health").json()["ledger"]["unrecorded"] == 0)
        assert client.get("/health").json()["status"] == "healthy"
        assert "recorded" not in client.post("/predict", json={"text": "text 5"}).json()
    assert sorted(ledger.inputs) == [f"text {number}" for number in range(6)]
    assert {response.json()["prediction_id"] for response in responses} <= {row.id for row in ledger.predictions()}


def test_locked_ledger_is_503_and_recovers(
    registry: FakeRegistry, text_package: Path, tmp_path: Path, start: Start
) -> None:
    """While another process holds the ledger, requests fail, none is sent unrecorded; then they succeed again."""
    registry.point_alias("champion", registry.add(text_package))
    file = tmp_path / "ledger.db"
    running = start(ledger=SqlLedger.open(f"sqlite:///{file}?timeout=0.1"))
    with contextlib.closing(open_sqlite(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = httpx.post(f"{running.url}/predict", json={"text": "a"}, timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (503, "ledger.unavailable")
        assert refused.headers["retry-after"] == "1"
        other.execute("ROLLBACK")
    response = httpx.post(f"{running.url}/predict", json={"text": "b"}, timeout=30)
    assert response.status_code == 200
    with SqlLedger.open(f"sqlite:///{file}") as ledger:
        assert [row.input["text"] for row in ledger.predictions()] == ["b"]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(
        st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
            st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4),
            st.sampled_from([7, None, ["a", 1], {"x": 1}]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_requests_together_get_the_predictions_of_each_alone(gathering: Gathering, requests: list[Any]) -> None:
    """Over HTTP, whatever gathers in a batch, each request gets the very response that it gets alone, good or bad."""
    together = gathering.ask(requests, at_once=True)
    alone = gathering.ask(requests, at_once=False)
    assert together == alone


class Gathering:
    """A server, and a client that can make requests wait for each other."""

    def __init__(self, url: str, ledger: TestLedger) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._clients = ThreadPoolExecutor(8)
        self._ledger = ledger

    def ask(self, requests: list[Any], *, at_once: bool) -> list[Any]:
        """The responses without what differs from prediction to prediction; at once, behind one that waits."""
        if not at_once:
            return [self._post(request) for request in requests]
        batches = self._batches()
        self._ledger.gate.clear()
        first = self._clients.submit(self._post, "first")
        until(lambda: self._batches() == batches + 1)
        futures = [self._clients.submit(self._post, request) for request in requests]
        time.sleep(0.02)
        self._ledger.gate.set()
        first.result()
        return [response.result() for response in futures]

    def close(self) -> None:
        self._ledger.gate.set()
        self._clients.shutdown()
        self._client.close()

    def _batches(self) -> int:
        return int(self._client.get("/health").json()["queue"]["batches"])

    def _post(self, request: Any) -> Any:
        many = isinstance(request, list)
        path, body = ("/predict/batch", {"texts": request}) if many else ("/predict", {"text": request})
        response = self._client.post(path, json=body)
        content = response.json()
        for row in content.get("predictions", [content]):
            row.pop("prediction_id", None)
        return response.status_code, content


@pytest.fixture
def gathering(films: Callable[..., httpx.Client], ledger: TestLedger) -> Iterator[Gathering]:
    with films() as client:
        gathers = Gathering(str(client.base_url), ledger)
        yield gathers
        gathers.close()


def test_a_client_that_left_costs_nothing_further(films: Callable[..., httpx.Client], ledger: TestLedger) -> None:
    """A request whose client closes the connection while it waits is taken out of the queue."""
    with films() as client, ThreadPoolExecutor(2) as clients:
        ledger.gate.clear()
        first = clients.submit(client.post, "/predict", json={"text": "first"})
        until(lambda: client.get("/health").json()["queue"]["batches"] == 1)
        port = client.base_url.port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port)) as connection:
            body = json.dumps({"text": "gone"}).encode()
            head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: client.get("/health").json()["queue"]["waiting"] == 1)
        until(lambda: client.get("/health").json()["queue"]["waiting"] == 0)
        ledger.gate.set()
        assert first.result().status_code == 200
        assert client.post("/predict", json={"text": "last"}).status_code == 200
    assert ledger.inputs == ["first", "last"]


@pytest.mark.requirement("R-PRED-01")
def test_every_sent_id_is_in_the_ledger_already(
    registry: FakeRegistry, text_package: Path, tmp_path: Path, start: Start, ledger: TestLedger
) -> None:
    """A prediction that a client has is in the ledger, at once, for another connection."""
    registry.point_alias("champion", registry.add(text_package))
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    running = start(ledger=SqlLedger.open(url))

    def ask(number: int) -> None:
        with httpx.Client(base_url=running.url, timeout=30) as client, SqlLedger.open(url) as other:
            for turn in range(15):
                response = client.post("/predict", json={"text": f"text {number} {turn}"}).json()
                found = other.prediction(response["prediction_id"])
                assert found is not None
                assert found.input == {"text": f"text {number} {turn}"}

    with ThreadPoolExecutor(4) as clients:
        for done in [clients.submit(ask, number) for number in range(4)]:
            done.result()


def test_take_over_loses_no_request(
    registry: FakeRegistry, text_package: Path, other_text_package: Path, start: Start
) -> None:
    """While clients send in a tight loop the champion changes again and again; every request gets its prediction."""
    versions = [registry.add(text_package if number % 2 else other_text_package) for number in range(6)]
    registry.point_alias("champion", versions[0])
    url = start(reload_seconds=0.02).url
    done = threading.Event()

    def ask() -> list[str]:
        seen = []
        with httpx.Client(base_url=url, timeout=30) as client:
            while not done.is_set():
                response = client.post("/predict", json={"text": "a warm film"})
                assert response.status_code == 200, response.text
                seen.append(response.json()["model_version"])
        return seen

    with ThreadPoolExecutor(4) as clients:
        futures = [clients.submit(ask) for _ in range(4)]
        try:
            for version in versions[1:]:
                registry.point_alias("champion", version)
                until(lambda wanted=version: httpx.get(f"{url}/health").json()["version"] == wanted)  # type: ignore[misc]
        finally:
            done.set()
        responses = [future.result() for future in futures]
    assert set().union(*responses) <= set(versions)
    for seen in responses:
        assert seen == sorted(seen)
    assert len(set().union(*responses)) > 1


@pytest.mark.requirement("R-SERVE-12")
def test_reload_puts_the_new_champion_into_service_at_once(
    films: Callable[..., httpx.Client], registry: FakeRegistry, other_text_package: Path
) -> None:
    """POST /admin/reload looks the alias up now, without waiting for the poll."""
    with films(reload_seconds=3600) as client:
        response = client.post("/admin/reload").json()
        assert (response["changed"], response["model_version"]) == (False, "1")
        registry.point_alias("champion", registry.add(other_text_package))
        response = client.post("/admin/reload").json()
        assert (response["changed"], response["model_version"]) == (True, "2")
        assert client.post("/predict", json={"text": "a"}).json()["model_version"] == "2"


@pytest.mark.requirement("R-SERVE-17")
def test_a_bad_champion_is_refused_and_the_old_one_stays(
    films: Callable[..., httpx.Client], registry: FakeRegistry, other_text_package: Path
) -> None:
    """A damaged version is refused with the reason, in /admin/reload and in /health; the old one stays."""
    with films(reload_seconds=3600) as client:
        registry.point_alias("champion", registry.add(other_text_package, changed_file))
        response = client.post("/admin/reload")
        assert (response.status_code, response.json()["code"]) == (409, "artifact.digest")
        assert "Version 1 stays in service." in response.json()["detail"]
        state = client.get("/health").json()
        assert (state["status"], state["ready"], state["version"]) == ("degraded", True, "1")
        assert "model.skops" in state["reason"]
        assert client.post("/predict", json={"text": "a"}).json()["model_version"] == "1"


@pytest.mark.requirement("R-REG-24")
def test_registry_away_at_start_uses_the_cache(registry: FakeRegistry, text_package: Path, start: Start) -> None:
    """A server that starts without its registry predicts from its cache, and says what is away."""
    registry.point_alias("champion", registry.add(text_package))
    start().stop()
    registry.away = True
    with httpx.Client(base_url=start().url, timeout=30) as client:
        assert client.post("/predict", json={"text": "a"}).json()["model_version"] == "1"
        state = client.get("/health").json()
        assert (state["status"], state["ready"], state["registry"]["ok"]) == ("degraded", True, False)
        response = client.post("/admin/reload")
        assert (response.status_code, response.json()["code"]) == (503, "registry.unavailable")


def test_shutdown_responds_to_what_was_accepted(
    registry: FakeRegistry, text_package: Path, start: Start, ledger: TestLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that is stopped responds to every request that it has accepted, then closes."""
    registry.point_alias("champion", registry.add(text_package))
    running = start(max_batch=2)
    ledger.gate.clear()
    with ThreadPoolExecutor(6) as clients:
        futures: list[Future[httpx.Response]] = [
            clients.submit(httpx.post, f"{running.url}/predict", json={"text": f"text {number}"}, timeout=30)
            for number in range(6)
        ]
        until(lambda: httpx.get(f"{running.url}/health").json()["queue"]["waiting"] == 5)
        running.begin_to_stop(caplog)
        ledger.gate.set()
        assert [response.result().status_code for response in futures] == [200] * 6
    running.stop()
    assert len(ledger.inputs) == 6
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health")


def test_port_in_use_says_so(registry: FakeRegistry, ledger: TestLedger, tmp_path: Path) -> None:
    """A port that is taken is an error with a way out, before anything is loaded."""
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        server = ModelServer(MODEL, port=port, backends=ServerBackends(registry, ledger, tmp_path))
        with pytest.raises(UnavailableError, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            server.run()
    assert "--port" in caught.value.next_step


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.1", 0)])
def test_address_of_another_machine_says_so(host: str, port: int) -> None:
    """An address that this machine does not have is an error with a way out."""
    with pytest.raises(UsageError, match="cannot be listened on"):
        bind(host, port)
