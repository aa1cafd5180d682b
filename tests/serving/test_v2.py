"""The Open Inference Protocol V2, by NVIDIA's own client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ROW, ServerUnderTest, run_server

TEXTS = ["a warm and funny film", "dull, slow and far too long", ""]


def triton(running: ServerUnderTest) -> InferenceServerClient:
    return InferenceServerClient(f"127.0.0.1:{running.port}")


def texts(*, binary: bool) -> InferInput:
    tensor = InferInput("text", [len(TEXTS)], "BYTES")
    tensor.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=binary)
    return tensor


def features(rows: list[dict[str, Any]], *, binary: bool) -> list[InferInput]:
    tensors = []
    for name, datatype, dtype in (
        ("age", "INT64", np.int64),
        ("income", "FP32", np.float32),
        ("town", "BYTES", np.object_),
        ("member", "BOOL", np.bool_),
    ):
        tensor = InferInput(name, [len(rows), 1], datatype)
        tensor.set_data_from_numpy(np.array([[row[name]] for row in rows], dtype=dtype), binary_data=binary)
        tensors.append(tensor)
    return tensors


def infer(running: ServerUnderTest, **body: Any) -> Any:
    return running.client.post(f"/v2/models/{MODEL}/infer", json=body)


def test_server_and_model_are_described(films: ServerUnderTest, towns: ServerUnderTest) -> None:
    """The client finds the server live and ready, and the model's tensors by name and datatype."""
    with triton(films) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        assert client.is_model_ready(MODEL)
        assert client.is_model_ready(MODEL, "1")
        assert not client.is_model_ready(MODEL, "2")
        assert not client.is_model_ready("another")
        about = client.get_model_metadata(MODEL, "1")
    assert about["versions"] == ["1"]
    assert about["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in about["outputs"]] == ["label", "probabilities", "prediction_id"]
    with triton(towns) as client:
        inputs = client.get_model_metadata(MODEL)["inputs"]
    assert {tensor["name"]: tensor["datatype"] for tensor in inputs} == {
        "age": "FP64",
        "income": "FP64",
        "town": "BYTES",
        "member": "BOOL",
    }


@pytest.mark.parametrize("binary", [True, False])
def test_texts_get_predictions(films: ServerUnderTest, *, binary: bool) -> None:
    """A BYTES tensor gets the predictions of /predict/batch, as bytes or as JSON, and they are recorded."""
    expected = films.client.post("/predict/batch", json={"texts": TEXTS}).json()["predictions"]
    outputs = [InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label", "prediction_id")]
    with triton(films) as client:
        for wanted in (outputs, None):
            result = client.infer(MODEL, [texts(binary=binary)], outputs=wanted, request_id="mine")
            assert result.get_response()["id"] == "mine"
            labels = [str(value.decode() if isinstance(value, bytes) else value) for value in result.as_numpy("label")]
            assert labels == [item["prediction"] for item in expected]
            classes = result.get_output("probabilities")["parameters"]["classes"]
            probabilities = np.array([[item["probabilities"][name] for name in classes] for item in expected])
            assert np.allclose(result.as_numpy("probabilities"), probabilities, rtol=0, atol=1e-12)
            ids = [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("prediction_id")]
            for text, prediction_id in zip(TEXTS, ids, strict=True):
                recorded = films.ledger.prediction(prediction_id)
                assert recorded is not None
                assert recorded.input == {"text": text}


@pytest.mark.parametrize("binary", [True, False])
def test_tables_get_predictions(towns: ServerUnderTest, *, binary: bool) -> None:
    """A tensor for each feature gets the predictions of /predict/batch."""
    rows = [{**ROW, "age": age, "town": town} for age, town in ((20, "York"), (70, "Bath"), (41, "Nowhere"))]
    expected = towns.client.post("/predict/batch", json={"instances": rows}).json()["predictions"]
    with triton(towns) as client:
        result = client.infer(MODEL, features(rows, binary=binary), model_version="1")
    assert [value.decode() for value in result.as_numpy("label")] == [item["prediction"] for item in expected]
    assert result.get_response()["model_version"] == "1"


def test_gaps_and_base64_are_read_in_json(towns: ServerUnderTest, films: ServerUnderTest) -> None:
    """null is a value that is not known, in any tensor; BYTES may be base64."""
    inputs = [
        {"name": "age", "shape": [2], "datatype": "FP64", "data": [40, None]},
        {"name": "income", "shape": [2], "datatype": "FP64", "data": [38.5, None]},
        {"name": "town", "shape": [2], "datatype": "BYTES", "data": ["York", None]},
        {"name": "member", "shape": [2], "datatype": "BOOL", "data": [True, None]},
    ]
    response = infer(towns, inputs=inputs, parameters={"content_type": "pd"})
    assert response.status_code == 200, response.text
    ids = next(output["data"] for output in response.json()["outputs"] if output["name"] == "prediction_id")
    recorded = towns.ledger.prediction(ids[1])
    assert recorded is not None
    assert set(recorded.input.values()) == {None}
    coded: dict[str, Any] = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [["YSB3YXJtIGZpbG0="]]}
    coded["parameters"] = {"content_type": "base64"}
    response = infer(films, inputs=[coded], outputs=[{"name": "prediction_id"}])
    recorded = films.ledger.prediction(response.json()["outputs"][0]["data"][0])
    assert recorded is not None
    assert recorded.input == {"text": "a warm film"}


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"], **changes}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [tensor(shape=[2])]}, "text"),
        ({"inputs": [tensor(shape=[-1])]}, "inputs[0].shape[0]"),
        ({"inputs": [tensor(shape=[1, 2], data=["a", "b"])]}, "text.shape"),
        ({"inputs": [tensor(datatype="STRING")]}, "text"),
        ({"inputs": [tensor(datatype="INT8", data=[1])]}, "text"),
        ({"inputs": [tensor(datatype="INT8", data=[1.5])]}, "text"),
        ({"inputs": [tensor(data=[1])]}, "text"),
        ({"inputs": [tensor(data=[None])]}, "text"),
        ({"inputs": [tensor(data=None)]}, "text"),
        ({"inputs": [tensor(parameters={"binary_data_size": 4})]}, "text"),
        ({"inputs": [tensor(), tensor()]}, "inputs[1].name"),
        ({"inputs": [tensor(shape=[0], data=[])]}, ""),
        ({"inputs": [tensor()], "outputs": [{"name": "embedding"}]}, "outputs[0].name"),
    ],
)
def test_wrong_tensors_are_named(films: ServerUnderTest, body: Any, field: str) -> None:
    """What is wrong with a request is named where it stands, in the protocol's own field as well."""
    response = infer(films, **body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"] == field
    assert response.json()["error"] == response.json()["detail"]


def test_wrong_rows_are_named_by_column(towns: ServerUnderTest) -> None:
    """A wrong value, a missing and a doubled feature are named by their column, and so are tensors of other lengths."""
    good = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in ROW.items()]
    for item, datatype in zip(good, ("INT64", "FP64", "BYTES", "BOOL"), strict=True):
        item["datatype"] = datatype
    assert infer(towns, inputs=good).status_code == 200
    wrong = {"name": "age", "shape": [1], "datatype": "BYTES", "data": ["old"]}
    assert infer(towns, inputs=[wrong, *good[1:]]).json()["errors"][0]["field"] == "age"
    assert infer(towns, inputs=good[1:]).json()["errors"][0]["field"] == "age"
    two: list[dict[str, Any]] = [{**item, "shape": [2], "data": [ROW[str(item["name"])]] * 2} for item in good]
    several = infer(towns, inputs=[{**wrong, "shape": [2], "data": ["old", "young"]}, *two[1:]]).json()["errors"]
    assert [error["field"] for error in several] == ["age[0]", "age[1]"]
    assert infer(towns, inputs=[*good, good[0]]).json()["errors"][0]["field"] == "inputs[4].name"
    longer = {**good[3], "shape": [2], "data": [True, True]}
    assert infer(towns, inputs=[*good[:3], longer]).json()["errors"][0]["field"] == "member.shape"


def test_every_error_has_the_protocols_field(films: ServerUnderTest) -> None:
    """An unknown path, another method and an empty body have ``error``, which NVIDIA's client reads."""
    for method, path in (
        ("GET", "/v2/no/such/path"),
        ("DELETE", f"/v2/models/{MODEL}"),
        ("GET", "/v2/models/another/config"),
        ("POST", f"/v2/models/{MODEL}/infer"),
    ):
        response = films.client.request(method, path)
        assert response.status_code >= 400
        assert response.json()["error"] == response.json()["detail"], path
        assert int(response.headers["content-length"]) == len(response.content)
    assert "error" not in films.client.get("/no/such/path").json()
    with triton(films) as client, pytest.raises(InferenceServerException) as caught:
        client.get_trace_settings()
    assert "decoding" not in str(caught.value)
    assert caught.value.status() == "404"


def test_configuration_index_and_statistics_respond(films: ServerUnderTest, towns: ServerUnderTest) -> None:
    """The client reads the model's configuration, what the repository has, and how much was predicted."""
    with triton(films) as client:
        before = client.get_inference_statistics(MODEL)["model_stats"][0]["inference_count"]
        client.infer(MODEL, [texts(binary=True)])
        for stats in (
            client.get_inference_statistics(),
            client.get_inference_statistics(MODEL),
            client.get_inference_statistics(MODEL, "1"),
        ):
            (model,) = stats["model_stats"]
            assert (model["name"], model["version"]) == (MODEL, "1")
            assert model["inference_count"] == before + len(TEXTS) == model["inference_stats"]["success"]["count"]
            assert model["inference_stats"]["success"]["ns"] > 0
        assert client.get_model_repository_index() == [{"name": MODEL, "version": "1", "state": "READY", "reason": ""}]
        config = client.get_model_config(MODEL)
        assert config == client.get_model_config(MODEL, "1")
    assert (config["name"], config["max_batch_size"]) == (MODEL, 0)
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1]}]
    platforms = []
    for running in (films, towns):
        with triton(running) as client:
            config = client.get_model_config(MODEL)
            platforms.append((config["platform"], client.get_model_metadata(MODEL)["platform"]))
    assert platforms == [("tiltyard_compiled_text",) * 2, ("tiltyard_compiled_table_linear",) * 2]
    with triton(towns) as client:
        kinds = {tensor["name"]: tensor["data_type"] for tensor in client.get_model_config(MODEL)["input"]}
    assert kinds == {"age": "TYPE_FP64", "income": "TYPE_FP64", "town": "TYPE_STRING", "member": "TYPE_BOOL"}


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_requests_are_taken(films: ServerUnderTest, packing: str) -> None:
    """The client may compress its requests."""
    with triton(films) as client:
        result = client.infer(MODEL, [texts(binary=True)], request_compression_algorithm=packing)
    assert result.as_numpy("label").shape == (len(TEXTS),)


def test_probes_may_use_head(films: ServerUnderTest) -> None:
    """HEAD has GET's status and headers, and no body."""
    for path in ("/health", "/ping", "/v2/health/ready", "/v2/health/live", "/metrics"):
        got, head = films.client.get(path), films.client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers.get("content-type") == got.headers.get("content-type")
    assert films.client.head("/predict").status_code == 405


def test_errors_reach_the_client(films: ServerUnderTest) -> None:
    """The client raises what the server says: another model, another version, truncated bytes."""
    with triton(films) as client:
        for model, version in (("another", ""), (MODEL, "7")):
            with pytest.raises(InferenceServerException, match=r"no model|not in service here") as caught:
                client.infer(model, [texts(binary=True)], model_version=version)
            assert caught.value.status() == "404"
    head = json.dumps({"inputs": [{**tensor(data=None), "parameters": {"binary_data_size": 6}}]}).encode()
    cut = films.client.post(
        f"/v2/models/{MODEL}/infer",
        content=head + b"\x09\x00\x00\x00ab",
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert (cut.status_code, cut.json()["errors"][0]["field"]) == (422, "text")
    for length in ("x", "-1", "1e3", "999999"):
        headers = {"Inference-Header-Content-Length": length}
        assert films.client.post(f"/v2/models/{MODEL}/infer", content=b"{}", headers=headers).status_code in (400, 422)


def test_no_version_is_503(tmp_path: Path) -> None:
    """Without a champion the server is live and not ready, and says why it cannot predict."""
    with run_server(tmp_path, None) as running, triton(running) as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready(MODEL)
        with pytest.raises(InferenceServerException, match="No champion yet"):
            client.infer(MODEL, [texts(binary=True)])
        assert running.client.get("/ping").status_code == 503
