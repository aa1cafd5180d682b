"""Fitted models of every kind that a version may be, small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from tiltyard.registry import Manifest, Samples, VersionCard, write_package
from tiltyard.registry.package.manifest import MANIFEST, digests


@dataclass(frozen=True)
class Fitted:
    """A fitted model and rows that it can predict."""

    model: Any
    inputs: Any

    @property
    def is_text(self) -> bool:
        return isinstance(self.inputs, np.ndarray)


TEXTS = np.array(
    [f"the {kind} film number{i} with word{i % 97} and Ünïcode{i % 13} \ud7ff" for i in range(60) for kind in "ab"]
)
TEXT_LABELS = np.array(["good", "bad"] * 60)


def _frame() -> pd.DataFrame:
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 12, 90),
            "visits": random.integers(0, 9, 90),
            "town": pd.Series(random.choice(["York", "Leeds", "Hull"], 90), dtype="str"),
            "member": random.random(90) < 0.5,
        }
    )
    frame.loc[::7, "age"] = np.nan
    return frame


FRAME = _frame()
TWO = np.where(FRAME["age"].fillna(40) + 3 * FRAME["visits"] > 50, "yes", "no")
THREE = np.random.default_rng(6).choice(["low", "middle", "high"], 90)


def _prepared(classifier: Any) -> Any:
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    towns = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((numbers, ["age", "visits"]), (towns, ["town"]), remainder="passthrough")
    return make_pipeline(columns, classifier)


def _coded(classifier: Any) -> Any:
    towns = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(make_column_transformer((towns, ["town"]), remainder="passthrough"), classifier)


def _text_models() -> dict[str, Any]:
    capped = TfidfVectorizer(ngram_range=(1, 2), max_features=300)
    both = make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)))
    members = [("linear", LogisticRegression()), ("bayes", MultinomialNB())]
    return {
        "logistic regression": make_pipeline(capped, LogisticRegression()),
        "naive Bayes": make_pipeline(TfidfVectorizer(), MultinomialNB()),
        "calibrated SVM": make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), cv=3)),
        "isotonic SVM": make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3)),
        "voting": make_pipeline(both, VotingClassifier(members, voting="soft")),
        "stacking": make_pipeline(TfidfVectorizer(), StackingClassifier(members, cv=3)),
    }


def _table_models() -> dict[str, tuple[Any, Any]]:
    return {
        "table, logistic regression": (_prepared(LogisticRegression()), TWO),
        "random forest": (_prepared(RandomForestClassifier(4, random_state=0)), THREE),
        "extra trees": (_prepared(ExtraTreesClassifier(4, random_state=0)), TWO),
        "gradient boosting": (_prepared(GradientBoostingClassifier(n_estimators=4, random_state=0)), THREE),
        "histogram boosting": (_coded(HistGradientBoostingClassifier(max_iter=4, categorical_features=[0])), THREE),
    }


NAMES = (*_text_models(), *_table_models())
_fitted: dict[str, Fitted] = {}


def fitted(name: str) -> Fitted:
    """The fitted model of that name; fitted once."""
    if name not in _fitted:
        texts, tables = _text_models(), _table_models()
        if name in texts:
            _fitted[name] = Fitted(texts[name].fit(TEXTS, TEXT_LABELS), TEXTS)
        else:
            model, labels = tables[name]
            _fitted[name] = Fitted(model.fit(FRAME, labels), FRAME)
    return _fitted[name]


def package(
    folder: Path, model: Any, inputs: Any = TEXTS, trusted_types: tuple[str, ...] = (), model_name: str = "films"
) -> Manifest:
    """Package a model with three sample rows."""
    is_text = isinstance(inputs, np.ndarray)
    first = inputs[:3]
    rows = [{"text": text} for text in first.tolist()] if is_text else first.astype(object).to_dict("records")
    card = VersionCard(
        model_name=model_name,
        task="text-classification" if is_text else "tabular-classification",
        candidate="x",
        classes=tuple(model.classes_),
        columns={"text": "str"} if is_text else {name: str(kind) for name, kind in inputs.dtypes.items()},
        metrics={"accuracy": 0.9},
        data_fingerprint="0" * 32,
        train_rows=len(inputs),
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        samples=Samples(
            inputs=tuple(
                {key: None if value != value else value for key, value in row.items()}  # noqa: PLR0124 - NaN
                for row in rows
            ),
            probabilities=tuple(tuple(map(float, row)) for row in model.predict_proba(first)),
        ),
    )
    keys = np.arange(5, dtype=np.uint64)
    return write_package(folder, model, card, training_keys=keys, trusted_types=trusted_types)


def reseal(folder: Path) -> None:
    """Write the digests of the files as they are now into the manifest, as someone who changed them would."""
    file = folder / MANIFEST
    manifest = Manifest.model_validate_json(file.read_bytes())
    file.write_text(manifest.model_copy(update={"files": digests(folder)}).model_dump_json(), encoding="utf-8")


class Telltale(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that leaves a file behind when it is constructed from a stored model."""

    def __init__(self, file: str = "") -> None:
        self.file = file
        self.classes_ = np.array(["bad", "good"])

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        Path(self.file).touch()

    def predict(self, X: Any) -> Any:
        return np.full(len(X), "good")

    def predict_proba(self, X: Any) -> Any:
        return np.tile([0.25, 0.75], (len(X), 1))


TELLTALE = f"{Telltale.__module__}.{Telltale.__qualname__}"
