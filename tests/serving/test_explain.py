from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.interfaces import ROW, run_server


def test_weights_of_a_text_add_up_to_its_score(tmp_path: Path, text_package: Path) -> None:
    """The terms of a text have signed weights that add up to the prediction; nothing is recorded."""
    with run_server(tmp_path, text_package) as films:
        explanation = films.client.post("/explain", json={"text": "a warm and funny film, not dull"}).json()
        response = films.client.post("/predict", json={"text": "a warm and funny film, not dull"}).json()
        assert (explanation["label"], explanation["model_version"]) == (response["prediction"], "1")
        assert explanation["probability"] == pytest.approx(response["confidence"], abs=1e-12)
        if explanation["exact"]:
            weights = sum(part["weight"] for part in explanation["contributions"])
            assert explanation["baseline"] + weights + explanation["rest"] == pytest.approx(
                explanation["total"], abs=1e-9
            )
        assert {"warm", "dull"} <= {part["name"] for part in explanation["contributions"]}
        one = films.client.post("/explain", params={"top": 1, "label": "bad"}, json={"text": "a dull film"}).json()
        assert (one["label"], len(one["contributions"])) == ("bad", 1)
        assert len(list(films.ledger.predictions())) == 1
        for parameters, body, status in (
            ({"label": "gud"}, {"text": "a"}, 400),
            ({"top": "many"}, {"text": "a"}, 422),
            ({"top": -1}, {"text": "a"}, 422),
            ({}, {"texts": ["a"]}, 422),
            ({}, {"text": 5}, 422),
        ):
            refused = films.client.post("/explain", params=parameters, json=body)
            assert refused.status_code == status
            assert refused.headers["content-type"] == "application/problem+json"


def test_rows_are_explained(tmp_path: Path, table_package: Path) -> None:
    """Each feature of a row has its weight in the prediction; a wrong one is named."""
    with run_server(tmp_path, table_package) as towns:
        explanation = towns.client.post("/explain", json={"features": ROW}).json()
        assert {part["name"] for part in explanation["contributions"]} | set(explanation["not_judged"]) == set(ROW)
        wrong = towns.client.post("/explain", json={"features": {**ROW, "age": "old"}})
    assert wrong.json()["errors"][0]["field"] == "features.age"
