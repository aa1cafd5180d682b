"""Trees, forests and boostings over prepared features."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import QuickReader
from tiltyard.scoring.table.table_models import Floats, Limits, MakeScore, ModelSteps, OneRow, TableModel
from tiltyard.scoring.trees.one_row import make_one_row
from tiltyard.scoring.trees.tree_head import Integers, TreeHead


class TreeModel(TableModel):
    """A fitted tree, forest or boosting.

    Args:
        head: its arrays.
        takes_nan: whether it takes gaps.
    """

    method = "tree paths"
    baseline_name = "mean of the training rows"
    exact = True

    def __init__(self, head: TreeHead, takes_nan: bool = True) -> None:
        self.head = head
        self.takes_nan = takes_nan
        # scikit-learn's forests refuse what single precision cannot hold; boosters round it to infinity.
        forest = head.library == "scikit-learn" and head.single_features
        self.limits = Limits(nan=takes_nan, infinity=not forest, single=forest)
        self.name = "forest" if forest else "boosting"
        if head.library != "scikit-learn":
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

    def make_one_row(
        self,
        columns: QuickReader,
        prepared: Preparation,
        bounds: tuple[Floats, Floats],
        labels: Sequence[str] | MakeScore,
    ) -> OneRow | None:
        """What predicts one row in one call, by tables of masks; None where they would be too large."""
        return make_one_row(columns, prepared, bounds, self.head, self.limits, labels)

    def scale(self) -> Scale:
        """What the parts are measured in."""
        if self.head.link == "identity":
            return "probability" if self.head.classes else "number"
        return "log-odds" if self.head.link in ("sigmoid", "sigmoids") else "decision"
