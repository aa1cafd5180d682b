"""Fitted trees, forests and boostings of scikit-learn in the form that the compiled loops take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError
from tiltyard.models.boosters.raw_trees import GAP_LEFT, GAP_RIGHT, LEAF, RawTrees, join_trees
from tiltyard.models.boosters.tree_ensemble import Arithmetic, Link, TreeEnsemble, build_ensemble
from tiltyard.scoring.scorer import NotCompilableError

_CATEGORIES = 256  # scikit-learn keeps a category in a byte


def read_fitted_trees(estimator: Any) -> TreeEnsemble | None:
    """The trees of a fitted tree, forest or histogram gradient boosting.

    Args:
        estimator: a classifier, or a regressor that predicts one number.

    Returns:
        None where it is something else.

    Raises:
        NotCompilableError: it uses what has no compiled form, or its arrays do not fit together.
    """
    from sklearn.ensemble import (  # noqa: PLC0415 - only who compiles a model needs it
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: PLC0415 - likewise

    kind = type(estimator)
    try:
        if kind in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
            return _read_boosting(estimator)
        if kind in (RandomForestClassifier, ExtraTreesClassifier, RandomForestRegressor, ExtraTreesRegressor):
            return _read_forest(estimator.estimators_, estimator.n_features_in_)
        if kind in (DecisionTreeClassifier, DecisionTreeRegressor):
            return _read_forest([estimator], estimator.n_features_in_)
    except ArtifactError as error:
        raise NotCompilableError(f"its trees do not fit together: {error}") from None
    return None


def _read_forest(members: Sequence[Any], features: int) -> TreeEnsemble:
    """The sum of the trees' leaves, each one number or the shares of all classes, divided by the number of trees."""
    if members[0].n_outputs_ != 1:
        raise NotCompilableError("its forest predicts several things at once")
    outputs = len(getattr(members[0], "classes_", (0,)))
    parts = []
    for member in members:
        nodes = member.tree_.__getstate__()["nodes"]
        leaf = nodes["left_child"] < 0
        parts.append(
            RawTrees(
                roots=np.zeros(1, np.int64),
                tested=np.where(leaf, LEAF, nodes["feature"]).astype(np.int64),
                thresholds=nodes["threshold"].astype(np.float64),
                left=nodes["left_child"].astype(np.int64),
                right=nodes["right_child"].astype(np.int64),
                gaps=_list_gaps(nodes),
                choice=np.full(len(nodes), -1, np.int64),
                sets=(),
                values=np.ascontiguousarray(member.tree_.value[:, 0, :outputs], np.float64),
                weights=nodes["weighted_n_node_samples"].astype(np.float64),
            )
        )
    stated = _state(features, outputs, np.full(len(parts), -1), "identity", np.zeros(outputs))
    return build_ensemble(
        join_trees("scikit-learn", parts),
        Arithmetic(**{**vars(stated), "divisor": float(len(members)), "single_features": True}),
    )


def _read_boosting(boosting: Any) -> TreeEnsemble:
    """The sum of a baseline and the trees' leaves; of several classes the trees take the outputs in turn."""
    from sklearn._loss.link import IdentityLink  # noqa: PLC0415 - only who compiles a model needs it

    outputs = int(boosting.n_trees_per_iteration_)
    link: Link = "identity"
    if hasattr(boosting, "classes_"):
        link = "sigmoid" if outputs == 1 else "softmax"
    elif not isinstance(boosting._loss.link, IdentityLink):  # noqa: SLF001
        raise NotCompilableError(f"its loss {boosting.loss} has a link")
    unknown = _find_unknown(boosting)
    parts = [_read_predictor(one, unknown) for turn in boosting._predictors for one in turn]  # noqa: SLF001
    owners = np.arange(len(parts)) % outputs
    baseline = np.asarray(boosting._baseline_prediction, np.float64).ravel()  # noqa: SLF001
    stated = _state(boosting.n_features_in_, outputs, owners, link, baseline)
    return build_ensemble(join_trees("scikit-learn", parts), stated)


def _read_predictor(predictor: Any, unknown: dict[int, NDArray[np.int64]]) -> RawTrees:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    gaps = _list_gaps(nodes)
    choice = np.full(len(nodes), -1, np.int64)
    sets: list[NDArray[np.int64]] = []
    for node in np.flatnonzero(nodes["is_categorical"].astype(np.bool_) & ~leaf).tolist():
        bits = np.ascontiguousarray(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]], "<u4")
        held = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).astype(np.int64)
        if gaps[node] == GAP_LEFT:
            # A category that training did not see goes where a gap goes.
            held = np.union1d(held, unknown[int(nodes["feature_idx"][node])])
        choice[node] = len(sets)
        sets.append(held)
    return RawTrees(
        roots=np.zeros(1, np.int64),
        tested=np.where(leaf, LEAF, nodes["feature_idx"].astype(np.int64)),
        thresholds=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        gaps=gaps,
        choice=choice,
        sets=tuple(sets),
        values=nodes["value"].astype(np.float64)[:, np.newaxis],
        weights=nodes["count"].astype(np.float64),
    )


def _state(features: int, outputs: int, owners: NDArray[Any], link: Link, baseline: NDArray[np.float64]) -> Arithmetic:
    return Arithmetic(
        library="scikit-learn",
        feature_names=tuple(f"feature {number}" for number in range(features)),
        outputs=owners.astype(np.int32),
        chosen_left=True,
        baseline=baseline,
        bias=np.zeros(outputs),
        link=link,
    )


def _find_unknown(boosting: Any) -> dict[int, NDArray[np.int64]]:
    """Of each feature of categories those that training did not see."""
    if boosting.is_categorical_ is None:
        return {}
    mapper = boosting._bin_mapper  # noqa: SLF001 - it numbers features as the nodes do: those of categories first
    sets, positions = mapper.make_known_categories_bitsets()
    found = {}
    for feature in np.flatnonzero(mapper.is_categorical_).tolist():
        bits = np.ascontiguousarray(sets[positions[feature]], "<u4")
        known = np.unpackbits(bits.view(np.uint8), bitorder="little")[:_CATEGORIES]
        found[feature] = np.flatnonzero(known == 0).astype(np.int64)
    return found


def _list_gaps(nodes: Any) -> NDArray[np.uint8]:
    gaps: NDArray[np.uint8] = np.where(nodes["missing_go_to_left"].astype(np.bool_), GAP_LEFT, GAP_RIGHT)
    return gaps.astype(np.uint8)
