"""The default boosting of tables finds its number of rounds on held-out training rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tiltyard.models.boosters.early_stopping import USUAL_ROUNDS
from tiltyard.models.recipes.stopped_boosting import StoppedBoostingClassifier, StoppedBoostingRegressor

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(200, 3))


def test_chance_gets_few_rounds_and_a_rule_gets_many() -> None:
    """Where nothing can be learnt folds stop at once, and much later where something can."""
    by_chance = StoppedBoostingClassifier(max_iter=120, random_state=0).fit(ROWS, RANDOM.integers(0, 2, 200))
    by_rule = StoppedBoostingClassifier(max_iter=120, random_state=0).fit(ROWS, (ROWS[:, 0] > 0).astype(int))
    assert by_chance.n_iter_ < 10
    assert by_rule.n_iter_ > 40
    numbers = StoppedBoostingRegressor(max_iter=120, random_state=0).fit(ROWS, 10 * ROWS[:, 0])
    assert numbers.n_iter_ > 40


def test_a_fitted_one_is_scikit_learns_own() -> None:
    """What is fitted has the type of scikit-learn, the rounds that were found, and the trees of that many rounds."""
    labels = np.where(ROWS[:, 0] + 0.3 * RANDOM.normal(size=200) > 0, "yes", "no")
    found = StoppedBoostingClassifier(max_iter=200, max_leaf_nodes=5, random_state=3).fit(ROWS, labels)
    assert type(found) is HistGradientBoostingClassifier
    assert found.max_iter == found.n_iter_
    again = clone(found).fit(ROWS, labels)
    assert np.array_equal(again.predict_proba(ROWS), found.predict_proba(ROWS))
    assert type(StoppedBoostingRegressor(max_iter=20).fit(ROWS, ROWS[:, 1])) is HistGradientBoostingRegressor


@pytest.mark.parametrize("rows", [6, 12])
def test_few_rows_get_the_usual_rounds(rows: int) -> None:
    """Where no fold can tell, the usual number is fitted, or the most that may be."""
    labels = np.arange(rows) % 2
    assert StoppedBoostingClassifier(max_iter=500).fit(ROWS[:rows], labels).n_iter_ == USUAL_ROUNDS
    assert StoppedBoostingClassifier(max_iter=7).fit(ROWS[:rows], labels).n_iter_ == 7


def test_a_label_with_one_row_is_learnt_too() -> None:
    """A label that the rows of a fold lack does not count there, and the model knows it."""
    labels = np.array(["a", "b"] * 99 + ["c", "a"])
    found = StoppedBoostingClassifier(max_iter=50, random_state=0).fit(ROWS, labels)
    assert found.classes_.tolist() == ["a", "b", "c"]


def test_weights_count_in_the_folds() -> None:
    """Rows without weight change nothing, neither the rounds nor the trees."""
    labels = (ROWS[:, 0] > 0).astype(int)
    noisy = np.where(np.arange(200) < 100, labels, RANDOM.integers(0, 2, 200))
    weights = np.where(np.arange(200) < 100, 1.0, 1e-9)
    weighted = StoppedBoostingClassifier(max_iter=120, random_state=0).fit(ROWS, noisy, weights)
    plain = StoppedBoostingClassifier(max_iter=120, random_state=0).fit(ROWS, noisy)
    assert weighted.n_iter_ > 2 * plain.n_iter_
