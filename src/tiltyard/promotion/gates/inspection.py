"""What a verdict may ask for beside the two evaluations: plain values, measured by whoever asks for the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tiltyard.evaluation import Comparison, FairnessReport, SliceComparison
from tiltyard.evaluation.sequential_test import LiveVerdict
from tiltyard.findings import SEVERITIES, Finding

GRADES: tuple[str, ...] = SEVERITIES
_NAMED = 12


@dataclass(frozen=True)
class Cost:
    """What a version costs as it is served.

    Attributes:
        latency_ms: milliseconds for a single input: the fastest of several calls for each sample row, and of these the
            95th percentile, which other work on the machine hardly moves.
        median_ms: the median of the same.
        rows: sample rows that were answered.
        size_mb: size of its files, in millions of bytes.
        scorer: which implementation answered.
    """

    latency_ms: float | None
    median_ms: float | None
    rows: int
    size_mb: float
    scorer: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)


@dataclass(frozen=True)
class DataFindings:
    """What was found in the data that a version was trained on, as counts.

    Attributes:
        counts: findings by severity.
        named: code and subject of the gravest ones, at most a dozen.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    named: tuple[str, ...] = ()

    @classmethod
    def from_findings(cls, findings: Iterable[Finding]) -> DataFindings:
        """Count findings; what could not be judged does not count."""
        found = [one for one in findings if one.status == "found"]
        counts: dict[str, int] = {grade: sum(one.severity == grade for one in found) for grade in SEVERITIES}
        grave = sorted(
            (one for one in found if one.severity != "info"), key=lambda one: -SEVERITIES.index(one.severity)
        )
        return cls(counts, tuple(f"{one.code} ({one.subject})"[:120] for one in grave[:_NAMED]))

    def graver_than(self, grade: str) -> int:
        """How many findings are graver than that grade."""
        return sum(self.counts.get(name, 0) for name in GRADES[GRADES.index(grade) + 1 :])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; short enough for a tag."""
        return {"counts": dict(self.counts), "named": list(self.named)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DataFindings:
        """The counts that ``to_dict`` wrote."""
        counts = {str(name): int(count) for name, count in content["counts"].items()}
        return cls(counts, tuple(str(name) for name in content["named"]))


@dataclass(frozen=True)
class GateInputs:
    """What is known of a challenger beside its evaluation; None for what was not looked at.

    Attributes:
        slices: champion and challenger on each slice that is large enough, the least likely loss first.
        small_slices: slices that were too small to judge.
        calibration: the two by their calibration error.
        fairness: how the challenger treats the groups of the sensitive columns.
        cost: what it costs as it is served.
        findings: what was found in its training data.
        live: what production's labels say of these very two, where they answered side by side.
    """

    slices: tuple[SliceComparison, ...] | None = None
    small_slices: int = 0
    calibration: Comparison | None = None
    fairness: FairnessReport | None = None
    cost: Cost | None = None
    findings: DataFindings | None = None
    live: LiveVerdict | None = None


NOT_INSPECTED = GateInputs()
