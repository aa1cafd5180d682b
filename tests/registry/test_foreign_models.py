"""Models that were fitted elsewhere and logged from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from tiltyard.errors import InputError, UsageError
from tiltyard.registry import read_package, write_package
from tiltyard.registry.foreign.columns import read_model_columns
from tiltyard.registry.foreign.model_card import foreign_model_card
from tiltyard.scoring import make_scorer
from tiltyard.scoring.scorer import Scorer

FRAME = pd.DataFrame(
    {"friends": [1, 9, 2, 8, 1, 7] * 5, "fear": ["Yes", "No", "Yes", "No", "NA", "No"] * 5, "hours": [0.5, 3] * 15}
)
LABELS = np.array(["Introvert", "Extrovert"] * 15)
NUMBERS = FRAME[["friends", "hours"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "model"


def log_and_load(folder: Path, model: Any, example: Any = None) -> Scorer:
    """What a served version of a model predicts with."""
    write_package(folder, model, foreign_model_card(model, "m", example), training_keys=np.empty(0, dtype=np.uint64))
    return make_scorer(read_package(folder))


def prepared() -> Any:
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer((words, ["fear"]), (StandardScaler(), ["friends", "hours"]))
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS)


def test_a_single_classifier_is_served_by_its_names(folder: Path) -> None:
    """A bare classifier that was fitted on a frame takes its columns by name, numbers in text too."""
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(NUMBERS, LABELS)
    scorer = log_and_load(folder, forest)
    scores = scorer.score([{"friends": 1, "hours": "0.5"}, {"friends": 9.0, "hours": 3}])
    np.testing.assert_allclose(scores.probabilities, forest.predict_proba(NUMBERS.head(2)))
    assert scores.labels == ["Introvert", "Extrovert"]
    with pytest.raises(InputError, match="friends"):
        scorer.score([{"hours": 3}])
    with pytest.raises(InputError, match="a finite number"):
        scorer.score([{"friends": "many", "hours": 3}])


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(n_estimators=5), make_pipeline(StandardScaler(), LinearSVC())]
)
def test_a_model_of_a_matrix_gets_numbered_names(folder: Path, model: Any, recwarn: pytest.WarningsRecorder) -> None:
    """A model that was fitted on a matrix is served by numbered names, without warnings about names."""
    fitted = model.fit(NUMBERS.to_numpy(), LABELS)
    if not hasattr(fitted, "predict_proba"):
        with pytest.raises(UsageError, match="without predict_proba"):
            foreign_model_card(fitted, "m")
        return
    scores = log_and_load(folder, fitted).score([{"feature_0": 1, "feature_1": 0.5}])
    np.testing.assert_allclose(scores.probabilities, fitted.predict_proba(NUMBERS.to_numpy()[:1]))
    assert not [warning for warning in recwarn if "feature names" in str(warning.message)]


def test_an_encoder_tells_the_categories_of_its_columns(folder: Path) -> None:
    """The columns that an encoder reads hold its categories, words for gaps among them; the others hold numbers."""
    pipeline = prepared()
    schema = read_model_columns(pipeline)
    assert schema is not None
    assert {column.name: (column.kind, column.categories) for column in schema.columns} == {
        "friends": ("number", None),
        "fear": ("category", ("NA", "No", "Yes")),
        "hours": ("number", None),
    }
    scorer = log_and_load(folder, pipeline)
    rows: list[Any] = FRAME.to_dict(orient="records")
    np.testing.assert_allclose(scorer.score(rows).probabilities, np.asarray(pipeline.predict_proba(FRAME), dtype=float))
    unknown = scorer.score([{"friends": 1, "fear": "Maybe", "hours": 1}])
    assert unknown.warnings is not None
    assert [warning.field for warning in unknown.warnings[0]] == ["fear"]


@pytest.mark.parametrize("chosen", [["fear"], [1], [False, True, False], slice(1, 2), "fear"], ids=str)
def test_columns_are_found_however_they_are_chosen(chosen: Any) -> None:
    """A part of a ColumnTransformer may choose its columns by name, place, mask or slice."""
    columns = make_column_transformer((OneHotEncoder(), chosen if chosen != "fear" else ["fear"]), remainder="drop")
    schema = read_model_columns(make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS))
    assert schema is not None
    assert [column.kind for column in schema.columns] == ["number", "category", "number"]


def test_an_example_decides_kinds_and_is_kept_as_samples(folder: Path) -> None:
    """The kinds that a model does not tell come from the example; the version keeps its rows with the predictions."""
    pipeline = prepared()
    card = foreign_model_card(pipeline, "m", FRAME.head(3))
    assert len(card.samples.inputs) == 3
    assert log_and_load(folder, pipeline, FRAME.head(3)).classes == ("Extrovert", "Introvert")
    booleans = FRAME.assign(member=[True, False] * 15)[["friends", "member"]]
    forest = RandomForestClassifier(n_estimators=3).fit(booleans, LABELS)
    assert dict(foreign_model_card(forest, "m", booleans.head(2)).columns)["member"] == "boolean"
    with pytest.raises(UsageError, match="The model refuses input_example"):
        foreign_model_card(RandomForestClassifier(n_estimators=3).fit(NUMBERS, LABELS), "m", FRAME[["fear"]])


def test_a_model_of_texts_is_served(folder: Path) -> None:
    """A pipeline that starts with a vectoriser takes texts."""
    texts = ["good film", "bad film"] * 6
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["pos", "neg"] * 6)
    scores = log_and_load(folder, pipeline).score([{"text": "good"}])
    assert scores.labels == ["pos"]
