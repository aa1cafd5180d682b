"""Two servers, each with two workers, on one state folder."""

from __future__ import annotations

import json
from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.films import Films, serving
from tests.journeys.test_workers import until

pytestmark = pytest.mark.journey


def count_requests(address: str) -> float:
    """The requests to /predict that a server reports."""
    families = text_string_to_metric_families(httpx.get(f"{address}/metrics", timeout=60).text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tiltyard_requests_total" and sample.labels["route"] == "/predict"
    )


def test_two_servers_share_a_state_folder(films: Films) -> None:
    """Each row is recorded once, a repeated request is one wherever it goes, and each reports its own requests."""
    sent: list[str] = []

    def predict(address: str, text: str, **headers: str) -> str:
        response = httpx.post(f"{address}/predict", json={"text": text}, headers=headers, timeout=60)
        assert response.status_code == 200, response.text
        return str(response.json()["prediction_id"])

    with serving(films, "--workers", "2") as (one, _), serving(films, "--workers", "2") as (two, _):
        for number in range(12):
            sent.append(predict(one, f"film {number} of the first"))
            sent += [predict(two, f"film {number} of the second") for _ in range(2)]
        repeated = {predict(address, "the same", **{"Idempotency-Key": "k"}) for address in (one, two, one, two)}
        assert len(repeated) == 1
        until(lambda: (count_requests(one), count_requests(two)) == (14, 26))
        until(lambda: httpx.get(f"{one}/health", timeout=60).json()["ledger"]["lag_rows"] == 0)
    exported = films.root / "two.jsonl"
    films.call("predictions", "export", "--to", str(exported))
    lines = [json.loads(line) for line in exported.read_text("utf-8").splitlines()]
    recorded = Counter(line["prediction_id"] for line in lines)
    assert {id_: recorded[id_] for id_ in (*sent, *repeated)} == dict.fromkeys((*sent, *repeated), 1)
