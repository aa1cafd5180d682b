"""What gates may need besides the two evaluations: plain values, measured by the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tiltyard.evaluation import Comparison, FairnessReport, SliceComparison
from tiltyard.evaluation.sequential_test import LiveVerdict
from tiltyard.findings import SEVERITIES, Finding
from tiltyard.promotion.gates.alpha_spending import Allowance
from tiltyard.promotion.gates.verdict import GateResult

GRADES: tuple[str, ...] = SEVERITIES
_NAMED = 12


@dataclass(frozen=True)
class Cost:
    """What a version costs as it is served.

    Attributes:
        latency_ms: milliseconds for a single input: the fastest of several calls for each sample row, and of these the
            95th percentile, which other work on the machine hardly moves.
        median_ms: the median of the same.
        rows: sample rows that were predicted.
        size_mb: size of its files, in millions of bytes.
        scorer: which implementation predicted.
    """

    latency_ms: float | None
    median_ms: float | None
    rows: int
    size_mb: float
    scorer: str


@dataclass(frozen=True)
class DataFindings:
    """What was found in the data that a version was trained on, as counts; as JSON, short enough for a tag.

    Attributes:
        counts: findings by severity.
        named: code and subject of the gravest ones, at most a dozen.
    """

    counts: Mapping[str, int]
    named: tuple[str, ...]

    @classmethod
    def from_findings(cls, findings: Iterable[Finding]) -> DataFindings:
        """Count findings; what could not be evaluated does not count."""
        found = [one for one in findings if one.status == "found"]
        counts: dict[str, int] = {grade: sum(one.severity == grade for one in found) for grade in SEVERITIES}
        grave = sorted(
            (one for one in found if one.severity != "info"), key=lambda one: -SEVERITIES.index(one.severity)
        )
        return cls(counts, tuple(f"{one.code} ({one.subject})"[:120] for one in grave[:_NAMED]))

    def graver_than(self, grade: str) -> int:
        """How many findings are graver than that grade."""
        return sum(self.counts.get(name, 0) for name in GRADES[GRADES.index(grade) + 1 :])


@dataclass(frozen=True)
class GateInputs:
    """What is known of a challenger besides its evaluation; None for what was not measured.

    Attributes:
        slices: champion and challenger on each slice that is large enough, the least likely loss first.
        small_slices: slices that were too small to evaluate.
        calibration: the two by their calibration error.
        fairness: how the challenger treats the groups of the sensitive columns.
        cost: what it costs as it is served.
        findings: what was found in its training data.
        live: what the labels of production say of the two, where both predicted the same inputs.
        guess: how it compares with always guessing; needed where there is no champion, and where the champion does not
            beat guessing.
        allowance: what the comparison with the champion may use of alpha; None for all of it.
        differing: test rows (of rows that belong together, groups) on which the two predict otherwise; None where that
            was not counted.
        rows_fingerprint: of the rows on which the two are compared.
    """

    slices: tuple[SliceComparison, ...] | None = None
    small_slices: int = 0
    calibration: Comparison | None = None
    fairness: FairnessReport | None = None
    cost: Cost | None = None
    findings: DataFindings | None = None
    live: LiveVerdict | None = None
    guess: GateResult | None = None
    allowance: Allowance | None = None
    differing: int | None = None
    rows_fingerprint: str = ""


NOT_INSPECTED = GateInputs()
