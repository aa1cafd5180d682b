"""Labelled predictions of production next to the base data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tiltyard.data import load_dataset, split_dataset
from tiltyard.data.content_hash import content_keys
from tiltyard.data.loading import read_dataset
from tiltyard.ledger import Label, LabelRequest, Prediction
from tiltyard.ledger.arrivals import redact_input
from tiltyard.pipeline.training.production_data import (
    count_new_labels,
    gather_production_data,
)
from tiltyard.project import Project
from tiltyard.testing import NOON, MemoryLedger, make_prediction

REVIEWS = [
    (f"film number {n} was {'fine' if n % 2 else 'dull'}", "positive" if n % 2 else "negative") for n in range(40)
]


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def films(tmp_path: Path) -> Project:
    pd.DataFrame(REVIEWS, columns=["review", "label"]).to_csv(tmp_path / "reviews.csv", index=False)
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "reviews.csv", "text": "review"},
            "root": tmp_path,
        }
    )


@pytest.fixture
def people(tmp_path: Path) -> Project:
    rows = [(n % 7, ("yes", "no")[n % 2], n % 3 == 0, ("quiet", "loud")[n % 2]) for n in range(40)]
    pd.DataFrame(rows, columns=["alone", "fear", "tired", "label"]).to_csv(tmp_path / "people.csv", index=False)
    return Project.model_validate(
        {
            "project": {"name": "people", "task": "tabular-classification", "model": "people"},
            "data": {"source": "people.csv"},
            "root": tmp_path,
        }
    )


def record_prediction(
    ledger: MemoryLedger, truth: str | None = None, minutes: float = 0, **changes: object
) -> Prediction:
    """A prediction, and its label if one is given, so many minutes after noon."""
    row = make_prediction(at=NOON + timedelta(minutes=minutes), **changes)
    ledger.record([row])
    if truth is not None:
        ledger.record_labels([Label(row.id, truth, row.at + timedelta(hours=1), "support")])
    return row


def test_labelled_predictions_follow_the_base_data(films: Project, ledger: MemoryLedger) -> None:
    """Every labelled prediction becomes a row behind the base rows, and unlabelled ones and shadows do not."""
    record_prediction(ledger, "positive", input={"text": "A new one, liked."})
    record_prediction(ledger, None, input={"text": "Nobody knows."})
    record_prediction(ledger, "negative", input={"text": "Seen by a shadow."}, route="shadow")
    found = gather_production_data(films, ledger)
    assert (len(found.dataset), found.added) == (41, 1)
    assert found.dataset.inputs.iloc[-1] == "A new one, liked."
    assert found.dataset.labels.iloc[-1] == "positive"
    assert found.dataset.frame["review"].iloc[-1] == "A new one, liked."
    assert found.dataset.fingerprint != load_dataset(films).fingerprint
    later = gather_production_data(films, ledger, since=NOON + timedelta(minutes=1))
    assert later.dataset.fingerprint == load_dataset(films).fingerprint


def test_rows_land_on_the_side_that_their_content_says(films: Project, ledger: MemoryLedger) -> None:
    """No base row changes sides, and a new row is on the side on which the base data would have it."""
    for n in range(30):
        record_prediction(ledger, "positive", input={"text": f"brand new {n}"})
    before, after = (
        split_dataset(load_dataset(films), films.split),
        split_dataset(gather_production_data(films, ledger).dataset, films.split),
    )
    assert set(before.test.inputs) < set(after.test.inputs)
    assert set(before.train.inputs) < set(after.train.inputs)
    assert not np.isin(content_keys(after.test.inputs), content_keys(after.train.inputs)).any()


def request_labels(ledger: MemoryLedger, rows: list[Prediction], reason: str) -> None:
    """Requests for the labels of these predictions."""
    chance = 0.5 if reason == "random" else None
    ledger.label_requests.record([LabelRequest(reason, row.id, NOON, reason, chance) for row in rows])


def test_rows_that_a_queue_chose_are_trained_on_and_test_nothing(films: Project, ledger: MemoryLedger) -> None:
    """Predictions that were chosen because they are hard are training rows only; random ones are on both sides."""
    rows = [record_prediction(ledger, "positive", input={"text": f"brand new {n}"}) for n in range(60)]
    request_labels(ledger, rows[:30], "uncertain")
    request_labels(ledger, rows[30:45], "random")
    record_prediction(ledger, "positive", input={"text": REVIEWS[0][0]})
    found = gather_production_data(films, ledger)
    split = split_dataset(found.dataset, films.split)
    hard = {str(row.input["text"]) for row in rows[:30]}
    assert not hard & set(split.test.inputs)
    assert 0 < len(hard & set(split.train.inputs)) == 30 - found.chosen < 30
    others = {str(row.input["text"]) for row in rows[30:]}
    assert others < {*split.test.inputs, *split.train.inputs}
    assert others & set(split.test.inputs)
    assert f"{found.chosen} not used as test rows" in found.summary
    assert found.dataset.source.endswith(f" and {found.added} labelled predictions")


def test_a_base_row_tests_whatever_a_queue_chose(films: Project, ledger: MemoryLedger) -> None:
    """A correction of a base row that a queue brought leaves the row on its side."""
    split = split_dataset(load_dataset(films), films.split)
    text, label = split.test.inputs.iloc[0], split.test.labels.iloc[0]
    other = next(one for one in ("positive", "negative") if one != label)
    request_labels(ledger, [record_prediction(ledger, other, input={"text": text})], "uncertain")
    found = gather_production_data(films, ledger)
    assert (found.corrected, found.chosen) == (1, 0)
    assert text in set(split_dataset(found.dataset, films.split).test.inputs)


def test_the_newest_label_of_a_text_counts(films: Project, ledger: MemoryLedger) -> None:
    """Of corrected labels and of repeated texts the newest label makes the row; a base row said otherwise gives way."""
    first = record_prediction(ledger, "positive", input={"text": "Twice asked"})
    ledger.record_labels([Label(first.id, "negative", NOON + timedelta(hours=2), "support")])
    record_prediction(ledger, "positive", minutes=5, input={"text": "twice  ASKED"})
    record_prediction(ledger, "positive", input={"text": REVIEWS[0][0]})
    record_prediction(ledger, REVIEWS[1][1], input={"text": REVIEWS[1][0]})
    found = gather_production_data(films, ledger)
    labels = dict(zip(found.dataset.inputs, found.dataset.labels, strict=True))
    assert labels["Twice asked"] == "negative"
    assert "twice  ASKED" not in labels
    assert labels[REVIEWS[0][0]] == "positive"
    assert (len(found.dataset), found.added, found.corrected, found.repeated) == (41, 2, 1, 2)


def test_what_cannot_teach_is_left_out_and_counted(films: Project, ledger: MemoryLedger) -> None:
    """Redacted inputs, labels that the base data does not know and inputs without a text are not rows."""
    record_prediction(ledger, "positive", input=redact_input("asked by the customer"))
    record_prediction(ledger, "postive", input={"text": "A slip of the pen"})
    record_prediction(ledger, "positive", input={"words": "No text here"})
    found = gather_production_data(films, ledger)
    assert (found.added, found.redacted, found.unknown_label, found.unreadable) == (0, 1, {"postive": 1}, 1)
    assert len(found.dataset) == 40


def test_rows_of_a_table_keep_their_types(people: Project, ledger: MemoryLedger) -> None:
    """Numbers, words and truth values stay what they are in the base data, also next to gaps; others are left out."""
    record_prediction(ledger, "loud", project="people", input={"alone": 3, "fear": "no", "tired": True})
    record_prediction(ledger, "quiet", project="people", input={"alone": None, "fear": "sometimes"})
    record_prediction(ledger, "quiet", project="people", input={"alone": "often", "fear": "yes", "tired": False})
    base, found = load_dataset(people), gather_production_data(people, ledger)
    assert (found.added, found.unreadable) == (2, 1)
    assert found.dataset.inputs["alone"].dtype == base.inputs["alone"].dtype
    assert found.dataset.inputs["fear"].dtype == base.inputs["fear"].dtype
    assert found.dataset.inputs["tired"].iloc[:-1].astype(bool).tolist() == [*base.inputs["tired"], True]
    assert found.dataset.inputs.iloc[-1].isna().tolist() == [True, False, True]
    assert list(found.dataset.frame.columns) == list(base.frame.columns)


def test_equal_rows_of_a_table_are_observations_unless_of_one_key(people: Project, ledger: MemoryLedger) -> None:
    """Two callers with the same features both count; two predictions of the same key count once, newest label."""
    same = {"alone": 3, "fear": "no", "tired": True}
    record_prediction(ledger, "loud", project="people", input=same)
    record_prediction(ledger, "loud", project="people", input=same)
    record_prediction(ledger, "loud", project="people", input=same, key="ada")
    record_prediction(ledger, "quiet", project="people", minutes=5, input=same, key="ada")
    found = gather_production_data(people, ledger)
    assert (found.added, found.repeated) == (3, 1)
    assert found.dataset.labels.iloc[-3:].tolist() == ["loud", "loud", "quiet"]


def test_a_split_by_time_or_column_knows_the_new_rows(tmp_path: Path, films: Project, ledger: MemoryLedger) -> None:
    """By time, predictions are as old as they are; by column, their content says the side."""
    frame = pd.DataFrame(REVIEWS, columns=["review", "label"])
    frame["seen"] = [f"2025-01-{1 + n % 28:02d}" for n in range(40)]
    frame["side"] = ["test" if n % 5 == 0 else "train" for n in range(40)]
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    for n in range(8):
        record_prediction(ledger, "positive", minutes=n, input={"text": f"brand new {n}"})
    data = {"source": "reviews.csv", "text": "review", "time": "seen"}
    whole = films.model_dump(exclude={"columns"}) | {"data": data, "root": tmp_path}
    timed = Project.model_validate(whole | {"split": {"by": "time"}})
    split = split_dataset(gather_production_data(timed, ledger).dataset, timed.split, "seen")
    assert set(split.test.inputs) >= {f"brand new {n}" for n in range(8)}
    hard = [row for row in ledger.predictions() if row.input["text"] in {"brand new 6", "brand new 7"}]
    request_labels(ledger, hard, "uncertain")
    found = gather_production_data(timed, ledger)
    assert (found.added, found.chosen) == (6, 2)
    assert set(split_dataset(found.dataset, timed.split, "seen").test.inputs) >= {f"brand new {n}" for n in range(6)}
    request_labels(ledger, hard, "random")
    sided = Project.model_validate(whole | {"split": {"by": "column:side"}})
    split = split_dataset(gather_production_data(sided, ledger).dataset, sided.split)
    assert len(split.train) + len(split.test) == 48


def test_predictions_are_on_the_side_of_their_group(tmp_path: Path, films: Project, ledger: MemoryLedger) -> None:
    """A new row goes with the group that it was sent with, and a corrected text stays in the group that it had."""
    frame = pd.DataFrame(REVIEWS, columns=["review", "label"])
    frame["film"] = [n % 20 for n in range(40)]
    frame["side"] = ["test" if n % 5 == 0 else "train" for n in range(40)]
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    for n in range(20):
        record_prediction(ledger, "positive", input={"text": f"brand new {n}", "@group": str(n)})
        record_prediction(ledger, REVIEWS[n + 1][1], input={"text": REVIEWS[n][0]})
    whole = films.model_dump(exclude={"columns"}) | {"root": tmp_path}
    for by in ("content", "column:side"):
        project = Project.model_validate(whole | {"split": {"by": by, "group": "film"}})
        before = split_dataset(load_dataset(project), project.split)
        found = gather_production_data(project, ledger)
        after = split_dataset(found.dataset, project.split)
        assert (found.added, found.corrected) == (40, 20)
        assert set(after.test.frame["film"].astype(int)) == set(before.test.frame["film"])
        assert set(before.test.inputs) < set(after.test.inputs)
        assert len(after.train) + len(after.test) == 60


def test_new_labels_are_counted(films: Project, ledger: MemoryLedger) -> None:
    """A label counts from the time on that it was reported."""
    record_prediction(ledger, "negative", input={"text": "Meh."})
    assert count_new_labels(ledger, films, None) == 1
    assert count_new_labels(ledger, films, NOON + timedelta(hours=2)) == 0


def test_labels_teach_by_what_they_mean(tmp_path: Path, ledger: MemoryLedger) -> None:
    """A label that was recorded in another spelling becomes the base data's class."""
    pd.DataFrame({"alone": range(40), "label": ["TRUE", "FALSE"] * 20}).to_csv(tmp_path / "people.csv", index=False)
    project = Project.model_validate(
        {
            "project": {"name": "people", "task": "tabular-classification", "model": "people"},
            "data": {"source": "people.csv"},
            "root": tmp_path,
        }
    )
    for label in ("true", "1", "FALSE", "maybe"):
        record_prediction(ledger, label, project="people", input={"alone": 3.5})
    found = gather_production_data(project, ledger)
    assert found.dataset.labels.to_list()[40:] == ["TRUE", "TRUE", "FALSE"]
    assert found.unknown_label == {"maybe": 1}


@pytest.mark.parametrize("sign", ["%", "EUR"])
@pytest.mark.parametrize("bare", [1, 7])
def test_a_file_may_drop_the_sign_of_a_column(tmp_path: Path, ledger: MemoryLedger, sign: str, bare: int) -> None:
    """Where a later file lacks the sign of some or all numbers, they are the same, and so are recorded ones with it."""
    about = {"name": "people", "task": "tabular-classification", "model": "people"}
    section = {"source": "people.csv"}
    project = Project.model_validate({"project": about, "data": section, "root": tmp_path})
    rows = pd.DataFrame({"rate": [f"{n % 9}.5 {sign}" for n in range(40)], "label": ["quiet", "loud"] * 20})
    rows.to_csv(tmp_path / "people.csv", index=False)
    first = load_dataset(project)
    shorter = [cell.partition(" ")[0] if place % bare == 0 else cell for place, cell in enumerate(rows["rate"])]
    rows.assign(rate=shorter).to_csv(tmp_path / "people.csv", index=False)
    later = read_dataset(project, first.schema)
    assert later.schema == first.schema
    [said] = [found.message for found in later.findings if found.code == "data.number-sign"]
    assert "'0.5' lacks it" in said
    assert later.fingerprint == first.fingerprint
    record_prediction(ledger, "loud", project="people", input={"rate": f"3.5 {sign}"})
    record_prediction(ledger, "quiet", project="people", input={"rate": 4})
    found = gather_production_data(project, ledger, base=later)
    assert (found.added, found.unreadable) == (2, 0)
    found.dataset.frame.astype({"rate": str}).to_csv(tmp_path / "people.csv", index=False)
    again = read_dataset(project, found.dataset.schema)
    assert isinstance(again.inputs, pd.DataFrame)
    assert again.inputs["rate"].tolist() == found.dataset.inputs["rate"].tolist()


def test_a_column_of_other_signs_or_codes_does_not_keep_a_sign(tmp_path: Path) -> None:
    """Another sign, a word or a code among the numbers is not the same column of numbers."""
    about = {"name": "people", "task": "tabular-classification", "model": "people"}
    project = Project.model_validate({"project": about, "data": {"source": "people.csv"}, "root": tmp_path})
    rows = pd.DataFrame({"rate": [f"{n % 9}.5 %" for n in range(40)], "label": ["quiet", "loud"] * 20})
    rows.to_csv(tmp_path / "people.csv", index=False)
    schema = load_dataset(project).schema
    for cells, kind, sign in (
        (["5 EUR"], "number", "EUR"),
        (["5 %", "many"], "category", ""),
        (["007"], "category", ""),
    ):
        rows.assign(rate=(cells * 40)[:40]).to_csv(tmp_path / "people.csv", index=False)
        later = read_dataset(project, schema).schema
        assert later is not None
        [column] = later.columns
        assert (column.kind, column.sign) == (kind, sign)
