"""LightGBM's text files as trees.

The format and the arithmetic are those of LightGBM 4 (``src/io/tree.cpp``, ``include/LightGBM/tree.h`` and
``src/boosting/gbdt_model_text.cpp`` there).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.formatting import format_count
from tiltyard.models.boosters.raw_trees import (
    GAP_IS_ZERO,
    GAP_LEFT,
    GAP_RIGHT,
    LEAF,
    ZERO_LEFT,
    ZERO_RIGHT,
    RawTrees,
    UnreadableTreesError,
    check_numbers,
    join_trees,
    refuse,
)
from tiltyard.models.boosters.tree_ensemble import Arithmetic, Link, TreeEnsemble, build_ensemble

_WHERE = "lightgbm model"
_VERSIONS = ("v3", "v4")
_LINKS: dict[str, Link] = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "multiclass": "softmax",
    "multiclassova": "sigmoids",
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exponential"),
    "cross_entropy_lambda": "log1p-exponential",
}
_PLAIN: tuple[Link, float] = ("identity", 1.0)
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_NO_MISSING, _ZERO_IS_MISSING, _NAN_IS_MISSING = range(3)
_BITS = 32


def read_lightgbm(document: bytes) -> TreeEnsemble:
    """The trees of a text file that LightGBM wrote.

    Raises:
        ArtifactError: the file is not such a file, or its numbers do not fit together.
        UnreadableTreesError: it is sound, and uses what is not read here.
    """
    head, trees, _ = _split_file(document)
    if head.get("version") not in _VERSIONS:
        refuse(_WHERE, f"is of LightGBM's format {head.get('version', '')[:20]!r}, and v3 and v4 can be checked")
    outputs = _whole(head, "num_tree_per_iteration")
    names = tuple(head.get("feature_names", "").split())
    if _whole(head, "max_feature_idx") + 1 != len(names):
        refuse(
            _WHERE,
            f"names {format_count(len(names), 'feature')} and has the largest {head['max_feature_idx']}",
            features=len(names),
        )
    if not trees or len(trees) % outputs:
        refuse(
            _WHERE,
            f"has {format_count(len(trees), 'tree')} for {format_count(outputs, 'output')}",
            trees=len(trees),
            outputs=outputs,
        )
    raw = join_trees("lightgbm", [_read_tree(tree, number, len(names)) for number, tree in enumerate(trees)])
    unknown = _find_unknown(head, trees)
    link, steepness = _PLAIN if unknown else _read_objective(head, outputs)
    divisor = float(len(trees) // outputs) if "average_output" in head else 1.0
    turns = np.arange(len(trees)) % outputs
    zeros = np.zeros(outputs)
    stated = Arithmetic("lightgbm", names, turns, True, zeros, zeros, link, divisor=divisor, steepness=steepness)
    ensemble = build_ensemble(raw, stated)
    if unknown:  # the library follows the trees all the same, so they were checked
        raise UnreadableTreesError(unknown)
    return ensemble


def _find_unknown(head: dict[str, str], trees: list[dict[str, str]]) -> str:
    """What of a file is not read here, in words; empty where all of it is."""
    name = (head.get("objective", "").split() or [""])[0]
    if name not in _LINKS:
        return f"its objective {name or 'custom'!r} has no link that is known here"
    return "its leaves hold linear models" if any(map(_is_linear, trees)) else ""


def _is_linear(tree: dict[str, str]) -> bool:
    return tree.get("is_linear", "0") != "0"


def read_pandas_categories(document: bytes) -> list[list[Any]]:
    """The categories of each pandas column of that kind, in the order of the columns; a code is a place in its list.

    Raises:
        ArtifactError: the file has no such line, or it is not JSON.
    """
    _, _, found = _split_file(document)
    return found


def _split_file(document: bytes) -> tuple[dict[str, str], list[dict[str, str]], list[list[Any]]]:
    """The lines before the trees, those of each tree, and pandas' categories."""
    try:
        text = document.decode()
    except UnicodeDecodeError:
        refuse(_WHERE, "is not text")
    lines = iter(text.splitlines())
    if next(lines, "") != "tree":
        refuse(_WHERE, "does not begin with the line 'tree'")
    head = _read_pairs(lines, end="Tree=0")
    trees: list[dict[str, str]] = []
    while True:
        number = len(trees) + 1
        found = _read_pairs(lines, end=f"Tree={number}")
        ended = found.pop("end of trees", None) is not None
        trees.append(found)
        if ended:
            break
        if found.pop("end of file", None) is not None:
            refuse(_WHERE, f"ends within tree {number - 1}")
    mark = "pandas_categorical:"
    last = next((line for line in lines if line.startswith(mark)), f"{mark}null")
    try:
        categories = json.loads(last.removeprefix(mark))
    except ValueError:
        refuse(_WHERE, "has pandas categories that are not JSON")
    if categories is not None and not (
        isinstance(categories, list) and all(isinstance(one, list) for one in categories)
    ):
        refuse(_WHERE, "has pandas categories that are not lists")
    return head, trees, categories or []


def _read_pairs(lines: Iterator[str], end: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if line == end:
            return found
        if line == "end of trees":
            found[line] = ""
            return found
        if line.startswith("Tree="):
            refuse(_WHERE, f"has the line {line[:40]!r} where {end!r} was expected")
        name, _, value = line.partition("=")
        if name:
            if name in found:
                refuse(_WHERE, f"has {name[:40]!r} twice before {end!r}", field=name[:40])
            found[name] = value
    found["end of file"] = ""
    return found


def _read_objective(head: dict[str, str], outputs: int) -> tuple[Link, float]:
    name, *options = head.get("objective", "").split() or [""]
    settings = dict(option.partition(":")[::2] for option in options)
    link = _LINKS[name]
    if name == "regression" and "sqrt" in settings:
        link = "signed-square"
    several = link in ("softmax", "sigmoids")
    classes = settings.get("num_class", "1")
    if several != (outputs > 1) or (several and classes != str(outputs)):
        refuse(_WHERE, f"has the objective {head['objective']!r} and {outputs} outputs", outputs=outputs)
    return link, float(_floats({"sigmoid": settings.get("sigmoid", "1")}, "sigmoid", 1)[0])


def _read_tree(tree: dict[str, str], number: int, features: int) -> RawTrees:
    where = f"{_WHERE}, tree {number},"
    leaves = _whole(tree, "num_leaves")
    if leaves < 1:
        refuse(where, f"has {leaves} leaves", leaves=leaves)
    if _is_linear(tree):
        _check_linear(tree, where, leaves, features)
    inner = leaves - 1
    values = _floats(tree, "leaf_value", leaves)
    if inner == 0:
        none = np.zeros(1, np.int64)
        return RawTrees(
            none,
            np.array([LEAF]),
            np.zeros(1),
            none,
            none,
            none.astype(np.uint8),
            none - 1,
            (),
            values[:, np.newaxis],
            np.ones(1),
        )
    thresholds = _floats(tree, "threshold", inner)
    kinds = _integers(tree, "decision_type", inner)
    # Whole numbers below zero are leaves: -1 is the first of them.
    left, right = (_place(_integers(tree, name, inner), inner) for name in ("left_child", "right_child"))
    categorical = (kinds & _CATEGORICAL) != 0
    sets = _read_sets(tree, where)
    choice = np.where(categorical, thresholds, -1.0)
    if not np.isin(choice[categorical], np.arange(len(sets))).all():
        refuse(where, "splits by a set of categories that it does not have")
    pad = np.zeros(leaves, np.int64)
    tested = _integers(tree, "split_feature", inner)
    check_numbers(where, "splits by feature", tested, features)
    return RawTrees(
        roots=np.zeros(1, np.int64),
        tested=np.concatenate([tested, pad + LEAF]),
        thresholds=np.concatenate([thresholds, pad]),
        left=np.concatenate([left, pad]),
        right=np.concatenate([right, pad]),
        gaps=np.concatenate([_read_gaps(kinds, categorical, where), pad]).astype(np.uint8),
        choice=np.concatenate([choice.astype(np.int64), pad - 1]),
        sets=sets,
        values=np.concatenate([np.zeros(inner), values])[:, np.newaxis],
        weights=np.concatenate([np.zeros(inner), _floats(tree, "leaf_count", leaves)]),
    )


def _check_linear(tree: dict[str, str], where: str, leaves: int, features: int) -> None:
    """Make sure that the linear models of the leaves are of features that there are."""
    counts = _integers(tree, "num_features", leaves)
    if (counts < 0).any():
        refuse(where, f"has a leaf with {int(counts.min())} features", value=int(counts.min()))
    total = int(counts.sum())
    check_numbers(where, "has a leaf with feature", _integers(tree, "leaf_features", total), features)
    _floats(tree, "leaf_coeff", total)
    _floats(tree, "leaf_const", leaves)


def _place(children: NDArray[np.int64], inner: int) -> NDArray[np.int64]:
    return np.where(children < 0, inner + ~children, children)


def _read_gaps(kinds: NDArray[np.int64], categorical: NDArray[np.bool_], where: str) -> NDArray[np.int64]:
    missing = (kinds >> 2) & 3
    if (missing > _NAN_IS_MISSING).any() or (kinds < 0).any() or (kinds > 0xF).any():
        refuse(where, f"has an unknown decision type: {int(kinds.max())}")
    default_left = (kinds & _DEFAULT_LEFT) != 0
    gaps = np.select(
        [missing == _NAN_IS_MISSING, missing == _ZERO_IS_MISSING],
        [np.where(default_left, GAP_LEFT, GAP_RIGHT), np.where(default_left, ZERO_LEFT, ZERO_RIGHT)],
        GAP_IS_ZERO,
    )
    # A gap is in no set, whatever the node says of gaps.
    return np.where(categorical, GAP_RIGHT, gaps)


def _read_sets(tree: dict[str, str], where: str) -> tuple[NDArray[np.int64], ...]:
    count = _whole(tree, "num_cat")
    if count == 0:
        return ()
    bounds = _integers(tree, "cat_boundaries", count + 1)
    words = _integers(tree, "cat_threshold", None)
    rising = bounds[0] == 0 and (np.diff(bounds) >= 0).all() and bounds[-1] == len(words)
    if not rising or (words < 0).any() or (words >= 2**_BITS).any():
        refuse(where, "has sets of categories that do not fit together")
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return tuple(np.flatnonzero(bits[first * _BITS : last * _BITS]) for first, last in pairwise(bounds.tolist()))


def _whole(pairs: dict[str, str], name: str) -> int:
    return int(_integers(pairs, name, 1)[0])


def _integers(pairs: dict[str, str], name: str, count: int | None) -> NDArray[np.int64]:
    return _numbers(pairs, name, count, np.int64)


def _floats(pairs: dict[str, str], name: str, count: int) -> NDArray[np.float64]:
    return _numbers(pairs, name, count, np.float64)


def _numbers(pairs: dict[str, str], name: str, count: int | None, kind: type) -> NDArray[Any]:
    text = pairs.get(name)
    if text is None:
        refuse(_WHERE, f"has no {name!r}", field=name)
    try:
        found: NDArray[Any] = np.array(text.split(), dtype=kind)
    except (ValueError, OverflowError):
        refuse(_WHERE, f"has no numbers in {name!r}: {text[:60]!r}", field=name, value=text[:60])
    if count is not None and len(found) != count:
        refuse(_WHERE, f"has {format_count(len(found), 'number')} in {name!r} in place of {count}", field=name)
    return found
