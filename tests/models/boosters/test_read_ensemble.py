"""Boosters' documents as trees: what is read of them, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest

from tests.models.boosters.fitted import OBJECTIVES, ROUNDS, SETTINGS, WORD, fit_booster, make_rows
from tests.models.boosters.plain_trees import add_trees
from tiltyard.errors import ArtifactError
from tiltyard.models.boosters.raw_trees import UnreadableTreesError
from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.models.boosters.tree_ensemble import Library

# Every objective once, and every setting with the first of them.
MODELS: list[tuple[Library, str, int]] = [
    *((library, name, 0) for library, names in OBJECTIVES.items() for name in names),
    *((library, OBJECTIVES[library][0], k) for library, held in SETTINGS.items() for k in range(1, len(held))),
]


@pytest.mark.parametrize(("library", "objective", "setting"), MODELS)
def test_the_trees_that_are_read_add_up_to_the_librarys_sums(library: Library, objective: str, setting: int) -> None:
    """Followed by plain loops, the trees of a document give what its library sums up, to the last bit."""
    fitted = fit_booster(library, objective, setting)
    ensemble = read_ensemble(library, fitted.document)
    rows = fitted.rows[:100]
    known = np.full(100, -1.0)
    if WORD in ensemble.category_names:
        names = [float(name) for name in ensemble.category_names[WORD]]
        rows = rows.copy()
        known = np.array([names.index(value) if value in names else -1.0 for value in rows[:, WORD]])
        rows[:, WORD] = known
    expected = fitted.predict(fitted.rows[:100], raw=True)
    if library == "lightgbm" and ensemble.divisor != 1:
        expected = expected / ROUNDS  # its sums of a random forest are not divided, its predictions are
    assert np.array_equal(add_trees(ensemble, rows), expected)


def edit_json(library: Library, change: Callable[[Any], Any]) -> bytes:
    stated = json.loads(fit_booster(library, OBJECTIVES[library][0], 0).document)
    change(stated)
    return json.dumps(stated).encode()


def edit_text(old: str, new: str) -> bytes:
    text = fit_booster("lightgbm", "binary", 0).document.decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def tree(stated: Any) -> Any:
    return stated["learner"]["gradient_booster"]["model"]["trees"][2]


def line_of(name: str) -> str:
    text = fit_booster("lightgbm", "binary", 0).document.decode()
    return next(line for line in text.splitlines() if line.startswith(f"{name}="))


def with_first(name: str, value: str) -> bytes:
    first, *others = line_of(name).partition("=")[2].split()
    del first
    return edit_text(line_of(name), f"{name}={' '.join([value, *others])}")


@cache
def fit_linear() -> str:
    rows = make_rows()[:, :WORD]
    usual = {"objective": "regression", "linear_tree": True, "verbosity": -1, "num_threads": 1}
    fitted = lightgbm.train(usual, lightgbm.Dataset(rows, rows[:, 0] * 2 + 1, params=usual), 3)
    return str(fitted.model_to_string())


def edit_linear(name: str, value: str) -> bytes:
    """The file of linear leaves with another first number in the second tree's list of that name."""
    head, tree = fit_linear().split("Tree=1\n")[0], fit_linear().split("Tree=1\n")[1]
    changed = re.sub(rf"^{name}=\S+", f"{name}={value}", tree, count=1, flags=re.MULTILINE)
    assert changed != tree
    return f"{head}Tree=1\n{changed}".encode()


UNSOUND: dict[str, tuple[Library, Callable[[], bytes]]] = {
    "lightgbm: no text": ("lightgbm", lambda: b"\xff\xfe"),
    "lightgbm: another file": ("lightgbm", lambda: b"hello\nworld\n"),
    "lightgbm: cut off": ("lightgbm", lambda: fit_booster("lightgbm", "binary", 0).document[:2500]),
    "lightgbm: a child outside": ("lightgbm", lambda: with_first("left_child", "400")),
    "lightgbm: a leaf outside": ("lightgbm", lambda: with_first("left_child", "-400")),
    "lightgbm: a circle": ("lightgbm", lambda: with_first("left_child", "0")),
    "lightgbm: a feature outside": ("lightgbm", lambda: with_first("split_feature", "5")),
    "lightgbm: a negative feature": ("lightgbm", lambda: with_first("split_feature", "-1")),
    "lightgbm: an infinite leaf": ("lightgbm", lambda: with_first("leaf_value", "inf")),
    "lightgbm: a threshold that is none": ("lightgbm", lambda: with_first("threshold", "nan")),
    "lightgbm: words for numbers": ("lightgbm", lambda: with_first("threshold", "one")),
    "lightgbm: a decision that is none": ("lightgbm", lambda: with_first("decision_type", "12")),
    "lightgbm: too few leaves": ("lightgbm", lambda: edit_text(line_of("num_leaves"), "num_leaves=3")),
    "lightgbm: other outputs": ("lightgbm", lambda: edit_text("tree_per_iteration=1", "tree_per_iteration=3")),
    "lightgbm: another format": ("lightgbm", lambda: edit_text("version=v4", "version=v5")),
    "lightgbm: a child outside, of a custom objective": (
        "lightgbm",
        lambda: with_first("left_child", "400").replace(b"objective=binary sigmoid:1\n", b""),
    ),
    "lightgbm: a linear leaf's feature outside": ("lightgbm", lambda: edit_linear("leaf_features", "100000")),
    "lightgbm: a negative feature of a linear leaf": ("lightgbm", lambda: edit_linear("leaf_features", "-1")),
    "lightgbm: a linear leaf with more features": ("lightgbm", lambda: edit_linear("num_features", "2")),
    "lightgbm: a linear leaf with fewer than none": ("lightgbm", lambda: edit_linear("num_features", "-1")),
    "lightgbm: a child outside, of linear leaves": ("lightgbm", lambda: edit_linear("left_child", "400")),
    "lightgbm: a name too few": ("lightgbm", lambda: edit_text("feature_names=Column_0 ", "feature_names=")),
    "lightgbm: a set too short": ("lightgbm", lambda: with_first("cat_boundaries", "3")),
    "xgboost: no JSON": ("xgboost", lambda: b"{"),
    "xgboost: a child outside": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t)["left_children"].__setitem__(0, 99)),
    ),
    "xgboost: a circle": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t)["left_children"].__setitem__(1, 0)),
    ),
    "xgboost: one child": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t)["left_children"].__setitem__(0, -1)),
    ),
    "xgboost: a feature outside": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t)["split_indices"].__setitem__(0, 5)),
    ),
    "xgboost: an infinite threshold": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t)["split_conditions"].__setitem__(0, 1e39)),
    ),
    "xgboost: an output outside": (
        "xgboost",
        lambda: edit_json(
            "xgboost", lambda t: t["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 1)
        ),
    ),
    "xgboost: sets of too many": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: tree(t).update(categories_sizes=[99] * 99)),
    ),
    "xgboost: a base score of 1": (
        "xgboost",
        lambda: edit_json("xgboost", lambda t: t["learner"]["learner_model_param"].update(base_score="[1E0]")),
    ),
    "catboost: no JSON": ("catboost", lambda: b"CBM1"),
    "catboost: a leaf too few": (
        "catboost",
        lambda: edit_json("catboost", lambda t: t["oblivious_trees"][0]["leaf_values"].pop()),
    ),
    "catboost: a feature outside": (
        "catboost",
        lambda: edit_json(
            "catboost",
            lambda t: t["oblivious_trees"][0]["splits"].__setitem__(
                0, {"split_type": "FloatFeature", "float_feature_index": 9, "border": 0.5}
            ),
        ),
    ),
    "catboost: an infinite leaf": (
        "catboost",
        lambda: edit_json("catboost", lambda t: t["oblivious_trees"][0]["leaf_values"].__setitem__(0, np.inf)),
    ),
    "catboost: a scale that is none": (
        "catboost",
        lambda: edit_json("catboost", lambda t: t.update(scale_and_bias=[np.nan, [0]])),
    ),
    "catboost: features twice": (
        "catboost",
        lambda: edit_json("catboost", lambda t: t["features_info"]["float_features"][0].update(flat_feature_index=1)),
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_document_is_refused(name: str) -> None:
    """A document whose numbers point outside of it, or are none, is refused before anything follows them."""
    library, make = UNSOUND[name]
    with pytest.raises(ArtifactError, match=f"The stored {library} model") as caught:
        read_ensemble(library, make())
    assert caught.value.next_step


def change_booster(stated: Any) -> None:
    stated["learner"]["gradient_booster"]["name"] = "dart"


def change_objective(stated: Any) -> None:
    stated["learner"]["objective"]["name"] = "survival:cox"


def change_leaves(stated: Any) -> None:
    tree(stated)["tree_param"]["size_leaf_vector"] = "3"


UNREADABLE: dict[str, tuple[Library, Callable[[], bytes], str]] = {
    "linear leaves": ("lightgbm", lambda: fit_linear().encode(), "linear models"),
    "a custom objective": ("lightgbm", lambda: edit_text("objective=binary sigmoid:1\n", ""), "objective"),
    "dart": ("xgboost", lambda: edit_json("xgboost", change_booster), "'dart'"),
    "another objective": ("xgboost", lambda: edit_json("xgboost", change_objective), "survival:cox"),
    "leaves of vectors": ("xgboost", lambda: edit_json("xgboost", change_leaves), "one value for each output"),
    "statistics": (
        "catboost",
        lambda: edit_json("catboost", lambda stated: stated["features_info"].update(ctrs=[{}])),
        "target statistics",
    ),
    "texts": (
        "catboost",
        lambda: edit_json("catboost", lambda stated: stated["features_info"].update(text_features=[{}])),
        "texts",
    ),
    "no names of categories": (
        "catboost",
        lambda: edit_json("catboost", lambda stated: stated["features_info"].pop("cat_features_hash")),
        "does not name the categories",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_not_read_is_refused_by_name(name: str) -> None:
    """A sound document that uses what is not read here says what that is, so that its library predicts."""
    library, make, words = UNREADABLE[name]
    with pytest.raises(UnreadableTreesError, match=words):
        read_ensemble(library, make())
