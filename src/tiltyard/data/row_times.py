"""When rows came about: the column that orders them, read as features are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.dates import read_moments
from tiltyard.data.conform.kinds import decide_kind
from tiltyard.data.conform.rules import ReadingRules

TIME_STEP = "Write times like 2026-01-31T12:00:00Z or as numbers, or state how they are written in data.dates."


def read_row_times(values: pd.Series, rules: ReadingRules) -> tuple[pd.Series, NDArray[np.bool_]]:
    """The times of n rows, and n booleans: rows without one.

    Returns:
        Numbers as they are, which grow with time; of anything else days and times (``datetime64[us]``, NaT where there
        is none) as a clock in the project's zone shows them. The second is true for missing and unreadable cells.
    """
    if pd.api.types.is_numeric_dtype(values.dtype) and decide_kind(values, rules).kind != "time":
        return values, np.asarray(values.isna(), dtype=np.bool_)
    moments, _ = read_moments(values, rules)
    return pd.Series(moments, index=values.index, name=values.name), np.isnat(moments)
