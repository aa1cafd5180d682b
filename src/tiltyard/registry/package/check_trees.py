"""Trees of a stored model that point outside themselves.

scikit-learn follows the node and column numbers of a fitted tree without checking them (which is why skops does not
trust trees by default): a crafted file can make the process read foreign memory, loop for ever or crash. Here
they are checked once, when the model is loaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError
from tiltyard.registry.package.object_graph import walk_objects

_BITSET = 8  # words of 32 bits of a set of categories


def check_trees(model: Any) -> None:
    """Check every decision tree and boosting tree in a model, before anything is predicted.

    Raises:
        ArtifactError: a node's child does not come after it in its tree, or its column is none of the model's.
    """
    for part in walk_objects(model):
        columns = getattr(part, "n_features_in_", None)
        held = getattr(part, "__dict__", {})
        if "tree_" in held:
            _check(_is_sound(part.tree_, columns), part)
        if "estimators_" in held and columns is not None:
            _check(_fit_together(part, columns), part)
        for predictor in _predictors(held.get("_predictors")):
            _check(_is_sound_predictor(predictor, columns), part)


def _check(sound: bool, owner: Any) -> None:
    if not sound:
        raise ArtifactError(
            f"The stored model holds a {type(owner).__name__} whose trees point outside themselves.",
            next_step="Do not use this version; find out who made it.",
            code="artifact.unsound-tree",
        )


def _is_sound(tree: Any, columns: int | None) -> bool:
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    return (
        tree.node_count > 0
        and tree.n_features == columns
        and bool(np.all(right[~inner] == -1))
        and _leads_on(inner, left, right)
        and _among(tree.feature[inner], columns)
        and tree.value.shape[0] == tree.node_count
    )


def _is_sound_predictor(predictor: Any, columns: int | None) -> bool:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    categorical = inner & (nodes["is_categorical"] != 0)
    sets = (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets)
    bitsets = min(map(len, sets))
    return (
        len(nodes) > 0
        and all(held.shape[1:] == (_BITSET,) for held in sets)
        and columns is not None
        and _leads_on(inner, nodes["left"].astype(np.int64), nodes["right"].astype(np.int64))
        and _among(nodes["feature_idx"][inner].astype(np.int64), columns)
        and _among(nodes["bitset_idx"][categorical].astype(np.int64), bitsets)
    )


def _fit_together(ensemble: Any, columns: int) -> bool:
    """Whether the trees of an ensemble that reads their arrays itself are for as many columns as it is."""
    kind = type(ensemble).__name__.removesuffix("Classifier").removesuffix("Regressor")
    if kind not in ("RandomForest", "ExtraTrees", "GradientBoosting"):
        return True
    members = np.asarray(ensemble.estimators_, dtype=object).flat
    trees = [member.tree_ for member in members if hasattr(member, "tree_")]
    if kind == "GradientBoosting" and not _fits_its_sums(ensemble, trees):
        return False
    return all(tree.n_features == columns for tree in trees)


def _fits_its_sums(boosting: Any, trees: list[Any]) -> bool:
    """Whether the trees of a turn are as many as the sums that they are added to, without a check, when it predicts."""
    turns = np.shape(boosting.estimators_)[1]
    start = boosting.init_
    if isinstance(start, str):
        sums = boosting.n_trees_per_iteration_
    elif not boosting._loss.is_multiclass:  # noqa: SLF001
        sums = 1
    else:
        # Of another estimator only a prediction would show it, and none is made here.
        sums = len(start.class_prior_) if type(start).__name__ == "DummyClassifier" else -1
    return turns == sums and all(tree.value.shape[1:] == (1, 1) for tree in trees)


def _leads_on(inner: NDArray[np.bool_], left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    """Whether every child comes after its parent, so that no walk leaves the tree or goes in circles."""
    place = np.arange(len(inner))[inner]
    first, last = np.minimum(left[inner], right[inner]), np.maximum(left[inner], right[inner])
    return bool(np.all(first > place) and np.all(last < len(inner)))


def _among(numbers: NDArray[np.int64], count: int | None) -> bool:
    return count is not None and bool(np.all((numbers >= 0) & (numbers < count)))


def _predictors(stages: Any) -> list[Any]:
    return [predictor for stage in stages for predictor in stage] if isinstance(stages, list) else []
