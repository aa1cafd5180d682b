"""What `init` reads from an unknown file is what the checks and the models read from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tiltyard.data.conform.frames import infer_schema
from tiltyard.data.inference.infer_columns import infer_columns
from tiltyard.data.read_table import read_column
from tiltyard.errors import DataError

RANDOM = np.random.default_rng(5)
REVIEWS = pd.DataFrame(
    {
        "review_id": np.arange(100) + 7000,
        "review": [f"A film about {subject} that was {RANDOM.choice(['fine', 'dull'])}" for subject in range(100)],
        "studio": RANDOM.choice(["North by West Pictures", "Blue Lake Films"], 100),
        "created_at": pd.date_range("2026-01-01", periods=100).astype(str),
        "sentiment": RANDOM.choice(["good", "bad"], 100),
    }
)


def test_the_text_that_init_finds_is_a_text_to_the_checks() -> None:
    """A column of sentences is the text; names of several words that repeat are a category, and not the text."""
    found = infer_columns(REVIEWS)
    assert (found.task, found.text, found.label, found.time) == (
        "text-classification",
        "review",
        "sentiment",
        "created_at",
    )
    assert {column.name: column.role for column in found.columns}["review_id"] == "not used"
    kinds = {name: read_column(REVIEWS[name], str(name)).kind for name in REVIEWS.columns}
    assert kinds == {
        "review_id": "number",
        "review": "text",
        "studio": "category",
        "created_at": "time",
        "sentiment": "category",
    }


def test_texts_and_times_are_categories_in_a_stored_schema() -> None:
    """Schemas that travel with versions know numbers, booleans, categories and empty columns alone."""
    kinds = {
        column.name: column.kind for column in infer_schema(REVIEWS.assign(gap=None, old=[True, False] * 50)).columns
    }
    assert kinds["review"] == kinds["created_at"] == "category"
    assert (kinds["review_id"], kinds["gap"], kinds["old"]) == ("number", "empty", "boolean")


def test_a_named_column_that_is_missing_is_refused() -> None:
    """A label that the file does not have is named, with the columns that it has."""
    with pytest.raises(DataError, match="no column 'rating'"):
        infer_columns(REVIEWS, label="rating")
