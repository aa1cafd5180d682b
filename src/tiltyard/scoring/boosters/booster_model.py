"""Boosters of LightGBM, XGBoost and CatBoost over prepared features."""

from __future__ import annotations

from tiltyard.scoring.boosters.booster_head import BoosterHead, Integers
from tiltyard.scoring.boosters.one_row import make_one_row
from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import QuickReader
from tiltyard.scoring.table.table_models import Floats, Limits, ModelSteps, OneRow, TableModel

_SCALES: dict[str, Scale] = {"sigmoid": "log-odds", "sigmoids": "log-odds", "identity": "number"}


class BoosterTableModel(TableModel):
    """A fitted booster.

    Args:
        head: its arrays.
    """

    method = "tree paths"
    baseline_name = "mean of the training rows"
    exact = True
    limits = Limits(nan=True, infinity=True, single=False)

    def __init__(self, head: BoosterHead) -> None:
        self.head = head
        self.name = f"boosting by {head.library}"

    def probabilities(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes), or (rows, 1) of numbers."""
        return self.head.predict(features)

    def parts(self, features: Floats, label: int, source: Integers, columns: int) -> ModelSteps:
        """What each column adds towards a label, shape (rows, columns)."""
        added, start = self.head.follow(features, source, columns)
        if self.head.link == "sigmoid":
            sign = 1.0 if label == 1 else -1.0
            return ModelSteps(sign * added[:, :, 0], sign * float(start[0]))
        if self.head.link == "softmax":
            return ModelSteps(added[:, :, label] - added.mean(axis=2), float(start[label] - start.mean()))
        return ModelSteps(added[:, :, label], float(start[label]))

    def make_one_row(self, columns: QuickReader, prepared: Preparation, bounds: tuple[Floats, Floats]) -> OneRow | None:
        """What predicts one row in one call, by tables of masks."""
        tables = self.head.tables
        return None if tables is None else make_one_row(columns, prepared, bounds, self.head, tables)

    def scale(self) -> Scale:
        """What the parts are measured in."""
        return _SCALES.get(self.head.link, "decision")
