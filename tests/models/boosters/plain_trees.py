"""The sums of a ``TreeEnsemble`` by plain loops, as its docstring says: slow, and without a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.boosters.raw_trees import GAP_IS_ZERO, GAP_LEFT, ZERO_LEFT
from tiltyard.models.boosters.tree_ensemble import TreeEnsemble

Floats = NDArray[np.float64]
_NO_CATEGORY = 2.0**24


def add_trees(ensemble: TreeEnsemble, features: Any) -> Floats:
    """The sums of n rows before the link, (n, outputs)."""
    rows = np.asarray(features, np.float64)
    if ensemble.single_features:
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32).astype(np.float64)
    if ensemble.library == "lightgbm":
        rows = np.where(np.abs(rows) <= np.float64(np.float32(1e-35)), 0.0, rows)
    kind = np.float32 if ensemble.single else np.float64
    sums = []
    for row in rows:
        total: NDArray[Any] = ensemble.baseline.astype(kind)
        for root, output in zip(ensemble.roots, ensemble.outputs, strict=True):
            node = int(root)
            while ensemble.tested[node] >= 0:
                node = int(ensemble.children[node]) + (not _goes_left(ensemble, node, row[ensemble.tested[node]]))
            if output < 0:
                total = total + ensemble.values[node].astype(kind)
            else:
                total[output] += kind(ensemble.values[node, 0])
        sums.append(total.astype(np.float64))
    return np.array(sums) / ensemble.divisor * ensemble.scale + ensemble.bias


def _goes_left(ensemble: TreeEnsemble, node: int, value: float) -> bool:
    gap = ensemble.gaps[node]
    if ensemble.choice[node] >= 0:
        if np.isnan(value):
            return bool(gap == GAP_LEFT)
        known = -1.0 < value < _NO_CATEGORY and int(value) in ensemble.sets[ensemble.choice[node]]
        if ensemble.library == "xgboost":
            known = known and value >= 0
        return bool(known) == ensemble.chosen_left
    if np.isnan(value) and gap >= GAP_IS_ZERO:
        value = 0.0
    if np.isnan(value):
        return bool(gap == GAP_LEFT)
    if gap > GAP_IS_ZERO and value == 0:
        return bool(gap == ZERO_LEFT)
    return bool(value <= ensemble.thresholds[node])
