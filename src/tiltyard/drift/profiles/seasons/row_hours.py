"""When the rows of a window came: by full hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class RowHours:
    """How many rows came in which hour; hours without rows are left out.

    Attributes:
        hours: int64 (k,), full hours since 1970 in UTC, ascending.
        rows: int64 (k,), the rows of each.
    """

    hours: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def from_counts(cls, counts: Mapping[datetime, int]) -> RowHours | None:
        """The hours of rows that were counted by the beginning of their hour; None for no rows."""
        known = {(at - _EPOCH) // timedelta(hours=1): rows for at, rows in counts.items() if rows}
        hours = np.array(sorted(known), np.int64)
        return cls(hours, np.array([known[hour] for hour in hours.tolist()], np.int64)) if known else None

    @classmethod
    def from_moments(cls, moments: Iterable[datetime | None]) -> RowHours | None:
        """The hours of rows by their moments, with time zones; None where one is not known, and for no rows."""
        every = list(moments)
        known = [at for at in every if at is not None]
        if len(known) < len(every) or not known:
            return None
        hours, rows = np.unique([(at - _EPOCH) // timedelta(hours=1) for at in known], return_counts=True)
        return cls(hours.astype(np.int64), rows.astype(np.int64))

    @classmethod
    def from_clock(cls, times: NDArray[np.float64]) -> RowHours | None:
        """The hours of rows by n times in hours since 1970; None where one is not known, and for no rows."""
        if not len(times) or not np.isfinite(times).all():
            return None
        hours, rows = np.unique(np.floor(times).astype(np.int64), return_counts=True)
        return cls(hours, rows.astype(np.int64))

    @property
    def span(self) -> float:
        """Hours from the first row to the last, each hour as a whole."""
        return float(self.hours[-1] - self.hours[0] + 1)
