"""How much the features of a version count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tiltyard.evaluation.groups import make_keys

Kind = Literal["permutation", "terms"]

REPEATS = 3
"""How often each column is shuffled."""

# The 97.5 % quantile of Student's t with 2 degrees of freedom.
_STUDENT_T = 4.303


@dataclass(frozen=True)
class FeatureWeight:
    """How much one feature counts.

    Attributes:
        name: a column or a term.
        value: its importance, in the unit of its kind.
        deviation: standard deviation over the repeats, for columns.
        label: the label that a term speaks for; None for columns.
    """

    name: str
    value: float
    deviation: float | None = None
    label: str | None = None

    @property
    def error(self) -> float | None:
        """How far the value of a column may be off by the chance of shuffling: half of its 95 % interval (Student)."""
        return None if self.deviation is None else _STUDENT_T * self.deviation / math.sqrt(REPEATS - 1)

    @property
    def is_clear(self) -> bool:
        """Whether a column is known to count for more than nothing."""
        return self.error is not None and self.value > self.error


@dataclass(frozen=True)
class Importance:
    """The importance of features in a version.

    Attributes:
        kind: ``permutation`` (columns) or ``terms``.
        unit: what the values are measured in, for people.
        rows: rows that it was computed on.
        features: the features, the most important first (of terms, label by label).
    """

    kind: Kind
    unit: str
    rows: int
    features: tuple[FeatureWeight, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """For a run: ``importance.COLUMN`` of each column; terms come and go, so there is no metric of one."""
        if self.kind == "terms":
            return {}
        keys = make_keys([feature.name for feature in self.features])
        return {f"importance.{key}": feature.value for key, feature in zip(keys, self.features, strict=True)}
