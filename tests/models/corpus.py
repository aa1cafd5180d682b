"""A small corpus whose labels follow from its words, and the shipped reviews."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tiltyard.data import Dataset
from tiltyard.tasks import Task

REVIEWS = Path(__file__).parents[2] / "examples" / "sentiment" / "data" / "reviews.csv"

_TOPICS = {
    "law": "court judge appeal verdict witness statute jury",
    "sport": "goal match league striker referee team stadium",
    "food": "butter oven recipe onion garlic simmer flour",
}
_FILLING = ["the", "a", "of", "and", "was", "in", "it", "that", "then", "there", "with", "again", "very"]


def texts(rows: int = 150, labels: int = 3, seed: int = 0) -> tuple[pd.Series, pd.Series]:
    """Invented texts on so many topics, each with some words of another topic."""
    random = np.random.default_rng(seed)
    names = list(_TOPICS)[:labels]
    truth = [names[row % labels] for row in range(rows)]
    made = []
    for name in truth:
        other = names[random.integers(labels)]
        words = [*random.choice(_TOPICS[name].split(), 5), *random.choice(_TOPICS[other].split(), 2)]
        words += list(random.choice(_FILLING, 10))
        made.append(" ".join(random.permutation(words)).capitalize() + ".")
    return pd.Series(made), pd.Series(truth)


def reviews() -> tuple[pd.Series, pd.Series]:
    """The shipped reviews of films and their labels."""
    frame = pd.read_csv(REVIEWS)
    return frame["text"], frame["label"]


def dataset(inputs: pd.Series | pd.DataFrame, labels: pd.Series, task: Task = "text-classification") -> Dataset:
    """Rows for choosing among candidates."""
    frame = inputs if isinstance(inputs, pd.DataFrame) else pd.DataFrame({"text": inputs, "label": labels})
    return Dataset("rows", task, inputs, labels, frame, "memory", np.arange(len(labels), dtype=np.uint64))
