"""A served version with a decision rule: what callers, and the ledger, get."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from tests.serving.conftest import TEXTS
from tests.serving.fake_registry import MODEL, package
from tests.serving.interfaces import ServerUnderTest, run_server
from tiltyard.tasks import DecisionRule

RULE = DecisionRule(classes=("bad", "good"), threshold=0.95, positive="good", abstain_below=0.65)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_pipeline: Pipeline) -> Iterator[ServerUnderTest]:
    """A server of a version that is hard to please, and leaves the doubtful to a person."""
    folder = tmp_path_factory.mktemp("decision")
    stored = package(folder / "package", text_pipeline, "text-classification", TEXTS, decision=RULE)
    with run_server(folder, stored) as running:
        yield running


@pytest.mark.requirement("R-MORE-04")
def test_the_label_follows_the_rule_by_every_protocol(films: ServerUnderTest) -> None:
    """Alone, in a list, by V2 and by MLflow's protocol the label is the rule's, and its confidence is its own."""
    text = "a warm and funny film"
    alone = films.client.post("/predict", json={"text": text}).json()
    assert alone["probabilities"]["good"] > 0.65
    assert alone["prediction"] == "bad"
    assert alone["confidence"] == alone["probabilities"]["bad"]
    listed = films.client.post("/predict/batch", json={"texts": [text]}).json()["predictions"][0]
    tensors = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}
    by_v2 = films.client.post(f"/v2/models/{MODEL}/infer", json=tensors).json()["outputs"]
    called = films.client.post("/invocations", json={"dataframe_records": [{"text": text}]}).json()
    assert listed["prediction"] == "bad"
    assert next(one for one in by_v2 if one["name"] == "label")["data"] == ["bad"]
    assert called["predictions"] == ["bad"]
    stored = {row.id: row for row in films.ledger.predictions()}
    assert stored[alone["prediction_id"]].label == "bad"


def test_only_what_is_left_to_a_person_says_so(films: ServerUnderTest) -> None:
    """A doubtful input is marked, alone and in a list; a clear one is not."""
    doubtful, clear = "a film about a time", "dull, slow and far too long"
    alone = films.client.post("/predict", json={"text": doubtful}).json()
    assert max(alone["probabilities"].values()) < 0.65
    assert alone["abstained"] is True
    assert "abstained" not in films.client.post("/predict", json={"text": clear}).json()
    body = {"texts": [doubtful, clear]}
    listed = films.client.post("/predict/batch", json=body).json()["predictions"]
    assert [one.get("abstained", False) for one in listed] == [True, False]


def test_what_is_left_to_a_person_is_no_unknown_value(films: ServerUnderTest) -> None:
    """A separate counter counts abstentions."""
    films.client.post("/predict", json={"text": "a film about a time"})
    metrics = films.client.get("/metrics").text
    assert 'code="abstained"' not in metrics
    [count] = re.findall(r"^tiltyard_abstentions_total\S* (\S+)$", metrics, re.MULTILINE)
    assert float(count) >= 1


def test_a_repeated_request_abstains_again(films: ServerUnderTest) -> None:
    """The first prediction comes back with the same mark."""
    head = {"Idempotency-Key": "once"}
    sent = [films.client.post("/predict", json={"text": "a film about a time"}, headers=head).json() for _ in range(2)]
    assert sent[0] == sent[1]
    assert sent[0]["abstained"] is True


def test_the_version_says_how_it_decides(films: ServerUnderTest) -> None:
    """``/model-info`` has the rule in words."""
    decision = films.client.get("/model-info").json()["decision"]
    assert decision.startswith("'good' is predicted from a probability of 0.95 on;")
    assert decision.endswith("the model abstains where no label has a probability of 0.65.")


def test_a_file_names_what_is_left_to_a_person(films: ServerUnderTest) -> None:
    """The scored file has a column of warnings, which says it."""
    rows = pd.DataFrame({"text": ["a film about a time", "dull, slow and far too long"]}).to_csv(index=False)
    scored = films.client.post("/predict/file", params={"name": "films.csv"}, content=rows.encode())
    lines = scored.text.splitlines()
    assert "is left to a person" in lines[1]
    assert "is left to a person" not in lines[2]
