"""Rows with numbers, gaps, words and dates for boosters."""

from __future__ import annotations

import numpy as np
import pandas as pd

LIBRARIES = ("lightgbm", "xgboost", "catboost")


def make_table(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """A table of five columns; ``size`` has no gap, all others have some."""
    random = np.random.default_rng(seed)
    days = pd.to_timedelta(random.integers(0, 400, rows), unit="D")
    return pd.DataFrame(
        {
            "size": random.normal(size=rows),
            "age": np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
            "colour": random.choice(np.array(["red", "green", "blue", None], dtype=object), rows),
            "old": random.random(rows) < 0.5,
            "seen": pd.Timestamp("2024-01-01") + days,
        }
    )


def make_numbers(table: pd.DataFrame) -> pd.Series:
    """What depends on the size and the colour."""
    return table["size"] + 2.0 * (table["colour"] == "red") + 0.5 * table["old"]


def make_labels(table: pd.DataFrame, classes: int) -> pd.Series:
    """Two or three labels in words."""
    numbers = make_numbers(table)
    if classes == 2:
        return pd.Series(np.where(numbers > 0.8, "yes", "no"))
    return pd.Series(np.where(numbers > 1.5, "high", np.where(numbers > 0, "mid", "low")))


def flip_labels(labels: pd.Series, share: float, seed: int = 0) -> pd.Series:
    """Labels of which a share is drawn anew: boosters that stop early need a few rounds, and not hundreds."""
    random = np.random.default_rng(seed)
    drawn = random.choice(labels.unique(), len(labels))
    return labels.where(random.random(len(labels)) >= share, drawn)
