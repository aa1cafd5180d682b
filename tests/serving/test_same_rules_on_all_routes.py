"""Requests that are odd in the same way get the same response on every route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ROW, ServerUnderTest, run_server

INFER = f"/v2/models/{MODEL}/infer"
ROUTES = ("/predict", "/predict/batch", "/explain", "/invocations", INFER)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("films"), text_package) as running:
        yield running


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, table_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("towns"), table_package) as running:
        yield running


def body_for(path: str, row: dict[str, Any]) -> Any:
    """A row in the form of a route."""
    if path == INFER:
        return {
            "inputs": [
                {
                    "name": name,
                    "shape": [1],
                    "datatype": {bool: "BOOL", str: "BYTES"}.get(type(value), "FP64"),
                    "data": [value],
                }
                for name, value in row.items()
            ]
        }
    if "text" in row and path in ("/predict", "/explain"):
        return row
    if "text" in row and path == "/predict/batch":
        return {"texts": [row["text"]]}
    return {
        "/predict/batch": {"instances": [row]},
        "/invocations": {"dataframe_records": [row]},
    }.get(path, {"features": row})


@pytest.mark.parametrize("path", [*ROUTES, "/feedback"])
def test_json_needs_no_content_type(films: ServerUnderTest, path: str) -> None:
    """A body that is JSON is read on every route, whether or not a Content-Type says so."""
    body = {"labels": [{"key": "none", "label": "good"}]} if path == "/feedback" else body_for(path, {"text": "a film"})
    answer = films.client.post(path, content=json.dumps(body).encode())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", [*ROUTES, "/feedback"])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_has_one_answer(films: ServerUnderTest, path: str, body: bytes) -> None:
    """An empty body is called so, in the same words on every route."""
    answer = films.client.post(path, content=body, headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["detail"]) == (400, "request.malformed", "The body is empty.")


@pytest.mark.parametrize("path", ROUTES)
def test_nan_is_a_gap_and_infinity_is_refused(towns: ServerUnderTest, path: str) -> None:
    """NaN, which JSON has no word for, is a gap on every route; Infinity is refused by the name of its column."""
    odd = json.dumps(body_for(path, {**ROW, "income": float("nan")}))
    gap = json.dumps(body_for(path, {**ROW, "income": 1.0})).replace("1.0", "null")
    answers = [towns.client.post(path, content=body) for body in (odd, gap)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    found = [answer.text.partition("prediction_id")[0] for answer in answers]
    assert found[0] == found[1]
    refused = towns.client.post(path, content=json.dumps(body_for(path, {**ROW, "income": float("inf")})))
    [error] = refused.json()["errors"]
    assert refused.status_code == 422
    assert error["field"].endswith("income")
    assert "finite number" in error["message"]


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations", INFER])
def test_two_idempotency_keys_are_refused(films: ServerUnderTest, path: str) -> None:
    """Two keys on one request are refused, with a problem that the docs page explains."""
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("Content-Type", "application/json")]
    answer = films.client.post(path, content=json.dumps(body_for(path, {"text": "a film"})), headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["type"]) == (400, "idempotency.key", "/docs#idempotency.key")


@pytest.mark.parametrize("path", ROUTES)
def test_a_wrong_value_is_named_by_its_column(towns: ServerUnderTest, path: str) -> None:
    """A wrong value is named by its column, with what belongs there, on every route."""
    answer = towns.client.post(path, json=body_for(path, {**ROW, "age": "old"}))
    [error] = answer.json()["errors"]
    assert answer.status_code == 422
    assert error["field"].rpartition(".")[2] == "age"
    assert "number" in error["message"]
    assert "'old'" in error["message"]


@pytest.mark.parametrize("path", ["/invocations", INFER])
def test_a_text_is_known_by_its_name(films: ServerUnderTest, path: str) -> None:
    """A model of texts reads the column that is called text; a row without it is refused, whatever else it has."""
    answer = films.client.post(path, json=body_for(path, {"txt": "a film"}))
    assert answer.status_code == 422
    assert [(error["field"].rpartition(".")[2], error["message"]) for error in answer.json()["errors"]] == [
        ("text", "is missing"),
        ("txt", "is not a feature of this model. Did you mean 'text'?"),
    ]
