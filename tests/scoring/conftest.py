from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

COLUMNS = {"age": "int64", "income": "float64", "town": "str", "member": "bool"}


def table(rows: int = 200) -> tuple[pd.DataFrame, pd.Series]:
    """Seeded rows with gaps in the columns that may have them, and labels that depend on all columns."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.normal(40.0, 12.0, rows)),
            "town": pd.Series(random.choice(["York", "Leeds", "Hull"], rows), dtype="str").where(
                random.random(rows) > 0.05
            ),
            "member": random.random(rows) < 0.5,
        }
    )
    score = frame["age"] / 20 + frame["income"].fillna(40.0) / 15 + frame["member"] + (frame["town"] == "York")
    labels = pd.Series(np.select([score < 5.5, score < 6.8], ["low", "middle"], "high"))
    return frame, labels


@pytest.fixture(scope="session")
def text_pipeline() -> Pipeline:
    texts = ["a warm and funny film", "dull, slow and far too long", "I loved every minute", "what a waste of time"]
    labels = ["good", "bad", "good", "bad"]
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts * 3, labels * 3)


@pytest.fixture(scope="session")
def table_pipeline() -> Pipeline:
    """Every step takes gaps, so that any row can be scored."""
    frame, labels = table()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    preprocessing = ColumnTransformer(
        [
            ("numbers", numbers, ["age", "income"]),
            ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
            ("member", OneHotEncoder(handle_unknown="ignore"), ["member"]),
        ]
    )
    return make_pipeline(preprocessing, LogisticRegression(max_iter=500)).fit(frame, labels)


@pytest.fixture(scope="session")
def boosting_pipeline() -> Pipeline:
    frame, labels = table()
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    return make_pipeline(model).fit(frame[["age", "income"]], labels)


@pytest.fixture(scope="session")
def gapless_pipeline() -> Pipeline:
    """A model that was trained without gaps and refuses them."""
    frame, labels = table()
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[["age"]], labels)
