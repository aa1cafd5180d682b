"""The boosters that candidates are made of: fitted by their library, stored as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight

from tiltyard.models.boosters.category_tables import learn_columns
from tiltyard.models.boosters.early_stopping import choose_rounds
from tiltyard.models.boosters.libraries.boosting_library import TITLES, BoostingPlan, FitRows, find_library
from tiltyard.models.boosters.stored_booster import StoredBooster

Floats = NDArray[np.float64]

# The parameters that have a name of the library's own.
_SETTINGS = (
    *("learning_rate", "max_leaf_nodes", "max_depth", "min_samples_leaf", "min_child_weight"),
    *("l2_regularization", "max_features", "subsample", "one_hot_max_size"),
)


# A library's names of what ours have a parameter for: rounds, rounds without gain, the seed, the threads.
ROUNDS = ("n_estimators", "iterations", "num_boost_round", "num_trees", "num_iterations")
PATIENCE = ("early_stopping_rounds", "early_stopping_round", "n_iter_no_change", "od_wait")
SEEDS = ("random_state", "random_seed", "seed")
THREADS = ("n_jobs", "num_threads", "nthread", "thread_count")
_OURS = {
    **dict.fromkeys(ROUNDS, "max_iter"),
    **dict.fromkeys(PATIENCE, "n_iter_no_change"),
    **dict.fromkeys(SEEDS, "random_state"),
    **dict.fromkeys(THREADS, "n_jobs"),
}


class _FittedBooster(StoredBooster):
    """Parameters that are None are left to the library; one that it does not have is refused.

    Args:
        library: ``lightgbm``, ``xgboost`` or ``catboost``.
        categorical: places of the features that hold categories, or how the names of those columns begin.
        max_iter: boosting rounds at most.
        early_stopping: whether there are as many rounds as are best on held-out training rows, on the mean of folds.
        n_iter_no_change: rounds without gain after which a fold ends.
        validation_folds: so many folds tell.
        learning_rate, max_leaf_nodes, max_depth, min_samples_leaf, l2_regularization: as of scikit-learn's histogram
            gradient boosting.
        min_child_weight: of XGBoost, the least sum of second derivatives in a leaf.
        max_features: share of the features that a tree (CatBoost: a split) chooses from.
        subsample: share of the rows that a tree is fitted on.
        one_hot_max_size: of CatBoost, up to so many categories are split one by one; more become target statistics.
        class_weight: of a classifier, weights by label, or ``balanced``.
        settings: more parameters of the library, by its own names; they go before those above. Where it is given,
            ``get_params`` and ``set_params`` know its names too; one that is None is left to the library.
        random_state: of everything random.
        n_jobs: threads that fit.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn wants each parameter by its name
        self,
        library: str = "lightgbm",
        *,
        categorical: str | tuple[int, ...] = (),
        max_iter: int = 1000,
        early_stopping: bool = True,
        n_iter_no_change: int = 30,
        validation_folds: int = 3,
        learning_rate: float | None = None,
        max_leaf_nodes: int | None = None,
        max_depth: int | None = None,
        min_samples_leaf: int | None = None,
        min_child_weight: float | None = None,
        l2_regularization: float | None = None,
        max_features: float | None = None,
        subsample: float | None = None,
        one_hot_max_size: int | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | None = None,
        n_jobs: int = 1,
    ) -> None:
        self.library = library
        self.categorical = categorical
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.validation_folds = validation_folds
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.min_child_weight = min_child_weight
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.subsample = subsample
        self.one_hot_max_size = one_hot_max_size
        self.class_weight = class_weight
        self.settings = settings
        self.random_state = random_state
        self.n_jobs = n_jobs

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with ``deep`` those in ``settings`` too, by the library's own names."""
        own: dict[str, Any] = super().get_params(deep)
        if not deep or self.settings is None:
            return own
        return {**own, **{name: own[ours] for name, ours in _OURS.items()}, **self.settings}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by our names or, where there are ``settings``, by the library's own."""
        if self.settings is None or "settings" in params:
            return super().set_params(**params)  # type: ignore[no-any-return]
        inner = {name: value for name, value in params.items() if name in self.settings}
        outer = {_OURS.get(name, name): value for name, value in params.items() if name not in inner}
        if any(name in PATIENCE for name in params):
            outer["early_stopping"] = outer["n_iter_no_change"] is not None
        super().set_params(**outer)
        self.settings = {**self.settings, **inner}
        return self

    def _fit_target(self, X: Any, target: Floats, classes: int, weights: Floats | None) -> None:
        library = find_library(self.library)
        reading = learn_columns(X, self.categorical)
        rows = FitRows(reading.features, target, weights)
        plan = BoostingPlan(
            classes=classes,
            categorical=reading.categorical,
            rounds=self.max_iter,
            patience=self.n_iter_no_change,
            settings=self._read_settings(library.parameters),
            seed=None if self.random_state is None else int(self.random_state),
            threads=self.n_jobs,
        )
        if self.early_stopping:
            plan = replace(plan, rounds=choose_rounds(library, rows, plan, self.validation_folds))
        self.keep_document(self.library, library.fit(rows, plan, None), reading)

    def _read_settings(self, names: Any) -> dict[str, Any]:
        """The parameters that are set, by the library's own names."""
        given = {name: getattr(self, name) for name in _SETTINGS if getattr(self, name) is not None}
        foreign = [name for name in given if name not in names]
        if foreign:
            raise ValueError(f"{TITLES[self.library]} has no {foreign[0]}; it has {', '.join(sorted(names))}")
        settings = {name: value for name, value in (self.settings or {}).items() if value is not None}
        return {**{names[name]: value for name, value in given.items()}, **settings}


class BoosterClassifier(ClassifierMixin, _FittedBooster):  # type: ignore[misc]
    """Gradient boosting by LightGBM, XGBoost or CatBoost, for labels of any kind; stored as plain data.

    Its parameters and attributes are those of ``_FittedBooster`` and ``StoredBooster``.

    Attributes:
        classes_: the labels, sorted.
    """

    classes_: NDArray[Any]

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to n rows: a frame or an array of numbers, where categories are whole numbers from 0 and gaps NaN.

        Raises:
            MissingExtraError: the library is not installed.
            ValueError: there is one label, or the library refuses the rows or a parameter.
        """
        labels = np.asarray(y)
        classes, target = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"there is one label only, {', '.join(map(repr, classes.tolist()))}")
        weights = _read_weights(sample_weight)
        if self.class_weight is not None:
            by_label = compute_sample_weight(self.class_weight, labels)
            weights = by_label if weights is None else weights * by_label
        self.classes_ = classes
        self._fit_target(X, target.astype(np.float64), len(classes), weights)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the labels, shape (rows, labels)."""
        return self._predict_features(X, len(self.classes_))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest label of each row."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels


class BoosterRegressor(RegressorMixin, _FittedBooster):  # type: ignore[misc]
    """Gradient boosting of numbers by LightGBM, XGBoost or CatBoost; stored as plain data.

    Its parameters and attributes are those of ``_FittedBooster`` and ``StoredBooster``.
    """

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to n rows, as of ``BoosterClassifier``, by squared errors.

        Raises:
            MissingExtraError: the library is not installed.
            ValueError: the library refuses the rows or a parameter.
        """
        target = np.asarray(y, dtype=np.float64)
        if not np.isfinite(target).all():
            raise ValueError("a number to predict is missing or infinite")
        if self.class_weight is not None:
            raise ValueError(f"class_weight is {self.class_weight!r}, and numbers are predicted")
        self._fit_target(X, target, 0, _read_weights(sample_weight))
        return self

    def predict(self, X: Any) -> Floats:
        """A number for each row."""
        return self._predict_features(X, 0)


def _read_weights(given: ArrayLike | None) -> Floats | None:
    return None if given is None else np.asarray(given, dtype=np.float64)
