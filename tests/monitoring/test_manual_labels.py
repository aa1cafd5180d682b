"""A person labels one prediction, corrects it, and takes it back; on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.errors import InputError, NotFoundError, UsageError
from tiltyard.ledger import Ledger, Prediction, SqlLedger
from tiltyard.monitoring.labels.manual_labels import label_prediction, undo_label
from tiltyard.testing import make_prediction


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/ledger.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as opened:
        yield opened


@pytest.fixture
def known(ledger: Ledger) -> Prediction:
    made = make_prediction(project="films", probabilities={"positive": 0.8, "negative": 0.2}, label="positive")
    ledger.record([made])
    return made


def counting(ledger: Ledger, prediction: Prediction) -> list[tuple[str, str]]:
    return [(one.label, one.source) for one in ledger.labels(prediction_id=prediction.id)]


def test_a_label_counts_until_it_is_corrected_or_taken_back(ledger: Ledger, known: Prediction) -> None:
    """A correction replaces a label, and once the correction is taken back the label counts again."""
    given = label_prediction(ledger, "films", known.id, " negative ", source="ada")
    assert (given.label, given.before, given.source) == ("negative", None, "ada")
    again = label_prediction(ledger, "films", known.id, "negative", source="ada")
    assert again.before == "negative"
    assert len(list(ledger.labels(prediction_id=known.id, superseded=True))) == 1
    corrected = label_prediction(ledger, "films", known.id, "positive", source="bob")
    assert (corrected.label, corrected.before) == ("positive", "negative")
    assert counting(ledger, known) == [("positive", "bob")]
    assert undo_label(ledger, "films", known.id, source="bob").label == "positive"
    assert counting(ledger, known) == [("negative", "ada")]
    event = list(ledger.events(subject="films"))[-1]
    assert (event.kind, event.actor, event.evidence["label"]) == ("label-withdrawn", "bob", "positive")
    undo_label(ledger, "films", known.id, source="ada")
    assert counting(ledger, known) == []
    assert ledger.verify_events() == []


def test_only_who_gave_a_label_takes_it_back(ledger: Ledger, known: Prediction) -> None:
    """Another person's label stays, and nothing is recorded; one that is not there cannot be taken back."""
    with pytest.raises(NotFoundError, match="has no label"):
        undo_label(ledger, "films", known.id, source="ada")
    label_prediction(ledger, "films", known.id, "negative", source="ada")
    with pytest.raises(UsageError, match="comes from ada, not from bob"):
        undo_label(ledger, "films", known.id, source="bob")
    assert counting(ledger, known) == [("negative", "ada")]
    assert list(ledger.events(subject="films")) == []


def test_what_is_no_label_is_refused(ledger: Ledger, known: Prediction) -> None:
    """A class that no version knows, an empty label and an unknown prediction are refused with what to do."""
    for wrong in ("neutral", "", None):
        with pytest.raises(InputError) as caught:
            label_prediction(ledger, "films", known.id, wrong, source="ada")
        assert caught.value.next_step
    for model, id_ in (("films", "nothing"), ("other", known.id)):
        with pytest.raises(NotFoundError):
            label_prediction(ledger, model, id_, "negative", source="ada")
        with pytest.raises(NotFoundError):
            undo_label(ledger, model, id_, source="ada")
