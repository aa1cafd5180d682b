"""Table recipes: scikit-learn pipelines over the columns of a data frame.

All of them take missing values and unseen categories, give class probabilities, and are the same for the same seed.
They run on one core, since a server predicts few rows at a time and has other work for its cores.
"""

from __future__ import annotations

from collections.abc import Callable

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tiltyard.models.preprocessing import linear_preprocessor, tree_preprocessor


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
    """Coded categories, gradient boosting of 200 small trees on histograms."""
    # A fixed number of small trees: early stopping would hold out rows, and fails on a label with a single row.
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=200,
        max_leaf_nodes=12,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=random_state,
    )
    return Pipeline([("columns", tree_preprocessor()), ("classifier", boosting)])


# Name in the project file: title for people, and what builds the pipeline from a random seed.
TABULAR: dict[str, tuple[str, Callable[[int], Pipeline]]] = {
    "logreg": ("Scaled numbers and one-hot categories, logistic regression", logistic_regression),
    "random-forest": ("Coded categories, random forest", random_forest),
    "gradient-boosting": ("Coded categories, histogram gradient boosting", hist_gradient_boosting),
}
