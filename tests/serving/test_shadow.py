"""Champion and challenger side by side: in the shadow, and divided among callers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.ledger import Label, Prediction
from tiltyard.project import Project
from tiltyard.promotion.ab_test import live_comparison
from tiltyard.serving.predict.shadow import assigned_to_challenger


@pytest.fixture
def pair(registry: FakeRegistry, text_package: Path, other_text_package: Path) -> FakeRegistry:
    """Version 1 is champion, version 2 challenger."""
    registry.point_alias("champion", registry.add(text_package))
    registry.point_alias("challenger", registry.add(other_text_package))
    return registry


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def by_route(ledger: TestLedger, route: str) -> list[Prediction]:
    return list(ledger.predictions(route=route))


@pytest.mark.requirement("R-REG-10")
def test_the_shadow_predicts_the_same_inputs_and_no_client_sees_it(
    pair: FakeRegistry, start: Start, ledger: TestLedger
) -> None:
    """In the shadow the challenger predicts the champion's inputs; callers get only the champion's predictions."""
    url = start(challenger={"mode": "shadow"}).url
    with httpx.Client(base_url=url, timeout=30) as client:
        one = client.post("/predict", json={"text": "a warm film"}).json()
        many = client.post("/predict/batch", json={"texts": ["dull", "slow"]}).json()["predictions"]
        until(lambda: len(by_route(ledger, "shadow")) == 3)
        assert client.get("/health").json()["challenger"] == "2"
        assert client.get("/health").json()["statistics"]["total_predictions"] == 3
    assert {one["model_version"], *(item["model_version"] for item in many)} == {"1"}
    shadow = {row.key: row for row in by_route(ledger, "shadow")}
    for response in (one, *many):
        row, shadowed = ledger.prediction(response["prediction_id"]), shadow[response["prediction_id"]]
        assert row is not None
        assert (shadowed.input, shadowed.version, row.route) == (row.input, "2", "champion")
    ledger.record_labels([Label(row.id, row.label, row.at, "test") for row in by_route(ledger, "champion")])
    known = ledger.outcomes.count_shadow(MODEL, "2")
    assert known.unknown == 0
    assert sum((known.both_right, known.only_champion_right, known.only_challenger_right, known.both_wrong)) == 3


def test_health_leaves_the_shadow_out_after_a_restart(pair: FakeRegistry, start: Start, ledger: TestLedger) -> None:
    """A server that starts counts the predictions that clients got before, and not those of the shadow."""
    first = start(challenger={"mode": "shadow"})
    httpx.post(f"{first.url}/predict/batch", json={"texts": ["a warm film", "dull"]}, timeout=30)
    until(lambda: len(by_route(ledger, "shadow")) == 2)
    first.stop()
    url = start(challenger={"mode": "shadow"}).url
    until(lambda: httpx.get(f"{url}/health").json()["statistics"]["complete"])
    statistics = httpx.get(f"{url}/health").json()["statistics"]
    assert (statistics["total_predictions"], statistics["by_version"]) == (2, {"1": 2})
    expected = ledger.prediction_stats(MODEL)
    assert statistics["mean_latency_ms"] == pytest.approx(expected.mean_latency_ms)


def test_a_label_by_key_never_reaches_the_shadow(pair: FakeRegistry, start: Start, ledger: TestLedger) -> None:
    """Feedback by a key labels what a client got: a shadow's, the champion's prediction id, is not a caller's."""
    url = start(challenger={"mode": "shadow"}).url
    prediction = httpx.post(f"{url}/predict", json={"text": "a warm film"}, timeout=30).json()["prediction_id"]
    until(lambda: len(by_route(ledger, "shadow")) == 1)
    assert httpx.post(f"{url}/feedback", json={"key": prediction, "label": "good"}).status_code == 404


@pytest.mark.requirement("R-SERVE-23")
def test_a_split_keeps_each_caller_at_one_version(pair: FakeRegistry, start: Start, ledger: TestLedger) -> None:
    """Each caller gets one version, and about the share of them the challenger's."""
    url = start(challenger={"mode": "split", "share": 0.5}).url
    callers = [f"caller {number}" for number in range(40)]
    with httpx.Client(base_url=url, timeout=30) as client:

        def version(caller: str) -> str:
            prediction = client.post("/predict", json={"text": "a warm film"}, headers={"X-Route-Key": caller})
            return str(prediction.json()["model_version"])

        first = {caller: version(caller) for caller in callers}
        assert {caller: version(caller) for caller in callers} == first
        assert {caller: "2" if assigned_to_challenger(MODEL, caller, 0.5) else "1" for caller in callers} == first
        assert set(first.values()) == {"1", "2"}
        for caller in callers[:8]:
            headers = {"X-Route-Key": caller}
            other = client.post("/invocations", json={"inputs": ["a warm film"]}, headers=headers).json()
            assert other["model_version"] == first[caller]
            named = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
            by_name = client.post(f"/v2/models/{MODEL}/versions/1/infer", json=named, headers=headers).json()
            assert by_name["model_version"] == "1"
        anonymous = {client.post("/predict", json={"text": "a"}).json()["model_version"] for _ in range(40)}
        assert anonymous == {"1", "2"}
        theirs = by_route(ledger, "challenger")
        assert {row.version for row in theirs} == {"2"}
        assert len(theirs) > 40 * list(first.values()).count("2") / 40
        pair.point_alias("challenger", None)
        until(lambda: client.get("/health").json()["challenger"] is None)
        assert {version(caller) for caller in callers} == {"1"}


@given(st.text(max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_its_callers(key: str, one: float, other: float) -> None:
    """A caller of the challenger's share is in any larger one; none is at 0, all are at 1."""
    small, large = sorted((one, other))
    assert not assigned_to_challenger(MODEL, key, small) or assigned_to_challenger(MODEL, key, large)
    assert not assigned_to_challenger(MODEL, key, 0)
    assert assigned_to_challenger(MODEL, key, 1)


def test_a_split_records_what_was_assigned(pair: FakeRegistry, start: Start, ledger: TestLedger) -> None:
    """Rows of one request or caller share a unit; none has an assignment without a challenger."""
    url = start(challenger={"mode": "split", "share": 0.5}).url
    named = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
    caller = {"X-Route-Key": "ann"}
    with httpx.Client(base_url=url, timeout=30) as client:

        def predict(path: str, json: object, headers: dict[str, str] | None = None) -> list[Prediction]:
            known = {row.id for row in ledger.predictions()}
            assert client.post(path, json=json, headers=headers).is_success
            return [row for row in ledger.predictions() if row.id not in known]

        texts = {"texts": ["a", "b", "c"]}
        batch, again = predict("/predict/batch", texts), predict("/predict/batch", texts)
        one = predict("/predict", {"text": "a"}, caller)
        several = predict("/predict/batch", texts, caller)
        [by_name] = predict(f"/v2/models/{MODEL}/versions/1/infer", named, caller)
        for rows in (batch, again, one + several):
            assert {row.assignment for row in rows} == {"2@0.5"}
            assert len({row.version for row in rows}) == len({row.unit for row in rows}) == 1
        assert batch[0].unit != again[0].unit
        assert (str(batch[0].unit)[0], str(one[0].unit)[0]) == ("r", "c")
        assert (by_name.unit, by_name.assignment, by_name.version) == (one[0].unit, None, "1")
        pair.point_alias("challenger", None)
        until(lambda: client.get("/health").json()["challenger"] is None)
        [alone] = predict("/predict", {"text": "a"}, caller)
        assert (alone.unit, alone.assignment) == (one[0].unit, None)


def label_all(client: httpx.Client, predicted: list[tuple[str, str]], *, right: bool) -> None:
    """Report the truth about predictions, by id and predicted label: all right or none, at a time of the caller's."""
    labels = [
        {
            "prediction_id": id_,
            "label": said if right else {"good": "bad", "bad": "good"}[said],
            "at": "2026-01-01T00:00Z",
        }
        for id_, said in predicted
    ]
    assert client.post("/feedback", json={"labels": labels}).json()["accepted"] == len(labels)


def test_a_split_test_counts_requests_and_callers_not_their_rows(
    pair: FakeRegistry, start: Start, ledger: TestLedger
) -> None:
    """Through server, ledger and labels: each request is right as a whole, each caller too, and so few decide nothing.

    Taken row by row, the challenger's 100 % against 0 % would be decided by the first request of each.
    """
    url = start(challenger={"mode": "split", "share": 0.5}).url
    tables = {
        "project": {"name": MODEL.removesuffix("-classifier"), "task": "text-classification"},
        "data": {"source": "reviews.csv", "text": "text", "label": "label"},
        "serving": {"challenger": {"mode": "split", "share": 0.5}},
    }
    project = Project.model_validate(tables)
    assert project.model_name == MODEL
    with httpx.Client(base_url=url, timeout=30) as client:

        def send(texts: list[str], headers: dict[str, str] | None = None) -> bool:
            """Predict, and label: all is right where the challenger predicted, and wrong where the champion did."""
            rows = client.post("/predict/batch", json={"texts": texts}, headers=headers).json()["predictions"]
            theirs = bool(rows[0]["model_version"] == "2")
            label_all(client, [(row["prediction_id"], row["prediction"]) for row in rows], right=theirs)
            return theirs

        batches = [send(["a warm film"] * 40) for _ in range(3)]
        names = {assigned_to_challenger(MODEL, name, 0.5): name for name in ("ann", "bob", "cid", "dan", "eve", "flo")}
        callers = {side: {send(["dull"] * 20, {"X-Route-Key": name}) for _ in range(4)} for side, name in names.items()}
        named = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
        client.post(f"/v2/models/{MODEL}/versions/1/infer", json=named)
        [by_name] = [row for row in ledger.predictions() if row.assignment is None]
        label_all(client, [(by_name.id, by_name.label)], right=True)
    assert callers == {True: {True}, False: {False}}
    verdict = live_comparison(project, ledger, pair.get_version(MODEL, version="1"), "2")
    assert verdict is not None
    assert (verdict.challenger_units, verdict.champion_units) == (1 + sum(batches), 4 - sum(batches))
    assert verdict.challenger_rows + verdict.champion_rows == 3 * 40 + 2 * 80
    assert verdict.decision == "go on"
