"""MLflow's scoring protocol, by MLflow's own client."""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.serving.interfaces import ROW, ServerUnderTest

TEXTS = ["a warm and funny film", "dull, slow and far too long"]


def client_of(running: ServerUnderTest) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    return ScoringServerClient("127.0.0.1", running.port)


def expected(running: ServerUnderTest, **body: Any) -> list[str]:
    responses = running.client.post("/predict/batch", json=body).json()["predictions"]
    return [item["prediction"] for item in responses]


def test_mlflows_client_gets_predictions(films: ServerUnderTest, towns: ServerUnderTest) -> None:
    """MLflow's client gets the predictions of /predict/batch for frames and arrays, and reads /ping and /version."""
    client = client_of(films)
    client.wait_server_ready(timeout=20)
    assert client.get_version() == version("mlflow")
    labels = expected(films, texts=TEXTS)
    for data in (pd.DataFrame({"text": TEXTS}), np.array(TEXTS)):
        assert client.invoke(data).get_predictions("ndarray").tolist() == labels
    frame = pd.DataFrame([ROW, {**ROW, "age": 70, "town": None}, {**ROW, "income": np.nan}])
    rows = json.loads(frame.to_json(orient="records"))
    response = client_of(towns).invoke(frame)
    assert response.get_predictions("ndarray").tolist() == expected(towns, instances=rows)
    recorded = towns.ledger.prediction(response["prediction_ids"][1])
    assert recorded is not None
    assert recorded.input == rows[1]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["age", "income", "town", "member"], "data": [[40, 38.5, "York", True]]}},
        {"dataframe_split": {"index": [7], "data": [[40, 38.5, "York", True]]}},
        {"dataframe_records": [ROW]},
        {"instances": [ROW]},
        {"instances": [[40, 38.5, "York", True]]},
        {"inputs": [ROW]},
        {"inputs": ROW},
        {"inputs": {name: [value] for name, value in ROW.items()}, "params": {}},
        "age,income,town,member\r\n40,38.5,York,true\r\n",
        "sep=;\r\nage;income;town;member\r\n40;38.5;York;true\r\n",
        '\ufeff"sep=|"\nage|income|town|member\n40|38.5|York|true\n',
    ],
)
def test_every_form_means_the_same(towns: ServerUnderTest, body: Any) -> None:
    """One row is the same input in each of MLflow's forms."""
    if isinstance(body, str):
        response = towns.client.post("/invocations", content=body, headers={"Content-Type": "text/csv; charset=utf-8"})
    else:
        response = towns.client.post("/invocations", json=body)
    assert response.status_code == 200, response.text
    recorded = towns.ledger.prediction(response.json()["prediction_ids"][0])
    assert recorded is not None
    assert recorded.input == ROW
    assert response.json()["predictions"] == expected(towns, instances=[ROW])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"inputs": ["a"], "instances": ["a"]}, ""),
        ({"inputs": []}, ""),
        ({"inputs": [5]}, "inputs[0]"),
        ({"inputs": [["a", "b"]]}, "inputs[0]"),
        ({"inputs": {"text": ["a"], "more": ["a", "b"]}}, "inputs"),
        ({"inputs": ["a"], "params": {"temperature": 1}}, ""),
        ({"dataframe_records": [{"text": "a"}, {"text": 5}]}, "dataframe_records[1].text"),
        ({"dataframe_records": [{"texts": "a"}]}, "dataframe_records[0].text"),
        ({"dataframe_split": {"columns": ["text", "text"], "data": [["a", "b"]]}}, "dataframe_split.columns"),
        ({"dataframe_split": {"columns": ["text"], "data": [["a"], []]}}, "dataframe_split.data[1]"),
        ({"dataframe_split": {"columns": ["text"], "data": [["a"], [None]]}}, "dataframe_split.data[1].text"),
        ({"frame": []}, "frame"),
    ],
)
def test_wrong_fields_of_invocations_are_named(films: ServerUnderTest, body: Any, field: str) -> None:
    """What is wrong is named where it stands."""
    response = films.client.post("/invocations", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == field


def test_wrong_cells_are_named_by_row(towns: ServerUnderTest) -> None:
    """A cell of another kind than its column's, a short row and broken CSV are named; an empty cell is a gap."""

    def ask(body: bytes) -> Any:
        return towns.client.post("/invocations", content=body, headers={"Content-Type": "text/csv"})

    head = b"age,income,town,member\n"
    assert ask(head + b",,,\n").status_code == 200
    assert ask(head + b"40,38.5,York,maybe\n").json()["errors"][0]["field"] == "row 1.member"
    assert ask(head + b"40,38.5,York,true\n\nold,1,York,true\n").json()["errors"][0]["field"] == "row 2.age"
    short = ask(head + b"40,38.5,York,true\n40,38.5\n").json()["errors"][0]
    assert (short["field"], "2 cells" in str(short), "line 3" in str(short)) == ("row 2", True, True)
    assert ask(head + b"40,38.5,York,true,\n41,38.5,York,true,\n").status_code == 200
    assert ask(head + b"40,38.5,York,true,\n41,38.5,York,true,1\n").json()["errors"][0]["field"] == "row 1"
    assert ask(b"").status_code == 400
    assert ask(b"age,age\n1,2\n").json()["errors"][0]["field"] == "line 1"
    assert "line 3" in str(ask(b"sep=;\nage;income;town;member\n40;38.5\n").json()["errors"][0])
    assert ask(b"\xff\xfe").status_code == 400
    assert ask(head + b'40,38.5,"York,true').status_code == 400
    plain = towns.client.post("/invocations", content=b"{}", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
