"""Trees, forests and boostings of scikit-learn in compiled loops, against scikit-learn itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.scoring.trees.test_one_row import make_scorer
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.trees.fitted_trees import read_fitted_trees
from tiltyard.scoring.trees.tree_head import TreeHead, build_tree_head
from tiltyard.scoring.trees.tree_layout import MASKS, WALK

Floats = NDArray[np.float64]
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = 5
CATEGORY = 3  # a column of whole numbers, with some that training did not see
ESTIMATORS: dict[str, Any] = {
    "boosting": HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5),
    "boosting of three": HistGradientBoostingClassifier(max_iter=7, min_samples_leaf=5),
    "boosting by sets": HistGradientBoostingClassifier(max_iter=9, min_samples_leaf=3, categorical_features=[CATEGORY]),
    "boosting of large trees": HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=None, min_samples_leaf=2),
    "boosting of numbers": HistGradientBoostingRegressor(max_iter=12, min_samples_leaf=5),
    "boosting of medians": HistGradientBoostingRegressor(max_iter=5, loss="absolute_error"),
    "forest": RandomForestClassifier(9),
    "forest of three": ExtraTreesClassifier(9),
    "forest of small trees": RandomForestClassifier(9, max_leaf_nodes=20),
    "forest of numbers": RandomForestRegressor(9),
    "small forest of numbers": ExtraTreesRegressor(9, max_depth=4),
    "tree": DecisionTreeClassifier(),
    "tree of numbers": DecisionTreeRegressor(),
    "stump": DecisionTreeClassifier(max_depth=1),
}


def make_rows(count: int, seed: int) -> Floats:
    """Rows with gaps, ties and categories."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, COLUMNS)).round(2)
    rows[:, CATEGORY] = random.choice([0, 1, 2, 5, 9, 40], count)
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows


@cache
def fit(name: str) -> tuple[Any, TreeHead]:
    rows = make_rows(700, 1)
    clean = np.nan_to_num(rows)
    score = clean[:, 0] + clean[:, 1] * clean[:, 2] + np.isin(clean[:, CATEGORY], (1, 9))
    truth: Any = score if "number" in name or "medians" in name else np.digitize(score, [0.5])
    if "three" in name:
        truth = np.digitize(score, [0.0, 1.0])
    estimator = ESTIMATORS[name].set_params(random_state=0).fit(rows, truth)
    ensemble = read_fitted_trees(estimator)
    assert ensemble is not None
    return estimator, build_tree_head(ensemble, len(getattr(estimator, "classes_", ())))


def prepare(estimator: Any, rows: Floats) -> Floats:
    """The features as the trees see them: a boosting puts those of categories first, and numbers these."""
    preprocessor = getattr(estimator, "_preprocessor", None)
    return rows if preprocessor is None else np.asarray(preprocessor.transform(rows))


def predict(estimator: Any, rows: Floats) -> Floats:
    if hasattr(estimator, "classes_"):
        return np.asarray(estimator.predict_proba(rows))
    return np.asarray(estimator.predict(rows))[:, np.newaxis]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_compiled_trees_predict_as_scikit_learn_does(name: str) -> None:
    """On rows with gaps and ties the compiled trees give what scikit-learn gives, to the last two bits."""
    estimator, head = fit(name)
    rows = make_rows(1_000, 2)
    features = prepare(estimator, rows)
    found = head.predict(features)
    np.testing.assert_allclose(found, predict(estimator, rows), rtol=4.5e-16, atol=1e-16)
    alone = np.concatenate([head.predict(features[place : place + 1]) for place in range(len(rows))])
    assert np.array_equal(found, alone)


def test_a_category_that_the_trees_do_not_know_goes_where_a_gap_goes() -> None:
    """Any number in a column of categories leads to the leaf to which scikit-learn's own trees lead it."""
    rows = make_rows(900, 7)
    rows[400:700, CATEGORY] = np.nan  # gaps that say something, so that some nodes send them to the left
    truth = np.where(np.isnan(rows[:, CATEGORY]), 1, np.isin(rows[:, CATEGORY], (1, 9)).astype(int))
    estimator = HistGradientBoostingClassifier(
        max_iter=9, min_samples_leaf=3, categorical_features=[CATEGORY], random_state=0
    ).fit(rows, truth)
    trees = [one for turn in estimator._predictors for one in turn]
    nodes = np.concatenate([tree.nodes for tree in trees])
    assert nodes["missing_go_to_left"][nodes["is_categorical"] != 0].any()
    ensemble = read_fitted_trees(estimator)
    assert ensemble is not None
    features = prepare(estimator, rows)
    features[:, 0] = np.resize([*range(256), -1.0, -0.5, 2.9, 256.0, 300.0, 511.0, np.nan], len(features))
    known, places = estimator._bin_mapper.make_known_categories_bitsets()
    total = np.full(len(features), estimator._baseline_prediction.item())
    for tree in trees:
        total += tree.predict(features, known, places, 1)
    added, start = build_tree_head(ensemble, 2).follow(features, np.arange(COLUMNS), COLUMNS)
    np.testing.assert_allclose(added.sum(axis=1)[:, 0] + start[0], total, atol=1e-12)


def list_odd_numbers(estimator: Any, head: TreeHead) -> st.SearchStrategy[float]:
    """Thresholds and their neighbours, gaps, zeros, and categories that training did not see."""
    thresholds = head.layout.nodes[:, 0]
    known = np.unique(thresholds[np.isfinite(thresholds)])[:200]
    near = np.concatenate([known, np.nextafter(known, np.inf), np.nextafter(known, -np.inf)])
    single = np.concatenate([near, known.astype(np.float32).astype(np.float64)])
    odd = [np.nan, 0.0, -0.0, -0.5, -1.0, 3.0, 7.9, 255.0, 256.0, 300.0, 1e30, -1e30, 5e-324]
    odd += [1e200] if "HistGradient" in type(estimator).__name__ else []
    return st.sampled_from([*single.tolist(), *odd])


@UNHURRIED
@given(data=st.data(), name=st.sampled_from(list(ESTIMATORS)))
def test_odd_values_go_where_scikit_learn_sends_them(data: st.DataObject, name: str) -> None:
    """Values at and next to thresholds, gaps and strange categories lead to scikit-learn's leaves."""
    estimator, head = fit(name)
    odd = list_odd_numbers(estimator, head)
    rows = np.array(data.draw(st.lists(st.lists(odd, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=20)))
    if "sets" in name:  # scikit-learn refuses negative and large categories before its trees see them
        held = rows[:, CATEGORY]
        rows[:, CATEGORY] = np.where((held >= 0) & (held < 255), held, np.nan)
    found = head.predict(prepare(estimator, rows))
    np.testing.assert_allclose(found, predict(estimator, rows), rtol=4.5e-16, atol=1e-16)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in ("forest", "forest of three", "tree")])
def test_one_row_is_the_batch_to_the_bit(name: str) -> None:
    """A row that is predicted in one call gets what it gets in a batch, where the trees have masks."""
    _, head = fit(name)
    if head.tables is None:
        assert (head.layout.trees[:, 2] == WALK).any()
        return
    scorer = make_scorer(head)
    rows = make_rows(300, 3)
    named = [{f"f{place}": None if np.isnan(value) else value for place, value in enumerate(row)} for row in rows]
    alone = [scorer.score([row]) for row in named]
    together = scorer.score(named)
    if head.classes:
        assert np.array_equal(np.concatenate([one.probabilities for one in alone]), together.probabilities)
    else:
        assert [one.labels[0] for one in alone] == together.labels


def test_trees_of_each_size_take_their_own_way() -> None:
    """Small trees take masks, large ones are walked."""
    assert (fit("boosting")[1].layout.trees[:, 2] == MASKS).any()
    assert (fit("forest")[1].layout.trees[:, 2] == WALK).all()


def test_what_trees_add_leads_to_the_prediction() -> None:
    """The steps of all paths and the mean that they start from add up to what is predicted."""
    for name in ("boosting", "boosting by sets", "forest", "forest of numbers", "boosting of three"):
        estimator, head = fit(name)
        rows = make_rows(50, 4)
        added, start = head.follow(prepare(estimator, rows), np.arange(COLUMNS), COLUMNS)
        total = added.sum(axis=1) + start
        expected = estimator.decision_function(rows) if "boosting" in name else predict(estimator, rows)
        np.testing.assert_allclose(total, np.reshape(expected, total.shape), atol=1e-12)


def test_what_has_no_compiled_form_is_named() -> None:
    """A loss with a link and a forest of several targets are refused with the reason; other estimators are none."""
    rows = make_rows(200, 5)
    counts = np.abs(np.nan_to_num(rows[:, 0])).round()
    with pytest.raises(NotCompilableError, match="poisson has a link"):
        read_fitted_trees(HistGradientBoostingRegressor(loss="poisson", max_iter=2).fit(rows, counts))
    several = RandomForestRegressor(2).fit(np.nan_to_num(rows), np.column_stack([counts, counts]))
    with pytest.raises(NotCompilableError, match="several things"):
        read_fitted_trees(several)
    assert read_fitted_trees(object()) is None


def test_crafted_trees_are_not_compiled() -> None:
    """A node whose child is none of its tree's is refused before a compiled loop follows it."""
    boosting = HistGradientBoostingClassifier(max_iter=2).fit(make_rows(200, 6), np.arange(200) % 2)
    boosting._predictors[0][0].nodes["left"][0] = 5_000
    with pytest.raises(NotCompilableError, match="child is node 5000"):
        read_fitted_trees(boosting)
