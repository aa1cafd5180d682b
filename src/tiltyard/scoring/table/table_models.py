"""Compiled models over prepared features, and the linear ones; those of trees are in ``scoring.trees``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.linear_head import LinearHead
from tiltyard.scoring.scorer import Scores
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import QuickReader

if TYPE_CHECKING:
    from tiltyard.scoring.table.column_plan import ColumnPlan
    from tiltyard.scoring.table.frame_encoding import EncodedColumns

Floats = NDArray[np.float64]
States = NDArray[np.int64]


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


OneRow = Callable[[Mapping[str, Any]], Scores | None]
"""Predicts a row; None where a cell is unusual."""

MakeScore = Callable[[int, Floats], Scores]
"""The scores of one row: from the place of the largest output, and all of them, shape (1, outputs)."""


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

    def score_columns(self, plan: ColumnPlan, rows: EncodedColumns) -> Iterator[tuple[Floats, States]]:
        """What it says of many rows that are held by columns: blocks of (rows, classes), with the rows' states."""
        for _, features, state in plan.make_features(rows):
            yield self.probabilities(features), state

    def make_one_row(
        self,
        columns: QuickReader,  # noqa: ARG002
        prepared: Preparation,  # noqa: ARG002
        bounds: tuple[Floats, Floats],  # noqa: ARG002
        labels: Sequence[str] | MakeScore,  # noqa: ARG002
    ) -> OneRow | None:
        """What predicts one row in one call; None where this kind of model has no such loop.

        Args:
            columns: reads the row.
            prepared: the compiled preprocessing.
            bounds: the lowest and the highest usual value of each column.
            labels: of the outputs; or, of a regressor, what makes its scores.
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

    def score_columns(self, plan: ColumnPlan, rows: EncodedColumns) -> Iterator[tuple[Floats, States]]:
        """The same of many rows that are held by columns, without an array of their features."""
        head = self.head
        if not np.isfinite(head.weights).all():  # zero times infinity is not zero
            yield from super().score_columns(plan, rows)
            return
        for _, decisions, state in plan.decide(rows, head.weights, head.intercept):
            yield head.probabilities(decisions), state

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
