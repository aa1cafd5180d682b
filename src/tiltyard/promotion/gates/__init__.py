"""Gates: what a challenger must show before it serves users, one family a module."""

from tiltyard.promotion.gates.alpha_spending import (
    CHALLENGERS,
    FIRST_CHAMPIONS,
    Allowance,
    PastDecision,
    next_allowance,
)
from tiltyard.promotion.gates.champion import incomparable_gate
from tiltyard.promotion.gates.evaluate import run_gates, standalone_gates
from tiltyard.promotion.gates.guess import guess_gate, guess_gate_after
from tiltyard.promotion.gates.inspection import Cost, DataFindings, GateInputs
from tiltyard.promotion.gates.rendering import COLUMNS, verdict_markdown, verdict_rows, verdict_tag
from tiltyard.promotion.gates.verdict import GateResult, Verdict, make_verdict

__all__ = [
    "CHALLENGERS",
    "COLUMNS",
    "FIRST_CHAMPIONS",
    "Allowance",
    "Cost",
    "DataFindings",
    "GateInputs",
    "GateResult",
    "PastDecision",
    "Verdict",
    "guess_gate",
    "guess_gate_after",
    "incomparable_gate",
    "make_verdict",
    "next_allowance",
    "run_gates",
    "standalone_gates",
    "verdict_markdown",
    "verdict_rows",
    "verdict_tag",
]
