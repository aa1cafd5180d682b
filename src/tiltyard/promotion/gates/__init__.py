"""Gates: what a challenger must show before it serves users, one family a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "alpha_spending": (
                "Allowance",
                "CHALLENGERS",
                "FIRST_CHAMPIONS",
                "PastDecision",
                "next_allowance",
            ),
            "champion": ("incomparable_gate",),
            "evaluate": (
                "run_gates",
                "standalone_gates",
            ),
            "guess": (
                "guess_gate",
                "guess_gate_after",
            ),
            "inspection": (
                "Cost",
                "DataFindings",
                "GateInputs",
            ),
            "rendering": (
                "COLUMNS",
                "verdict_markdown",
                "verdict_rows",
                "verdict_tag",
            ),
            "verdict": (
                "GateResult",
                "Verdict",
                "make_verdict",
            ),
        },
    )
