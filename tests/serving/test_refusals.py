"""Refused requests say what is wrong, with which value, and what to do; in Tiltyard's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest
from pydantic_core import core_schema

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ROW, ServerUnderTest
from tiltyard.serving.field_errors import describe_errors

# What pydantic says of a wrong value, whatever the value is.
LIBRARY_WORDS = re.compile(
    r"(?i:input should|should (?:be|have|match)|valid (?:string|integer|number|list|tuple|dict|boolean|datetime|array)|"
    r"after validation|unable to|timezone info|pydantic|tuple|validat)|\b(?:None|True|False|NoneType|str|int|dict)\b"
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    7,
    -1,
    10**400,
    0.5,
    "",
    " ",
    "word",
    "a\0b",
    "x" * 20_000,
    [],
    [[]],
    {},
    {"a": 1},
)


def make_body(method: str, url: str) -> dict[str, Any]:
    """A body that is right where one is sent, so that what is refused is a parameter."""
    if url == "/predict/file":
        return {"content": "\n".join([",".join(ROW), ",".join(map(str, ROW.values()))])}
    return {"json": {"features": ROW}} if method == "post" else {}


def check_refusal(response: httpx.Response, sent: object) -> None:
    """A response that refuses names its fields and the next step, in no library's words."""
    assert response.status_code < 500, (sent, response.text)
    if response.status_code != 422:
        return
    problem = response.json()
    assert "errors" in problem, (sent, problem)
    text = " ".join([problem["detail"], problem["next_step"], *(item["message"] for item in problem["errors"])])
    assert not LIBRARY_WORDS.search(re.sub(r"'[^']*'", "", text)), (sent, text)
    assert problem["errors"], (sent, problem)
    assert not any(re.search(r"\.(str|int|float|bool)$", item["field"]) for item in problem["errors"]), (sent, problem)
    assert "GET /docs" not in problem["next_step"], (sent, problem)
    assert problem["next_step"].endswith((".", "}")), (sent, problem)


def example_of(schema: Any, document: Any) -> Any:
    """A value that fits a schema."""
    if "$ref" in schema:
        return example_of(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for name in ("anyOf", "oneOf"):
        if name in schema and "properties" not in schema:
            return example_of(schema[name][0], document)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example_of(properties[name], document) for name in schema.get("required", ())}
    if kind == "array":
        return [example_of(schema.get("items", {"type": "integer"}), document)]
    if schema.get("format") == "date-time":
        return "2026-01-31T10:30:00Z"
    return {"string": "word", "integer": 1, "number": 1.0, "boolean": True}.get(kind)


def wrong_bodies(schema: Any, document: Any) -> Iterator[Any]:
    """Bodies that fit a schema but for one place, which holds a value of another kind."""
    yield from WRONG
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name in ("anyOf", "oneOf"):
        for part in schema.get(name, ()) if "properties" not in schema else ():
            yield from wrong_bodies(part, document)
    if isinstance(schema.get("items"), dict):
        for value in wrong_bodies(schema["items"], document):
            yield [value]
    whole = example_of(schema, document)
    for name, part in schema.get("properties", {}).items():
        for value in wrong_bodies(part, document):
            yield {**whole, name: value}
        yield {**whole, f"{name}x": 1}
        yield {key: value for key, value in whole.items() if key != name}


@pytest.mark.parametrize("server", ["films", "towns"])
def test_wrong_values_of_every_field_are_refused_in_our_words(server: str, request: pytest.FixtureRequest) -> None:
    """A value of another kind, in any place of any body that the OpenAPI document names, is refused in our words."""
    client = request.getfixturevalue(server).client
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        url = path.replace("{name}", MODEL).replace("{version}", "1")
        for body in wrong_bodies(content["application/json"]["schema"], document):
            check_refusal(client.post(url, json=body), (url, str(body)[:200]))


def test_wrong_values_of_every_parameter_are_refused_in_our_words(towns: ServerUnderTest) -> None:
    """The same for the parameters of a URL."""
    client = towns.client
    document = client.get("/openapi.json").json()
    refused = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                for value in ("", "word", "-1", "1e9", "0.5", "x" * 2000) if parameter["in"] == "query" else ():
                    url = path.replace("{name}", MODEL).replace("{version}", "1")
                    response = (
                        client.request(method, url, params={parameter["name"]: value}, **make_body(method, url))
                        if url != "/admin/profile" or value in ("", "word", "-1", "1e9")
                        else None
                    )
                    if response is not None:
                        check_refusal(response, (url, parameter["name"], value[:20]))
                        refused += response.status_code == 422
    assert refused > 10


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_every_kind_of_error_has_our_words(kind: str) -> None:
    """Whatever pydantic finds, the message is ours: what the field has to be, or that it does not take the value."""
    context = {
        "ge": 1,
        "gt": 1,
        "le": 1,
        "lt": 1,
        "min_length": 1,
        "max_length": 2,
        "expected": "'a'",
        "error": "is bad",
    }
    error: Any = {"type": kind, "loc": ("field",), "msg": "Input should be valid", "input": "word", "ctx": context}
    [problem] = describe_errors([error])
    assert problem.field == "field"
    assert not LIBRARY_WORDS.search(problem.message)
    assert kind in ("missing", "extra_forbidden", "value_error") or "word" in problem.message or "4" in problem.message


@pytest.mark.parametrize(
    ("path", "body", "step"),
    [
        ("/predict", {"features": {**ROW, "age": "old"}}, "Correct the value"),
        ("/predict", {"features": {**ROW, "agee": 1}}, "leave it out"),
        ("/predict", {"features": {"age": 1}}, "Send every column that the model reads"),
        ("/predict", {"feature": ROW}, 'Send {"features": {"name": value, …}}; a confidence_level may come with it.'),
        ("/predict/batch", {"instances": ROW}, 'Send {"instances": [{"name": value, …}, …]}.'),
        ("/feedback", {"labels": [{"key": "a"}]}, "Add 'labels[0].label'."),
        ("/feedback", {"label": "low", "key": "a", "sauce": "me"}, "Leave out or rename 'sauce'; the fields are label"),
        ("/feedback", {"label": "low", "key": "a", "at": "2999-01-01T00:00:00Z"}, "Leave 'at' out"),
        ("/feedback", {"label": "low", "key": "a", "at": "yesterday"}, "Correct 'at', and send the request again."),
        ("/explain?top=abc", {"features": ROW}, "Correct 'top', and send the request again."),
    ],
)
def test_the_next_step_fits_the_cause(towns: ServerUnderTest, path: str, body: Any, step: str) -> None:
    """The next step says what to do about this error, and not where a page is."""
    response = towns.client.post(path, json=body)
    assert response.status_code == 422
    assert step in response.json()["next_step"]


NUMBERED = [
    ("/invocations", {"dataframe_split": {"columns": [0, 1, 2], "data": [[1, 2, 3]]}}),
    ("/invocations", {"dataframe_records": [{"0": 1, "1": 2, "2": 3}]}),
    ("/invocations", {"instances": [{"0": 1, "1": 2, "2": 3}]}),
    ("/invocations", {"inputs": {"0": [1], "1": [2], "2": [3]}}),
    ("/predict", {"features": {"0": 1, "1": 2, "2": 3}}),
    ("/predict/batch", {"instances": [{"0": 1, "1": 2, "2": 3}]}),
    (
        f"/v2/models/{MODEL}/infer",
        {"inputs": [{"name": str(i), "shape": [1], "datatype": "FP64", "data": [i]} for i in range(3)]},
    ),
]


@pytest.mark.parametrize(("path", "body"), NUMBERED)
def test_numbered_columns_are_named_as_unknown(towns: ServerUnderTest, path: str, body: Any) -> None:
    """Columns that are only numbered are said to be unknown, and the names that the model reads are listed."""
    problem = towns.client.post(path, json=body).json()
    assert re.search(r"[.']0', '[^']*1' and '[^']*2': each is not a feature of this model", problem["detail"])
    assert "is missing" in problem["detail"]
    assert "the model reads 'age', 'income', 'town', 'member'." in problem["next_step"]


def test_rows_of_another_width_get_the_columns(towns: ServerUnderTest) -> None:
    """Rows without names of another width than the model's get its columns named, on every route that takes such."""
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    for path, body in (
        ("/invocations", {"inputs": [[1, 2, 3]]}),
        ("/invocations", {"instances": [[1, 2, 3]]}),
        ("/invocations", {"dataframe_split": {"data": [[1, 2, 3]]}}),
        (f"/v2/models/{MODEL}/infer", {"inputs": [tensor]}),
    ):
        problem = towns.client.post(path, json=body).json()
        assert "3 values" in problem["detail"]
        assert "the model reads 'age', 'income', 'town', 'member'." in problem["next_step"]
