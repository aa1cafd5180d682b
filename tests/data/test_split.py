"""Which rows are the test side and which the train side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data import Dataset, split_dataset
from tiltyard.data.content_hash import content_keys, row_digests
from tiltyard.errors import DataError
from tiltyard.project import SplitSection


def dataset(texts: list[str], **columns: object) -> Dataset:
    labels = pd.Series(["pn"[position % 2] for position in range(len(texts))])
    inputs = pd.Series(texts, dtype=object, name="text")
    frame = pd.DataFrame({"text": texts, "label": labels, **columns})
    return Dataset("films", "text-classification", inputs, labels, frame, "rows.csv", row_digests(inputs, labels))


MANY = [f"film number {n} was {'good' if n % 3 else 'bad'}" for n in range(400)]


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 100))
def test_a_row_never_changes_sides_when_others_come_or_go(start: int, more: int) -> None:
    """By content, a row's side is the same whatever else is in the data."""
    whole = split_dataset(dataset(MANY), SplitSection())
    part = split_dataset(dataset(MANY[start:] + [f"new {n}" for n in range(more)] + MANY[:40]), SplitSection())
    held_out = set(whole.test.inputs)
    assert all((text in held_out) for text in part.test.inputs if text in MANY)
    assert not any((text in held_out) for text in part.train.inputs if text in MANY)


def test_copies_never_straddle() -> None:
    """Copies of a text, exact or in another case, are on one side together."""
    split = split_dataset(dataset(MANY + [text.upper() for text in MANY] + MANY), SplitSection())
    assert not {str(text).lower() for text in split.train.inputs} & {str(text).lower() for text in split.test.inputs}


@pytest.mark.parametrize("table", [False, True])
def test_taken_rows_have_the_keys_of_their_inputs(*, table: bool) -> None:
    """The keys of a side are those of its inputs, whether those of all rows were known before or not."""
    data = dataset(MANY, number=[*range(200), *[None] * 200])
    if table:
        data = replace(data, task="tabular-classification", inputs=data.frame[["text", "number"]])
    chosen = np.arange(len(data)) % 3 == 0
    expected = content_keys(data.inputs[chosen].reset_index(drop=True))
    for _ in range(2):
        assert np.array_equal(data.take(chosen).input_keys, expected)
        assert np.array_equal(data.input_keys[chosen], expected)
    with pytest.raises(ValueError, match="read-only"):
        data.take(chosen).input_keys[:] = 0


@pytest.mark.requirement("R-TRAIN-07")
def test_both_sides_together_are_the_data() -> None:
    """No row is lost, none is doubled, and columns stay with their rows."""
    data = dataset(MANY, number=list(range(len(MANY))))
    split = split_dataset(data, SplitSection(test=0.3))
    assert len(split.train) + len(split.test) == len(data)
    for side in (split.train, split.test):
        assert [MANY[n] for n in side.frame["number"]] == list(side.inputs)
    assert abs(len(split.test) / len(data) - 0.3) < 0.08


def test_by_time_the_newest_rows_are_the_test_side_and_a_moment_is_never_divided() -> None:
    """No train row is newer than a test row, and rows of one moment stay together."""
    days = [f"2026-01-{1 + position // 50:02d}T00:00:00Z" for position in range(len(MANY))]
    split = split_dataset(dataset(MANY, day=days), SplitSection(by="time", test=0.2), "day")
    assert split.train.frame["day"].max() < split.test.frame["day"].min()
    assert len(split.test) == 50
    numbers = split_dataset(dataset(MANY, day=list(range(400))), SplitSection(by="time", test=0.25), "day")
    assert numbers.test.frame["day"].min() == 300


def test_by_column_the_words_decide() -> None:
    """A column of train and test is obeyed; another word in it is an error that names it."""
    words = np.where(np.arange(len(MANY)) % 4 == 1, "Test", "train").tolist()
    split = split_dataset(dataset(MANY, side=words), SplitSection(by="column:side"))
    assert len(split.test) == 100
    with pytest.raises(DataError, match="'dev'"):
        split_dataset(dataset(MANY, side=["dev", *words[1:]]), SplitSection(by="column:side"))
    with pytest.raises(DataError, match="no column 'part'"):
        split_dataset(dataset(MANY), SplitSection(by="column:part"))


def test_an_unusable_split_is_refused() -> None:
    """A side without rows, a train side of one label, and times that cannot be read are errors."""
    with pytest.raises(DataError, match="none falls on the test side"):
        split_dataset(dataset(MANY, side=["train"] * 400), SplitSection(by="column:side"))
    one_label = ["train" if position % 2 else "test" for position in range(400)]
    with pytest.raises(DataError, match="only the label 'n'"):
        split_dataset(dataset(MANY, side=one_label), SplitSection(by="column:side"))
    with pytest.raises(DataError, match="'yesterday' in row 1"):
        split_dataset(dataset(MANY, day=["yesterday"] * 400), SplitSection(by="time"), "day")
