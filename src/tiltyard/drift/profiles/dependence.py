"""How alike the rows of one group or one period are: what it takes from a window's number of rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import exp, log
from operator import mul
from statistics import median

_STEEPEST = 1.0  # of the growth beyond the longest blocks: rows that never forget
_LEAST_GROWTH_SCALES = 3


@dataclass(frozen=True)
class BlockScale:
    """What blocks of one size show of one subject.

    Attributes:
        rows: mean rows of a block.
        blocks: number of blocks, b.
        inflation: the variance between blocks, over that of as many independent rows (the design effect of Kish,
            1965); 1 for independent rows.
        freedom: in how many independent directions the subject varies between blocks, ν (Satterthwaite, 1946).
    """

    rows: float
    blocks: int
    inflation: float
    freedom: float


@dataclass(frozen=True)
class SubjectBlocks:
    """What blocks show of one subject.

    Attributes:
        scales: by size, ascending; one only where the blocks are groups. Empty where it varies as independent rows do.
        share: of the reference's rows per time, those in which it was measured: a fifth in a test side of a fifth.
    """

    scales: tuple[BlockScale, ...]
    share: float = 1.0


@dataclass(frozen=True)
class BlockStructure:
    """One way in which the reference's rows belong together.

    Attributes:
        column: the column of the groups, or of the time.
        kind: ``group`` where blocks are whole groups, ``time`` where they are consecutive rows.
        count: the number of groups; of rows with a time.
        size: rows of the group of a row, on average; 1 where blocks are consecutive rows.
        per_hour: rows per hour of the reference; 0 where times are not hours.
        subjects: those that depend, by key: the kind of the test and the column (``number:age``).
    """

    column: str
    kind: str
    count: int
    size: float
    per_hour: float
    subjects: Mapping[str, SubjectBlocks]

    @cached_property
    def usual_growth(self) -> float:
        """How fast the inflation grows with the length, in the middle of the subjects of which three lengths are known.

        A subject of the test side has few blocks, and its own two lengths do not show that days add up to seasons.
        """
        known = [one.scales for one in self.subjects.values() if len(one.scales) >= _LEAST_GROWTH_SCALES]
        return median(_growth(scales) for scales in known) if known and self.kind == "time" else 0.0

    @property
    def title(self) -> str:
        """How people read it."""
        return f"groups of {self.column}" if self.kind == "group" else f"consecutive rows by {self.column}"


@dataclass(frozen=True)
class EffectiveRows:
    """What a comparison of a window with a reference is worth in independent rows.

    Attributes:
        share: of the information of independent rows, above 0 and at most 1.
        window: independent rows that tell as much as the window's.
        freedom: directions in which the subject varies between blocks, ν.
        precision: degrees of freedom of the estimate itself, ν (b - 1).
        structure: which blocks say so.
    """

    share: float
    window: float
    freedom: float
    precision: float
    structure: str


@dataclass(frozen=True)
class Dependence:
    """The ways in which the reference's rows belong together; none where no column of groups or time was known."""

    structures: tuple[BlockStructure, ...] = ()

    def effective_rows(self, key: str, window: int, reference: int, hours: float | None = None) -> EffectiveRows | None:
        """What the comparison of a subject is worth; None where its rows are as good as independent.

        The variance of a difference of two samples of m and n independent rows is σ² (1/m + 1/n). Of a window that is
        one block it is σ² (1/m + (d - 1) / b), with d the inflation of blocks of the b rows that the reference has in
        as long a time; the reference itself is one block too, of n rows.

        Args:
            key: the kind of the test and the column (``number:age``).
            window: m, rows of the window.
            reference: n, rows of the reference.
            hours: hours of the window; default: as many as the reference has for m rows.
        """
        found = [
            one
            for structure in self.structures
            if (one := _compare_as_blocks(structure, key, window, reference, hours)) is not None
        ]
        return min(found, key=lambda one: one.share, default=None)


def _compare_as_blocks(
    structure: BlockStructure, key: str, window: int, reference: int, hours: float | None
) -> EffectiveRows | None:
    subject = structure.subjects.get(key)
    if subject is None or not subject.scales:
        return None
    if structure.kind == "group":
        scale = subject.scales[0]
        # A window of fewer rows than a group has may be one group.
        excess = (scale.inflation - 1) * min(1.0, window / structure.size)
        of_window, of_reference, blocks = (1 + excess) / window, scale.inflation / reference, scale.blocks
    else:
        whole = window if hours is None or not structure.per_hour else structure.per_hour * hours
        long = max(whole * subject.share, 1.0)
        inflation, scale = _inflation_at(subject.scales, long, structure.usual_growth)
        of_window = 1 / window + (inflation - 1) / long
        of_reference = _inflation_at(subject.scales, reference, structure.usual_growth)[0] / reference
        blocks = scale.blocks
    share = (1 / window + 1 / reference) / (of_window + of_reference)
    return EffectiveRows(
        min(share, 1.0), min(1 / of_window, window), scale.freedom, scale.freedom * (blocks - 1), structure.title
    )


def _inflation_at(scales: tuple[BlockScale, ...], rows: float, usual: float) -> tuple[float, BlockScale]:
    """The inflation of blocks of so many rows, and the scale that says so.

    Between two scales it follows a line of logarithms; below the least it is that of the least; beyond the greatest it
    grows on as it did, and where few scales are known at least as fast as is usual (``usual_growth``).
    """
    # A few scales: plain numbers are several times as fast as arrays here.
    sizes = [log(scale.rows) for scale in scales]
    inflations = [log(max(scale.inflation, 1.0)) for scale in scales]
    at = log(rows)
    if at > sizes[-1]:
        growth = _growth(scales)
        if len(scales) < _LEAST_GROWTH_SCALES:
            growth = max(growth, usual)
        return exp(inflations[-1] + growth * (at - sizes[-1])), scales[-1]
    place = bisect_left(sizes, at)
    if not place:
        return exp(inflations[0]), scales[0]
    part = (at - sizes[place - 1]) / (sizes[place] - sizes[place - 1])
    return exp(inflations[place - 1] + part * (inflations[place] - inflations[place - 1])), scales[place]


def _growth(scales: tuple[BlockScale, ...]) -> float:
    """How fast the inflation grows with the size at the greatest scales, on logarithms: 0 to 1."""
    last = scales[-_LEAST_GROWTH_SCALES:]
    if len(last) < 2:
        return _STEEPEST
    weights, x = [scale.blocks for scale in last], [log(scale.rows) for scale in last]
    y = [log(max(scale.inflation, 1.0)) for scale in last]
    total = sum(weights)
    mean_x, mean_y = (sum(map(mul, weights, values)) / total for values in (x, y))
    along = sum(weight * (a - mean_x) * (b - mean_y) for weight, a, b in zip(weights, x, y, strict=True))
    slope: float = along / sum(weight * (a - mean_x) ** 2 for weight, a in zip(weights, x, strict=True))
    return min(max(slope, 0.0), _STEEPEST)
