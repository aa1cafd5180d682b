"""Preparing columns by their dtype: gaps, unseen categories and empty columns are ordinary inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from tiltyard.models.preprocessing import (
    MOST_CATEGORIES,
    RAREST_CATEGORY,
    UNKNOWN_CODE,
    linear_preprocessor,
    tree_preprocessor,
)

BOTH = pytest.mark.parametrize("build", [linear_preprocessor, tree_preprocessor])


def words(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})


def dense(prepared: object) -> np.ndarray:
    return np.asarray(prepared.toarray() if hasattr(prepared, "toarray") else prepared)


def output(fitted: ColumnTransformer, frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(dense(fitted.transform(frame)), columns=fitted.get_feature_names_out())


def test_numbers_are_scaled_for_linear_models_and_left_alone_for_trees() -> None:
    """Linear models see zero mean and unit variance, trees the numbers themselves."""
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [10, 20, 60]})
    scaled = dense(linear_preprocessor().fit_transform(frame))
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1)
    np.testing.assert_array_equal(dense(tree_preprocessor().fit_transform(frame)), frame.to_numpy())


def test_a_gap_becomes_the_median_and_is_marked_where_training_had_gaps() -> None:
    """The median stands in; an indicator column says so, if there was anything to learn about gaps."""
    fitted = tree_preprocessor().fit(pd.DataFrame({"a": [1.0, 2.0, 9.0, np.nan], "whole": [1.0, 2.0, 9.0, 2.0]}))
    seen = output(fitted, pd.DataFrame({"a": [np.nan, 5.0], "whole": [np.nan, 5.0]}))
    assert seen.to_dict("list") == {
        "numbers__a": [2.0, 5.0],
        "numbers__whole": [2.0, 5.0],
        "numbers__missingindicator_a": [1.0, 0.0],
    }


def test_every_frequent_category_has_a_column_and_a_gap_is_one_of_them() -> None:
    """One column a category for linear models, missing included; one is hot in each row."""
    frame = words(c=["x"] * 5 + ["y"] * 6 + [None] * 7)
    seen = output(linear_preprocessor().fit(frame), words(c=["y", None, "new"]))
    assert seen.to_dict("list") == {
        "words__c_x": [0, 0, 0],
        "words__c_y": [1, 0, 0],
        "words__c_nan": [0, 1, 0],
    }


def test_an_unseen_category_counts_as_a_rare_one() -> None:
    """Where training had rare categories, a new one is treated like them."""
    frame = words(c=["x"] * 5 + ["y"] * (RAREST_CATEGORY - 1) + ["z"])
    seen = output(linear_preprocessor().fit(frame), words(c=["y", "z", "new", "x"]))
    assert seen["words__c_infrequent_sklearn"].tolist() == [1, 1, 1, 0]


def test_trees_see_one_code_for_missing_and_unseen_words() -> None:
    """Frequent words have codes in sorted order; missing and unseen ones share a code, in any column."""
    fitted = tree_preprocessor().fit(words(c=["x", "y", None] * 5, whole=["a", "b", "c"] * 5))
    seen = output(fitted, words(c=["x", "y", None, "new"], whole=["c", "a", None, "new"]))
    assert seen.to_dict("list") == {
        "words__c": [0.0, 1.0, UNKNOWN_CODE, UNKNOWN_CODE],
        "words__whole": [2.0, 0.0, UNKNOWN_CODE, UNKNOWN_CODE],
    }


@BOTH
def test_a_column_of_identifiers_stays_small(build: Callable[[], ColumnTransformer]) -> None:
    """However many categories there are, a column makes no more than the limit."""
    many = [f"w{number}" for number in range(3 * MOST_CATEGORIES) for _ in range(RAREST_CATEGORY)]
    prepared = dense(build().fit_transform(words(c=many, id=[f"id{number}" for number in range(len(many))])))
    assert prepared.shape[1] <= 2 * MOST_CATEGORIES
    assert prepared.max() <= MOST_CATEGORIES


@BOTH
@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.5, None] * 10, dtype="float64"),
        pd.Series([1, 2] * 10, dtype="int64"),
        pd.Series([1, None] * 10, dtype="Int64"),
        pd.Series([True, False] * 10, dtype="bool"),
        pd.Series([True, None] * 10, dtype="boolean"),
        pd.Series(["Yes", "No"] * 10, dtype="str"),
        pd.Series(["Yes", None] * 10, dtype="str"),
        pd.Series(["Yes", None] * 10, dtype=object),
        pd.Series([True, None] * 10, dtype=object),
        pd.Series(["u", "v"] * 10, dtype="category"),
        pd.Series([1, 2] * 10, dtype="category"),
        pd.Series([None] * 20, dtype="float64"),
        pd.Series([None] * 20, dtype="str"),
        pd.Series([None] * 20, dtype=object),
    ],
    ids=lambda column: f"{column.dtype}-{column.isna().sum()}",
)
def test_every_kind_of_column_becomes_finite_numbers(build: Callable[[], ColumnTransformer], column: pd.Series) -> None:
    """Whatever pandas makes of a column, alone or without rows of numbers next to it, the result is finite."""
    frame = pd.DataFrame({"x": column})
    fitted = build().fit(frame)
    prepared = dense(fitted.transform(frame))
    assert prepared.dtype == np.float64
    assert np.isfinite(prepared).all()
    # A dtype without room for a gap is widened by it.
    gap = pd.DataFrame({"x": pd.Series([None], dtype="float64" if column.dtype in (bool, "int64") else column.dtype)})
    assert np.isfinite(dense(fitted.transform(gap))).all()


@BOTH
def test_booleans_mean_the_same_as_one_and_zero(build: Callable[[], ColumnTransformer]) -> None:
    """A boolean that a gap in its column turned into a number is prepared as before."""
    fitted = build().fit(pd.DataFrame({"b": [True, False] * 10, "n": range(20)}))
    booleans = dense(fitted.transform(pd.DataFrame({"b": [True, False], "n": [1, 2]})))
    numbers = dense(fitted.transform(pd.DataFrame({"b": [1.0, 0.0], "n": [1, 2]})))
    np.testing.assert_array_equal(booleans, numbers)
    assert booleans[0, -1] != booleans[1, -1]
