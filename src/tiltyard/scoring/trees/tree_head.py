"""Fitted trees as arrays, in their library's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.formatting import format_count
from tiltyard.models.boosters.tree_ensemble import Link, TreeEnsemble
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.trees.mask_tables import MaskTables, build_mask_tables
from tiltyard.scoring.trees.tree_layout import TreeLayout, lay_out_trees

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LINKS: tuple[Link, ...] = (  # in the order of tree_kernels
    *("identity", "sigmoid", "sigmoids", "softmax", "exponential", "signed-square"),
    "log1p-exponential",
)
# LightGBM drops cells this near to zero before a tree sees them (kZeroThreshold, single precision).
_TINY = float(np.float32(1e-35))


@dataclass(frozen=True)
class TreeHead:
    """Fitted trees: from features to probabilities, or numbers.

    Attributes:
        library: whose arithmetic it is.
        layout: its trees.
        tables: their masks, joined for single rows; None where they would be too large.
        ends: float64 (2, outputs), what the sums begin with, and what is added at their end.
        settings: float64, as the compiled loops read them.
        classes: the number of labels; 0 where it predicts numbers.
        features: how many it takes.
    """

    library: str
    layout: TreeLayout
    tables: MaskTables | None
    ends: Floats
    settings: Floats
    classes: int
    features: int
    arrays: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put the arrays into the order in which the compiled loops take them."""
        held = self.layout
        inner = held.thresholds, held.masks, held.inner_columns
        places = held.nodes.view(np.int32)
        arrays = (
            held.columns,
            held.nodes,
            places,
            held.trees,
            held.bits,
            held.values,
            inner,
            self.ends,
            held.nodes.view(np.uint32),
        )
        object.__setattr__(self, "arrays", arrays)

    @property
    def single_features(self) -> bool:
        """Whether features alone are rounded to single precision."""
        return bool(self.settings[2])

    @property
    def link(self) -> Link:
        """What makes a prediction of the sums."""
        return _LINKS[int(self.settings[5])]

    def predict(self, features: Floats) -> Floats:
        """Shape (rows, features) to (rows, classes), or (rows, 1) of numbers."""
        out = np.empty((len(features), self.classes or 1))
        self._score(features, self.arrays, self.settings, out)
        return out

    @cached_property
    def _score(self) -> Callable[..., Any]:
        from tiltyard.scoring.trees import tree_kernels  # noqa: PLC0415 - imported when first used

        return tree_kernels.score_rows

    def follow(self, features: Floats, source: Integers, columns: int) -> tuple[Floats, Floats]:
        """What each column of the table adds to the sums, (rows, columns, outputs), and where all rows start.

        Args:
            features: (rows, features).
            source: (features,), the column of the table of each.
            columns: of the table.
        """
        from tiltyard.scoring.trees import tree_kernels  # noqa: PLC0415 - imported when first used

        outputs = self.ends.shape[1]
        added = np.zeros((len(features), columns, outputs))
        tree_kernels.follow_rows(features, self.arrays, self.settings, source, added)
        start = self.ends[0].copy()
        roots, owners = self.layout.trees[:, 0], self.layout.trees[:, 3]
        if (owners < 0).any():
            start += self.layout.values[roots].sum(axis=0)
        else:
            np.add.at(start, owners, self.layout.values[roots, 0])
        factor = self.settings[4] / self.settings[3]
        steepness = self.settings[6]
        return added * factor * steepness, (start * factor + self.ends[1]) * steepness


def build_tree_head(ensemble: TreeEnsemble, classes: int) -> TreeHead:
    """The arrays of fitted trees.

    Args:
        ensemble: checked.
        classes: the number of labels; 0 where numbers are predicted.

    Raises:
        NotCompilableError: its outputs are not as its labels require.
    """
    outputs = len(ensemble.baseline)
    fits = {
        "identity": outputs == (classes or 1),
        "sigmoid": classes in (0, 2) and outputs == 1,
        "softmax": classes == outputs,
        "sigmoids": classes == outputs,
    }
    if not fits.get(ensemble.link, classes == 0 and outputs == 1):
        given = f"{format_count(outputs, 'output')} for {format_count(classes, 'label')}"
        raise NotCompilableError(f"its trees have {given} and link {ensemble.link}")
    layout = lay_out_trees(ensemble)
    numbers_alone = not len(layout.bits) and not (layout.trees[:, 2] > 1).any()
    settings = [
        _TINY if ensemble.library == "lightgbm" else -1.0,
        ensemble.single,
        ensemble.single_features,
        ensemble.divisor,
        ensemble.scale,
        _LINKS.index(ensemble.link),
        ensemble.steepness,
        numbers_alone,
    ]
    return TreeHead(
        library=ensemble.library,
        layout=layout,
        tables=build_mask_tables(layout),
        ends=np.stack([ensemble.baseline, ensemble.bias]),
        settings=np.array(settings, np.float64),
        classes=classes,
        features=len(ensemble.feature_names),
    )
