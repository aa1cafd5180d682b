"""Compiled boosters against their own libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models.boosters.fitted import CATEGORIES, OBJECTIVES, SETTINGS, WORD, Fitted, fit_booster
from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.models.boosters.tree_ensemble import Library, TreeEnsemble
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.trees.tree_head import TreeHead, build_tree_head
from tiltyard.scoring.trees.tree_layout import MASKS, OBLIVIOUS, WALK

Floats = NDArray[np.float64]

UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
MODELS: list[tuple[Library, str, int]] = [
    *((library, name, 0) for library, names in OBJECTIVES.items() for name in names),
    *((library, OBJECTIVES[library][0], k) for library, held in SETTINGS.items() for k in range(1, len(held))),
]
# Every way in which nodes treat gaps, zeros and categories, in each library.
ODD: list[tuple[Library, str, int]] = [
    *(("lightgbm", "binary", k) for k in range(3)),
    *(("xgboost", "binary:logistic", k) for k in (0, 1)),
    ("xgboost", "multi:softprob", 0),
    *(("catboost", "Logloss", k) for k in range(4)),
]


def compile_head(fitted: Fitted) -> tuple[TreeHead, TreeEnsemble]:
    ensemble = read_ensemble(fitted.library, fitted.document)
    several = len(ensemble.baseline)
    binary = ensemble.link == "sigmoid" and fitted.objective != "cross_entropy"
    return build_tree_head(ensemble, 2 if binary else several if several > 1 else 0), ensemble


def read_rows(ensemble: TreeEnsemble, rows: Floats) -> Floats:
    """The rows with categories as CatBoost's splits number them."""
    if WORD not in ensemble.category_names:
        return rows
    names = [float(name) for name in ensemble.category_names[WORD]]
    found = rows.copy()
    found[:, WORD] = [names.index(value) if value in names else -1.0 for value in rows[:, WORD]]
    return found


def predict_one_by_one(head: TreeHead, rows: Floats) -> Floats:
    return np.concatenate([head.predict(rows[place : place + 1]) for place in range(len(rows))])


@pytest.mark.parametrize(("library", "objective", "setting"), MODELS)
def test_a_compiled_booster_predicts_as_its_library_does(library: Library, objective: str, setting: int) -> None:
    """On all rows a compiled booster gives what its library gives, to the last two bits, and a batch its rows'."""
    fitted = fit_booster(library, objective, setting)
    head, ensemble = compile_head(fitted)
    rows = read_rows(ensemble, fitted.rows)
    found, expected = head.predict(rows), fitted.predict(fitted.rows)
    assert np.array_equal(found, predict_one_by_one(head, rows))
    if head.classes == 2:
        assert np.array_equal(found[:, 0], 1.0 - found[:, 1])
    np.testing.assert_array_max_ulp(found[:, -expected.shape[1] :], expected, maxulp=4)


def list_odd_numbers(ensemble: TreeEnsemble) -> list[float]:
    """Each threshold and its neighbours in both precisions, and what is odd in itself."""
    thresholds = ensemble.thresholds[(ensemble.tested >= 0) & (ensemble.choice < 0)][:40]
    near = [np.nextafter(thresholds, side) for side in (-np.inf, np.inf)]
    with np.errstate(over="ignore", under="ignore"):
        single = thresholds.astype(np.float32)
        near += [np.nextafter(single, np.float32(side)).astype(np.float64) for side in (-np.inf, np.inf)]
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e-36, -1e-36, 1e-35, 1.0000000180025095e-35, 2e-35]
    odd += [1e-40, 1e39, -1e39, 1e300, 3.4028235e38, 1.7976931348623157e308, 1.401298464324817e-45]
    return [*thresholds.tolist(), *np.concatenate(near).tolist(), *odd]


@pytest.mark.parametrize(("library", "objective", "setting"), ODD)
@UNHURRIED
@given(data=st.data())
def test_odd_values_are_predicted_as_the_library_does(
    library: Library, objective: str, setting: int, data: st.DataObject
) -> None:
    """Gaps, infinities, denormal numbers, thresholds and their neighbours, unknown and negative categories: alike."""
    fitted = fit_booster(library, objective, setting)
    head, ensemble = compile_head(fitted)
    numbers = st.sampled_from(list_odd_numbers(ensemble)) | st.floats(-3, 3)
    whole = st.integers(-3, 2 * CATEGORIES).map(float) | st.sampled_from([64.0, 1e6, 2.0**24, 2.0**31 - 1])
    fractions = st.floats(-1.5, CATEGORIES + 1.5) | st.sampled_from(
        [np.nan, -0.5, 1.9, -0.0, 2.0**40, -(2.0**40), 1e300]
    )
    cells = [numbers] * WORD + [whole if library == "catboost" else whole | fractions]
    rows = np.array([data.draw(st.tuples(*cells)) for _ in range(4)])
    found, expected = head.predict(read_rows(ensemble, rows)), fitted.predict(rows)
    np.testing.assert_array_max_ulp(found[:, -expected.shape[1] :], expected, maxulp=4)
    block = np.tile(read_rows(ensemble, rows), (20, 1))
    assert np.array_equal(head.predict(block)[:4], found)


def fit_lightgbm(leaves: int, categories: int) -> tuple[bytes, object, Floats]:
    import lightgbm

    random = np.random.default_rng(8)
    rows = random.normal(size=(4000, 3))
    rows[:, 2] = random.integers(0, categories, 4000)
    target = rows[:, 0] * rows[:, 1] + np.isin(rows[:, 2] % 7, (1, 4)) + random.normal(0, 0.2, 4000)
    data = lightgbm.Dataset(rows, target, categorical_feature=[2], params={"verbosity": -1})
    settings = {"num_leaves": leaves, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1, "cat_smooth": 1}
    booster = lightgbm.train({**settings, "max_cat_to_onehot": 1, "min_data_per_group": 3}, data, 12)
    return booster.model_to_string().encode(), booster, rows


@pytest.mark.parametrize(("leaves", "categories", "kind"), [(200, 300, WALK), (64, 300, MASKS), (2, 70, OBLIVIOUS)])
def test_large_trees_and_many_categories_are_predicted_alike(leaves: int, categories: int, kind: int) -> None:
    """Trees of more leaves than a mask has bits, and of more categories than a word has, are exact as well."""
    document, booster, rows = fit_lightgbm(leaves, categories)
    head = build_tree_head(read_ensemble("lightgbm", document), 0)
    assert kind in head.layout.trees[:, 2]
    expected = booster.predict(rows, num_threads=1)  # type: ignore[attr-defined]
    assert np.array_equal(head.predict(rows)[:, 0], expected)
    assert np.array_equal(predict_one_by_one(head, rows[:100])[:, 0], expected[:100])


def test_trees_that_compare_the_same_at_a_level_are_not_walked() -> None:
    """CatBoost's symmetric trees take a comparison a level; its others do not."""
    assert set(compile_head(fit_booster("catboost", "Logloss", 0))[0].layout.trees[:, 2]) == {OBLIVIOUS}
    assert OBLIVIOUS not in compile_head(fit_booster("catboost", "Logloss", 1))[0].layout.trees[:, 2]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_what_the_columns_add_sums_up_to_the_prediction(library: Library) -> None:
    """The parts of an explanation and the start of all rows add up to the sum that the library has for a row."""
    fitted = fit_booster(library, OBJECTIVES[library][0], 0)
    head, ensemble = compile_head(fitted)
    rows = fitted.rows[:50]
    added, start = head.follow(read_rows(ensemble, rows), np.arange(5), 5)
    total = added.sum(axis=1) + start
    np.testing.assert_allclose(total, fitted.predict(rows, raw=True), atol=2e-6 if library == "xgboost" else 1e-12)


def test_outputs_that_do_not_fit_the_labels_are_refused() -> None:
    """A booster of one output has no compiled form for three labels."""
    ensemble = read_ensemble("lightgbm", fit_booster("lightgbm", "binary", 0).document)
    with pytest.raises(NotCompilableError, match="1 output for 3 labels"):
        build_tree_head(ensemble, 3)
