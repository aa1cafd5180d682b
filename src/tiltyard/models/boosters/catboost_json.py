"""CatBoost's JSON files as trees.

The format and the arithmetic are those of CatBoost 1.2 (``catboost/libs/model/model_export/json_model_helpers.cpp`` and
``catboost/libs/model/cpu/evaluator_impl.cpp`` there): features and borders in single precision, sums in double. The
file has to be the first that the library wrote: its own reader of JSON changes the last bits of leaf values.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    join_trees,
    refuse,
)
from tiltyard.models.boosters.tree_ensemble import Arithmetic, Link, TreeEnsemble, build_ensemble

_WHERE = "catboost model"
_get = partial(get_part, _WHERE)
_LINKS: dict[str, Link] = {
    "Logloss": "sigmoid",
    "CrossEntropy": "sigmoid",
    "MultiClass": "softmax",
    "MultiClassOneVsAll": "sigmoids",
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "Huber", "LogCosh", "MAPE", "Lq", "Expectile"), "identity"),
    **dict.fromkeys(("Poisson", "Tweedie"), "exponential"),
}
_GAPS = {"AsTrue": GAP_RIGHT, "AsFalse": GAP_LEFT, "AsIs": GAP_LEFT}
_DEEPEST = 16
_HASH = 0xFFFFFFFF


def read_catboost(document: bytes) -> TreeEnsemble:
    """The trees of a JSON file that CatBoost wrote.

    Raises:
        ArtifactError: the file is not such a file, or its numbers do not fit together.
        UnreadableTreesError: it is sound, and uses what is not read here.
    """
    stated = parse_document(_WHERE, document)
    _refuse_unknown(stated)
    features = _Features(_get(stated, dict, "features_info"))
    scale, bias = _read_scale(_get(stated, list, "scale_and_bias"))
    outputs = len(bias)
    if "oblivious_trees" in stated:
        parts = [_read_oblivious(tree, outputs, features) for tree in _get(stated, list, "oblivious_trees")]
    else:
        parts = [_read_nested(tree, outputs, features) for tree in _get(stated, list, "trees")]
    zeros = np.zeros(outputs)
    return build_ensemble(
        join_trees("catboost", parts),
        Arithmetic(
            "catboost",
            features.names,
            np.full(len(parts), -1 if outputs > 1 else 0),
            chosen_left=False,
            baseline=zeros,
            bias=bias,
            link=_read_link(stated, outputs),
            scale=scale,
            single_features=True,
            category_names=features.name_categories(),
        ),
    )


def _refuse_unknown(stated: Any) -> None:
    held = _get(stated, dict, "features_info")
    for name, what in (("text_features", "texts"), ("embedding_features", "embeddings")):
        if held.get(name):
            raise UnreadableTreesError(f"it has features of {what}")
    if held.get("ctrs") or stated.get("ctr_data"):
        raise UnreadableTreesError("it has target statistics of categories")


def _read_link(stated: Any, outputs: int) -> Link:
    name = _get(stated, str, "model_info", "params", "loss_function", "type")
    if name not in _LINKS:
        raise UnreadableTreesError(f"its loss function {name!r} has no link that is known here")
    link = _LINKS[name]
    if (link in ("softmax", "sigmoids")) != (outputs > 1):
        refuse(_WHERE, f"has the loss function {name!r} and {outputs} outputs", outputs=outputs)
    return link


def _read_scale(held: list[Any]) -> tuple[float, NDArray[np.float64]]:
    try:
        scale, bias = held
        return float(scale), np.atleast_1d(np.array(bias, np.float64)).ravel()
    except (ValueError, TypeError):
        refuse(_WHERE, f"has the scale and bias {str(held)[:60]}", field="scale_and_bias")


class _Features:
    """The features by their places in a row, and what the splits of a document name them by."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        numbers = held.get("float_features") or []
        words = held.get("categorical_features") or []
        flat = sorted(_whole(one, "flat_feature_index") for one in [*numbers, *words])
        if flat != list(range(len(flat))):
            refuse(_WHERE, "numbers its features with gaps or twice")
        names = {
            _whole(one, "flat_feature_index"): str(one.get("feature_name") or one.get("feature_id") or "")
            for one in [*numbers, *words]
        }
        self.names = tuple(names[place] or f"f{place}" for place in flat)
        named = held.get("cat_features_hash") or []
        self._names = {_whole(one, "hash") & _HASH: str(one.get("value")) for one in named}
        self._numbers = {_whole(one, "feature_index"): one for one in numbers}
        self._words = {_whole(one, "feature_index"): one for one in words}
        self.hashes = {
            _whole(one, "flat_feature_index"): tuple(int(value) & _HASH for value in one.get("values") or ())
            for one in words
        }

    def name_categories(self) -> dict[int, tuple[str, ...]]:
        """The categories that splits ask for, by feature, in the order of their numbers here.

        Raises:
            UnreadableTreesError: the file was written without the rows that name them.
        """
        names = self._names
        if any(value not in names for values in self.hashes.values() for value in values):
            raise UnreadableTreesError("its file does not name the categories that stand behind its hashes")
        return {place: tuple(names[value] for value in values) for place, values in self.hashes.items() if values}

    def read_split(self, split: Any) -> tuple[int, float, int, int]:
        """The feature of a split, its border, what a gap does, and the category that goes right; -1 for none."""
        kind = _get(split, str, "split_type")
        if kind == "FloatFeature":
            feature = self._find(self._numbers, split, "float_feature_index")
            border = float(np.float32(_number(split, "border")))
            gap = _GAPS.get(str(feature.get("nan_value_treatment")))
            if gap is None:
                refuse(_WHERE, f"treats gaps {str(feature.get('nan_value_treatment'))[:40]!r}")
            return _whole(feature, "flat_feature_index"), border, gap, -1
        if kind == "OneHotFeature":
            feature = self._find(self._words, split, "cat_feature_index")
            place = _whole(feature, "flat_feature_index")
            value = _whole(split, "value") & _HASH
            if value not in self.hashes[place]:
                refuse(_WHERE, f"splits by a category that feature {self.names[place]!r} has not")
            return place, 0.0, GAP_LEFT, self.hashes[place].index(value)
        raise UnreadableTreesError(f"it has splits of the kind {kind!r}")

    def _find(self, held: Mapping[int, Any], split: Any, name: str) -> Any:
        number = _whole(split, name)
        if number not in held:
            refuse(_WHERE, f"splits by the {name} {number}, and there are {len(held)}", value=number)
        return held[number]


def _read_oblivious(tree: Any, outputs: int, features: _Features) -> RawTrees:
    """A tree that asks the same at each node of a level, with all its nodes.

    The first split gives the lowest bit of a leaf's number, so it is queried last.
    """
    splits = [features.read_split(split) for split in reversed(tree.get("splits") or [])]
    depth = len(splits)
    if depth > _DEEPEST:
        refuse(_WHERE, f"has a tree of depth {depth}", value=depth)
    leaves = 1 << depth
    values = _values(tree, "leaf_values")
    if len(values) != leaves * outputs:
        refuse(
            _WHERE,
            f"has a tree of depth {depth} with {format_count(len(values), 'leaf value')} for "
            f"{format_count(outputs, 'output')}",
        )
    weights = _values(tree, "leaf_weights") if tree.get("leaf_weights") else np.ones(leaves)
    if len(weights) != leaves:
        refuse(_WHERE, f"has a tree of depth {depth} with {format_count(len(weights), 'leaf weight')}")
    inner = leaves - 1
    level = np.repeat(np.arange(depth), 1 << np.arange(depth))
    queried = np.array(splits, np.float64).reshape(depth, 4)[level]
    place = np.arange(inner)
    return _make_trees(queried, 2 * place + 1, 2 * place + 2, values.reshape(leaves, outputs), weights)


def _read_nested(tree: Any, outputs: int, features: _Features) -> RawTrees:
    """A tree whose nodes hold their children; leaves are numbered after all inner nodes."""
    queried: list[tuple[int, float, int, int]] = []
    children: list[list[int]] = []
    leaves: list[list[Any]] = []
    weights: list[float] = []
    waiting: list[tuple[Any, int, int]] = [(tree, -1, 0)]
    while waiting:
        node, parent, side = waiting.pop()
        if isinstance(node, dict) and "split" in node:
            place = len(queried)
            queried.append(features.read_split(node["split"]))
            children.append([0, 0])
            waiting += [(node.get("right"), place, 1), (node.get("left"), place, 0)]
        else:
            place = ~len(leaves)
            value = _get(node, dict).get("value")
            leaves.append(value if isinstance(value, list) else [value])
            weights.append(_number(node, "weight") if "weight" in node else 1.0)
        if parent >= 0:
            children[parent][side] = place
    try:
        values = np.array(leaves, np.float64)
    except (ValueError, TypeError):
        refuse(_WHERE, "has leaves that hold no numbers")
    if values.shape != (len(leaves), outputs):
        refuse(_WHERE, f"has leaves of {values.shape[1]} values for {outputs} outputs", outputs=outputs)
    pairs = np.array(children, np.int64).reshape(len(queried), 2)
    pairs = np.where(pairs < 0, len(queried) + ~pairs, pairs)
    return _make_trees(
        np.array(queried, np.float64).reshape(len(queried), 4), pairs[:, 0], pairs[:, 1], values, np.array(weights)
    )


def _make_trees(
    queried: NDArray[np.float64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> RawTrees:
    inner, leaves = len(queried), len(values)
    pad = np.zeros(leaves, np.int64)
    categories = queried[:, 3].astype(np.int64)
    chosen = np.unique(categories[categories >= 0])
    choice = np.where(categories >= 0, np.searchsorted(chosen, categories), -1)
    return RawTrees(
        roots=np.zeros(1, np.int64),
        tested=np.concatenate([queried[:, 0].astype(np.int64), pad + LEAF]),
        thresholds=np.concatenate([queried[:, 1], pad]),
        left=np.concatenate([left, pad]),
        right=np.concatenate([right, pad]),
        gaps=np.concatenate([queried[:, 2], pad]).astype(np.uint8),
        choice=np.concatenate([choice, pad - 1]),
        sets=tuple(chosen[place : place + 1] for place in range(len(chosen))),
        values=np.concatenate([np.zeros((inner, values.shape[1])), values]),
        weights=np.concatenate([np.zeros(inner), weights]),
    )


def _whole(held: Any, name: str) -> int:
    value = held.get(name) if isinstance(held, dict) else None
    if not isinstance(value, int):
        refuse(_WHERE, f"has no whole number in {name!r}: {str(value)[:60]!r}", field=name, value=str(value)[:60])
    return value


def _number(held: Any, name: str) -> float:
    value = held.get(name) if isinstance(held, dict) else None
    if not isinstance(value, int | float):
        refuse(_WHERE, f"has no number in {name!r}: {str(value)[:60]!r}", field=name, value=str(value)[:60])
    return float(value)


def _values(held: Any, name: str) -> NDArray[np.float64]:
    try:
        return np.array(_get(held, list, name), np.float64).ravel()
    except (ValueError, TypeError):
        refuse(_WHERE, f"has in {name!r} something other than numbers", field=name)
