"""Boosters of LightGBM, XGBoost and CatBoost over prepared features."""

from __future__ import annotations

from tiltyard.scoring.boosters.booster_head import BoosterHead, Floats, Integers
from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.table.table_models import Limits, ModelSteps, TableModel

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

    def scale(self) -> Scale:
        """What the parts are measured in."""
        return _SCALES.get(self.head.link, "decision")
