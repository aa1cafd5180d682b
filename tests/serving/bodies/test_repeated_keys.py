"""Wherever in a body a key comes twice, it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tiltyard.serving.http.label_reports import Labels, OneLabel
from tiltyard.serving.http.routes.batch import BatchRequest
from tiltyard.serving.predict.bodies.json_body import decode_json_body, parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.protocols.invocations import Invocation
from tiltyard.serving.predict.protocols.v2 import InferenceRequest
from tiltyard.serving.problem_details import RequestError

LIMIT = ValueLimit(100, 20)
LABEL = {"key": "order: 7", "label": "good", "at": "2026-12-01T10:00:00Z", "source": "a: b"}
TENSOR = {"name": "age", "shape": [2], "datatype": "FP64", "data": [1.5, None], "parameters": {"content_type": "np"}}
BODIES: list[tuple[type[BaseModel], Any]] = [
    (OneLabel, LABEL),
    (OneLabel, {"prediction_id": "a" * 32, "label": None} | {"label": 3}),
    (Labels, {"labels": [LABEL, {"prediction_id": "1", "label": 2.5}]}),
    (Invocation, {"dataframe_split": {"columns": ["a", "b"], "index": [0], "data": [[1, "x: y"]]}}),
    (
        Invocation,
        {"dataframe_records": [{"a": 1, "b": "x"}, {"a": None, "b": ":"}], "params": {"confidence_level": 0.9}},
    ),
    (Invocation, {"instances": [{"a": 1, "b": {"c": 1, "d": 2}}]}),
    (Invocation, {"inputs": {"a": [1, 2], "b": ["x", "y"]}}),
    (InferenceRequest, {"id": "a:b", "inputs": [TENSOR, TENSOR | {"name": "fee"}], "outputs": [{"name": "label"}]}),
    (BatchRequest, {"source": "s3://in/a.csv", "columns": ["a: b"], "key": "c"}),
]


def repeat_each(value: Any) -> Iterator[tuple[str, str]]:
    """The value as JSON, once for each of its keys, which is there twice then, with the key."""
    if isinstance(value, dict):
        for key in value:
            again = ", ".join(
                f"{json.dumps(name)}: {json.dumps(held)}" for name, held in [*value.items(), (key, value[key])]
            )
            yield key, "{" + again + "}"
            for name, text in repeat_each(value[key]):
                parts = (f"{json.dumps(one)}: {text if one == key else json.dumps(value[one])}" for one in value)
                yield name, "{" + ", ".join(parts) + "}"
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for name, text in repeat_each(item):
                parts = (text if one == place else json.dumps(other) for one, other in enumerate(value))
                yield name, "[" + ", ".join(parts) + "]"


@pytest.mark.parametrize(("model", "body"), BODIES, ids=lambda one: one.__name__ if isinstance(one, type) else "")
def test_each_key_may_be_there_once(model: type[BaseModel], body: Any) -> None:
    """The body itself is read, and with any one of its keys repeated, of whatever depth, it is refused by that key."""
    assert isinstance(parse_json(json.dumps(body).encode(), model, LIMIT), model)
    repeated = list(repeat_each(body))
    assert len(repeated) >= len(body)
    for key, text in repeated:
        assert json.loads(text) == body
        for read in (lambda one: parse_json(one, model, LIMIT), lambda one: decode_json_body(one, LIMIT)):
            with pytest.raises(RequestError) as refused:
                read(text.encode())
            assert [(one.field, refused.value.status) for one in refused.value.errors] == [(key, 422)], text
