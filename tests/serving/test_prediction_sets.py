"""Prediction sets on request: what callers get by every protocol, and the errors where there are none."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sklearn.pipeline import Pipeline

from tests.serving.conftest import TEXTS, Start
from tests.serving.fake_registry import MODEL, FakeRegistry, package
from tests.serving.fakes import TestLedger
from tests.serving.interfaces import ServerUnderTest, run_server
from tiltyard.tasks import PREDICTION_SETS, DecisionRule, LabelCategory, SetCalibration

SCORES = tuple(place / 20 for place in range(1, 20))
SETS = SetCalibration(
    classes=("bad", "good"),
    categories=(LabelCategory(labels=("bad", "good"), rows=19, units=19, scores=SCORES),),
    level=0.9,
)
RULE = DecisionRule(classes=("bad", "good"), abstain_below=0.65)
DOUBTFUL, CLEAR = "a film about a time", "dull, slow and far too long"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_pipeline: Pipeline) -> Iterator[ServerUnderTest]:
    """A server of a version that carries nineteen scores, and abstains where it is in doubt."""
    folder = tmp_path_factory.mktemp("sets")
    files = {PREDICTION_SETS: SETS.to_bytes()}
    stored = package(folder / "package", text_pipeline, "text-classification", TEXTS, attachments=files, decision=RULE)
    with run_server(folder, stored) as running:
        yield running


def expect(prediction: dict[str, Any], level: float) -> list[str]:
    """The set by the definition: the likeliest label, and each whose score is at most the rank's."""
    limit = SCORES[int(-(-20 * level // 1)) - 1]
    ordered = sorted(prediction["probabilities"].items(), key=lambda pair: -pair[1])
    return [name for place, (name, share) in enumerate(ordered) if place == 0 or 1 - share <= limit]


@pytest.mark.parametrize("level", [0.5, 0.7, 0.95])
def test_the_set_comes_by_every_protocol(films: ServerUnderTest, level: float) -> None:
    """Alone, in a list, by V2 and by MLflow's protocol it has the same labels, and a request without has none."""
    texts = [DOUBTFUL, CLEAR]
    alone = [films.client.post("/predict", json={"text": text, "confidence_level": level}).json() for text in texts]
    sets = [one["prediction_set"] for one in alone]
    assert sets == [expect(one, level) for one in alone]
    body = {"texts": texts, "confidence_level": level}
    listed = films.client.post("/predict/batch", json=body).json()["predictions"]
    assert [one["prediction_set"] for one in listed] == sets
    rows = {"dataframe_records": [{"text": text} for text in texts], "params": {"confidence_level": level}}
    assert films.client.post("/invocations", json=rows).json()["prediction_sets"] == sets
    tensors = {
        "inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": texts}],
        "parameters": {"confidence_level": level},
    }
    outputs = {
        one["name"]: one for one in films.client.post(f"/v2/models/{MODEL}/infer", json=tensors).json()["outputs"]
    }
    held = outputs["prediction_set"]
    assert (held["datatype"], held["shape"]) == ("BOOL", [2, 2])
    assert held["data"] == [name in labels for labels in sets for name in held["parameters"]["classes"]]
    without = films.client.post("/predict", json={"text": DOUBTFUL}).json()
    assert "prediction_set" not in without
    assert level == 0.5 or len(sets[0]) == 2


def test_the_set_comes_with_a_file(films: ServerUnderTest) -> None:
    """Each row of a file has the set of its text in a column, as JSON; without a confidence there is no column."""
    texts = [DOUBTFUL, CLEAR] * 60
    content = "\n".join(["text", *(f'"{text}"' for text in texts), ""]).encode()
    path = "/predict/file?name=rows.csv"
    scored = films.client.post(f"{path}&confidence_level=0.7", content=content)
    assert scored.status_code == 200, scored.text
    rows = list(csv.DictReader(io.StringIO(scored.text)))
    alone = [films.client.post("/predict", json={"text": text, "confidence_level": 0.7}).json() for text in texts[:2]]
    assert [json.loads(row["prediction_set"]) for row in rows] == [one["prediction_set"] for one in alone] * 60
    assert "prediction_set" not in films.client.post(path, content=content).text.splitlines()[0]


@pytest.mark.parametrize("level", ["0", "1", "95", "x", "0.99"])
def test_a_file_with_no_such_sets_is_refused_whole(films: ServerUnderTest, level: str) -> None:
    """A confidence that is none, or for which there are too few rows, is named, and nothing is recorded."""
    before = len(list(films.ledger.predictions()))
    refused = films.client.post(f"/predict/file?confidence_level={level}", content=b"text\nx\n")
    assert refused.status_code == 422
    assert "confidence_level" in refused.text
    assert len(list(films.ledger.predictions())) == before


def test_a_model_that_abstains_still_names_its_set(films: ServerUnderTest) -> None:
    """The person who decides in its place sees which labels are likely."""
    found = films.client.post("/predict", json={"text": DOUBTFUL, "confidence_level": 0.9}).json()
    assert found["abstained"] is True
    assert sorted(found["prediction_set"]) == ["bad", "good"]


def test_a_set_follows_from_what_is_recorded(films: ServerUnderTest) -> None:
    """The ledger keeps the prediction as without: a repeated request may ask for another confidence."""
    head = {"Idempotency-Key": "sets"}
    sent = [
        films.client.post("/predict", json={"text": DOUBTFUL, "confidence_level": level}, headers=head).json()
        for level in (0.5, 0.95)
    ]
    assert sent[0]["prediction_id"] == sent[1]["prediction_id"]
    assert [one["prediction_set"] for one in sent] == [expect(sent[0], 0.5), expect(sent[0], 0.95)]
    stored = {row.id: row for row in films.ledger.predictions()}[sent[0]["prediction_id"]]
    assert dict(stored.input) == {"text": DOUBTFUL}


def test_what_is_no_confidence_is_refused_and_records_nothing(films: ServerUnderTest) -> None:
    """By every protocol the status is 422, and the field is named."""
    before = len(list(films.ledger.predictions()))
    tensors = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}
    requests: list[tuple[str, dict[str, Any], str]] = []
    for wrong in (0, 1, 95, "0.9", True, [0.9]):
        level = {"confidence_level": wrong}
        requests += [
            ("/predict", {"text": "x", **level}, "confidence_level"),
            ("/predict/batch", {"texts": ["x"], **level}, "confidence_level"),
            ("/invocations", {"dataframe_records": [{"text": "x"}], "params": level}, "params.confidence_level"),
            (f"/v2/models/{MODEL}/infer", {**tensors, "parameters": level}, "parameters.confidence_level"),
        ]
    requests.append(("/explain", {"text": "x", "confidence_level": 0.9}, "confidence_level"))
    for path, body, field in requests:
        response = films.client.post(path, json=body)
        assert response.status_code == 422, path
        assert [one["field"] for one in response.json()["errors"]] == [field]
    assert len(list(films.ledger.predictions())) == before


def test_a_confidence_that_few_rows_cannot_carry_is_refused(films: ServerUnderTest) -> None:
    """Nineteen scores carry 0.95 and no more: the response says how much, and ``/model-info`` did before."""
    refused = films.client.post("/predict", json={"text": "x", "confidence_level": 0.96}).json()
    assert refused["status"] == 422
    assert "every set would hold every label" in refused["detail"]
    assert refused["next_step"] == "Ask for at most 0.95, or hold more rows out."
    shown = films.client.get("/model-info").json()["prediction_sets"]
    assert (shown["rows"], shown["highest_confidence_level"]) == (19, 0.95)
    assert shown["highest_by_label"] == {"bad": 0.95, "good": 0.95}


def test_a_version_without_scores_says_what_to_do(start: Start, registry: FakeRegistry, text_package: Any) -> None:
    """A version of before has no sets: 422 with the next step, and predictions as ever."""
    registry.point_alias("champion", registry.add(text_package))
    url = start().url
    refused = httpx.post(f"{url}/predict", json={"text": "x", "confidence_level": 0.9})
    assert refused.status_code == 422
    assert "carries no scores of held-out rows" in refused.json()["detail"]
    assert "tiltyard train" in refused.json()["next_step"]
    assert httpx.get(f"{url}/model-info").json()["prediction_sets"] is None
    assert httpx.post(f"{url}/predict", json={"text": "x"}).status_code == 200


def test_a_challenger_without_scores_names_all_of_its_labels(
    start: Start, registry: FakeRegistry, ledger: TestLedger, text_package: Any, text_pipeline: Pipeline, tmp_path: Any
) -> None:
    """In a split test its rows hold the truth for certain, and are not refused: that would favour one side."""
    stored = package(
        tmp_path / "package",
        text_pipeline,
        "text-classification",
        TEXTS,
        attachments={PREDICTION_SETS: SETS.to_bytes()},
    )
    champion, challenger = registry.add(stored), registry.add(text_package)
    registry.point_alias("champion", champion)
    registry.point_alias("challenger", challenger)
    url = start(challenger={"mode": "split", "share": 0.5}).url
    body = {"text": CLEAR, "confidence_level": 0.5}
    found = [httpx.post(f"{url}/predict", json=body).json() for _ in range(40)]
    by_version = {
        version: {len(one["prediction_set"]) for one in found if one["model_version"] == version}
        for version in (champion, challenger)
    }
    assert by_version == {champion: {1}, challenger: {2}}
