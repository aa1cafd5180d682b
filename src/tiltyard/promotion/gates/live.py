"""What the labels of production said of a challenger that predicted next to the champion."""

from __future__ import annotations

from typing import Literal

from tiltyard.evaluation.sequential_test import LiveVerdict
from tiltyard.jsonable import to_json_object
from tiltyard.promotion.gates.verdict import GateResult

_OVERRULE = "; to overrule it by hand: tiltyard set-alias"


def live_gate(required: Literal["not-worse", "wins"], verdict: LiveVerdict | None) -> GateResult:
    """Whether the live challenge speaks against the challenger, or, for ``wins``, for it.

    Args:
        required: ``not-worse`` refuses where the champion holds; ``wins`` refuses unless the challenger has won.
        verdict: of the live challenge of these very two; None where there was none.
    """
    wins = required == "wins"
    title = "Wins live against the champion" if wins else "Does not lose live against the champion"
    if verdict is None:
        return GateResult(
            "gate.live",
            title,
            not wins,
            "the two did not predict side by side, or no labels came: see [serving] challenger, tiltyard challenge",
            "it has not won live" if wins else "",
            {"asked": required},
        )
    passed = verdict.decision == "challenger wins" if wins else verdict.decision != "champion holds"
    held = verdict.decision == "champion holds"
    return GateResult(
        "gate.live",
        title,
        passed,
        verdict.summary + ("" if passed else _OVERRULE),
        "" if passed else "the champion holds live" if held else "it has not won live",
        {**to_json_object(verdict), "asked": required},
    )
