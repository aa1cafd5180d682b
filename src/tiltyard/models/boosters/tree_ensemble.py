"""Fitted trees as arrays, in one form for scikit-learn, LightGBM, XGBoost and CatBoost, held against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.boosters.raw_trees import LEAF, RawTrees, check_numbers, refuse

_MOST_NODES = 2**31 - 2

Floats = NDArray[np.float64]
Library = Literal["scikit-learn", "lightgbm", "xgboost", "catboost"]
Link = Literal["identity", "sigmoid", "sigmoids", "softmax", "exponential", "signed-square", "log1p-exponential"]


@dataclass(frozen=True)
class Arithmetic:
    """What a document says in addition to its nodes: what a row's features become is a sum over trees, then a link.

    The sum begins with ``baseline``, adds the trees in their order, in single precision where ``single``, is divided by
    ``divisor``, multiplied by ``scale``, and ``bias`` is added; then comes the link.

    Attributes:
        library: whose arithmetic it is.
        feature_names: as the document has them.
        outputs: whole numbers (trees,), the output that a tree adds to; -1 for all at once.
        chosen_left: whether a category in a node's set goes left, and any other right; else the other way round.
        baseline, bias: float64 (outputs,).
        link: what makes a prediction of the sums.
        divisor, scale: see above.
        single: whether features, thresholds and sums are in single precision.
        single_features: whether features alone are rounded to single precision.
        steepness: what a sigmoid's sum is multiplied by.
        category_names: of CatBoost, which knows categories as texts, the one that each number in a set stands for, by
            feature.
    """

    library: Library
    feature_names: tuple[str, ...]
    outputs: NDArray[np.signedinteger[Any]]
    chosen_left: bool
    baseline: Floats
    bias: Floats
    link: Link
    divisor: float = 1.0
    scale: float = 1.0
    single: bool = False
    single_features: bool = False
    steepness: float = 1.0
    category_names: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TreeEnsemble(Arithmetic):
    """A fitted booster: its arithmetic, and its nodes, held against each other.

    The nodes of a tree stand together, level by level, and the right child of a node stands after its left one.

    Attributes:
        roots: int32 (trees,).
        outputs: int32 (trees,).
        tested, thresholds, gaps, values, weights: as of ``RawTrees``, in another order.
        children: int32 (nodes,), the left child; of a leaf itself.
        choice: int32 (nodes,), the set of categories of a node; -1 for a threshold.
        sets: each sorted, distinct, not negative.
        categorical: bool (features,), whether a feature is split by sets.
    """

    outputs: NDArray[np.int32]
    roots: NDArray[np.int32]
    tested: NDArray[np.int32]
    thresholds: Floats
    gaps: NDArray[np.uint8]
    children: NDArray[np.int32]
    choice: NDArray[np.int32]
    sets: tuple[NDArray[np.int64], ...]
    values: Floats
    weights: Floats
    categorical: NDArray[np.bool_]


def build_ensemble(raw: RawTrees, stated: Arithmetic) -> TreeEnsemble:
    """Check the nodes of a document and bring them into order.

    Raises:
        ArtifactError: a node points outside its trees or comes twice, a number is not finite, a feature or a category
            is none, or the numbers of outputs do not fit together.
    """
    _check_numbers(raw, stated)
    order, firsts = _order_nodes(raw, stated.library)
    leaf = raw.tested[order] == LEAF
    places = np.empty(len(raw.tested), np.int64)
    places[order] = np.arange(len(order))
    children = np.where(leaf, np.arange(len(order)), places[np.where(leaf, order, raw.left[order])])
    categorical = np.zeros(len(stated.feature_names), np.bool_)
    categorical[raw.tested[(raw.choice >= 0) & (raw.tested != LEAF)]] = True
    mixed = np.unique(raw.tested[(raw.choice < 0) & (raw.tested != LEAF)])
    if categorical[mixed].any():
        feature = stated.feature_names[int(mixed[categorical[mixed]][0])]
        refuse(
            f"{stated.library} model", f"splits feature {feature!r} by categories and by a threshold", feature=feature
        )
    return TreeEnsemble(
        **{**vars(stated), "outputs": stated.outputs.astype(np.int32)},
        roots=firsts.astype(np.int32),
        tested=raw.tested[order].astype(np.int32),
        thresholds=raw.thresholds[order],
        gaps=raw.gaps[order],
        children=children.astype(np.int32),
        choice=np.where(leaf, -1, raw.choice[order]).astype(np.int32),
        sets=tuple(np.unique(chosen) for chosen in raw.sets),
        values=np.ascontiguousarray(raw.values[order]),
        weights=raw.weights[order],
        categorical=categorical,
    )


def _check_numbers(raw: RawTrees, stated: Arithmetic) -> None:
    where = f"{stated.library} model"
    nodes, outputs = len(raw.tested), len(stated.baseline)
    if not len(raw.roots) or not outputs or not stated.feature_names:
        refuse(where, "has no tree, no output or no feature")
    if nodes > _MOST_NODES:
        refuse(where, f"has {nodes} nodes", nodes=nodes)
    lengths = {
        len(part) for part in (raw.thresholds, raw.left, raw.right, raw.gaps, raw.choice, raw.values, raw.weights)
    }
    if lengths != {nodes} or len(stated.outputs) != len(raw.roots) or len(stated.bias) != outputs:
        refuse(where, "has lists of unequal lengths for the same nodes, trees or outputs")
    inner = raw.tested != LEAF
    check_numbers(where, "splits by feature", raw.tested[inner], len(stated.feature_names))
    check_numbers(where, "splits by set of categories", raw.choice[inner & (raw.choice != -1)], len(raw.sets))
    check_numbers(where, "has a root at node", raw.roots, nodes)
    check_numbers(where, "adds a tree to output", stated.outputs[stated.outputs != -1], outputs)
    width = raw.values.shape[1]
    if width != (outputs if (stated.outputs == -1).any() else 1) or (
        (stated.outputs == -1).any() != (stated.outputs == -1).all()
    ):
        refuse(where, f"has leaves of {width} values for {outputs} outputs", values=width, outputs=outputs)
    for chosen in raw.sets:
        if len(chosen):
            check_numbers(where, "has in a set the category", chosen, 2**24)
    thresholds = raw.thresholds[inner & (raw.choice < 0)]
    # Below the lowest number of single precision there is only minus infinity; LightGBM and scikit-learn divide gaps
    # from numbers by a threshold of infinity, which all numbers are below.
    endless = stated.library in ("lightgbm", "scikit-learn")
    lowest = np.where(endless, thresholds == np.inf, stated.single & (thresholds == -np.inf))
    numbers = [("threshold", thresholds[~lowest]), ("leaf value", raw.values[~inner]), ("weight", raw.weights)]
    numbers += [("base score", stated.baseline), ("bias", stated.bias)]
    numbers += [("factor", np.array([stated.divisor, stated.scale, stated.steepness]))]
    for name, found in numbers:
        wrong = found[~np.isfinite(found)]
        if wrong.size:
            refuse(where, f"has the {name} {float(wrong.flat[0])}, which is not finite", value=str(wrong.flat[0]))


def _order_nodes(raw: RawTrees, library: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Follow all trees from their roots: the nodes in the new order, and where each tree begins."""
    where = f"{library} model"
    nodes = len(raw.tested)
    reached = np.zeros(nodes, np.bool_)
    place, tree = raw.roots, np.arange(len(raw.roots))
    found: list[tuple[Any, Any]] = []
    while place.size:
        doubled = place.size != np.unique(place).size or reached[place].any()
        if doubled:
            refuse(where, "has a node with two parents, or trees that go in circles")
        reached[place] = True
        found.append((place, tree))
        inner = raw.tested[place] != LEAF
        parents, owners = place[inner], tree[inner]
        pairs = np.stack([raw.left[parents], raw.right[parents]], axis=1).ravel()
        check_numbers(where, "has a node whose child is node", pairs, nodes)
        place, tree = pairs, np.repeat(owners, 2)
    order = np.concatenate([places for places, _ in found])
    owner = np.concatenate([owners for _, owners in found])
    by_tree = np.argsort(owner, kind="stable")
    order, owner = order[by_tree], owner[by_tree]
    return order, np.searchsorted(owner, np.arange(len(raw.roots)))
