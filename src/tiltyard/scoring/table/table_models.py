"""Compiled models over prepared features: linear ones, and forests and boosted trees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.linear_head import LinearHead
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import QuickReader
from tiltyard.scoring.table.tree_arrays import TreeHead

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


OneRow = Callable[[Mapping[str, Any]], tuple[int, Floats] | None]
"""Predicts a row: the place of its largest output, and all, shape (1, outputs); None where a cell is unusual."""


class TableModel(ABC):
    """The compiled form of a model over prepared features; row by row, safe for several threads."""

    name: str
    method: str
    baseline_name: str
    exact: bool
    limits: Limits

    @abstractmethod
    def probabilities(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes); of a regressor its numbers, (rows, 1)."""

    def make_one_row(
        self,
        columns: QuickReader,  # noqa: ARG002
        prepared: Preparation,  # noqa: ARG002
        bounds: tuple[Floats, Floats],  # noqa: ARG002
    ) -> OneRow | None:
        """What predicts one row in one call; None where this kind of model has no such loop.

        Args:
            columns: reads the row.
            prepared: the compiled preprocessing.
            bounds: the lowest and the highest usual value of each column.
        """
        return None

    @abstractmethod
    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        """What each column adds towards a label, shape (rows, columns)."""

    @abstractmethod
    def scale(self) -> Scale:
        """What the parts are measured in."""


class LinearTableModel(TableModel):
    """A linear model, calibrated or not."""

    name = "linear"
    method = "linear"
    baseline_name = "intercept"
    limits = Limits(nan=False, infinity=False, single=False)

    def __init__(self, head: LinearHead) -> None:
        self.head = head
        self.exact = head.members == 1

    def probabilities(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes)."""
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        decisions = np.empty((len(features), len(self.head.intercept)))
        table_kernels.linear_decision(features, self.head.weights, self.head.intercept, decisions)
        return self.head.probabilities(decisions)

    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        """What each column adds towards a label, shape (rows, columns)."""
        weights, intercept = self.head.towards(label)
        added = np.zeros((len(features), columns))
        for row, values in zip(added, features * weights, strict=True):
            np.add.at(row, source, values)
        return ModelSteps(added, intercept)

    def scale(self) -> Scale:
        """What the parts are measured in."""
        return self.head.scale


class TreeTableModel(TableModel):
    """A forest, or boosted trees."""

    method = "tree paths"
    baseline_name = "mean of the training rows"
    exact = True

    def __init__(self, head: TreeHead, takes_nan: bool) -> None:
        self.head = head
        self.takes_nan = takes_nan
        boosted = head.turns > 0
        self.name = "boosting" if boosted else "forest"
        self.limits = Limits(nan=takes_nan, infinity=boosted, single=head.single)

    def probabilities(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes)."""
        from tiltyard.scoring import link_kernels  # noqa: PLC0415 - imported when first used
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        head = self.head
        sums = np.repeat(head.baseline[np.newaxis], len(features), axis=0)
        table_kernels.walk(features, head.trees.arrays, head.turns, sums)
        if head.link in ("none", "identity"):
            sums /= head.divisor
            return sums
        out = np.empty((len(features), head.classes))
        code = link_kernels.SIGMOID if head.link == "sigmoid" else link_kernels.SOFTMAX
        link_kernels.apply_link(sums, code, np.zeros((0, 2)), out)
        return out

    def parts(self, features: Floats, label: int, source: NDArray[np.int64], columns: int) -> ModelSteps:
        """What each column adds towards a label, shape (rows, columns)."""
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        head = self.head
        added = np.zeros((len(features), columns, len(head.baseline)))
        table_kernels.follow(features, head.trees.arrays, head.turns, source, added)
        start = head.baseline.copy()
        roots = head.trees.values[head.trees.roots]
        if head.turns:
            for turn in range(head.turns):
                start[turn] += roots[turn :: head.turns, 0].sum()
        else:
            start += roots.sum(axis=0)
        if head.link in ("none", "identity"):
            return ModelSteps(added[:, :, label] / head.divisor, float(start[label]) / head.divisor)
        if head.link == "sigmoid":
            sign = 1.0 if label == 1 else -1.0
            return ModelSteps(sign * added[:, :, 0], sign * float(start[0]))
        return ModelSteps(added[:, :, label] - added.mean(axis=2), float(start[label] - start.mean()))

    def scale(self) -> Scale:
        """What the parts are measured in."""
        scales: dict[str, Scale] = {"none": "probability", "sigmoid": "log-odds", "identity": "number"}
        return scales.get(self.head.link, "decision")
