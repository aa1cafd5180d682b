"""Table recipes: from typed columns to probabilities, through storage and JSON, on invented and on real tables."""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tiltyard.data import load_dataset
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.models.preprocessing import drop_unused_dates
from tiltyard.models.recipes.tabular import TABULAR
from tiltyard.project import load_project
from tiltyard.scoring.sklearn_scorer import SklearnScorer

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("TILTYARD_TEST_DATA", ROOT / ".." / "shared" / "data"))
EXAMPLES = ROOT / "examples"
ADULT = ["age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"]
ADULT += ["race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"]

EVERY = pytest.mark.parametrize("name", TABULAR)

# What a host must allow beyond skops' own list to load these recipes.
NEEDED_TYPES = {
    "numpy.dtype",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for a busy core make boosting many times slower than one thread."""
    with threadpool_limits(limits=1):
        yield


def table(rows: int = 300, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Every kind of column, with gaps and an empty column, and three labels that depend on most of them."""
    random = np.random.default_rng(seed)
    raw = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.normal(40.0, 12.0, rows)),
            "charges": pd.Series(random.normal(5, 1, rows).round(2).astype(str)).where(random.random(rows) > 0.05, " "),
            "member": random.random(rows) < 0.5,
            "news": pd.Series(random.random(rows) < 0.5).astype(object).where(random.random(rows) > 0.1, None),
            "town": pd.Series(random.choice(["York", "Leeds", "Hull"], rows)).where(random.random(rows) > 0.05),
            "fear": pd.Series(random.choice(["Yes", "No"], rows)),
            "nothing": pd.Series([None] * rows, dtype=object),
        }
    )
    score = raw["age"] / 20 + raw["income"].fillna(40) / 15 + raw["member"] + (raw["fear"] == "Yes")
    labels = pd.Series(np.select([score < 6.0, score < 7.3], ["low", "middle"], "high"))
    return conform_frame(raw, infer_schema(raw)), labels


@functools.cache
def learnt(name: str) -> Pipeline:
    """The recipe fitted to ``table()``, for tests that only predict with it."""
    return TABULAR[name][1](0).fit(*table())


@EVERY
def test_a_recipe_learns_from_every_kind_of_column(name: str) -> None:
    """Probabilities of all labels sum to one, and the labels are predicted far better than by the most frequent one."""
    later, truth = table(seed=1)
    pipeline = learnt(name)
    probabilities = pipeline.predict_proba(later)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert pipeline.classes_.tolist() == ["high", "low", "middle"]
    assert (pipeline.predict(later) == truth).mean() > truth.value_counts(normalize=True).max() + 0.2


@EVERY
def test_the_same_seed_gives_the_same_model(name: str) -> None:
    """Two fits by one seed predict alike, to the last bit."""
    frame, labels = table()
    first, second = (TABULAR[name][1](7).fit(frame, labels).predict_proba(frame) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@EVERY
def test_gaps_and_unseen_categories_are_predicted_in_every_column(name: str) -> None:
    """Each column may be missing, and each category new, in columns where training saw neither."""
    dtypes = infer_schema(table()[0]).dtypes
    scorer = SklearnScorer(learnt(name), "tabular-classification", dtypes)
    row = {
        "age": 30,
        "income": 41.5,
        "charges": 5,
        "member": True,
        "news": False,
        "town": "Hull",
        "fear": "Yes",
        "nothing": None,
    }
    odd = [row | {column: None} for column in row]
    odd += [row | {"town": "Ålesund"}, row | {"fear": "Sometimes"}, row | {"nothing": 3.0}, dict.fromkeys(row)]
    scores = scorer.score([row, *odd])
    assert np.isfinite(scores.probabilities).all()
    np.testing.assert_array_equal(scores.probabilities[row_of("nothing", row)], scores.probabilities[0])


def row_of(column: str, row: dict[str, object]) -> int:
    """Where the input stands in which that column is missing."""
    return list(row).index(column) + 1


@EVERY
def test_json_rows_are_predicted_like_the_frame_they_came_from(name: str) -> None:
    """Values that went through JSON give the probabilities of the training frame."""
    frame, _ = table()
    pipeline = learnt(name)
    scorer = SklearnScorer(pipeline, "tabular-classification", infer_schema(frame).dtypes)
    rows = [
        {column: None if pd.isna(value) else value for column, value in zip(frame.columns, values, strict=True)}
        for values in frame.head(20).itertuples(index=False)
    ]
    rows = json.loads(json.dumps(rows, default=lambda number: number.item()))
    expected = pipeline.predict_proba(frame.head(20))
    # Rows with gaps are scored one by one, which adds up in another order.
    np.testing.assert_allclose(scorer.score(rows).probabilities, expected, rtol=1e-12)


@EVERY
def test_a_stored_model_needs_few_types_and_predicts_as_before(name: str) -> None:
    """skops stores the recipe with nothing of ours in it, and the loaded model predicts alike."""
    frame, _ = table()
    pipeline = drop_unused_dates(copy.deepcopy(learnt(name)))
    stored = skops.io.dumps(pipeline)
    needed = set(skops.io.get_untrusted_types(data=stored))
    assert needed <= NEEDED_TYPES
    loaded = skops.io.loads(stored, trusted=sorted(needed))
    np.testing.assert_array_equal(loaded.predict_proba(frame), pipeline.predict_proba(frame))


@EVERY
def test_a_column_that_is_empty_in_one_fold_is_no_error(name: str) -> None:
    """Cross-validation goes through though a column has values in one fold only."""
    frame, labels = table(60)
    frame["nearly"] = [1.0] + [np.nan] * 59
    frame["word"] = pd.Series(["x"] + [None] * 59, dtype="str")
    scores = cross_val_score(TABULAR[name][1](0), frame, labels, cv=StratifiedKFold(3), error_score="raise")
    assert np.isfinite(scores).all()


def test_boosting_takes_a_label_with_one_row_among_many() -> None:
    """A rare label in a large table raises no error, whatever rows the library would like to hold out."""
    frame = pd.DataFrame({"x": np.arange(10_100) % 7})
    labels = pd.Series(np.where(frame["x"] > 3, "a", "b")).where(frame.index > 0, "rare")
    pipeline = TABULAR["gradient-boosting"][1](0).fit(frame, labels)
    assert pipeline.classes_.tolist() == ["a", "b", "rare"]


@EVERY
def test_breast_cancer_is_predicted_from_its_measurements(name: str) -> None:
    """scikit-learn's bundled table: nineteen cases of twenty are right."""
    data = load_breast_cancer(as_frame=True)
    assert accuracy(name, data.data, data.target.map({0: "malignant", 1: "benign"})) > 0.94


def test_the_breast_cancer_project_file_can_be_used() -> None:
    """The example's file passes the checks of the project file and names recipes that there are."""
    project = load_project(EXAMPLES / "breast-cancer")
    assert set(project.training.candidates) <= set(TABULAR)


def test_the_personality_data_is_what_its_generator_makes() -> None:
    """The stored file is the generator's, byte by byte."""
    generator = personality_generator()
    file = EXAMPLES / "personality" / "data" / "personality.csv"
    assert file.read_text(encoding="utf-8") == generator.as_csv(generator.make_rows(generator.ROWS, generator.SEED))


def test_the_personality_generator_keeps_to_its_rates() -> None:
    """With many rows the shares of other words, gaps and copies are the documented ones."""
    generator = personality_generator()
    frame = pd.DataFrame(generator.make_rows(40_000, 1))
    withdrawn = frame["Stage_fear"].where(frame["Stage_fear"] != "", frame["Drained_after_socializing"]) == "Yes"
    other = (frame["Personality"] == "Introvert") != withdrawn
    assert other[~withdrawn].mean() == pytest.approx(0.065, abs=0.006)
    assert other[withdrawn].mean() == pytest.approx(0.084, abs=0.006)
    values = frame.drop(columns="Personality")
    assert (values == "").to_numpy().mean() == pytest.approx(generator.LEFT_OUT, abs=0.002)


@EVERY
def test_the_personality_example_is_learned(name: str) -> None:
    """The example's project file leads to a model nearly as good as the labels allow."""
    dataset = load_dataset(load_project(EXAMPLES / "personality"))
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert accuracy(name, dataset.inputs, dataset.labels) > 0.92


@EVERY
def test_real_personalities_are_predicted(name: str) -> None:
    """The survey table itself: gaps, Yes and No, repeated rows."""
    frame = pd.read_csv(real("personality/personality_dataset.csv"))
    assert accuracy(name, frame.drop(columns="Personality"), frame["Personality"]) > 0.92


@EVERY
def test_real_customers_with_blank_charges_are_predicted(name: str) -> None:
    """The churn table: TotalCharges, written as text for its eleven blanks, is a number."""
    frame = pd.read_csv(real("telco/Telco-Customer-Churn.csv"))
    features = frame.drop(columns=["customerID", "Churn"])
    charges = next(column for column in infer_schema(features).columns if column.name == "TotalCharges")
    assert (charges.kind, charges.nullable, charges.maximum) == ("number", True, 8684.8)
    assert accuracy(name, features, frame["Churn"]) > 0.79


@EVERY
def test_real_incomes_are_predicted(name: str) -> None:
    """The census table by its official halves, whose words have a blank before them."""
    train, test = (
        pd.read_csv(real(f"adult/{half}"), header=None, names=ADULT) for half in ("adult.data", "adult.test")
    )
    schema = infer_schema(train.drop(columns="income"))
    assert "Private" in (schema.columns[1].categories or ())
    pipeline = TABULAR[name][1](42).fit(conform_frame(train, schema), train["income"])
    right = pipeline.predict(conform_frame(test, schema)) == test["income"].str.rstrip(".")
    assert right.mean() > (0.845 if name == "logreg" else 0.86)


def accuracy(name: str, features: pd.DataFrame, labels: pd.Series) -> float:
    """Mean accuracy in three folds, features typed by their schema."""
    frame = conform_frame(features, infer_schema(features))
    folds = StratifiedKFold(3, shuffle=True, random_state=42)
    return float(cross_val_score(TABULAR[name][1](42), frame, labels, cv=folds, error_score="raise").mean())


def personality_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_personality_data", EXAMPLES / "personality" / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real(name: str) -> Path:
    if not (REAL / name).exists():
        pytest.skip(f"{name} is not under {REAL}; set TILTYARD_TEST_DATA to the folder of the data")
    return REAL / name
