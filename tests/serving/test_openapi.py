from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel

from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry
from tests.serving.interfaces import run_server
from tiltyard.serving.http.schemas import (
    HealthResponse,
    ModelInfoResponse,
    Problem,
    ReloadResponse,
    prediction_schema,
    predictions_schema,
)


def document(url: str) -> Any:
    return httpx.get(f"{url}/openapi.json").json()


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(root: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        root = root[name]
    return root


@pytest.fixture(params=["text", "table", "nothing yet"])
def url(
    request: pytest.FixtureRequest, registry: FakeRegistry, text_package: Path, table_package: Path, start: Start
) -> str:
    """A server of each kind."""
    if request.param != "nothing yet":
        registry.point_alias("champion", registry.add(text_package if request.param == "text" else table_package))
    return start().url


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The document of a server without a version."""
    with run_server(tmp_path_factory.mktemp("warned"), None) as running:
        return running.client.get("/openapi.json").json()


@pytest.mark.requirement("R-SERVE-10")
def test_document_is_openapi(url: str) -> None:
    """The document is OpenAPI 3.1, all its references lead somewhere, and it names every route."""
    found = document(url)
    OpenAPI.model_validate(found)
    assert found["openapi"].startswith("3.1")
    for reference in references(found):
        assert resolve(found, reference)
    assert {(path, method) for path, methods in found["paths"].items() for method in methods} == {
        ("/predict", "post"),
        ("/predict/batch", "post"),
        ("/predict/file", "post"),
        ("/predictions", "get"),
        ("/explain", "post"),
        ("/feedback", "post"),
        ("/health", "get"),
        ("/model-info", "get"),
        ("/metrics", "get"),
        ("/admin/reload", "post"),
        ("/admin/profile", "post"),
        ("/invocations", "post"),
        ("/ping", "get"),
        ("/version", "get"),
        ("/v2", "get"),
        ("/v2/health/live", "get"),
        ("/v2/health/ready", "get"),
        ("/v2/repository/index", "post"),
        ("/batch", "post"),
        ("/batch", "get"),
        ("/batch/{job_id}", "get"),
        ("/v2/models/stats", "get"),
        *(
            (f"/v2/models/{{name}}{version}{end}", method)
            for version in ("", "/versions/{version}")
            for end, method in (
                ("", "get"),
                ("/ready", "get"),
                ("/config", "get"),
                ("/stats", "get"),
                ("/infer", "post"),
            )
        ),
    }


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/invocations", "/v2/models/{name}/infer"])
def test_warnings_are_documented_on_every_route(warned: Any, path: str) -> None:
    """The response of every route that predicts shows the warnings, with field, code, value and message."""
    response = warned["paths"][path]["post"]["responses"]["200"]
    found, pending = set(), set(references(response))
    while pending:
        found |= pending
        pending = {one for name in pending for one in references(resolve(warned, name))} - found
    shown = [resolve(warned, name)["properties"] for name in found]
    assert any("warnings" in fields for fields in shown)
    assert any({"field", "code", "value", "message"} <= fields.keys() for fields in shown)


def test_the_examples_are_accepted(
    registry: FakeRegistry, text_package: Path, table_package: Path, start: Start
) -> None:
    """The document's examples are requests that the version in service accepts, and it follows that version."""
    versions = [registry.add(text_package), registry.add(table_package)]
    url = start(reload_seconds=3600).url
    for version in versions:
        registry.point_alias("champion", version)
        assert httpx.post(f"{url}/admin/reload", timeout=30).json()["changed"]
        found = document(url)
        for path in ("/predict", "/predict/batch", "/explain"):
            content = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            assert httpx.post(f"{url}{path}", json=content["example"]).status_code == 200
            [key, *others] = content["schema"]["properties"]
            assert content["schema"]["required"] == [key]
            assert others == (["group"] if key == "text" else [])
            assert content["schema"]["additionalProperties"] is False
        name = found["paths"]["/v2/models/{name}"]["get"]["parameters"][0]["schema"]["enum"][0]
        for path in ("/invocations", "/v2/models/{name}/infer"):
            content = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            assert httpx.post(f"{url}{path.format(name=name)}", json=content["example"]).status_code == 200


def test_features_of_the_champion_are_shown(registry: FakeRegistry, table_package: Path, start: Start) -> None:
    """For a table model the document names every feature with its type."""
    registry.point_alias("champion", registry.add(table_package))
    content = document(start().url)["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    features = content["schema"]["properties"]["features"]
    assert {name: item["type"][0] for name, item in features["properties"].items()} == {
        "age": "number",
        "income": "number",
        "town": "string",
        "member": "boolean",
    }
    assert all("null" in item["type"] for item in features["properties"].values())
    assert features["required"] == list(features["properties"])


@pytest.mark.requirement("R-SERVE-15")
def test_responses_are_as_documented(registry: FakeRegistry, text_package: Path, start: Start) -> None:
    """Every kind of response has exactly the fields that the document gives it."""
    registry.point_alias("champion", registry.add(text_package))
    url = start(answer="sentiment").url
    prediction = prediction_schema("sentiment", "class")
    responses: dict[str, tuple[type[BaseModel], httpx.Response]] = {
        "Prediction": (prediction, httpx.post(f"{url}/predict", json={"text": "a"})),
        "Predictions": (predictions_schema(prediction), httpx.post(f"{url}/predict/batch", json={"texts": ["a"]})),
        "HealthResponse": (HealthResponse, httpx.get(f"{url}/health")),
        "ModelInfoResponse": (ModelInfoResponse, httpx.get(f"{url}/model-info")),
        "ReloadResponse": (ReloadResponse, httpx.post(f"{url}/admin/reload")),
        "Problem": (Problem, httpx.post(f"{url}/predict", json={"txt": "a"})),
    }
    schemas = document(url)["components"]["schemas"]
    for name, (model, response) in responses.items():
        model.model_validate_json(response.content, strict=True)
        given = response.json()
        assert list(given) == [field for field in schemas[name]["properties"] if field in given], name
        assert set(schemas[name]["required"]) <= set(given), name
