"""Table models scored by compiled kernels: from a row's values to probabilities without pandas or scikit-learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from tiltyard.scoring.explanations import Contribution, Explanation, Scale
from tiltyard.scoring.input_errors import REFUSED_BY_MODEL, InputProblem, refuse_inputs
from tiltyard.scoring.input_warnings import InputWarning, Warnings, join_warnings
from tiltyard.scoring.linear_head import LinearHead, build_linear_head
from tiltyard.scoring.scorer import NotCompilableError, Scores
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.known_values import KnownValues
from tiltyard.scoring.table.preprocessing_arrays import Preparation, compile_preparation, merge_categories
from tiltyard.scoring.table.row_encoding import NO_CODES, Encoding
from tiltyard.scoring.trees.tree_arrays import TreeHead, build_tree_head

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Which features a model takes; those that it does not, scikit-learn refuses.

    Attributes:
        nan: whether it takes NaN.
        infinity: whether it takes infinity.
        single: whether it rounds features to single precision first.
    """

    nan: bool
    infinity: bool
    single: bool


@dataclass(frozen=True)
class ModelSteps:
    """What the features add to a prediction.

    Attributes:
        added: shape (rows, features or columns), towards one label.
        baseline: what every row starts from.
    """

    added: Floats
    baseline: float


class TableModel(ABC):
    """The compiled form of a classifier over prepared features; row by row, safe for several threads."""

    name: str
    method: str
    baseline_name: str
    exact: bool
    limits: Limits

    @abstractmethod
    def probabilities(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes)."""

    @abstractmethod
    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        """What each column adds towards a label, shape (rows, columns)."""

    @abstractmethod
    def scale(self) -> Scale:
        """What the parts are measured in."""


class TableScorer:
    """Scores rows of a table.

    A row's values are checked as ``InputColumns`` does, encoded, prepared as the fitted steps do and predicted
    from the model's own arrays in its own arithmetic: probabilities equal scikit-learn's to the last few bits, and a
    batch gets the predictions of its rows one by one, to the bit.

    Args:
        columns: the features in training order.
        prepared: the compiled preprocessing.
        model: the compiled classifier.
        classes: the labels, in the order of the probabilities.
    """

    def __init__(self, columns: InputColumns, prepared: Preparation, model: TableModel, classes: Sequence[str]) -> None:
        self.kind = f"compiled table, {model.name}"
        self._names = [column.name for column in columns]
        self._columns = columns
        self._encoding = Encoding(columns, prepared.codes)
        read = {name: codes for name, codes in prepared.codes.items() if codes is not NO_CODES}
        words = {name: codes.known for name, codes in read.items() if columns.kind_of(name) == "text"}
        self._known = KnownValues.from_columns(columns, words)
        self._bounds = self._known.bounds({name: codes.unknown for name, codes in read.items()})
        self._prepared = prepared
        self._model = model
        self._classes = tuple(classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probability columns."""
        return self._classes

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each the features by name.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        features, state = self._features(inputs)
        probabilities = self._model.probabilities(features)
        labels = self._classes
        warnings: Warnings | None = self._columns.find_warnings(inputs)
        if state is not None:
            warnings = join_warnings(warnings, self._find_warnings(inputs, state != 0))
        return Scores([labels[column] for column in probabilities.argmax(axis=1).tolist()], probabilities, warnings)

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """What each feature of n rows adds to the prediction, exactly; see ``explanations.explain``."""
        model = self._model
        features, _ = self._features(inputs)
        named = [self._columns.name_cells(row) for row in inputs]
        found = []
        for number, probabilities in enumerate(model.probabilities(features)):
            column = int(probabilities.argmax()) if label is None else self._classes.index(label)
            row = features[number : number + 1]
            parts = model.parts(row, column, self._prepared.source, len(self._names))
            added = parts.added[0].tolist()
            found.append(
                Explanation(
                    label=self._classes[column],
                    probability=float(probabilities[column]),
                    method=model.method,
                    scale=model.scale(),
                    exact=model.exact,
                    baseline_name=model.baseline_name,
                    baseline=parts.baseline,
                    total=parts.baseline + sum(added),
                    contributions=tuple(
                        Contribution(name, named[number][name], weight)
                        for name, weight in zip(self._names, added, strict=True)
                    ),
                )
            )
        return found

    def _find_warnings(
        self, inputs: Sequence[Mapping[str, Any]], unusual: NDArray[np.bool_]
    ) -> list[list[InputWarning]]:
        positions = np.flatnonzero(unusual).tolist()
        warnings: list[list[InputWarning]] = [[] for _ in inputs]
        read = self._columns.read([inputs[position] for position in positions])
        for position, found in zip(positions, self._known.find_warnings(read), strict=True):
            warnings[position] = found
        return warnings

    def _features(self, inputs: Sequence[Mapping[str, Any]]) -> tuple[Floats, NDArray[np.int64] | None]:
        """The prepared features of n rows, and what is unusual of each (see ``prepare_features``); None for nothing."""
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        raw = self._encoding.encode(inputs)
        limits = self._model.limits
        features = np.empty((len(raw), len(self._prepared.source)))
        state = np.empty(len(raw), np.int64)
        table_kernels.prepare_features(
            raw, self._prepared.arrays, (limits.nan, limits.infinity, limits.single), self._bounds, features, state
        )
        if not state.any():
            return features, None
        refused = state & ~table_kernels.UNUSUAL
        if refused.any():
            raise refuse_inputs(
                [
                    InputProblem(position, "", f"is refused by the model: {self._refusal(code)}", REFUSED_BY_MODEL)
                    for position, code in enumerate(refused.tolist())
                    if code
                ]
            )
        return features, state

    def _refusal(self, code: int) -> str:
        """What scikit-learn says."""
        if code == 1:
            return "Input X contains NaN"
        precision = "float32" if self._model.limits.single else "float64"
        return f"Input X contains infinity or a value too large for dtype('{precision}')"


def compile_table_scorer(pipeline: Pipeline, columns: InputColumns) -> TableScorer:
    """The compiled scorer of a fitted pipeline of a preprocessing and a linear model, a forest or boosting.

    Args:
        pipeline: fitted to a data frame.
        columns: the features in training order.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    classifier = steps[-1]
    model: TableModel
    try:
        head = build_tree_head(classifier)
    except NotCompilableError as none:
        if not hasattr(classifier, "coef_") and not hasattr(classifier, "calibrated_classifiers_"):
            raise none from None
        linear = build_linear_head(classifier)
        prepared = compile_preparation(steps[:-1], columns)
        model, features = _LinearModel(linear), len(linear.weights)
    else:
        prepared = compile_preparation(steps[:-1], columns)
        if isinstance(classifier, HistGradientBoostingClassifier):
            prepared = merge_categories(prepared, classifier)
        takes_nan = bool(get_tags(classifier).input_tags.allow_nan) and not prepared.sparse
        model, features = _TreeModel(head, takes_nan), classifier.n_features_in_
    if len({features, len(prepared.source), getattr(classifier, "n_features_in_", features)}) != 1:
        raise NotCompilableError("its classifier was fitted on other features than its preprocessing gives")
    return TableScorer(columns, prepared, model, [str(label) for label in classifier.classes_])


class _LinearModel(TableModel):
    name = "linear"
    method = "linear"
    baseline_name = "intercept"
    limits = Limits(nan=False, infinity=False, single=False)

    def __init__(self, head: LinearHead) -> None:
        self._head = head
        self.exact = head.members == 1

    def probabilities(self, features: Floats) -> Floats:
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        decisions = np.empty((len(features), len(self._head.intercept)))
        table_kernels.linear_decision(features, self._head.weights, self._head.intercept, decisions)
        return self._head.probabilities(decisions)

    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        weights, intercept = self._head.towards(label)
        added = np.zeros((len(features), columns))
        for row, values in zip(added, features * weights, strict=True):
            np.add.at(row, source, values)
        return ModelSteps(added, intercept)

    def scale(self) -> Scale:
        return self._head.scale


class _TreeModel(TableModel):
    method = "tree paths"
    baseline_name = "mean of the training rows"
    exact = True

    def __init__(self, head: TreeHead, takes_nan: bool) -> None:
        self._head = head
        boosted = head.turns > 0
        self.name = "boosting" if boosted else "forest"
        self.limits = Limits(nan=takes_nan, infinity=boosted, single=head.single)

    def probabilities(self, features: Floats) -> Floats:
        from tiltyard.scoring import link_kernels  # noqa: PLC0415 - imported when first used
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        head = self._head
        sums = np.repeat(head.baseline[np.newaxis], len(features), axis=0)
        table_kernels.walk(features, head.trees.arrays, head.turns, sums)
        if head.link == "none":
            sums /= head.divisor
            return sums
        out = np.empty((len(features), head.classes))
        code = link_kernels.SIGMOID if head.link == "sigmoid" else link_kernels.SOFTMAX
        link_kernels.apply_link(sums, code, np.zeros((0, 2)), out)
        return out

    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        head = self._head
        added = np.zeros((len(features), columns, len(head.baseline)))
        table_kernels.follow(features, head.trees.arrays, head.turns, source, added)
        start = head.baseline.copy()
        roots = head.trees.values[head.trees.roots]
        if head.turns:
            for turn in range(head.turns):
                start[turn] += roots[turn :: head.turns, 0].sum()
        else:
            start += roots.sum(axis=0)
        if head.link == "none":
            return ModelSteps(added[:, :, label] / head.divisor, float(start[label]) / head.divisor)
        if head.link == "sigmoid":
            sign = 1.0 if label == 1 else -1.0
            return ModelSteps(sign * added[:, :, 0], sign * float(start[0]))
        return ModelSteps(added[:, :, label] - added.mean(axis=2), float(start[label] - start.mean()))

    def scale(self) -> Scale:
        return {"none": "probability", "sigmoid": "log-odds"}.get(self._head.link, "decision")  # type: ignore[return-value]
