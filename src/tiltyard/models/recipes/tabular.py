"""Table recipes: scikit-learn pipelines over the columns of a data frame.

All of them take missing values and unseen categories, give class probabilities (or a number), and are the same for the
same seed.
They run on one core, since a server predicts few rows at a time and has other work for its cores.
"""

from __future__ import annotations

from collections.abc import Callable

from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from tiltyard.models.preprocessing import linear_preprocessor, tree_preprocessor
from tiltyard.models.recipes.stopped_boosting import StoppedBoostingClassifier, StoppedBoostingRegressor
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange, Space

REGRESSOR = "regressor"
"""Name of the last step of a recipe that predicts numbers."""

MOST_ROUNDS = 1000
"""So many rounds a boosting has at most, where folds do not tell before that it has enough."""


def logistic_regression(random_state: int) -> Pipeline:
    """Scaled numbers and one-hot categories, logistic regression."""
    return Pipeline(
        [
            ("columns", linear_preprocessor()),
            ("classifier", LogisticRegression(max_iter=1000, random_state=random_state)),
        ]
    )


def random_forest(random_state: int) -> Pipeline:
    """Coded categories, a forest of 100 trees (Breiman, 2001)."""
    # Leaves of five rows: probabilities worth the name, and a tenth of the size of fully grown trees.
    forest = RandomForestClassifier(n_estimators=100, min_samples_leaf=5, n_jobs=1, random_state=random_state)
    return Pipeline([("columns", tree_preprocessor()), ("classifier", forest)])


def hist_gradient_boosting(random_state: int) -> Pipeline:
    """Coded categories, gradient boosting of small trees on histograms; folds tell how many."""
    boosting = StoppedBoostingClassifier(
        learning_rate=0.06,
        max_iter=MOST_ROUNDS,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.8,
        random_state=random_state,
    )
    return Pipeline([("columns", tree_preprocessor()), ("classifier", boosting)])


def ridge(random_state: int) -> Pipeline:
    """Scaled numbers and one-hot categories, linear regression with a penalty (Hoerl and Kennard, 1970)."""
    return Pipeline([("columns", linear_preprocessor()), (REGRESSOR, Ridge(alpha=1.0, random_state=random_state))])


def random_forest_regressor(random_state: int) -> Pipeline:
    """Coded categories, a forest of 100 trees (Breiman, 2001)."""
    forest = RandomForestRegressor(n_estimators=100, min_samples_leaf=5, n_jobs=1, random_state=random_state)
    return Pipeline([("columns", tree_preprocessor()), (REGRESSOR, forest)])


def hist_gradient_boosting_regressor(random_state: int) -> Pipeline:
    """Coded categories, gradient boosting of small trees on histograms; folds tell how many."""
    boosting = StoppedBoostingRegressor(
        learning_rate=0.05,
        max_iter=MOST_ROUNDS,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.8,
        random_state=random_state,
    )
    return Pipeline([("columns", tree_preprocessor()), (REGRESSOR, boosting)])


def table_mean(_random_state: int) -> Pipeline:
    """Always the mean of the training rows: what any other recipe has to beat."""
    return Pipeline([("columns", linear_preprocessor()), (REGRESSOR, DummyRegressor(strategy="mean"))])


# Name in the project file: title for people, what builds the pipeline from a random seed, what a search may vary.
TABULAR: dict[str, tuple[str, Callable[[int], Pipeline], Space]] = {
    "logreg": (
        "Scaled numbers and one-hot categories, logistic regression",
        logistic_regression,
        {"classifier__C": FloatRange(0.001, 100.0, log=True)},
    ),
    "random-forest": (
        "Coded categories, random forest",
        random_forest,
        {
            "classifier__n_estimators": IntegerRange(50, 300, log=True),
            "classifier__min_samples_leaf": IntegerRange(1, 30, log=True),
            "classifier__max_features": Choice(("sqrt", "log2", 0.5)),
        },
    ),
    "gradient-boosting": (
        "Coded categories, histogram gradient boosting",
        hist_gradient_boosting,
        {
            "classifier__learning_rate": FloatRange(0.01, 0.3, log=True),
            "classifier__max_leaf_nodes": IntegerRange(4, 48, log=True),
            "classifier__min_samples_leaf": IntegerRange(5, 100, log=True),
            "classifier__l2_regularization": FloatRange(0.001, 30.0, log=True),
        },
    ),
}

PENALTY: Space = {f"{REGRESSOR}__alpha": FloatRange(0.001, 1000.0, log=True)}
"""What a search may vary of ridge regression."""

# The same of numbers, with what a search may vary.
TABLE_REGRESSORS: dict[str, tuple[str, Callable[[int], Pipeline], Space]] = {
    "gradient-boosting-regressor": (
        "Coded categories, histogram gradient boosting",
        hist_gradient_boosting_regressor,
        {
            "regressor__learning_rate": FloatRange(0.01, 0.3, log=True),
            "regressor__max_leaf_nodes": IntegerRange(4, 48, log=True),
            "regressor__min_samples_leaf": IntegerRange(5, 100, log=True),
            "regressor__l2_regularization": FloatRange(0.001, 30.0, log=True),
        },
    ),
    "ridge": ("Scaled numbers and one-hot categories, ridge regression", ridge, PENALTY),
    "random-forest-regressor": (
        "Coded categories, random forest",
        random_forest_regressor,
        {
            "regressor__n_estimators": IntegerRange(50, 300, log=True),
            "regressor__min_samples_leaf": IntegerRange(1, 30, log=True),
        },
    ),
    "mean": ("Always the mean of the training rows", table_mean, {}),
}
