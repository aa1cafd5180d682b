"""The header Idempotency-Key: a repeated request gets the prediction of the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tests.serving.interfaces import Running

Post = Callable[..., httpx.Response]


@pytest.fixture
def running(registry: FakeRegistry, text_package: Path, start: Start) -> Running:
    registry.point_alias("champion", registry.add(text_package))
    return start()


@pytest.fixture
def post(running: Running) -> Iterator[Post]:
    with httpx.Client(base_url=running.url, timeout=30) as client:
        yield lambda key, text="a warm film", path="/predict", **json: client.post(
            path, json=json or {"text": text}, headers={"Idempotency-Key": key}
        )


@pytest.mark.requirement("R-SERVE-22")
def test_the_same_key_gets_the_same_prediction_in_one_row(post: Post, ledger: TestLedger) -> None:
    """The same request with the same key gets the same prediction, one or many inputs, and is recorded once."""
    first, again = post("one"), post("one")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    many = [post("many", path="/predict/batch", texts=["a", "b", "a"]).json() for _ in range(2)]
    assert many[0] == many[1]
    assert len({item["prediction_id"] for item in many[0]["predictions"]}) == 3
    assert ledger.inputs.count("a warm film") == 1
    assert sorted(ledger.inputs) == ["a", "a", "a warm film", "b"]
    assert post("two").json()["prediction_id"] != first.json()["prediction_id"]


@pytest.mark.requirement("R-SERVE-22")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invocations", {"inputs": ["a warm film", "dull"]}),
        (
            f"/v2/models/{MODEL}/infer",
            {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a warm film", "dull"]}]},
        ),
        (
            f"/v2/models/{MODEL}/versions/1/infer",
            {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a warm film", "dull"]}]},
        ),
    ],
)
def test_keys_work_by_every_protocol(post: Post, ledger: TestLedger, path: str, body: dict[str, object]) -> None:
    """A repeated request gets the first one's response by whatever protocol, and is recorded once."""
    first, again = post("key", path=path, **body), post("key", path=path, **body)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert sorted(ledger.inputs) == ["a warm film", "dull"]
    assert post("key", "another text").json()["code"] == "idempotency.reused"


def test_requests_with_one_key_at_the_same_time_are_predicted_once(post: Post, ledger: TestLedger) -> None:
    """Requests with the same key that come together get the same response and are recorded once."""
    with ThreadPoolExecutor(8) as clients:
        responses = [done.result().json() for done in [clients.submit(post, "together") for _ in range(8)]]
    assert all(response == responses[0] for response in responses)
    assert len(ledger.inputs) == 1


def test_another_request_with_the_same_key_is_refused(post: Post, ledger: TestLedger) -> None:
    """A key that was used for something else is refused with words; nothing is recorded."""
    post("used")
    refused = post("used", "another text")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency.reused")
    assert "new key" in refused.json()["next_step"]
    assert len(ledger.inputs) == 1
    assert post("x" * 256).json()["code"] == "idempotency.key"


def test_the_key_of_a_failed_request_is_free(post: Post, ledger: TestLedger) -> None:
    """A request that failed leaves its key to the next one."""
    ledger.away = True
    assert post("late", "first try").status_code == 503
    ledger.away = False
    assert post("late", "second try").status_code == 200
    assert ledger.inputs == ["second try"]


def test_keys_survive_a_restart_and_a_new_version(
    running: Running, post: Post, registry: FakeRegistry, other_text_package: Path, start: Start, ledger: TestLedger
) -> None:
    """A repeated request gets its first prediction from another process, and after another version took over."""
    first = post("kept").json()
    running.stop()
    registry.point_alias("champion", registry.add(other_text_package))
    other = start()
    again = httpx.post(f"{other.url}/predict", json={"text": "a warm film"}, headers={"Idempotency-Key": "kept"})
    assert again.json() == first
    assert httpx.post(f"{other.url}/predict", json={"text": "a warm film"}).json()["model_version"] == "2"
    refused = httpx.post(f"{other.url}/predict", json={"text": "other"}, headers={"Idempotency-Key": "kept"})
    assert refused.status_code == 422
    assert len(ledger.inputs) == 2
