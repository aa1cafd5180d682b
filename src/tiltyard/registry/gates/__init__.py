"""Gates: what a challenger must show before it answers users, one family a module."""

from tiltyard.registry.gates.champion import incomparable
from tiltyard.registry.gates.inspection import FINDINGS_TAG, Cost, DataFindings, Inspection
from tiltyard.registry.gates.judging import alone, judge
from tiltyard.registry.gates.rendering import COLUMNS, VERDICT_TAG, verdict_markdown, verdict_rows, verdict_tag
from tiltyard.registry.gates.verdict import GateResult, Verdict, verdict_of

__all__ = [
    "COLUMNS",
    "FINDINGS_TAG",
    "VERDICT_TAG",
    "Cost",
    "DataFindings",
    "GateResult",
    "Inspection",
    "Verdict",
    "alone",
    "incomparable",
    "judge",
    "verdict_markdown",
    "verdict_of",
    "verdict_rows",
    "verdict_tag",
]
