from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.serving.interfaces import ServerUnderTest, run_server


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("films"), text_package) as running:
        yield running


def ask(films: ServerUnderTest, key: str | None = None) -> str:
    headers = {} if key is None else {"X-Prediction-Key": key}
    answer = films.client.post("/predict", json={"text": "a warm film"}, headers=headers)
    return str(answer.json()["prediction_id"])


def known(films: ServerUnderTest, prediction_id: str) -> str | None:
    """The label that counts."""
    return next((label.label for label in films.ledger.labels() if label.prediction_id == prediction_id), None)


def test_a_label_is_recorded(films: ServerUnderTest) -> None:
    """A label is stored with who reported it; repeated it stays one; corrected, the later counts."""
    prediction = ask(films)
    for label in ("good", "good", "bad"):
        answer = films.client.post("/feedback", json={"prediction_id": prediction, "label": label})
        assert answer.status_code == 200
        assert (answer.json()["accepted"], answer.json()["unknown"]) == (1, 0)
    assert known(films, prediction) == "bad"
    [result] = answer.json()["results"]
    assert result == {"status": "accepted", "prediction_id": prediction, "key": None, "note": ""}
    late = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    films.client.post("/feedback", json={"prediction_id": prediction, "label": "good", "at": late, "source": "survey"})
    assert known(films, prediction) == "bad"


def test_unknown_predictions_are_named_among_many_labels(films: ServerUnderTest) -> None:
    """Each label of many has its own result, in order; unknown ones keep no other from being stored."""
    first, second = ask(films), ask(films)
    unknown = "01890000-0000-7000-8000-000000000000"
    given = [
        {"prediction_id": first, "label": "good"},
        {"prediction_id": unknown, "label": "good"},
        {"key": "nobody's", "label": "good"},
        {"prediction_id": second, "label": "splendid"},
    ]
    answer = films.client.post("/feedback", json={"labels": given}).json()
    assert (answer["accepted"], answer["unknown"]) == (2, 2)
    assert [result["status"] for result in answer["results"]] == ["accepted", "unknown", "unknown", "accepted"]
    assert "does not know the label 'splendid'" in answer["results"][3]["note"]
    assert (known(films, first), known(films, second)) == ("good", "splendid")
    single = films.client.post("/feedback", json=given[1])
    assert (single.status_code, single.json()["code"]) == (404, "feedback.unknown")


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({"label": "good"}, 422, [""]),
        ({"label": "good", "prediction_id": "a", "key": "b"}, 422, [""]),
        ({"label": 5, "prediction_id": "a"}, 422, ["label"]),
        ({"label": "", "prediction_id": "a"}, 422, ["label"]),
        ({"label": "good\0", "prediction_id": "a"}, 422, ["label"]),
        ({"label": "good", "prediction_id": "a", "at": "2026-01-01T00:00:00"}, 422, ["at"]),
        ({"label": "good", "prediction_id": "a", "at": "2999-01-01T00:00:00Z"}, 422, ["at"]),
        ({"label": "good", "prediction_id": "a", "sauce": "me"}, 422, ["sauce"]),
        ({"labels": []}, 422, ["labels"]),
        ({"labels": [{"label": "good", "prediction_id": "a"}, {"label": "good"}]}, 422, ["labels[1]"]),
        ({"labels": {}}, 422, ["labels"]),
        ([], 422, [""]),
    ],
)
def test_wrong_fields_of_feedback_are_named(films: ServerUnderTest, body: Any, status: int, fields: list[str]) -> None:
    """What is wrong with a body is named field by field, and nothing of it is stored."""
    before = len(list(films.ledger.labels(superseded=True)))
    answer = films.client.post("/feedback", json=body)
    assert answer.status_code == status, answer.text
    assert [item["field"] for item in answer.json()["errors"]] == fields
    assert len(list(films.ledger.labels(superseded=True))) == before


def test_unreadable_feedback_is_refused(films: ServerUnderTest) -> None:
    """A body that is not JSON is 400, of another type 415, too large 413."""
    json = {"Content-Type": "application/json"}
    assert films.client.post("/feedback", content=b"{", headers=json).status_code == 400
    assert films.client.post("/feedback", content=b'{"label": "\\ud83d"}', headers=json).status_code == 400
    assert films.client.post("/feedback", content=b"{}").status_code == 415
    assert films.client.post("/feedback", content=b" " * 9_000_000, headers=json).status_code == 413
    assert films.client.post("/feedback", content=b"{}", headers={**json, "Content-Encoding": "br"}).status_code == 415


def test_labels_are_recorded_by_the_callers_key(films: ServerUnderTest) -> None:
    """A key that came with a prediction names it later; of several predictions with it the latest is meant."""
    first, second = ask(films, "order 7"), ask(films, "order 7")
    many = films.client.post("/predict/batch", json={"texts": ["a", "b"]}, headers={"X-Prediction-Key": "night"})
    body = {"labels": [{"key": "order 7", "label": "good"}, {"key": "night/1", "label": "bad"}]}
    results = films.client.post("/feedback", json=body).json()["results"]
    ids = [item["prediction_id"] for item in many.json()["predictions"]]
    assert [result["prediction_id"] for result in results] == [second, ids[1]]
    assert known(films, first) is None
    for key in ("", "x" * 201, "caf\u00e9"):
        headers = [(b"X-Prediction-Key", key.encode("latin-1"))]
        refused = films.client.post("/predict", json={"text": "a"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "request.key")
