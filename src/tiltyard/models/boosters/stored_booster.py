"""A booster of LightGBM, XGBoost or CatBoost as an estimator that holds nothing but plain data.

It holds the document that its library writes, and hands rows to the library, which reads that document when it first
predicts. So it is stored without a pickle, and a compiled scorer needs no library at all. Nothing follows the numbers
of a document before ``check_booster`` held them against each other.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tiltyard.errors import ArtifactError
from tiltyard.models.boosters.category_tables import LearnedColumns, encode_columns, read_matrix
from tiltyard.models.boosters.check_booster import check_booster
from tiltyard.models.boosters.libraries.boosting_library import (
    TITLES,
    BoosterDocument,
    Floats,
    Predict,
    digest_document,
    find_library,
    library_version,
)

_LOADING = threading.Lock()


class StoredBooster(BaseEstimator):  # type: ignore[misc]
    """What a classifier and a regressor have in common.

    Attributes:
        library_: ``lightgbm``, ``xgboost`` or ``catboost``.
        library_version_: of the library that wrote the document.
        document_: what the library loads: LightGBM's text, XGBoost's JSON, CatBoost's binary file.
        trees_: CatBoost's JSON of the same trees; empty for the others.
        digest_: SHA-256 of ``document_`` and after it ``trees_``, in hexadecimal.
        n_iter_: its boosting rounds.
        n_features_in_: features, in the order of the document.
        feature_names_in_: their names, where it was fitted on a frame.
        categorical_: places of the features that hold categories.
        tables_: for each of them the categories in the order of their codes; empty where the feature is a code already.
    """

    library_: str
    library_version_: str
    document_: bytes
    trees_: bytes
    digest_: str
    n_iter_: int
    n_features_in_: int
    categorical_: list[int]
    tables_: list[list[Any]]

    def __getstate__(self) -> dict[str, Any]:
        """All but the library's object."""
        return {name: value for name, value in super().__getstate__().items() if name != "_predict_rows"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    @property
    def trees_document(self) -> bytes:
        """The document that a reader of trees takes: text or JSON."""
        return self.trees_ or self.document_

    def keep_document(self, library: str, document: BoosterDocument, columns: LearnedColumns) -> None:
        """Take a fitted document, and how rows become its features."""
        self.library_, self.library_version_ = library, library_version(library)
        self.document_, self.trees_, self.n_iter_ = document.content, document.trees, document.rounds
        self.digest_ = digest_document(self.document_, self.trees_)
        self.n_features_in_ = columns.features.shape[1]
        self.categorical_ = list(columns.categorical)
        self.tables_ = [list(table) for table in columns.tables]
        self.__dict__.pop("feature_names_in_", None)
        if columns.names is not None:
            self.feature_names_in_ = np.asarray(columns.names, dtype=object)
        self.__dict__.pop("_predict_rows", None)

    def _predict_features(self, X: Any, classes: int) -> Floats:
        check_is_fitted(self, "document_")
        features = self._read_features(X)
        held: Predict | None = self.__dict__.get("_predict_rows")
        if held is None:
            with _LOADING:
                held = self._predict_rows = self._load(classes)
        return held(features)

    def _load(self, classes: int) -> Predict:
        check_booster(self)
        library = find_library(self.library_)
        installed = library_version(self.library_)
        if _read_version(installed) < _read_version(self.library_version_):
            title = TITLES[self.library_]
            raise ArtifactError(
                f"The stored booster was written by {title} {self.library_version_}, and {title} {installed} is "
                "installed: an older one may read it wrongly without a word.",
                next_step=f"Install {title} {self.library_version_} or newer.",
                code="artifact.older-library",
            )
        document = BoosterDocument(self.document_, self.trees_, self.n_iter_)
        return library.load(document, tuple(self.categorical_), classes)

    def _read_features(self, X: Any) -> Any:
        """Rows as the library counts their features; gaps are NaN, categories are codes."""
        if isinstance(X, pd.DataFrame):
            names = getattr(self, "feature_names_in_", None)
            if names is not None:
                absent = [str(name) for name in names if name not in X.columns]
                if absent:
                    raise ValueError(f"there is no column '{absent[0]}', which the booster was fitted on")
                X = X[list(names)]
            features = encode_columns(X, self.categorical_, self.tables_)
        else:
            features = read_matrix(X)
        if features.shape[1] != self.n_features_in_:
            raise ValueError(f"the booster takes {self.n_features_in_} features, and there are {features.shape[1]}")
        return features


def _read_version(text: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in text.split(".")[:2])
