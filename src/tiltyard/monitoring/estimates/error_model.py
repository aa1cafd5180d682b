"""How far a model of numbers misses, by its inputs and its prediction: learned from rows that it did not learn from.

The direct loss estimation of NannyML (https://nannyml.readthedocs.io, "How it works: performance estimation"): a second
model predicts the absolute error of the first. Here it is a set of small regression trees whose leaves hold the errors
of other rows than those that shaped the tree (honest trees: Athey and Imbens, PNAS 113, 2016). So the mean of a leaf is
an unbiased estimate for the rows that fall into it, and how much the trees differ shows how uncertain all of them are.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import NumberPredictions
from tiltyard.registry.package.holdout_predictions import UNREADABLE, read_arrays, unreadable

ERROR_MODEL = "error_model.npz"
"""Name of the file that travels with a version."""

FEWEST_ROWS = 100
"""With fewer errors no model of them is learned."""

TREES, DEPTH = 24, 6
ROWS_OF_A_LEAF = 20
MOST_CATEGORIES = 20
MOST_ROWS = 20_000

# As if so many rows of the mean were in each leaf.
_PRIOR_ROWS = 2.0
_MOMENTS = 3
_LEAF = -1

Numbers = NDArray[np.float64]
Inputs = pd.Series | pd.DataFrame


@dataclass(frozen=True)
class ErrorTree:
    """A tree of m nodes, the root first.

    Attributes:
        children: (m, 2) nodes to the left and right; -1 of a leaf.
        feature: m features by which a node divides.
        threshold: m numbers; a row with a number up to it goes left.
        gaps_left: whether a row without a number goes left.
        moments: (m, 3) means of the absolute error, of its square and of its fourth power, of the rows of a leaf.
    """

    children: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Numbers
    gaps_left: NDArray[np.bool_]
    moments: Numbers

    def find_leaves(self, rows: NDArray[np.float32]) -> NDArray[np.intp]:
        """The leaf of each of n rows (n, features)."""
        node = np.zeros(len(rows), dtype=np.intp)
        for _ in range(DEPTH):
            values = rows[np.arange(len(rows)), np.maximum(self.feature[node], 0)]
            left = np.where(np.isnan(values), self.gaps_left[node], values <= self.threshold[node])
            below = self.children[node, np.where(left, 0, 1)]
            node = np.where(below == _LEAF, node, below)
        return node


@dataclass(frozen=True)
class ErrorModel:
    """What is known of the errors of a version.

    Attributes:
        features: of each column of inputs its name and how it is read: ``number``, ``time``, ``text`` or ``category``.
        categories: of each column of categories its most frequent ones.
        trees: the trees; their spread is the standard error of their mean.
        rows: number of errors that they were learned from.
        guess: mean absolute error of always the median of the true numbers.
        effective: as how many rows with equal errors these count for the variance of the absolute error, and for that
            of the squared one: few far misses make up most of it where tails are heavy. Of versions that do not tell it
            is infinite.
    """

    features: tuple[tuple[str, str], ...]
    categories: dict[str, tuple[str, ...]]
    trees: tuple[ErrorTree, ...]
    rows: int
    guess: float
    effective: tuple[float, float] = (math.inf, math.inf)

    def expect_moments(self, inputs: Inputs, predicted: Numbers) -> Numbers:
        """Expected powers of the error of n predictions, (trees, n, 3): absolute, squared and of the fourth power.

        Args:
            inputs: n rows, read as the version reads them; a column that is not there is missing.
            predicted: n predicted numbers.
        """
        rows = self.encode(inputs, predicted)
        return np.stack([tree.moments[tree.find_leaves(rows)] for tree in self.trees])

    def encode(self, inputs: Inputs, predicted: Numbers) -> NDArray[np.float32]:
        """The rows as numbers, (n, features), NaN where one is missing; the predicted number is the last."""
        columns = [np.asarray(predicted, dtype=np.float64)]
        frame = inputs.to_frame("text") if isinstance(inputs, pd.Series) else inputs
        for name, kind in reversed(self.features):
            cells = frame[name] if name in frame.columns else pd.Series([None] * len(frame), dtype=object)
            columns[:0] = _encode_column(cells, kind, self.categories.get(name, ()))
        # Trees compare in single precision: what is beyond it is at its end.
        return np.clip(np.column_stack(columns), -_LARGEST, _LARGEST).astype(np.float32)

    def to_bytes(self) -> bytes:
        """The model as the file of a version."""
        about: dict[str, Any] = {
            "features": self.features,
            "categories": self.categories,
            "rows": self.rows,
            "guess": self.guess,
        }
        if all(map(math.isfinite, self.effective)):
            about["effective"] = self.effective
        file = io.BytesIO()
        np.savez_compressed(
            file,
            about=np.array(json.dumps(about, ensure_ascii=False)),
            sizes=np.array([len(tree.feature) for tree in self.trees]),
            children=np.concatenate([tree.children for tree in self.trees]),
            feature=np.concatenate([tree.feature for tree in self.trees]),
            threshold=np.concatenate([tree.threshold for tree in self.trees]),
            gaps_left=np.concatenate([tree.gaps_left for tree in self.trees]),
            moments=np.concatenate([tree.moments for tree in self.trees]),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> ErrorModel:
        """The model that ``to_bytes`` wrote down; pickled arrays are refused.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            stored = read_arrays(content)
            about = json.loads(str(stored["about"][()]))
            ends = np.cumsum(stored["sizes"])[:-1]
            parts = [np.split(stored[name], ends) for name in _ARRAYS]
            trees = tuple(ErrorTree(*arrays) for arrays in zip(*parts, strict=True))
            features = tuple((str(name), str(kind)) for name, kind in about["features"])
            categories = {str(name): tuple(map(str, known)) for name, known in about["categories"].items()}
            first, second = map(float, about.get("effective", (math.inf, math.inf)))
            found = cls(features, categories, trees, int(about["rows"]), float(about["guess"]), (first, second))
            found._check()
        except (*UNREADABLE, IndexError, AttributeError) as error:
            raise unreadable(ERROR_MODEL, error) from None
        return found

    def _check(self) -> None:
        """Refuse trees that lead nowhere."""
        width = sum(_count_columns(kind, self.categories.get(name, ())) for name, kind in self.features) + 1
        for tree in self.trees:
            nodes = len(tree.feature)
            below = tree.children
            if below.shape != (nodes, 2) or tree.moments.shape != (nodes, _MOMENTS) or not nodes:
                raise ValueError("its arrays do not fit together")
            inner = below[:, 0] != _LEAF
            onwards = np.all(below[inner] > np.arange(nodes)[inner, None]) and np.all(below < nodes)
            if not onwards or np.any(below[~inner] != _LEAF) or np.any(tree.feature[inner] >= width):
                raise ValueError("its trees lead nowhere")
            if np.any(tree.feature[inner] < 0) or not np.all(np.isfinite(tree.moments)):
                raise ValueError("its trees lead nowhere")
        if not self.trees:
            raise ValueError("it has no trees")


_LARGEST = float(np.finfo(np.float32).max)
_ARRAYS = ("children", "feature", "threshold", "gaps_left", "moments")


def fit_error_model(inputs: Inputs, held_out: NumberPredictions, seed: int = 0) -> ErrorModel | None:
    """Learn how far a model misses; None with fewer than ``FEWEST_ROWS`` rows, or errors whose powers overflow.

    Args:
        inputs: n rows, as the model reads them.
        held_out: their true numbers, and the predictions of models that did not learn from them; whole groups shape a
            tree or fill its leaves.
        seed: of the draws.
    """
    if len(held_out) < FEWEST_ROWS:
        return None
    random = np.random.default_rng(seed)
    if len(held_out) > MOST_ROWS:
        kept = np.sort(random.choice(len(held_out), MOST_ROWS, replace=False))
        inputs, held_out = inputs.iloc[kept], held_out.take(kept)
    features, categories = _choose_features(inputs)
    errors = np.abs(held_out.errors)
    guess = float(np.mean(np.abs(held_out.truth - np.median(held_out.truth))))
    model = ErrorModel(features, categories, (), len(held_out), guess)
    rows = model.encode(inputs, held_out.predicted)
    units = np.arange(len(errors)) if held_out.clusters is None else held_out.clusters
    with np.errstate(over="ignore"):
        powers = np.column_stack([errors, errors**2, errors**4])
    if not np.isfinite(powers).all():
        return None
    trees = tuple(_grow_tree(rows, powers, units, random) for _ in range(TREES))
    effective = _count_effective(errors**2), _count_effective(errors**4)
    return ErrorModel(features, categories, trees, len(errors), guess, effective)


def _count_effective(parts: Numbers) -> float:
    """As how many equal ones n parts of a sum count (Kish, Survey Sampling, 1965); n where all are 0."""
    largest = float(parts.max())
    if largest <= 0:
        return float(len(parts))
    shares = parts / largest  # fourth powers may be beyond the largest number
    return float(shares.sum() ** 2 / (shares**2).sum())


def _grow_tree(
    rows: NDArray[np.float32], powers: Numbers, units: NDArray[np.intp], random: np.random.Generator
) -> ErrorTree:
    """A tree that half of the units shape, and the others fill."""
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415 - monitoring follows trees without scikit-learn

    shapes = (random.permutation(int(units.max()) + 1) % 2 == 0)[units]
    # A unit that is as large as half of all rows leaves nothing for the other half.
    if not shapes.any() or shapes.all():
        shapes = random.random(len(units)) < 0.5
    fewest = max(ROWS_OF_A_LEAF, int(shapes.sum()) // 40)
    fitted = DecisionTreeRegressor(
        max_depth=DEPTH, min_samples_leaf=fewest, random_state=int(random.integers(2**31 - 1))
    ).fit(rows[shapes], powers[shapes, 0])
    grown = fitted.tree_
    tree = ErrorTree(
        np.column_stack([grown.children_left, grown.children_right]).astype(np.int32),
        grown.feature.astype(np.int32),
        grown.threshold.astype(np.float64),
        grown.missing_go_to_left.astype(np.bool_),
        np.zeros((grown.node_count, _MOMENTS)),
    )
    leaves, mean = tree.find_leaves(rows[~shapes]), powers[~shapes].mean(axis=0)
    count = np.bincount(leaves, minlength=grown.node_count)[:, None]
    total = np.stack(
        [np.bincount(leaves, weights=powers[~shapes, power], minlength=grown.node_count) for power in range(_MOMENTS)],
        axis=1,
    )
    tree.moments[:] = (total + _PRIOR_ROWS * mean) / (count + _PRIOR_ROWS)
    return tree


def _choose_features(inputs: Inputs) -> tuple[tuple[tuple[str, str], ...], dict[str, tuple[str, ...]]]:
    if isinstance(inputs, pd.Series):
        return (("text", "text"),), {}
    features, categories = [], {}
    for name in inputs.columns:
        dtype = inputs[name].dtype
        if pd.api.types.is_datetime64_any_dtype(dtype):
            kind = "time"
        elif pd.api.types.is_numeric_dtype(dtype):
            kind = "number"
        else:
            kind = "category"
            known = inputs[name].dropna().astype(str).value_counts().index[:MOST_CATEGORIES]
            categories[str(name)] = tuple(map(str, known))
        features.append((str(name), kind))
    return tuple(features), categories


def _count_columns(kind: str, known: Sequence[str]) -> int:
    return {"text": 2, "category": len(known)}.get(kind, 1)


def _encode_column(cells: pd.Series, kind: str, known: Sequence[str]) -> list[Numbers]:
    if kind == "category":
        named = cells.notna().to_numpy()
        words = np.array([str(word) if there else None for word, there in zip(cells, named, strict=True)], dtype=object)
        return [(words == category).astype(np.float64) for category in known]
    if kind == "text":
        texts = ["" if text is None else str(text) for text in cells]
        lengths = [(len(text), len(text.split())) for text in texts]
        return list(np.array(lengths, dtype=np.float64).reshape(-1, 2).T)
    if kind == "time":
        moments = pd.to_datetime(cells, errors="coerce", utc=True)
        days = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
        return [np.asarray(days.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)]
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return [np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float64)]


def read_error_model(content: bytes | None) -> ErrorModel | None:
    """The error model of a version's file; None where the version has none.

    Raises:
        ArtifactError: the file holds something else.
    """
    return None if content is None else ErrorModel.from_bytes(content)
