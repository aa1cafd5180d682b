"""Fitted forests and boosted trees as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.scorer import NotCompilableError

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

Floats = NDArray[np.float64]
_NO_CHILD = -1
_WORDS = 8  # of 32 bits each hold a set of up to 256 categories


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, one after the other.

    Attributes:
        tested: int32 (nodes,), the feature that a node tests; -1 for a leaf.
        thresholds: float64 (nodes,), rows go left where the feature is not above it.
        children: int32 (nodes, 2), left and right.
        missing_left: bool (nodes,), whether NaN goes left.
        values: float64 (nodes, outputs of a tree), what a leaf says; of an inner node the mean over its rows.
        roots: int32 (trees,).
        choice: int32 (nodes,), the row of ``chosen`` by which a node splits; -1 for one that has a threshold.
        chosen: uint32 (splits, 8), the categories that go left, one bit each.
        known: uint32 (features, 8), the categories that are known; any other goes where NaN goes.
    """

    tested: NDArray[np.int32]
    thresholds: Floats
    children: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    values: Floats
    roots: NDArray[np.int32]
    choice: NDArray[np.int32]
    chosen: NDArray[np.uint32]
    known: NDArray[np.uint32]

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays, as the compiled loops take them."""
        split = self.choice, self.chosen, self.known
        return self.tested, self.thresholds, self.children, self.missing_left, self.values, self.roots, *split


@dataclass(frozen=True)
class TreeHead:
    """A fitted model of trees.

    Attributes:
        trees: its nodes.
        turns: 0 where each tree speaks for all classes, else the number of outputs, which the trees take in turn.
        baseline: shape (outputs,), what the sum starts with.
        divisor: by what the sum is divided.
        link: ``none`` where that is the probabilities, else ``sigmoid`` or ``softmax`` of it; ``identity`` of a number.
        classes: the number of labels; 1 of a regressor.
        single: whether features are rounded to single precision first, as a forest does.
    """

    trees: Trees
    turns: int
    baseline: Floats
    divisor: float
    link: str
    classes: int
    single: bool

    def __post_init__(self) -> None:
        """Hold the arrays against each other: the loops do not, and a stored model may have been crafted.

        Raises:
            NotCompilableError: they do not fit together.
        """
        trees, outputs = self.trees, len(self.baseline)
        sets = trees.choice >= 0
        fits = (
            trees.values.ndim == 2
            and (outputs == self.turns if self.turns else trees.values.shape[1] == outputs)
            and trees.values.shape[1] > 0
            and outputs == {"sigmoid": 1}.get(self.link, self.classes)
            and (self.link != "sigmoid" or self.classes == 2)
            and (self.link != "identity" or self.classes == 1)
            and (
                not sets.any()
                or (
                    trees.chosen.shape[1:] == trees.known.shape[1:] == (_WORDS,)
                    and int(trees.choice.max()) < len(trees.chosen)
                    and int(trees.tested[sets].max()) < len(trees.known)
                )
            )
        )
        if not fits:
            raise NotCompilableError("its trees are not as its labels and categories ask for")


def build_tree_head(classifier: Any) -> TreeHead:
    """The arrays of a fitted forest, tree or histogram gradient boosting.

    Raises:
        NotCompilableError: it is something else, or uses what has no compiled form.
    """
    from sklearn.ensemble import (  # noqa: PLC0415 - only who compiles a model needs it
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 - likewise

    if type(classifier) is HistGradientBoostingClassifier:
        link = "sigmoid" if classifier.n_trees_per_iteration_ == 1 else "softmax"
        return _boosting(classifier, link, len(classifier.classes_))
    if type(classifier) in (RandomForestClassifier, ExtraTreesClassifier):
        return _forest(classifier.estimators_, len(classifier.classes_))
    if type(classifier) is DecisionTreeClassifier:
        return _forest([classifier], len(classifier.classes_))
    raise NotCompilableError(f"there is no compiled form of a {type(classifier).__name__}")


def build_number_tree_head(regressor: Any) -> TreeHead:
    """The arrays of a fitted forest, tree or histogram gradient boosting that predicts one number.

    Raises:
        NotCompilableError: it is something else, or uses what has no compiled form.
    """
    from sklearn._loss.link import IdentityLink  # noqa: PLC0415 - only who compiles a model needs it
    from sklearn.ensemble import (  # noqa: PLC0415 - likewise
        ExtraTreesRegressor,
        HistGradientBoostingRegressor,
        RandomForestRegressor,
    )
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 - likewise

    if type(regressor) is HistGradientBoostingRegressor:
        if not isinstance(regressor._loss.link, IdentityLink):  # noqa: SLF001
            raise NotCompilableError(f"its loss {regressor.loss} has a link")
        return _boosting(regressor, "identity", 1)
    if type(regressor) in (RandomForestRegressor, ExtraTreesRegressor):
        return replace(_forest(regressor.estimators_, 1), link="identity")
    if type(regressor) is DecisionTreeRegressor:
        return replace(_forest([regressor], 1), link="identity")
    raise NotCompilableError(f"there is no compiled form of a {type(regressor).__name__}")


def _forest(members: Sequence[Any], classes: int) -> TreeHead:
    if members[0].n_outputs_ != 1:
        raise NotCompilableError("its forest predicts several things at once")
    parts = []
    for member in members:
        nodes = member.tree_.__getstate__()["nodes"]
        leaf = nodes["left_child"] == _NO_CHILD
        children = np.column_stack([nodes["left_child"], nodes["right_child"]])
        values = member.tree_.value[:, 0, :classes]
        parts.append(
            _Nodes(np.where(leaf, -1, nodes["feature"]), nodes["threshold"], children, _missing(nodes), values)
        )
    trees = _join_trees(parts)
    return TreeHead(trees, 0, np.zeros(classes), float(len(members)), "none", classes, single=True)


def _boosting(
    classifier: HistGradientBoostingClassifier | HistGradientBoostingRegressor, link: str, classes: int
) -> TreeHead:
    parts = []
    splits = 0
    for predictor in (predictor for turn in classifier._predictors for predictor in turn):  # noqa: SLF001
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(np.bool_)
        children = np.column_stack([nodes["left"], nodes["right"]])
        values = _means(nodes, leaf)[:, np.newaxis]
        tested = np.where(leaf, -1, nodes["feature_idx"])
        chosen = predictor.raw_left_cat_bitsets
        choice = np.where(nodes["is_categorical"].astype(np.bool_), nodes["bitset_idx"].astype(np.int64) + splits, -1)
        splits += len(chosen)
        parts.append(_Nodes(tested, nodes["num_threshold"], children, _missing(nodes), values, choice, chosen))
    outputs = classifier.n_trees_per_iteration_
    baseline = np.asarray(classifier._baseline_prediction, np.float64).ravel()  # noqa: SLF001
    trees = replace(_join_trees(parts), known=_map_known(classifier))
    return TreeHead(trees, outputs, baseline, 1.0, link, classes, single=False)


@dataclass(frozen=True)
class _Nodes:
    tested: NDArray[Any]
    thresholds: Floats
    children: NDArray[Any]
    missing_left: NDArray[np.bool_]
    values: Floats
    choice: NDArray[Any] | None = None
    chosen: NDArray[np.uint32] = field(default_factory=lambda: np.zeros((0, _WORDS), np.uint32))


def _join_trees(parts: list[_Nodes]) -> Trees:
    sizes = [len(part.tested) for part in parts]
    roots = np.cumsum([0, *sizes[:-1]])
    return Trees(
        tested=np.concatenate([part.tested for part in parts]).astype(np.int32),
        thresholds=np.concatenate([part.thresholds for part in parts]).astype(np.float64),
        children=np.concatenate(
            [part.children.astype(np.int64) + root for part, root in zip(parts, roots, strict=True)]
        ).astype(np.int32),
        missing_left=np.concatenate([part.missing_left for part in parts]),
        values=np.ascontiguousarray(np.concatenate([part.values for part in parts]), np.float64),
        roots=roots.astype(np.int32),
        choice=np.concatenate(
            [np.full(len(part.tested), -1) if part.choice is None else part.choice for part in parts]
        ).astype(np.int32),
        chosen=np.ascontiguousarray(np.concatenate([part.chosen for part in parts]), np.uint32),
        known=np.zeros((0, _WORDS), np.uint32),
    )


def _map_known(classifier: HistGradientBoostingClassifier | HistGradientBoostingRegressor) -> NDArray[np.uint32]:
    if classifier.is_categorical_ is None:
        return np.zeros((0, _WORDS), np.uint32)
    sets, positions = classifier._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
    return np.ascontiguousarray(np.asarray(sets)[positions], np.uint32)


def _missing(nodes: Any) -> NDArray[np.bool_]:
    left: NDArray[np.bool_] = nodes["missing_go_to_left"].astype(np.bool_)
    return left


def _means(nodes: Any, leaf: NDArray[np.bool_]) -> Floats:
    """The values of leaves, and for inner nodes the mean over their leaves, weighted by training rows.

    Only leaves are shrunk by the learning rate in scikit-learn, so that the values it keeps of inner nodes are on
    another scale.
    """
    values: Floats = nodes["value"].astype(np.float64)
    counts = nodes["count"].astype(np.float64)
    # A node comes before its children.
    for node in np.flatnonzero(~leaf)[::-1]:
        left, right = nodes["left"][node], nodes["right"][node]
        total = counts[left] + counts[right]
        values[node] = (counts[left] * values[left] + counts[right] * values[right]) / total if total else 0.0
    return values
