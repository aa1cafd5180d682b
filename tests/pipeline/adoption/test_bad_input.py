"""What cannot be adopted is refused with the reason, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import tiltyard
from tiltyard.errors import ArtifactError, DataError, TiltyardError, UsageError
from tiltyard.pipeline.adoption.model_files import OpeningRules, open_saved_model
from tiltyard.settings import Settings

RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame({"a": RANDOM.normal(size=80), "b": RANDOM.normal(size=80)})
LABELS = np.where(FRAME["a"] > 0, "up", "down").astype(object)
NUMBERS = (3 * FRAME["a"] + 1).to_numpy()
ROWS, AMOUNTS = FRAME.assign(y=LABELS), FRAME.assign(y=NUMBERS)
TREE = DecisionTreeClassifier(max_depth=2).fit(FRAME, LABELS)
LINE = LinearRegression().fit(FRAME, NUMBERS)


class Plain:
    """A classifier of somebody who does not inherit from scikit-learn."""

    classes_ = np.array(["down", "up"])

    def fit(self, _rows: Any, _labels: Any) -> Plain:
        return self

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), "up")

    def predict_proba(self, rows: Any) -> Any:
        return np.tile([0.4, 0.6], (len(rows), 1))


def double(values: Any) -> Any:
    return values * 2


def with_spaces() -> tuple[Any, pd.DataFrame]:
    """A model that goes by the white space around a note, which cells are read without."""
    frame = FRAME.assign(note=["ab", " ab"] * 40)
    labels = np.where(frame["note"] == "ab", "up", "down")
    notes = make_column_transformer((TfidfVectorizer(analyzer="char"), "note"), remainder="passthrough")
    return make_pipeline(notes, LogisticRegression()).fit(frame, labels), frame.assign(y=labels)


REFUSALS: dict[str, tuple[Callable[[], tuple[Any, Any]], str, str]] = {
    "infinite": (lambda: (LINE, AMOUNTS.assign(y=[np.inf, *NUMBERS[1:]])), "data.label-infinite", "inf"),
    "constant": (lambda: (LINE, AMOUNTS.assign(y=2.5)), "data.label-constant", "2.5"),
    "words": (lambda: (LINE, AMOUNTS.assign(y="much")), "data.label-not-number", "much"),
    "one class": (lambda: (TREE, ROWS.assign(y="up")), "data.one-class", "up"),
    "column missing": (lambda: (TREE, ROWS.drop(columns="b")), "data.column-missing", "lack b"),
    "other labels": (lambda: (TREE, ROWS.assign(y=["left", "right"] * 40)), "adopt.other-labels", "left"),
    "no rows": (lambda: (TREE, ROWS[:0]), "data.empty", "no row"),
    "not fitted": (lambda: (DecisionTreeClassifier(), ROWS), "model.not-fitted", "DecisionTreeClassifier"),
    "a class": (lambda: (DecisionTreeClassifier, ROWS), "model.not-an-estimator", "DecisionTreeClassifier"),
    "none": (lambda: (None, ROWS), "model.not-an-estimator", "None"),
    "a scaler": (lambda: (StandardScaler().fit(FRAME), ROWS), "model.not-an-estimator", "StandardScaler"),
    "groups": (lambda: (KMeans(2, n_init=1).fit(FRAME), ROWS), "model.not-an-estimator", "KMeans"),
    "no probabilities": (lambda: (LinearSVC().fit(FRAME, LABELS), ROWS), "model.no-probabilities", "LinearSVC"),
    "fitted on one class": (
        lambda: (DecisionTreeClassifier().fit(FRAME, ["up"] * 80), ROWS),
        "model.one-class",
        "up",
    ),
    "no scikit-learn": (lambda: (Plain(), ROWS), "model.not-an-estimator", "Plain"),
    "two numbers": (
        lambda: (DecisionTreeRegressor().fit(FRAME, FRAME), AMOUNTS),
        "model.several-outputs",
        "DecisionTreeRegressor",
    ),
    "two labels": (
        lambda: (DecisionTreeClassifier().fit(FRAME, np.column_stack([LABELS, LABELS])), ROWS),
        "model.several-outputs",
        "DecisionTreeClassifier",
    ),
    "own function": (
        lambda: (make_pipeline(FunctionTransformer(double), LogisticRegression()).fit(FRAME, LABELS), ROWS),
        "artifact.untrusted-type",
        "double",
    ),
    "words with white space": (with_spaces, "adopt.reads-otherwise", "'note' (' ab', served as 'ab')"),
    "words for numbers": (lambda: (TREE, ROWS.assign(a="high")), "adopt.rows-refused", "DecisionTreeClassifier"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_with_the_reason(settings: Settings, case: str) -> None:
    """Each kind of bad input is an error that names what is wrong and what helps, and leaves no version behind."""
    make, code, said = REFUSALS[case]
    model, rows = make()
    with pytest.raises(TiltyardError) as refused:
        tiltyard.adopt(model, rows, label="y", all_new=True, model_name="refused", settings=settings)
    assert (refused.value.code, refused.value.next_step != "") == (code, True), refused.value.message
    assert said in refused.value.message
    assert not tiltyard.ModelRegistry(settings=settings).list_versions("refused")


@pytest.mark.parametrize(
    ("named", "code", "said"),
    [
        ({"model_name": "a/b"}, "adopt.model-name", "'a/b'"),
        ({"model_name": 3}, "argument.kind", "model_name is 3"),
        ({"model_name": ""}, "argument.kind", "model_name is ''"),
        ({"label": 3}, "argument.kind", "label is 3"),
        ({"all_new": "no"}, "argument.kind", "all_new is 'no'"),
    ],
)
def test_names_that_cannot_be_are_refused_before_anything_is_recorded(
    settings: Settings, named: dict[str, Any], code: str, said: str
) -> None:
    """A name that the registry would refuse leaves no run behind, and a value that is not a name is named."""
    how = {"label": "y", "all_new": True, "model_name": "refused", **named}
    with pytest.raises(UsageError) as refused:
        tiltyard.adopt(TREE, ROWS, settings=settings, **how)
    assert refused.value.code == code
    assert said in refused.value.message


def test_labels_that_only_some_rows_have_are_a_finding(settings: Settings) -> None:
    """Rows without a label are set aside with a finding of the version; none with a label is a refusal."""
    some = ROWS.assign(y=np.array([None, *LABELS[1:]], dtype=object))
    adopted = tiltyard.adopt(TREE, some, label="y", all_new=True, model_name="some", settings=settings)
    assert adopted.held_out == 79
    assert any(found["code"] == "data.rows-set-aside" for found in adopted.findings), adopted.findings
    amounts = AMOUNTS.assign(y=[np.nan, *NUMBERS[1:]])
    adopted = tiltyard.adopt(LINE, amounts, label="y", all_new=True, model_name="amounts", settings=settings)
    assert adopted.held_out == 79
    with pytest.raises(DataError, match="80 rows without a label"):
        tiltyard.adopt(TREE, ROWS.assign(y=None), label="y", all_new=True, model_name="none", settings=settings)


def test_the_label_is_not_among_the_inputs(settings: Settings) -> None:
    """A column that the model reads is not read as what it predicts."""
    with pytest.raises(TiltyardError, match="The model reads the column 'a'") as refused:
        tiltyard.adopt(TREE, ROWS, label="a", all_new=True, model_name="refused", settings=settings)
    assert refused.value.code == "data.label-among-inputs"


def test_rows_cannot_be_new_and_trained_on(settings: Settings) -> None:
    """Stating that all rows are new contradicts naming the rows of the training."""
    with pytest.raises(TiltyardError) as refused:
        tiltyard.adopt(TREE, ROWS, label="y", trained_on=ROWS, all_new=True, model_name="refused", settings=settings)
    assert refused.value.code == "adopt.rows-contradict"
    with pytest.raises(TiltyardError, match="trained on each of 80 rows"):
        tiltyard.adopt(TREE, ROWS, label="y", trained_on=ROWS, model_name="refused", settings=settings)


def test_other_types_of_numbers_and_labels_are_read(settings: Settings) -> None:
    """Small and whole numbers and booleans in the rows, and numbers or truth values as labels, are what they were."""
    frame = pd.DataFrame({"n": RANDOM.integers(0, 9, 80).astype("int8"), "t": RANDOM.random(80) < 0.5, "c": 1.0})
    frame["f"] = RANDOM.normal(size=80).astype("float32")
    for labels, spelt in ((frame["n"] > 4, ("False", "True")), ((frame["n"] > 4).astype(float), ("0.0", "1.0"))):
        model = DecisionTreeClassifier(max_depth=3).fit(frame, labels)
        rows = frame.assign(y=labels)
        adopted = tiltyard.adopt(model, rows, label="y", all_new=True, model_name="t", settings=settings)
        assert adopted.metrics["accuracy"] == 1.0
        assert any(found["subject"] == "c" for found in adopted.findings), "a column without variance is a finding"
        assert tuple(adopted.project.data.features or ()) == ("n", "t", "c", "f")
        assert spelt == tuple(str(label) for label in model.classes_)


@pytest.mark.parametrize("ending", [".skops", ".txt"])
def test_a_damaged_file_gets_a_step_for_a_model_that_is_not_a_version(ending: str, tmp_path: Path) -> None:
    """The checks of stored versions say what helps there; who adopts a file has no version yet."""
    file = tmp_path / f"model{ending}"
    if ending == ".skops":
        skops.io.dump(TREE, file)
        file.write_bytes(file.read_bytes()[:-200])
    else:
        lightgbm = pytest.importorskip("lightgbm")
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(FRAME, LABELS).booster_.save_model(file)
        file.write_text(file.read_text().partition("leaf_value=")[0], encoding="utf-8")
    with pytest.raises(ArtifactError, match=file.name) as refused:
        open_saved_model(str(file), tmp_path, OpeningRules(Settings.load(tmp_path)))
    assert "version" not in refused.value.next_step
    assert "Fetch" in refused.value.next_step
