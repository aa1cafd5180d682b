"""Rules of the libraries' arithmetic that a good guess misses, each on a booster that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from numpy.typing import NDArray

from tests.models.boosters.fitted import FIT, ROUNDS, WORD, Fitted, fit_booster, make_rows
from tests.scoring.trees.test_tree_head import compile_head, read_rows
from tiltyard.models.boosters.estimators import BoosterClassifier
from tiltyard.models.boosters.raw_trees import UnreadableTreesError
from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.models.boosters.tree_ensemble import Library
from tiltyard.registry.foreign.fitted_boosters import open_booster_file

Floats = NDArray[np.float64]

UNKNOWN = [-1.0, -7.0, 7.0, 63.0, 64.0, 1e6, np.nan]
FRACTIONS = [-0.5, 0.5, 1.9, -1.5]


def fit(library: Library, rows: Floats, **settings: Any) -> Fitted:
    labels = (rows[:, 0] + np.isin(rows[:, WORD], (0, 2, 5)) > 0.4).astype(int)
    objective = {"lightgbm": "binary", "xgboost": "binary:logistic", "catboost": "Logloss"}[library]
    made, document = FIT[library](objective, settings, rows, labels, 0)
    return Fitted(library, objective, document, made, rows)


def assert_alike(fitted: Fitted, rows: Floats) -> None:
    head, ensemble = compile_head(fitted)
    expected = fitted.predict(rows)
    np.testing.assert_array_max_ulp(
        head.predict(read_rows(ensemble, rows))[:, -expected.shape[1] :], expected, maxulp=4
    )


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_categories_of_other_rows_go_where_the_library_sends_them(library: Library, gaps: bool) -> None:
    """Unknown and negative codes, fractions and gaps are predicted alike, whether training had gaps there or not."""
    rows = make_rows()
    if gaps:
        rows[::7, WORD] = np.nan
    settings: dict[str, Any] = {"max_cat_to_onehot": 1}
    fitted = fit(library, rows, **settings, **({"min_data_per_group": 5} if library == "lightgbm" else {}))
    cells = [*range(7), *UNKNOWN, *(FRACTIONS if library == "lightgbm" else [])]
    other = np.repeat(rows[:20], len(cells), axis=0)
    other[:, WORD] = np.tile(cells, 20)
    assert_alike(fitted, other)


@pytest.mark.parametrize(
    ("library", "settings"),
    [
        ("lightgbm", {}),
        ("lightgbm", {"zero_as_missing": True}),
        ("xgboost", {}),
        *(("catboost", {"nan_mode": mode}) for mode in ("Min", "Max", "Forbidden")),
    ],
)
def test_a_gap_that_training_did_not_have_is_predicted_alike(library: Library, settings: dict[str, Any]) -> None:
    """Of a table without any gap a gap goes its library's way: like the smallest values in CatBoost in every mode."""
    rows = np.nan_to_num(make_rows(), nan=0.3)
    fitted = fit(library, rows, **settings)
    other = rows[:60].copy()
    for place in range(WORD):
        other[place::WORD, place] = np.nan
    assert_alike(fitted, other)
    if library == "catboost":
        smallest = np.where(np.isnan(other), np.finfo(np.float32).min, other)
        assert np.array_equal(fitted.predict(other), fitted.predict(smallest))


@pytest.mark.parametrize("settings", [{}, {"scale_pos_weight": 3.0}, {"base_score": 0.5}])
def test_a_base_score_is_text_in_brackets_and_a_probability(settings: dict[str, Any]) -> None:
    """XGBoost writes the start of a binary model as a share, in brackets, and the sums begin with its logit."""
    fitted = fit("xgboost", make_rows(), **settings)
    assert (b'"base_score":"[5E-1]"' in fitted.document) is ("base_score" in settings)
    assert_alike(fitted, fitted.rows[:100])


def test_contributions_of_a_forest_are_averaged_as_its_predictions_are() -> None:
    """LightGBM's raw scores and contributions of a forest are sums; ours add up to the averaged score."""
    forest = fit_booster("lightgbm", "binary", 3)
    head, ensemble = compile_head(forest)
    rows = forest.rows[:50]
    assert ensemble.divisor == ROUNDS
    added, start = head.follow(rows, np.arange(5), 5)
    score = added.sum(axis=1) + start
    np.testing.assert_allclose(score, forest.predict(rows, raw=True) / ROUNDS, atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-score)), forest.predict(rows), atol=1e-12)


def test_linear_leaves_are_left_to_the_library(tmp_path: Path) -> None:
    """Leaves with linear models, which gaps and infinities leave in their own ways, have no compiled form."""
    import lightgbm

    rows = make_rows()[:, :WORD]
    usual = {"objective": "regression", "linear_tree": True, "verbosity": -1, "num_threads": 1}
    theirs = lightgbm.train(usual, lightgbm.Dataset(rows, rows[:, 0] * 2 + 1, params=usual), 3)
    theirs.save_model(str(tmp_path / "linear.txt"))
    with pytest.raises(UnreadableTreesError, match="its leaves hold linear models"):
        read_ensemble("lightgbm", (tmp_path / "linear.txt").read_bytes())
    opened: Any = open_booster_file(tmp_path / "linear.txt")
    other = rows[:40].copy()
    other[::4, 0] = np.nan
    assert np.array_equal(opened.predict(other), theirs.predict(other))


@pytest.mark.parametrize("labels", [("9", "10", "-1"), ("9", "10", "x"), ("no", "yes", "10")])
def test_columns_of_catboost_are_in_the_order_of_its_own_classes(labels: tuple[str, ...], tmp_path: Path) -> None:
    """Texts that look like numbers are ordered as numbers by CatBoost, and each probability is of the right label."""
    rows = np.nan_to_num(make_rows()[:, :WORD])
    target = np.array(labels, dtype=object)[np.digitize(rows[:, 0], [-0.5, 0.5])]
    theirs = CatBoostClassifier(iterations=20, verbose=False, allow_writing_files=False, thread_count=1)
    theirs.fit(rows, target).save_model(str(tmp_path / "m.cbm"))
    opened: Any = open_booster_file(tmp_path / "m.cbm")
    found = opened.predict_proba(rows)
    for place, label in enumerate(str(name) for name in theirs.classes_):
        column = [str(name) for name in opened.classes_].index(label)
        np.testing.assert_allclose(found[:, column], theirs.predict_proba(rows)[:, place], atol=1e-12)
    assert (opened.predict(rows).astype(str) == target).mean() > 0.95


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_whole_numbers_as_categories_are_matched_by_value(library: Library) -> None:
    """Categories that are whole numbers at training and, after a gap, fractional at prediction are the same."""
    rows = make_rows()
    frame = pd.DataFrame({"a": rows[:, 0], "code": pd.Series(rows[:, WORD].astype(np.int64)).astype("category")})
    labels = np.isin(rows[:, WORD], (0, 2, 5)).astype(int)
    model = BoosterClassifier(library, max_iter=20, early_stopping=False, random_state=0).fit(frame, labels)
    given = frame.head(40)
    as_read = given.assign(code=given["code"].astype(np.float64).astype("category"))
    assert np.array_equal(model.predict_proba(as_read), model.predict_proba(given))
    assert (model.predict(given) == labels[:40]).all()
    gap = as_read.assign(code=pd.Series([np.nan] * 40, dtype=as_read["code"].dtype))
    assert np.isfinite(model.predict_proba(gap)).all()
