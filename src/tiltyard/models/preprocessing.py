"""Preparing the columns of a table for a model, each by what it holds.

A recipe is made before the data is seen, so columns are classified when a pipeline is fitted, by their dtype: numbers
on one side; words, categories and booleans on the other; dates become numbers first (`DateFeatures`, the only part
that is not scikit-learn's own).

At prediction time a missing value and a category that training never saw are ordinary inputs, in every column.
"""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tiltyard.models.boosters.gap_filling import UnlearnedGapFiller
from tiltyard.models.date_features import DateFeatures

# A category must be seen this often to count for itself, and a column keeps this many of them at most; the others count
# as one. It keeps a column of identifiers or free text from growing a model without bounds.
RAREST_CATEGORY = 5
MOST_CATEGORIES = 100

DATES = "dates"
"""Name of the part that prepares dates."""

_WORDS = "words"
CATEGORIES = f"{_WORDS}__"
"""How the names of columns begin that `booster_preprocessor` made of words."""

# What a tree sees where a word is missing or was never seen.
UNKNOWN_CODE = -1


def linear_preprocessor() -> ColumnTransformer:
    """For models that weigh and add columns.

    Numbers: gaps become the median, with an indicator column where training had gaps; then zero mean and
    unit variance. Words and booleans: one column a category, missing being one of them; an unseen category counts as
    a rare one where there are any, else as none.
    """
    numbers = Pipeline([("impute", _median()), ("scale", StandardScaler())])
    words = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RAREST_CATEGORY, max_categories=MOST_CATEGORIES
    )
    dates = Pipeline([("parts", DateFeatures()), ("impute", _median()), ("scale", StandardScaler())])
    return _by_dtype(numbers, words, dates)


def tree_preprocessor() -> ColumnTransformer:
    """For models that cut columns in two.

    Numbers: as for linear models, but not scaled. Words and booleans: one code a category in sorted order, -1
    where the value is missing or was never seen.
    """
    # Gaps are not left to the trees: boosting refuses a column (or a fold of it) that has no value at all, and a
    # gap in a column that had none in training would follow the majority instead of standing for a usual value.
    words = _code_words(UNKNOWN_CODE)
    return _by_dtype(_median(), words, Pipeline([("parts", DateFeatures()), ("impute", _median())]))


def booster_preprocessor() -> ColumnTransformer:
    """For boosters that know categories and gaps themselves; gives a frame, in which `CATEGORIES` marks codes.

    Numbers: as they are; gaps stay where training had some, else they become the median. Words and booleans: one code a
    category in sorted order, NaN where the value is missing or was never seen.
    """
    dates = Pipeline([("parts", DateFeatures()), ("gaps", UnlearnedGapFiller())])
    columns = _by_dtype(UnlearnedGapFiller(), _code_words(np.nan), dates)
    return columns.set_output(transform="pandas")


def _code_words(unknown: float) -> OrdinalEncoder:
    return OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=unknown,
        encoded_missing_value=unknown,
        min_frequency=RAREST_CATEGORY,
        max_categories=MOST_CATEGORIES,
    )


def drop_unused_dates(pipeline: Pipeline) -> Pipeline:
    """The same fitted pipeline without the part for dates, where training had none.

    What is left is of scikit-learn alone, so a stored version without dates is loaded without code of ours.
    """
    for _, step in pipeline.steps:
        fitted = getattr(step, "transformers_", ()) if type(step) is ColumnTransformer else ()
        if any(name == DATES and not len(columns) for name, _, columns in fitted):
            step.transformers = [part for part in step.transformers if part[0] != DATES]
            step.transformers_ = [part for part in fitted if part[0] != DATES]
            step.output_indices_.pop(DATES, None)
    return pipeline


def _by_dtype(
    numbers: Pipeline | SimpleImputer | UnlearnedGapFiller, words: OneHotEncoder | OrdinalEncoder, dates: Pipeline
) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            (_WORDS, words, make_column_selector(dtype_exclude=["number", "datetime", "datetimetz"])),
            (DATES, dates, make_column_selector(dtype_include=["datetime", "datetimetz"])),
        ]
    )


def _median() -> SimpleImputer:
    # keep_empty_features: a column without any value stays as a constant, and the columns keep their places.
    return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
