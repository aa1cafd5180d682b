"""The models that people bring to ``train_and_track_model``."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from tiltyard.errors import DataError, UsageError
from tiltyard.pipeline.training.dataframes import Side, choose_label_name, make_split
from tiltyard.pipeline.training.user_estimators import prepare_estimator
from tiltyard.project import Project
from tiltyard.tasks import find_task

TABLE, TEXT = find_task("table", "class"), find_task("text", "class")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """People with words, gaps and a date."""
    rng = np.random.default_rng(0)
    alone = rng.integers(0, 12, 120).astype(float)
    alone[::17] = np.nan
    return pd.DataFrame(
        {
            "Time_spent_Alone": alone,
            "Stage_fear": rng.choice(np.array(["Yes", "No", None], dtype=object), 120),
            "Since": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, 120), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def labels(table: pd.DataFrame) -> pd.Series:
    return pd.Series(np.where(table["Time_spent_Alone"] > 5, "Introvert", "Extrovert"), name="Personality")


def describe(task: str = "tabular-classification", label: str = "Personality") -> Project:
    content: dict[str, Any] = {"source": "memory", "label": label, "text": "text" if task.startswith("text") else None}
    return Project.model_validate({"project": {"name": "people", "task": task}, "data": content})


@pytest.mark.requirement("R-TRAIN-06")
@pytest.mark.parametrize(
    ("model", "encoder"),
    [
        (RandomForestClassifier(n_estimators=5), OrdinalEncoder),
        (BaggingClassifier(n_estimators=3), OrdinalEncoder),
        (GridSearchCV(RandomForestClassifier(n_estimators=3), {"max_depth": [2, 3]}, cv=2), OrdinalEncoder),
        (LogisticRegression(), OneHotEncoder),
        (LinearSVC(), OneHotEncoder),
        (Perceptron(), OneHotEncoder),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
def test_a_single_classifier_gets_its_columns_prepared(
    model: Any, encoder: type, table: pd.DataFrame, labels: pd.Series
) -> None:
    """Words, gaps and dates are prepared for a single classifier as the built-in candidates prepare them."""
    split = make_split(describe(), Side(table, labels, "train"), Side(table, labels, "test"))
    fitted = prepare_estimator(model, {}, split.train.inputs, TABLE).fit(split.train.inputs, split.train.labels)
    parts = [part for _, part, _ in fitted[0].transformers_]
    assert encoder in {type(part) for part in parts}
    assert fitted.predict_proba(split.test.inputs).shape == (120, 2)
    assert not hasattr(model, "classes_"), "the user's own model is left as it was"
    assert not hasattr(fitted[-1], "cv_results_"), "of a search its best estimator is kept, which can be stored"


def test_a_single_classifier_reads_texts() -> None:
    """Texts become TF-IDF weights for a single classifier."""
    texts = ["good film", "bad film", "good story", "bad story"] * 5
    inputs = pd.Series(texts, dtype=object, name="text")
    labels = pd.Series(["pos", "neg"] * 10)
    for model in (LogisticRegression(), MultinomialNB()):
        fitted = prepare_estimator(model, {}, inputs, TEXT).fit(inputs, labels)
        assert list(fitted.predict(["good", "bad"])) == ["pos", "neg"]


@pytest.mark.parametrize(
    ("model", "says", "step"),
    [
        (None, "is None", "Give a classifier"),
        ("model", "not a scikit-learn estimator", "Give a classifier"),
        (RandomForestClassifier, "is the class", r"Give RandomForestClassifier\(\)"),
        (RandomForestRegressor(), "predicts numbers", "Give a model that predicts classes"),
        (KMeans(), "groups without labels", "Give a classifier"),
        (StandardScaler(), "not a scikit-learn estimator", "Give a classifier"),
    ],
    ids=str,
)
def test_what_is_no_classifier_is_refused_by_what_it_is(model: Any, says: str, step: str, table: pd.DataFrame) -> None:
    """A model that is not a classifier is refused, and the message says what it is."""
    with pytest.raises(UsageError, match=says) as refused:
        prepare_estimator(model, {}, table, TABLE)
    assert re.search(step, refused.value.next_step or "")


def test_parameters_are_set_or_said(table: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    """Parameters that the model has are set, of a pipeline its last step's too; misspelt ones are refused."""
    scaled = Pipeline([("scale", StandardScaler()), ("forest", RandomForestClassifier())])
    with caplog.at_level(logging.WARNING):
        found = prepare_estimator(scaled, {"n_estimators": 7, "forest__max_depth": 3, "param1": "value1"}, table, TABLE)
    assert found.pipeline[-1].n_estimators == 7
    assert found.pipeline[-1].max_depth == 3
    assert found.logged_only == ("param1",)
    assert "param1: logged, not set" in caplog.text
    with pytest.raises(UsageError, match="Did you mean 'n_estimators'"):
        prepare_estimator(RandomForestClassifier(), {"n_estimator": 7}, table, TABLE)


def test_what_a_fit_raises_is_an_error_with_a_next_step(table: pd.DataFrame, labels: pd.Series) -> None:
    """A pipeline that cannot read the columns, or a value that the model refuses, is an error that says both."""
    scaled = Pipeline([("scale", StandardScaler()), ("forest", RandomForestClassifier())])
    with pytest.raises(UsageError, match="RandomForestClassifier cannot be fitted") as refused:
        prepare_estimator(scaled, {}, table, TABLE).fit(table, labels)
    assert "A bare estimator gets its columns prepared" in (refused.value.next_step or "")
    with pytest.raises(UsageError, match="n_estimators"):
        prepare_estimator(RandomForestClassifier(), {"n_estimators": -1}, table, TABLE).fit(table, labels)


def test_a_missing_label_is_never_a_class(table: pd.DataFrame, labels: pd.Series) -> None:
    """Rows without a label are set aside on both sides, counted in a finding."""
    some = labels.copy()
    some.iloc[:10] = None
    split = make_split(describe(), Side(table, some, "train"), Side(table, some, "test"))
    assert (len(split.train), len(split.test)) == (110, 110)
    assert split.train.classes == ("Extrovert", "Introvert")
    assert [found.code for found in split.train.findings] == ["data.rows-set-aside"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, y: (x, y, x.drop(columns="Since"), y), "X_test lacks Since"),
        (lambda x, y: (x.drop(columns="Since"), y, x, y), "X_train lacks Since"),
        (lambda x, y: (x, y[:7], x, y), r"120 rows of inputs \(X_train\) and 7 labels"),
        (lambda x, y: (x, None, x, y), "y_train is None"),
        (lambda x, y: (x, y, None, y), "X_test is None"),
        (lambda x, y: (x, y, x.iloc[:0], y.iloc[:0]), "X_test has no row"),
        (lambda x, y: (x, ["a"] * 120, x, y), "only the label 'a'"),
        (lambda x, y: (x, y, ["a text"] * 120, y), "X_train holds a table of 3 columns and X_test texts"),
        (lambda x, y: (x.assign(Personality=y), y, x.assign(Personality=y), y), "holds the label's column"),
        (lambda x, _: (x, np.linspace(0, 1, 120), x, np.linspace(0, 1, 120)), "quantity|numbers"),
    ],
)
def test_sides_that_do_not_fit_are_refused_by_name(
    change: Any, says: str, table: pd.DataFrame, labels: pd.Series
) -> None:
    """Sides that cannot be trained on are refused, and the message names the argument."""
    X_train, y_train, X_test, y_test = change(table, labels)
    with pytest.raises((DataError, UsageError), match=says):
        make_split(describe(), Side(X_train, y_train, "train"), Side(X_test, y_test, "test"))


def test_the_label_has_a_name_that_no_input_has(table: pd.DataFrame) -> None:
    """Labels without a name get one that no column of the inputs has."""
    inputs = table.rename(columns={"Stage_fear": "label"})
    assert choose_label_name(Side(inputs, ["a"] * 120, "train"), inputs) == "label_"
    assert choose_label_name(Side(inputs, pd.Series(["a"], name="y"), "train"), inputs) == "y"
