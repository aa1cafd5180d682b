"""Estimators of LightGBM, XGBoost and CatBoost: any labels, gaps, categories, the same model for the same seed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

from tests.models.boosters.rows import LIBRARIES, make_labels, make_numbers, make_table
from tiltyard.models.boosters.early_stopping import USUAL_ROUNDS, assign_folds
from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
from tiltyard.models.boosters.libraries.boosting_library import FitRows

LABELS: dict[str, Any] = {
    "words": np.array(["no", "yes"], dtype=object),
    "numbers that are not 0 and 1": np.array([3, 7]),
    "booleans": np.array([False, True]),
    "words of digits, in text order": np.array(["10", "9"], dtype=object),
}


def _matrix(seed: int = 0) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(240, 4))
    features[random.random((240, 4)) < 0.1] = np.nan
    features[:, 3] = np.where(random.random(240) < 0.1, np.nan, random.integers(0, 4, 240))
    return features


def _codes(features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.nan_to_num(features[:, 0]) + 1.5 * (features[:, 3] == 2) > 0.3, dtype=np.int64)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_any_kind_come_back_as_they_were(library: str, labels: str) -> None:
    """A booster predicts the labels that it was given, and orders its probabilities by them, sorted."""
    names = LABELS[labels]
    features = _matrix()
    truth = names[_codes(features)]
    model = BoosterClassifier(library, categorical=(3,), max_iter=15, early_stopping=False, random_state=1)
    model.fit(features, truth)
    assert model.classes_.tolist() == sorted(names.tolist())
    probabilities = model.predict_proba(features)
    assert probabilities.shape == (240, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert (model.predict(features) == truth).mean() > 0.9


@pytest.mark.parametrize("library", LIBRARIES)
def test_three_labels_have_three_columns(library: str) -> None:
    """With three labels, one of them with a single row, each has its column."""
    features = _matrix()
    truth = np.array(["a", "b"], dtype=object)[_codes(features)]
    truth[0] = "rare"
    model = BoosterClassifier(library, categorical=(3,), max_iter=40, n_iter_no_change=5, random_state=1)
    model.fit(features, truth)
    assert model.predict_proba(features).shape == (240, 3)
    assert (model.predict(features) == truth).mean() > 0.9


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_same_seed_gives_the_same_bytes(library: str) -> None:
    """Two fits with one seed write the same document; another seed writes another."""
    features = _matrix()
    truth = _codes(features)

    def fit(seed: int) -> BoosterClassifier:
        model = BoosterClassifier(library, max_iter=10, subsample=0.7, early_stopping=False, random_state=seed)
        return model.fit(features, truth)

    first, again, other = fit(3), fit(3), fit(4)
    assert (first.document_, first.trees_) == (again.document_, again.trees_)
    assert not np.array_equal(first.predict_proba(features), other.predict_proba(features))


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_are_predicted_as_the_library_does(library: str) -> None:
    """A regressor's numbers are close to the truth, and follow a change of scale."""
    table = make_table()
    features, truth = table[["size", "age"]].to_numpy(), make_numbers(table).to_numpy()
    model = BoosterRegressor(library, max_iter=200, random_state=1).fit(features, truth * 1000)
    found = model.predict(features)
    assert found.shape == (300,)
    assert np.corrcoef(found, truth)[0, 1] > 0.7
    assert abs(found.mean() - 1000 * truth.mean()) < 100


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_with_words_has_tables_of_its_own(library: str) -> None:
    """Columns of words, booleans and pandas' categories become categories; what was never seen is a gap."""
    table = make_table().drop(columns="seen").astype({"colour": "category"})
    model = BoosterClassifier(library, max_iter=30, early_stopping=False, random_state=1)
    model.fit(table, make_labels(table, 2))
    assert model.categorical_ == [2, 3]
    assert model.tables_ == [["blue", "green", "red"], [False, True]]
    assert (model.predict(table) == make_labels(table, 2)).mean() > 0.9
    unseen, gap = table.iloc[:20].copy(), table.iloc[:20].copy()
    unseen["colour"], gap["colour"] = "mauve", None
    np.testing.assert_array_equal(model.predict_proba(unseen), model.predict_proba(gap))
    np.testing.assert_array_equal(model.predict_proba(table[table.columns[::-1]]), model.predict_proba(table))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_sparse_matrix_is_predicted_alike_in_parts(library: str) -> None:
    """Rows of a sparse matrix get the same probabilities one by one as together."""
    random = np.random.default_rng(0)
    rows: Any = scipy.sparse.random(120, 30, density=0.2, random_state=np.random.default_rng(1), format="csr")
    truth = (np.asarray(rows[:, :3].sum(axis=1)).ravel() + 0.1 * random.normal(size=120)) > 0.2
    model = BoosterClassifier(library, max_iter=10, early_stopping=False, random_state=1).fit(rows, truth)
    whole = model.predict_proba(rows)
    np.testing.assert_array_equal(np.vstack([model.predict_proba(rows[place]) for place in range(20)]), whole[:20])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_copy_without_the_librarys_object_predicts_the_same(library: str) -> None:
    """What is stored is plain data: a copy through pickle, made after a prediction, holds no object of the library."""
    features = _matrix()
    model = BoosterClassifier(library, max_iter=10, early_stopping=False, random_state=1).fit(
        features, _codes(features)
    )
    expected = model.predict_proba(features)
    content = pickle.dumps(model)
    assert all(
        isinstance(value, (str, bytes, int, float, list, tuple, np.ndarray, type(None)))
        for value in model.__getstate__().values()
    )
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(features), expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rounds_are_those_that_held_out_rows_want(library: str) -> None:
    """Labels by chance want few rounds, and labels that the features decide want more: no test row is needed."""
    features = _matrix()
    chance = np.random.default_rng(5).integers(0, 2, 240)
    settings: dict[str, Any] = {"max_iter": 150, "n_iter_no_change": 10, "learning_rate": 0.1, "random_state": 0}
    few = BoosterClassifier(library, **settings).fit(features, chance).n_iter_
    many = BoosterClassifier(library, categorical=(3,), **settings).fit(features, _codes(features)).n_iter_
    assert few < 20 < many <= 150


def test_each_label_is_in_each_fold_as_often_as_can_be() -> None:
    """Folds have the labels in equal numbers, and the same seed gives the same folds."""
    target = np.repeat([0.0, 1.0, 2.0], [60, 30, 9])
    folds = assign_folds(target, 3, 7, classes=3)
    assert folds is not None
    counts = np.array([[((folds == fold) & (target == label)).sum() for label in range(3)] for fold in range(3)])
    assert counts.tolist() == [[20, 10, 3]] * 3
    again, other = assign_folds(target, 3, 7, classes=3), assign_folds(target, 3, 8, classes=3)
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(folds, again)
    assert not np.array_equal(folds, other)


def test_few_rows_get_the_usual_rounds() -> None:
    """With 19 rows, or one row of two labels, no fold can tell."""
    features = np.random.default_rng(0).normal(size=(19, 2))
    model = BoosterClassifier("lightgbm", min_samples_leaf=2, random_state=0).fit(features, np.arange(19) % 2)
    assert model.n_iter_ == USUAL_ROUNDS
    assert assign_folds(np.array([0.0] * 40 + [1.0]), 3, 0, classes=2) is None


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_draw_probabilities_to_heavy_rows(library: str) -> None:
    """Heavier rows draw the probabilities to their label, and ``class_weight`` is a weight by label."""
    features = _matrix()
    truth = _codes(features)
    settings: dict[str, Any] = {"max_iter": 10, "early_stopping": False, "random_state": 1}
    plain = BoosterClassifier(library, **settings).fit(features, truth)
    heavy = BoosterClassifier(library, **settings).fit(features, truth, sample_weight=np.where(truth == 1, 9.0, 1.0))
    by_label = BoosterClassifier(library, class_weight={0: 1.0, 1: 9.0}, **settings).fit(features, truth)
    assert heavy.predict_proba(features)[:, 1].mean() > plain.predict_proba(features)[:, 1].mean()
    np.testing.assert_array_equal(by_label.predict_proba(features), heavy.predict_proba(features))


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_is_printed_or_left_on_the_disk(
    library: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit and a prediction write neither to the terminal nor to the working folder."""
    monkeypatch.chdir(tmp_path)
    features = _matrix()
    model = BoosterClassifier(library, categorical=(3,), max_iter=20, n_iter_no_change=3, random_state=1)
    model.fit(features, _codes(features)).predict(features)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_unfitted_copy_can_be_fitted_again(library: str) -> None:
    """A clone of a fitted booster, fitted to the same rows, is the same booster."""
    features = _matrix()
    model = BoosterClassifier(library, categorical=(3,), max_iter=10, early_stopping=False, random_state=1)
    model.fit(features, _codes(features))
    again = clone(model).fit(features, _codes(features))
    assert again.document_ == model.document_


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_constant_column_and_a_constant_number_are_fitted(library: str) -> None:
    """A column of one value among others, a column of gaps alone, and one number to predict can be fitted."""
    features = _matrix()
    features[:, 1], features[:, 2] = 5.0, np.nan
    model = BoosterClassifier(library, max_iter=10, early_stopping=False, random_state=1)
    assert (model.fit(features, _codes(features)).predict(features) == _codes(features)).mean() > 0.7
    numbers = BoosterRegressor(library, max_iter=10, early_stopping=False, random_state=1)
    np.testing.assert_allclose(numbers.fit(features, np.full(240, 3.5)).predict(features), 3.5, atol=1e-3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown library": ({"library": "lightgmb"}, "library is 'lightgmb': it is one of"),
    "a parameter of another library": ({"library": "catboost", "max_leaf_nodes": 5}, "CatBoost has no max_leaf_nodes"),
    "a place that is no feature": ({"library": "lightgbm", "categorical": (9,)}, "categorical names 9"),
    "a code that is no whole number": ({"library": "lightgbm", "categorical": (0,)}, "whole numbers from 0"),
    "what XGBoost refuses": ({"library": "xgboost", "learning_rate": -3.0}, "XGBoost refuses it"),
    "what CatBoost refuses": ({"library": "catboost", "max_depth": 99}, "CatBoost refuses it"),
    "what LightGBM refuses": ({"library": "lightgbm", "max_leaf_nodes": 0}, "LightGBM refuses it"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_fitted_is_refused_by_name(what: str) -> None:
    """A wrong parameter is a ValueError in one line that names it or its library."""
    settings, message = WRONG[what]
    features = _matrix()
    with pytest.raises(ValueError, match=message) as raised:
        BoosterClassifier(max_iter=3, early_stopping=False, **settings).fit(features, _codes(features))
    assert len(str(raised.value).splitlines()) == 1


def test_one_label_and_infinity_are_refused() -> None:
    """Rows of one label, and infinity as a feature or as a number to predict, are refused."""
    features = _matrix()
    with pytest.raises(ValueError, match="there is one label only, 'a'"):
        BoosterClassifier().fit(features, np.full(240, "a", dtype=object))
    features[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        BoosterClassifier().fit(features, _codes(features))
    with pytest.raises(ValueError, match="infinite"):
        BoosterRegressor().fit(_matrix(), np.full(240, np.inf))


def test_rows_of_other_columns_are_refused() -> None:
    """Rows with another number of features, or without a column, are refused."""
    table = make_table().drop(columns="seen")
    model = BoosterClassifier("lightgbm", max_iter=3, early_stopping=False).fit(table, make_labels(table, 2))
    with pytest.raises(ValueError, match="no column 'age'"):
        model.predict(table.drop(columns="age"))
    with pytest.raises(ValueError, match="takes 4 features, and there are 2"):
        model.predict(np.zeros((1, 2)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_row_alone_is_predicted_as_among_others(library: str) -> None:
    """A row's probabilities do not depend on the rows that it comes with."""
    features = _matrix()
    model = BoosterClassifier(library, categorical=(3,), max_iter=10, early_stopping=False, random_state=1)
    whole = model.fit(features, _codes(features)).predict_proba(features)
    alone = np.vstack([model.predict_proba(features[place : place + 1]) for place in range(40)])
    np.testing.assert_array_equal(alone, whole[:40])


def test_rows_are_taken_with_their_weights() -> None:
    """Part of the rows has the features, target and weights of those rows."""
    rows = FitRows(np.arange(8.0).reshape(4, 2), np.arange(4.0), np.array([1.0, 2.0, 3.0, 4.0]))
    part = rows.take(np.array([1, 3]))
    assert part.weights is not None
    assert (part.features.tolist(), part.target.tolist(), part.weights.tolist()) == ([[2, 3], [6, 7]], [1, 3], [2, 4])


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_of_dates_are_refused(library: str) -> None:
    """A frame with dates is refused with the column's name: they are made numbers before."""
    table = make_table()
    with pytest.raises(ValueError, match="column 'seen' holds dates"):
        BoosterClassifier(library).fit(table, make_labels(table, 2))


def test_a_split_between_numbers_and_gaps_is_sound() -> None:
    """LightGBM divides gaps from all numbers by a threshold of infinity: such a document is sound."""
    features = _matrix()
    weights = np.where(_codes(features) == 1, 9.0, 1.0)
    model = BoosterClassifier("lightgbm", max_iter=10, early_stopping=False, random_state=1)
    model.fit(features, _codes(features), sample_weight=weights)
    assert b" inf " in model.document_
    assert model.predict_proba(features).shape == (240, 2)
