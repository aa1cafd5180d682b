"""A corpus that lacks everyday words is named as narrow, others are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.models.corpus import reviews
from tiltyard.data import Dataset, Split
from tiltyard.findings import Finding
from tiltyard.pipeline.training.narrow_texts import find_narrow_texts
from tiltyard.validation.text.everyday_words import EVERYDAY_WORDS, measure_coverage


def find(texts: pd.Series) -> list[Finding]:
    frame = pd.DataFrame({"text": texts, "label": "a"}).reset_index(drop=True)
    inputs, labels = frame["text"], frame["label"]
    train = Dataset("films", "text-classification", inputs, labels, frame, "films.csv", np.zeros(len(frame), np.uint64))
    return list(find_narrow_texts(Split(train, replace(train))))


def test_few_texts_are_narrow_and_the_same_kind_in_numbers_is_not() -> None:
    """The included reviews know everyday words; a sample of 100 does not: some words and a next step are named."""
    texts = reviews()[0]
    assert find(texts) == []
    (found,) = find(texts.sample(100, random_state=1))
    assert (found.code, found.severity, found.subject) == ("text.narrow", "info", "text")
    assert found.score is not None
    assert 0.3 < found.score < 0.9
    assert "100 training texts" in found.message
    assert set(found.evidence["missing"]) < EVERYDAY_WORDS
    assert "tiltyard label queue" in found.next_step


def test_many_texts_about_one_thing_are_narrow() -> None:
    """Numbers do not make up for breadth: thousands of sentences of one form know few words."""
    (found,) = find(pd.Series([f"the acting in scene {number} is good and the end is bad" for number in range(3_000)]))
    assert found.score is not None
    assert found.score < 0.1


@pytest.mark.parametrize(
    "texts", [["der Film ist gut und das Ende ist schlecht"] * 50, ["print(x) y = x + 1"] * 50, ["", " "], []]
)
def test_texts_that_are_not_english_are_not_measured(texts: list[str]) -> None:
    """Another language, code, and no text at all have no share of English words."""
    assert measure_coverage(texts) is None


def test_tables_have_no_such_finding() -> None:
    """The rows of a table are not texts."""
    frame = pd.DataFrame({"age": [1.0, 2.0], "label": ["a", "b"]})
    table = Dataset(
        "people", "tabular-classification", frame[["age"]], frame["label"], frame, "people.csv", np.zeros(2, np.uint64)
    )
    assert list(find_narrow_texts(Split(table, table))) == []
