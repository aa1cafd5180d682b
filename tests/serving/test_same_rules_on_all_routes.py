"""Requests that are odd in the same way get the same response on every route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from tests.scoring.conftest import table
from tests.serving.fake_registry import MODEL, package
from tests.serving.interfaces import ROW, ServerUnderTest, run_server
from tiltyard.data.conform.frames import infer_schema

INFER = f"/v2/models/{MODEL}/infer"
ROUTES = ("/predict", "/predict/batch", "/explain", "/invocations", INFER)


@pytest.fixture(scope="module")
def town_package(tmp_path_factory: pytest.TempPathFactory, table_pipeline: Pipeline) -> Path:
    """A package whose training file had two more columns."""
    folder = tmp_path_factory.mktemp("table") / "package"
    frame, _ = table()
    known: dict[str, Any] = {
        "other_columns": ("customer", "label"),
        "table_schema": infer_schema(frame),
        "separator": ";",
    }
    return package(folder, table_pipeline, "tabular-classification", frame, **known)


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, town_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("towns"), town_package) as running:
        yield running


@pytest.fixture(scope="module")
def strict_towns(tmp_path_factory: pytest.TempPathFactory, town_package: Path) -> Iterator[ServerUnderTest]:
    folder = tmp_path_factory.mktemp("strict")
    with run_server(folder, town_package, unknown="ignore", unknown_columns={"town": "refuse"}) as running:
        yield running


def probabilities_of(path: str, response: Any) -> Any:
    """The probabilities of a response about one row, whatever route it comes from."""
    if path == INFER:
        return [output["data"] for output in response["outputs"] if output["name"] == "probabilities"]
    if path == "/predict/batch":
        [response] = response["predictions"]
    return response["probability" if path == "/explain" else "probabilities"]


def warnings_of(path: str, response: Any) -> list[Any]:
    """The warnings of a response about one row, whatever route it comes from."""
    if path == INFER:
        found = response.get("parameters", {}).get("warnings", [])
        return [{name: value for name, value in warning.items() if name != "row"} for warning in found]
    if path == "/invocations":
        return list(response.get("warnings", [[]])[0])
    if path == "/predict/batch":
        [response] = response["predictions"]
    return list(response.get("warnings", []))


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
    response = films.client.post(path, content=json.dumps(body).encode())
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", [*ROUTES, "/feedback"])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_has_one_response(films: ServerUnderTest, path: str, body: bytes) -> None:
    """An empty body is called so, in the same words on every route."""
    response = films.client.post(path, content=body, headers={"Content-Type": "application/json"})
    problem = response.json()
    assert (response.status_code, problem["code"], problem["detail"]) == (
        400,
        "request.malformed",
        "The body is empty.",
    )


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("odd", [False, True], ids=["plain", "with colons and escapes in a value"])
def test_a_key_that_is_there_twice_is_refused(towns: ServerUnderTest, path: str, odd: bool) -> None:
    """No value of a repeated key counts, not even where both are equal: it is named, and nothing is recorded."""
    row = {**ROW, "town": 'York: "a"' if odd else "York"}
    once = json.dumps(body_for(path, row))
    twice = (
        once.replace('"shape"', '"datatype": "FP64", "shape"', 1)
        if path == INFER
        else once.replace('"age"', '"age": 41, "age"', 1)
    )
    assert towns.client.post(path, content=once).status_code == 200
    recorded = len(list(towns.ledger.predictions()))
    refused = towns.client.post(path, content=twice)
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert (error["field"], error["message"]) == (
        "datatype" if path == INFER else "age",
        "is there twice in one object",
    )
    assert "once" in refused.json()["next_step"]
    assert len(list(towns.ledger.predictions())) == recorded


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/predict", '{"text": "", "text": "a film"}', "text"),
        ("/predict", '{"text":"","text":""}', "text"),
        ("/predict", '{"text": "a: \\"film\\"", "\\u0074ext": "a film"}', "text"),
        ("/predict", '{"text": "a film", "group": null, "group": null}', "group"),
        ("/predict", '{"text": "a film", "confidence_level": null, "confidence_level": null}', "confidence_level"),
        ("/predict/batch", '{"texts": ["a"], "texts": ["a: film"]}', "texts"),
        ("/predict/batch", '{"texts": [{"text": "a", "text": "b"}]}', "text"),
        ("/feedback", '{"key": "a", "label": "good", "label": "bad"}', "label"),
        ("/feedback", '{"labels": [{"key": "a", "label": "good", "label": "bad"}]}', "label"),
        ("/invocations", '{"instances": ["a"], "params": {"confidence_level": 0.9, "confidence_level": 0.8}}',
         "confidence_level"),
    ],
)  # fmt: skip
def test_a_field_that_is_there_twice_is_refused(films: ServerUnderTest, path: str, body: str, key: str) -> None:
    """The same holds for the fields of a request, however they are spelt."""
    response = films.client.post(path, content=body)
    assert (response.status_code, response.json()["code"]) == (422, "input.invalid"), response.text
    assert [error["field"] for error in response.json()["errors"]] == [key]


@pytest.mark.parametrize("text", ["", ":", '"text": "b", "text"', "é: \\", "a" * 200, ': "' * 30, "\\u003a\n"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_texts_that_look_like_keys_are_texts(films: ServerUnderTest, text: str, ascii_only: bool) -> None:
    """Colons, quotes, escapes and names of fields within a text are not keys."""
    alone = films.client.post("/predict", content=json.dumps({"text": text}, ensure_ascii=ascii_only))
    several = films.client.post("/predict/batch", content=json.dumps({"texts": [text, "b"]}, ensure_ascii=ascii_only))
    assert (alone.status_code, several.status_code) == (200, 200), alone.text + several.text
    recorded = films.ledger.prediction(alone.json()["prediction_id"])
    assert recorded is not None
    assert recorded.input == {"text": text}


@pytest.mark.parametrize("path", ROUTES)
def test_nan_is_a_gap_and_infinity_is_refused(towns: ServerUnderTest, path: str) -> None:
    """NaN, which JSON has no word for, is a gap on every route; Infinity is refused by the name of its column."""
    odd = json.dumps(body_for(path, {**ROW, "income": float("nan")}))
    gap = json.dumps(body_for(path, {**ROW, "income": 1.0})).replace("1.0", "null")
    responses = [towns.client.post(path, content=body) for body in (odd, gap)]
    assert [response.status_code for response in responses] == [200, 200], responses[0].text
    found = [response.text.partition("prediction_id")[0] for response in responses]
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
    response = films.client.post(path, content=json.dumps(body_for(path, {"text": "a film"})), headers=headers)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["type"]) == (400, "request.header", "/docs#request.header")


@pytest.mark.parametrize("path", ROUTES)
def test_a_wrong_value_is_named_by_its_column(towns: ServerUnderTest, path: str) -> None:
    """A wrong value is named by its column, with what belongs there, on every route."""
    response = towns.client.post(path, json=body_for(path, {**ROW, "age": "old"}))
    [error] = response.json()["errors"]
    assert response.status_code == 422
    assert error["field"].rpartition(".")[2] == "age"
    assert "number" in error["message"]
    assert "'old'" in error["message"]


@pytest.mark.parametrize("path", ["/invocations", INFER])
def test_a_text_is_known_by_its_name(films: ServerUnderTest, path: str) -> None:
    """A model of texts reads the column that is called text; a row without it is refused, whatever else it has."""
    response = films.client.post(path, json=body_for(path, {"txt": "a film"}))
    assert response.status_code == 422
    assert [(error["field"].rpartition(".")[2], error["message"]) for error in response.json()["errors"]] == [
        ("text", "is missing"),
        ("txt", "is not a feature of this model. Did you mean 'text'?"),
    ]


@pytest.mark.parametrize("path", ROUTES)
def test_other_columns_of_the_file_are_taken_everywhere(towns: ServerUnderTest, path: str) -> None:
    """A row of the file as it stands, with its id and its label, gets the prediction of its features, in silence."""
    row = {**ROW, "customer": 2**60, "label": "high"}
    response = towns.client.post(path, json=body_for(path, {**row, "customer": "c-1"}))
    assert response.status_code == 200, response.text
    assert warnings_of(path, response.json()) == []
    bare = towns.client.post(path, json=body_for(path, ROW))
    assert response.text.partition("prediction_id")[0] == bare.text.partition("prediction_id")[0]


@pytest.mark.parametrize("path", ROUTES)
def test_unknown_columns_are_refused_or_ignored_with_a_warning(towns: ServerUnderTest, path: str) -> None:
    """A column that the model does not know is refused with the nearest name, or ignored where the protocol does so."""
    response = towns.client.post(path, json=body_for(path, {**ROW, "agee": 1.0}))
    message = "is not a feature of this model. Did you mean 'age'?"
    if path in ("/invocations", INFER):
        assert response.status_code == 200
        [warning] = warnings_of(path, response.json())
        assert warning == {"field": "agee", "code": "unknown-column", "value": 1.0, "message": message}
    else:
        assert response.status_code == 422
        [error] = response.json()["errors"]
        assert (error["field"].rpartition(".")[2], error["message"]) == ("agee", message)


@pytest.mark.parametrize("path", ROUTES)
def test_an_unknown_category_is_a_warning_or_a_refusal(
    towns: ServerUnderTest, strict_towns: ServerUnderTest, path: str
) -> None:
    """A category that training did not know is named in the response, or refused where the project says so."""
    body = body_for(path, {**ROW, "town": "york"})
    message = "is 'york', which training did not know. Did you mean 'York'?"
    response = towns.client.post(path, json=body)
    assert response.status_code == 200
    [warning] = warnings_of(path, response.json())
    assert warning == {"field": "town", "code": "unknown-category", "value": "york", "message": message}
    recorded = strict_towns.ledger.inputs
    refused = strict_towns.client.post(path, json=body)
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["field"].rpartition(".")[2], error["message"]) == (422, "town", message)
    assert strict_towns.ledger.inputs == recorded


def test_rows_of_a_batch_have_their_own_warnings(towns: ServerUnderTest) -> None:
    """The rows of a batch are warned of one by one, and each unknown value is counted by its column."""
    rows = [ROW, {**ROW, "town": "Bath", "age": 900}, {**ROW, "town": None}]
    several = towns.client.post("/predict/batch", json={"instances": rows}).json()["predictions"]
    assert [len(item.get("warnings", [])) for item in several] == [0, 2, 0]
    split = {"columns": list(ROW), "data": [list(row.values()) for row in rows]}
    several = towns.client.post("/invocations", json={"dataframe_split": split}).json()
    assert [len(found) for found in several["warnings"]] == [0, 2, 0]
    columns = [
        {"name": name, "shape": [3], "datatype": kind, "data": [row[name] for row in rows]}
        for name, kind in zip(ROW, ("FP64", "FP64", "BYTES", "BOOL"), strict=True)
    ]
    parameters = towns.client.post(INFER, json={"inputs": columns}).json()["parameters"]
    assert [(found["row"], found["field"]) for found in parameters["warnings"]] == [(1, "age"), (1, "town")]
    counted = re.findall(r"tiltyard_unknown_values_total\{(.*)\}", towns.client.get("/metrics").text)
    assert any('column="town"' in labels and 'code="unknown-category"' in labels for labels in counted)


def count_refused(served: ServerUnderTest) -> dict[tuple[str, str], float]:
    """How many values and columns refused a request, by column and reason."""
    text = served.client.get("/metrics").text
    found = re.findall(r'tiltyard_refused_values_total\{column="(.*?)",reason="(.*?)",.*\} (.*)', text)
    return {(column, reason): float(count) for column, reason, count in found}


@pytest.mark.parametrize("path", ROUTES)
def test_what_refuses_a_request_is_counted_by_column_and_reason(
    towns: ServerUnderTest, strict_towns: ServerUnderTest, path: str
) -> None:
    """Each value or column that refuses a request is counted once, whatever route it comes by."""
    cases: list[tuple[ServerUnderTest, dict[str, Any], tuple[str, str]]] = [
        (strict_towns, {**ROW, "town": "york"}, ("town", "unknown-category")),
        (towns, {**ROW, "age": "old"}, ("age", "wrong-type")),
        (towns, {name: value for name, value in ROW.items() if name != "age"}, ("age", "missing")),
    ]
    if path not in ("/invocations", INFER):
        cases.append((towns, {**ROW, "agee": 1.0}, ("", "unknown-column")))
    for served, row, reason in cases:
        before = count_refused(served).get(reason, 0.0)
        assert served.client.post(path, json=body_for(path, row)).status_code == 422
        assert count_refused(served).get(reason, 0.0) == before + 1, (path, reason)


@pytest.mark.parametrize("path", ROUTES)
def test_warnings_are_counted_on_every_route(towns: ServerUnderTest, path: str) -> None:
    """An unknown value counts in the metrics once for each response that names it, on every route."""

    def count() -> float:
        line = r'tiltyard_unknown_values_total\{code="unknown-category",column="town",.*\} (.*)'
        return sum(map(float, re.findall(line, towns.client.get("/metrics").text)))

    before = count()
    assert warnings_of(path, towns.client.post(path, json=body_for(path, {**ROW, "town": "Ely"})).json())
    assert count() == before + 1


def test_a_text_that_is_missing_is_counted(films: ServerUnderTest) -> None:
    """A row without a text is counted as refused, also where decoding the body finds it."""
    for path in (INFER, "/invocations"):
        before = count_refused(films).get(("text", "missing"), 0.0)
        assert films.client.post(path, json=body_for(path, {"txt": "a film"})).status_code == 422
        assert count_refused(films)["text", "missing"] == before + 1


def test_a_wrong_element_of_a_tensor_is_named_by_its_column(towns: ServerUnderTest) -> None:
    """A V2 tensor whose elements do not fit its datatype is named as the column that it is."""
    body = body_for(INFER, ROW)
    for place, (name, data, datatype) in enumerate((("age", ["old"], "FP64"), ("income", [1.5], "INT8"))):
        tensors = [{**one, "data": data, "datatype": datatype} if one["name"] == name else one
                   for one in body["inputs"]]  # fmt: skip
        response = towns.client.post(INFER, json={"inputs": tensors})
        [error] = response.json()["errors"]
        assert (response.status_code, error["field"]) == (422, name), place


def test_a_repeated_request_has_its_warnings(towns: ServerUnderTest) -> None:
    """A request that is repeated with its key gets the same response, warnings included."""
    row = {"features": {**ROW, "town": "Bath"}}
    first, again = (towns.client.post("/predict", json=row, headers={"Idempotency-Key": "w"}) for _ in range(2))
    assert first.json()["warnings"]
    assert first.json() == again.json()


def test_texts_come_with_other_columns(films: ServerUnderTest) -> None:
    """A row with a text and more is predicted by its text alone; unknown columns are named in a warning."""
    bare = films.client.post("/invocations", json={"dataframe_records": [{"text": "a film"}]}).json()
    response = films.client.post("/invocations", json={"dataframe_records": [{"text": "a film", "stars": 4}]}).json()
    assert response["probabilities"] == bare["probabilities"]
    [[warning]] = response["warnings"]
    assert (warning["field"], warning["code"], warning["value"]) == ("stars", "unknown-column", 4)
    assert "warnings" not in bare


def test_the_group_of_a_text_is_recorded_with_it(
    tmp_path: Path, text_pipeline: Pipeline, films: ServerUnderTest
) -> None:
    """A text that is sent with the group column of its training file is predicted alike, and recorded with it."""
    texts = pd.Series(["a warm film", "a cold film"])
    known: dict[str, Any] = {"other_columns": ("film", "label"), "group_column": "film"}
    grouped = package(tmp_path / "package", text_pipeline, "text-classification", texts, **known)
    plain = films.client.post("/invocations", json={"dataframe_records": [{"text": "a film"}]}).json()
    with run_server(tmp_path, grouped) as served:
        for path in ("/invocations", INFER):
            response = served.client.post(path, json=body_for(path, {"text": "a film", "film": "f 1"}))
            assert (response.status_code, warnings_of(path, response.json())) == (200, []), response.text
        again = served.client.post("/invocations", json={"dataframe_records": [{"text": "a film", "film": None}]})
        recorded = [row.input for row in served.ledger.predictions()]
    assert again.json()["probabilities"] == plain["probabilities"]
    assert recorded == [{"text": "a film", "@group": "f 1"}] * 2 + [{"text": "a film"}]


@pytest.mark.parametrize("group", ["c 1", 7, 7.5, None, " ", "x" * 256])
def test_a_text_has_its_group_with_it_on_predict(films: ServerUnderTest, group: Any) -> None:
    """``group`` goes with a text on /predict, /predict/batch and /explain: predicted alike, and recorded with it."""
    plain = films.client.post("/predict", json={"text": "a film"}).json()
    single = films.client.post("/predict", json={"text": "a film", "group": group}).json()
    items = ["a film", {"text": "a film", "group": group}, {"text": "a film"}]
    many = films.client.post("/predict/batch", json={"texts": items}).json()["predictions"]
    explained = films.client.post("/explain", json={"text": "a film", "group": group})
    assert explained.status_code == 200
    assert {str(one["probabilities"]) for one in [single, *many]} == {str(plain["probabilities"])}
    kept = {} if group in (None, " ") else {"@group": group}
    expected = [kept, {}, kept, {}]
    for one, more in zip([single, *many], expected, strict=True):
        recorded = films.ledger.prediction(one["prediction_id"])
        assert recorded is not None
        assert recorded.input == {"text": "a film", **more}


def test_a_wrong_group_is_refused_by_its_place(films: ServerUnderTest) -> None:
    """A group that is neither a text nor a number is named where it stands, and so is another field."""
    client = films.client
    for path, body, field in (
        ("/predict", {"text": "a", "group": True}, "group"),
        ("/predict", {"text": "a", "group": "x" * 257}, "group"),
        ("/predict", {"text": "a", "grp": 1}, "grp"),
        ("/predict/batch", {"texts": ["a", {"text": "b", "group": [1]}]}, "texts[1].group"),
        ("/predict/batch", {"texts": [{"text": "b", "customer": 1}]}, "texts[0].customer"),
        ("/predict/batch", {"texts": [{"group": 1}]}, "texts[0].text"),
        ("/predict/batch", {"texts": ["a"], "group": 1}, "group"),
    ):
        response = client.post(path, json=body)
        assert response.status_code == 422, response.text
        assert response.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_csv_is_read_with_the_separator_of_the_file(towns: ServerUnderTest, separator: str) -> None:
    """A CSV body is divided as the training file is, or by another usual separator that finds the names.

    A row of another length is named with its counts.
    """

    def post(*lines: list[str]) -> Any:
        body = "\n".join(separator.join(line) for line in lines).encode()
        return towns.client.post("/invocations", content=body, headers={"Content-Type": "text/csv"})

    head, row = [*ROW, "customer"], ["40", "38.5", "York", "true", "c 1"]
    response = post(head, row).json()
    expected = towns.client.post("/predict", json={"features": ROW}).json()
    assert response["probabilities"] == [expected["probabilities"]]
    assert "warnings" not in response
    [error] = post(head, row, row[:3]).json()["errors"]
    assert error == {"field": "row 2", "message": "has 3 cells, and 5 are named (line 3 of the body)"}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "spelling",
    [
        {"town": " York"},
        {"age": "40"},
        {"age": 40.0},
        {"age": " 4.0e1 "},
        {"income": "38.50"},
        {"member": "TRUE"},
        {"member": 1},
        {"member": "1.0"},
    ],
    ids=str,
)
def test_spellings_of_a_value_mean_it_on_every_route(towns: ServerUnderTest, path: str, spelling: Any) -> None:
    """Blanks around a word, a number as text and a boolean as word or number mean the value, on every route."""
    response = towns.client.post(path, json=body_for(path, {**ROW, **spelling}))
    assert response.status_code == 200, response.text
    assert warnings_of(path, response.json()) == []
    plain = towns.client.post(path, json=body_for(path, ROW))
    assert probabilities_of(path, response.json()) == probabilities_of(path, plain.json())
