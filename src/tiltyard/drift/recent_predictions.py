"""Recent predictions as a list that knows what to compare them with, and how small a shift a test of them sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, SupportsIndex, TypeVar, overload

from tiltyard.data.conform.schema import TableSchema
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Reference

POWER = 0.8

Line = TypeVar("Line", bound=Mapping[str, Any])


@dataclass(frozen=True)
class VersionReference:
    """The reference that travels with a version.

    Attributes:
        version: the registry version.
        profile: the profile of its training.
        schema: how it reads the cells of its rows; None for texts, and where that is not known.
        options: how its project decides about drift; None where that is not known.
    """

    version: str
    profile: Reference
    schema: TableSchema | None = None
    options: DriftOptions | None = None


class RecentPredictions(list[Line]):
    """Lines of the prediction log, and how to find the reference of the version in service.

    Args:
        lines: the lines.
        find_reference: finds it when it is needed; None where there is none.
    """

    def __init__(self, lines: Iterable[Line], find_reference: Callable[[], VersionReference | None]) -> None:
        super().__init__(lines)
        self.find_reference = find_reference

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Line: ...

    @overload
    def __getitem__(self, place: slice, /) -> RecentPredictions[Line]: ...

    def __getitem__(self, place: SupportsIndex | slice, /) -> Line | RecentPredictions[Line]:
        """A line; or some, which know the reference too."""
        if isinstance(place, slice):
            return RecentPredictions(super().__getitem__(place), self.find_reference)
        return super().__getitem__(place)


def detectable_shift(rows: int, reference_rows: int, tests: int, false_alarm_rate: float) -> float:
    """The least shift of a share of rows that a comparison would find with a probability of 80 %.

    The normal approximation for two shares near one half, the widest case, with Bonferroni's correction (Fleiss, Levin
    and Paik, Statistical Methods for Rates and Proportions, 3rd edition, 2003, section 4.2): (z(1 − α / 2k) + z(0.8)) ·
    √(¼ (1/n + 1/m)), at most 1.

    Args:
        rows: n, at least 1.
        reference_rows: m, at least 1.
        tests: k, the number of tests.
        false_alarm_rate: α, of all tests together.
    """
    z = NormalDist().inv_cdf
    distance = z(1 - false_alarm_rate / (2 * max(tests, 1))) + z(POWER)
    return min(1.0, distance * math.sqrt(0.25 * (1 / rows + 1 / reference_rows)))
