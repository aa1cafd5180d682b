"""XGBoost's JSON files as trees.

The format and the arithmetic are those of XGBoost 3 (``doc/model.schema``, ``src/tree/tree_model.cc``,
``src/predictor/`` and ``src/common/math.h`` there): everything in single precision.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.formatting import format_count
from tiltyard.models.boosters.json_parts import get_part, parse_document
from tiltyard.models.boosters.raw_trees import (
    GAP_LEFT,
    GAP_RIGHT,
    LEAF,
    RawTrees,
    UnreadableTreesError,
    check_numbers,
    join_trees,
    refuse,
)
from tiltyard.models.boosters.tree_ensemble import Arithmetic, Link, TreeEnsemble, build_ensemble

_WHERE = "xgboost model"
_get = partial(get_part, _WHERE)
_LINKS: dict[str, Link] = {
    "binary:logistic": "sigmoid",
    "reg:logistic": "sigmoid",
    "multi:softprob": "softmax",
    **dict.fromkeys(
        (
            *("reg:squarederror", "reg:absoluteerror", "reg:quantileerror", "reg:pseudohubererror"),
            "reg:squaredlogerror",
        ),
        "identity",
    ),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), "exponential"),
}
_ONE = np.float32(1.0)


def read_xgboost(document: bytes) -> TreeEnsemble:
    """The trees of a JSON file that XGBoost wrote.

    Raises:
        ArtifactError: the file is not such a file, or its numbers do not fit together.
        UnreadableTreesError: it is sound, and uses what is not read here.
    """
    stated = parse_document(_WHERE, document)
    learner = _get(stated, dict, "learner")
    booster = _get(learner, str, "gradient_booster", "name")
    if booster != "gbtree":
        raise UnreadableTreesError(f"its booster is {booster!r}, whose sums are not read here")
    model = _get(learner, dict, "gradient_booster", "model")
    trees = _get(model, list, "trees")
    parameters = _get(learner, dict, "learner_model_param")
    outputs = max(1, _whole(parameters, "num_class"), _whole(parameters, "num_target"))
    features = _whole(parameters, "num_feature")
    parts = [_read_tree(tree, number, features) for number, tree in enumerate(trees)]
    names = tuple(str(name) for name in learner.get("feature_names") or ()) or tuple(f"f{k}" for k in range(features))
    if len(names) != features:
        refuse(
            _WHERE, f"names {format_count(len(names), 'feature')} and says that there are {features}", features=features
        )
    name = _get(learner, str, "objective", "name")
    if name not in _LINKS:
        raise UnreadableTreesError(f"its objective {name!r} has no link that is known here")
    link = _LINKS[name]
    if (link == "softmax") != (_whole(parameters, "num_class") > 1):
        refuse(_WHERE, f"has the objective {name!r} and {outputs} outputs", outputs=outputs)
    return build_ensemble(
        join_trees("xgboost", parts),
        Arithmetic(
            "xgboost",
            names,
            _array(model, "tree_info", len(parts), np.int64),
            chosen_left=False,
            baseline=_read_base(_get(parameters, str, "base_score"), outputs, link),
            bias=np.zeros(outputs),
            link=link,
            single=True,
            single_features=True,
        ),
    )


def _read_base(text: str, outputs: int, link: Link) -> NDArray[np.float64]:
    """What the sums begin with: the base score, brought by the inverse of the link to where trees are added."""
    try:
        given = np.array([float(part) for part in text.strip("[]").split(",")], np.float32)
    except ValueError:
        refuse(_WHERE, f"has the base score {text[:60]!r}, not a number", field="base_score", value=text[:60])
    if len(given) not in (1, outputs):
        refuse(
            _WHERE,
            f"has {format_count(len(given), 'base score')} for {format_count(outputs, 'output')}",
            field="base_score",
        )
    base = np.broadcast_to(given, outputs)
    bounded = (base > 0) & (base < 1 if link == "sigmoid" else True)
    if link in ("sigmoid", "exponential") and not bounded.all():
        refuse(_WHERE, f"has the base score {text[:60]!r}, outside of what its objective gives", field="base_score")
    if link == "sigmoid":
        base = -_log(_ONE / base - _ONE)
    elif link == "exponential":
        base = _log(base)
    return np.asarray(base, np.float32).astype(np.float64)


def _log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logarithm of the C library, as XGBoost calls it: that of NumPy, or rounded from double, may differ."""
    try:
        logarithm = ctypes.CDLL(None).logf
    except (OSError, AttributeError, TypeError):  # where the process has no such name, as on Windows
        return np.log(values.astype(np.float64)).astype(np.float32)
    logarithm.argtypes, logarithm.restype = [ctypes.c_float], ctypes.c_float
    return np.array([logarithm(float(value)) for value in values], np.float32)


def _read_tree(tree: Any, number: int, features: int) -> RawTrees:
    where = f"{_WHERE}, tree {number},"
    parameters = _get(tree, dict, "tree_param")
    nodes = _whole(parameters, "num_nodes")
    if _whole(parameters, "size_leaf_vector") > 1:
        raise UnreadableTreesError("its leaves hold one value for each output")
    left, right = (_array(tree, name, nodes, np.int64) for name in ("left_children", "right_children"))
    leaf = left == -1
    if nodes < 1 or (leaf != (right == -1)).any():
        refuse(where, "has a node with one child")
    conditions = _array(tree, "split_conditions", nodes, np.float32)
    wrong = conditions[~np.isfinite(conditions)]
    if wrong.size:
        refuse(where, f"has the split condition {wrong[0]}, which is not finite", value=str(wrong[0]))
    kinds = _array(tree, "split_type", nodes, np.int64) if tree.get("split_type") else np.zeros(nodes, np.int64)
    choice, sets = _read_sets(tree, kinds, leaf, where)
    tested = _array(tree, "split_indices", nodes, np.int64)
    check_numbers(where, "splits by feature", tested[~leaf], features)
    default_left = _array(tree, "default_left", nodes, np.int64) != 0
    return RawTrees(
        roots=np.zeros(1, np.int64),
        tested=np.where(leaf, LEAF, tested),
        # Rows go left that are below it; that is where they are not above the number before it.
        thresholds=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        left=left,
        right=right,
        gaps=np.where(default_left, GAP_LEFT, GAP_RIGHT).astype(np.uint8),
        choice=choice,
        sets=sets,
        values=np.where(leaf, conditions, np.float32(0)).astype(np.float64)[:, np.newaxis],
        weights=np.where(leaf, _array(tree, "sum_hessian", nodes, np.float64), 0.0),
    )


def _read_sets(
    tree: Any, kinds: NDArray[np.int64], leaf: NDArray[np.bool_], where: str
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...]]:
    choice = np.full(len(kinds), -1, np.int64)
    splits = np.flatnonzero((kinds == 1) & ~leaf)
    if ((kinds != 0) & (kinds != 1)).any():
        refuse(where, f"has the split type {int(kinds[(kinds != 0) & (kinds != 1)][0])}, which is unknown")
    if not len(splits):
        return choice, ()
    categories = _array(tree, "categories", None, np.int64)
    owners = _array(tree, "categories_nodes", None, np.int64)
    starts = _array(tree, "categories_segments", len(owners), np.int64)
    sizes = _array(tree, "categories_sizes", len(owners), np.int64)
    fits = (starts >= 0) & (sizes >= 0) & (starts + sizes <= len(categories)) & (owners >= 0) & (owners < len(kinds))
    if not fits.all() or not np.isin(splits, owners).all() or len(np.unique(owners)) != len(owners):
        refuse(where, "has sets of categories that do not fit its nodes")
    choice[owners] = np.arange(len(owners))
    sets = tuple(categories[start : start + size] for start, size in zip(starts, sizes, strict=True))
    return np.where((kinds == 1) & ~leaf, choice, -1), sets


def _whole(parameters: dict[str, Any], name: str) -> int:
    text = parameters.get(name, "0")
    try:
        return int(str(text))
    except ValueError:
        refuse(_WHERE, f"has no whole number in {name!r}: {str(text)[:60]!r}", field=name, value=str(text)[:60])


def _array(stated: Any, name: str, count: int | None, kind: type) -> NDArray[Any]:
    held = _get(stated, list, name)
    try:
        found = np.array(held, dtype=np.float64)
    except (ValueError, TypeError):
        refuse(_WHERE, f"has in {name!r} something other than numbers", field=name)
    if found.ndim != 1 or (count is not None and len(found) != count):
        refuse(_WHERE, f"has {len(found) if found.ndim else 0} numbers in {name!r} in place of {count}", field=name)
    if kind is np.int64 and not ((found == np.trunc(found)) & (np.abs(found) < 2.0**53)).all():
        refuse(_WHERE, f"has in {name!r} something other than whole numbers", field=name)
    with np.errstate(over="ignore"):
        return found.astype(kind)
