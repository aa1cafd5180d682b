"""A preprocessing as arrays: from the values of a row to the features that a model sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.table.row_encoding import Codes

Floats = NDArray[np.float64]

NUMBER, INDICATOR, TABLE = 0, 1, 2  # as in table_kernels
DATE_PARTS = {"year": 3, "month": 4, "weekday": 5, "days": 6}


@dataclass(frozen=True)
class Preparation:
    """The features that a model sees, each made of one column.

    Attributes:
        source: int64 (features,), the column of each.
        kind: int64 (features,): NUMBER, INDICATOR (1 for a gap), TABLE (looked up by code) or one of DATE_PARTS, of
            microseconds since 1970.
        fill: what stands for a gap of a NUMBER; NaN leaves it.
        mean, scale: a NUMBER or INDICATOR becomes ``(value - mean) / scale``.
        offset: int64 (features,), where the values of a TABLE begin in ``values``, or the last date of training
            stands.
        values: float64, the tables one after the other.
        codes: the codes of each column of words or booleans.
        sparse: whether scikit-learn hands the features on as a sparse matrix.
    """

    source: NDArray[np.int64]
    kind: NDArray[np.int64]
    fill: Floats
    mean: Floats
    scale: Floats
    offset: NDArray[np.int64]
    values: Floats
    codes: Mapping[str, Codes]
    sparse: bool

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays, as the compiled loops take them."""
        return self.source, self.kind, self.fill, self.mean, self.scale, self.offset, self.values
