"""How drift is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tiltyard.project.monitoring import MonitoringSection

NumberMethod = Literal["ks", "psi", "wasserstein"]
CategoryMethod = Literal["chi-square", "jensen-shannon"]
Correction = Literal["holm", "benjamini-hochberg"]

_DEFAULTS = MonitoringSection()

SHARE_PART = 5
"""A share of rows (missing, new) may move by a fifth of the threshold: 0.02 at 0.1."""


@dataclass(frozen=True)
class DriftOptions:
    """How drift is decided.

    Attributes:
        false_alarm_rate: accepted probability that a comparison of undrifted rows finds drift, all tests together.
        threshold: least effect that is called drift, however sure it is.
        limits: thresholds of single subjects, by their names.
        ignore: subjects that are not compared.
        min_rows: fewest rows, on either side.
        numbers: the detector for numbers.
        categories: the detector for categories.
        correction: for many tests.
    """

    false_alarm_rate: float = _DEFAULTS.false_alarm_rate
    threshold: float = _DEFAULTS.drift_threshold
    limits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    ignore: frozenset[str] = frozenset()
    min_rows: int = _DEFAULTS.min_rows
    numbers: NumberMethod = _DEFAULTS.drift_numbers
    categories: CategoryMethod = _DEFAULTS.drift_categories
    correction: Correction = _DEFAULTS.drift_correction

    @classmethod
    def from_section(cls, section: MonitoringSection) -> DriftOptions:
        """The options that a project file asks for."""
        return cls(
            false_alarm_rate=section.false_alarm_rate,
            threshold=section.drift_threshold,
            limits=MappingProxyType(dict(section.drift_limits)),
            ignore=frozenset(section.drift_ignore),
            min_rows=section.min_rows,
            numbers=section.drift_numbers,
            categories=section.drift_categories,
            correction=section.drift_correction,
        )

    def limit(self, subject: str, *, of_shares: bool = False) -> float:
        """The least effect that is called drift in that subject."""
        limit = self.limits.get(subject, self.threshold)
        return limit / SHARE_PART if of_shares else limit
