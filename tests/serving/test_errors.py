from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import httpx
import pytest

from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.http.app import create_app
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.serving.predict.bodies.json_body import parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.protocols.invocations import Invocation
from tiltyard.serving.predict.protocols.v2 import InferenceRequest
from tiltyard.serving.problem_details import RequestError


def test_unknown_error_shows_no_traceback(
    registry: FakeRegistry, ledger: TestLedger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unforeseen error is a problem document without a word of the code, and is logged."""
    app = create_app(ModelManager(ServedAlias(MODEL), VersionLoader(registry, tmp_path)), ledger)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret of the code")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/broken")

    with caplog.at_level(logging.ERROR):
        response = asyncio.run(ask())
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert response.json()["code"] == "internal"
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "secret of the code" in caplog.text


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"inputs": "is missing"}),
        ({"input": []}, {"inputs": "is missing"}),
        ({"inputs": "a"}, {"inputs": "has to be a list, and is the text 'a'"}),
        ({"inputs": [1]}, {"inputs[0]": "has to be an object, and is the number 1"}),
        ([], {"": "the body has to be an object, and is a list"}),
    ],
)
def test_v2_names_wrong_fields_in_the_words_of_predict(body: object, errors: dict[str, str]) -> None:
    """A wrong field of the V2 protocol is described in the words of ``/predict``."""
    with pytest.raises(RequestError) as caught:
        parse_json(json.dumps(body).encode(), InferenceRequest, ValueLimit(10, 1))
    assert {item.field: item.message for item in caught.value.errors} == errors


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"inputs": "a"}, {"inputs": "has to be a list or an object, and is the text 'a'"}),
        ({"instance": []}, {"instance": "is an unknown field. Did you mean 'instances'?"}),
        ({"dataframe_records": [1]}, {"dataframe_records[0]": "has to be an object, and is the number 1"}),
    ],
)
def test_invocations_name_wrong_fields_in_the_words_of_predict(body: object, errors: dict[str, str]) -> None:
    """A wrong field of ``/invocations`` is described in the words of ``/predict``, without names of Python types."""
    with pytest.raises(RequestError) as caught:
        parse_json(json.dumps(body).encode(), Invocation, ValueLimit(10, 1))
    assert {item.field: item.message for item in caught.value.errors} == errors
