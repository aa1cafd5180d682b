from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ServerUnderTest
from tiltyard.ledger import Event
from tiltyard.monitoring.labels.label_import import import_labels


def ask(films: ServerUnderTest, key: str | None = None) -> str:
    headers = {} if key is None else {"X-Prediction-Key": key}
    response = films.client.post("/predict", json={"text": "a warm film"}, headers=headers)
    return str(response.json()["prediction_id"])


def known(films: ServerUnderTest, prediction_id: str) -> str | None:
    """The label that counts."""
    return next((label.label for label in films.ledger.labels() if label.prediction_id == prediction_id), None)


@pytest.mark.requirement("R-PRED-06")
def test_a_label_is_recorded(films: ServerUnderTest) -> None:
    """A label is stored with who reported it; repeated it stays one; corrected, the later counts."""
    prediction = ask(films)
    for label in ("good", "good", "bad"):
        response = films.client.post("/feedback", json={"prediction_id": prediction, "label": label})
        assert response.status_code == 200
        assert (response.json()["accepted"], response.json()["unknown"]) == (1, 0)
    assert known(films, prediction) == "bad"
    [result] = response.json()["results"]
    assert result == {"status": "accepted", "prediction_id": prediction, "key": None, "note": ""}
    late = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    films.client.post("/feedback", json={"prediction_id": prediction, "label": "good", "at": late, "source": "survey"})
    assert known(films, prediction) == "bad"


def test_a_class_that_training_set_aside_is_accepted_with_a_note(films: ServerUnderTest) -> None:
    """A label of a class that the training set aside is recorded, and the result says what training did."""
    about = {"set_aside_classes": {"mixed": 3}}
    films.ledger.append(Event("registered", f"{MODEL}/1", datetime.now(UTC), "me", evidence=about))
    prediction = ask(films)
    response = films.client.post("/feedback", json={"prediction_id": prediction, "label": "mixed"})
    assert response.status_code == 200, response.text
    [result] = response.json()["results"]
    assert result["note"] == "Class 'mixed' was set aside in training (3 rows): the model cannot predict it."
    assert known(films, prediction) == "mixed"


def test_unknown_predictions_are_named_among_many_labels(films: ServerUnderTest) -> None:
    """Each label of many has its own result, in order; unknown ones keep no other from being stored."""
    first, second = ask(films), ask(films)
    unknown = "01890000-0000-7000-8000-000000000000"
    given = [
        {"prediction_id": first, "label": "good"},
        {"prediction_id": unknown, "label": "good"},
        {"key": "nobody's", "label": "good"},
        {"prediction_id": second, "label": " good"},
    ]
    response = films.client.post("/feedback", json={"labels": given}).json()
    assert (response["accepted"], response["unknown"]) == (2, 2)
    assert [result["status"] for result in response["results"]] == ["accepted", "unknown", "unknown", "accepted"]
    assert [result["note"] for result in response["results"]][0::3] == ["", ""]
    assert (known(films, first), known(films, second)) == ("good", "good")
    single = films.client.post("/feedback", json=given[1])
    assert (single.status_code, single.json()["code"]) == (404, "feedback.unknown")


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({"label": "good"}, 422, [""]),
        ({"label": "good", "prediction_id": "a", "key": "b"}, 422, [""]),
        ({"label": ["good"], "prediction_id": "a"}, 422, ["label"]),
        ({"label": " ", "prediction_id": "a"}, 422, ["label"]),
        ({"label": 10**4000, "prediction_id": "a"}, 422, ["label"]),
        ({"label": "x" * 5000, "prediction_id": "a"}, 422, ["label"]),
        ({"label": "", "prediction_id": "a"}, 422, ["label"]),
        ({"label": "good\0", "prediction_id": "a"}, 422, ["label"]),
        ({"label": "good", "prediction_id": "a", "at": "2026-01-01T00:00:00"}, 422, ["at"]),
        ({"label": "good", "prediction_id": "a", "at": "2999-01-01T00:00:00Z"}, 422, ["at"]),
        ({"label": "good", "prediction_id": "a", "sauce": "me"}, 422, ["sauce"]),
        ({"label": "good", "key": True}, 422, ["key"]),
        ({"label": "good", "key": [8]}, 422, ["key"]),
        ({"label": "good", "key": " "}, 422, ["key"]),
        ({"label": "good", "key": 10**400}, 422, ["key"]),
        ({"label": "good", "prediction_id": 8}, 422, ["prediction_id"]),
        ({"label": "good", "prediction_id": "a", "source": 8}, 422, ["source"]),
        ({"label": "good", "prediction_id": "a", "at": 1700000000}, 422, ["at"]),
        ({"labels": []}, 422, ["labels"]),
        ({"labels": [{"label": "good", "prediction_id": "a"}, {"label": "good"}]}, 422, ["labels[1]"]),
        ({"labels": {}}, 422, ["labels"]),
        ([], 422, [""]),
    ],
)
def test_wrong_fields_of_feedback_are_named(films: ServerUnderTest, body: Any, status: int, fields: list[str]) -> None:
    """What is wrong with a body is named field by field, and nothing of it is stored."""
    before = len(list(films.ledger.labels(superseded=True)))
    response = films.client.post("/feedback", json=body)
    assert response.status_code == status, response.text
    assert [item["field"] for item in response.json()["errors"]] == fields
    assert len(list(films.ledger.labels(superseded=True))) == before


def test_unreadable_feedback_is_refused(films: ServerUnderTest) -> None:
    """A body that is not JSON is 400, of another type 415, too large 413."""
    json = {"Content-Type": "application/json"}
    assert films.client.post("/feedback", content=b"{", headers=json).status_code == 400
    assert films.client.post("/feedback", content=b'{"label": "\\ud83d"}', headers=json).status_code == 400
    text = {"Content-Type": "text/plain"}
    assert films.client.post("/feedback", content=b"{}", headers=text).status_code == 415
    assert films.client.post("/feedback", content=b" " * 9_000_000, headers=json).status_code == 413
    assert films.client.post("/feedback", content=b"{}", headers={**json, "Content-Encoding": "br"}).status_code == 415


def test_labels_are_recorded_by_the_callers_key(films: ServerUnderTest) -> None:
    """A key that came with a prediction names it later, also with outer white space."""
    first = ask(films, "order 7")
    many = films.client.post("/predict/batch", json={"texts": ["a", "b"]}, headers={"X-Prediction-Key": "night"})
    body = {"labels": [{"key": " order 7", "label": "good"}, {"key": "night/1", "label": "bad"}]}
    results = films.client.post("/feedback", json=body).json()["results"]
    ids = [item["prediction_id"] for item in many.json()["predictions"]]
    assert [result["prediction_id"] for result in results] == [first, ids[1]]
    assert known(films, first) == "good"
    for key in ("", "x" * 201, "caf\u00e9"):
        headers = [(b"X-Prediction-Key", key.encode("latin-1"))]
        refused = films.client.post("/predict", json={"text": "a"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "request.key")


@pytest.mark.parametrize(("sent", "key"), [("8", 8), ("9", 9.0), ("8.5", 8.5), ("-3", -3), ("1e+30", "1e+30")])
def test_a_key_that_is_a_number_is_read_as_an_import_reads_it(films: ServerUnderTest, sent: str, key: object) -> None:
    """A number names the prediction whose key is its digits, as in a file of labels."""
    prediction_id = ask(films, sent)
    response = films.client.post("/feedback", json={"key": key, "label": "good"}).json()
    named = str(key) if isinstance(key, str) else sent
    assert response["results"] == [{"status": "accepted", "prediction_id": prediction_id, "key": named, "note": ""}]


@pytest.mark.parametrize(
    "at", ["2020-01-31T10:30:00Z", " 2020-01-31 10:30:00 UTC", "2020-01-31T11:30+01:00", "20200131T1030Z"]
)
def test_times_of_labels_are_read_as_an_import_reads_them(films: ServerUnderTest, at: str) -> None:
    """A time with its zone is read in any spelling of ISO 8601, as in a file of labels."""
    prediction_id = ask(films)
    body = {"prediction_id": prediction_id, "label": "good", "at": at}
    assert films.client.post("/feedback", json=body).status_code == 200
    frame = pd.DataFrame({"prediction_id": [prediction_id], "label": ["bad"], "labelled_at": [at]})
    assert import_labels(films.ledger, MODEL, frame).stored == 1
    times = {label.at for label in films.ledger.labels(superseded=True) if label.prediction_id == prediction_id}
    assert times == {datetime(2020, 1, 31, 10, 30, tzinfo=UTC)}


@pytest.mark.parametrize(("label", "named"), [("goood", "Did you mean 'good'?"), (5, "'5'"), (True, "'True'")])
def test_a_label_that_is_no_class_is_refused(films: ServerUnderTest, label: object, named: str) -> None:
    """A label that the model does not know refuses the whole request, with the nearest class."""
    first, second = ask(films), ask(films)
    labels = [{"prediction_id": first, "label": "good"}, {"prediction_id": second, "label": label}]
    response = films.client.post("/feedback", json={"labels": labels})
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "labels[1].label"
    assert named in error["message"]
    assert (known(films, first), known(films, second)) == (None, None)


@pytest.mark.parametrize("label", ["NaN", "1e999", "-Infinity"])
def test_a_number_that_is_not_finite_is_named_in_a_list_as_alone(films: ServerUnderTest, label: str) -> None:
    """What is not JSON to some parsers does not hide that a body holds many labels."""
    bad = f'{{"prediction_id": "{ask(films)}", "label": {label}}}'
    good = f'{{"prediction_id": "{ask(films)}", "label": "good"}}'
    for body, field in ((f'{{"labels": [{good}, {bad}]}}', "labels[1].label"), (bad, "label")):
        response = films.client.post("/feedback", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 422
        assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_key_of_several_predictions_means_the_one_in_force(films: ServerUnderTest) -> None:
    """A key that was used again is ambiguous without a time; with one, the last prediction until then is meant."""
    first = ask(films, "customer 9")
    between = datetime.now(UTC)
    second = ask(films, "customer 9")
    refused = films.client.post("/feedback", json={"key": "customer 9", "label": "bad"})
    assert (refused.status_code, refused.json()["code"]) == (409, "feedback.ambiguous")
    assert f"{between:%Y-%m-%d %H}" in refused.json()["detail"]
    early = (between - timedelta(days=1)).isoformat()
    many = [{"key": "customer 9", "label": "bad", "at": at} for at in (between.isoformat(), early)]
    response = films.client.post("/feedback", json={"labels": many}).json()
    assert [result["status"] for result in response["results"]] == ["accepted", "ambiguous"]
    assert (response["accepted"], response["ambiguous"]) == (1, 1)
    assert (known(films, first), known(films, second)) == ("bad", None)
