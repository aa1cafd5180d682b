"""What gates say: one by one, and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tiltyard.jsonable import json_form
from tiltyard.result_display import ShownResult


@dataclass(frozen=True)
class GateResult:
    """What one gate says.

    Attributes:
        code: stable name, such as ``gate.floor``.
        title: the rule, for people.
        passed: whether the challenger passes.
        message: what was found, with the numbers.
        reason: the refusal in a few words; empty where it passed.
        evidence: the numbers.
    """

    code: str
    title: str
    passed: bool
    message: str
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@json_form(also=("reason", "summary"))
@dataclass(frozen=True, repr=False)
class Verdict(ShownResult):
    """What all gates together say.

    Attributes:
        promoted: whether every gate was passed.
        gates: what each said, in order.
    """

    promoted: bool
    gates: tuple[GateResult, ...]

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, and each gate with what it found."""
        gates = [
            {"title": ("passed: " if gate.passed else "refused: ") + gate.title, "message": gate.message}
            for gate in self.gates
        ]
        return "Promoted" if self.promoted else f"Not promoted ({self.reason})", {"gates": gates}

    @property
    def refusals(self) -> tuple[GateResult, ...]:
        """The gates that were not passed, in order."""
        return tuple(gate for gate in self.gates if not gate.passed)

    @property
    def comparison(self) -> GateResult | None:
        """The gate in which the challenger met the champion; None where there was none."""
        return next((gate for gate in self.gates if gate.code in COMPARING), None)

    @property
    def reason(self) -> str:
        """Why not, in a few words; empty for a promotion."""
        return next((gate.reason for gate in self.refusals), "")

    @property
    def summary(self) -> str:
        """One line: the first refusal, or how it compares with the champion, with the numbers."""
        deciding = self.refusals[:1] or ((self.comparison,) if self.comparison else self.gates[-1:])
        return deciding[0].message if deciding else "no gate was required"


# The gates in which the challenger meets the champion, or would if there were one.
COMPARING = ("gate.first", "gate.better", "gate.significant", "gate.non-inferior", "gate.comparable")


def make_verdict(gates: list[GateResult]) -> Verdict:
    """What these gates together say."""
    return Verdict(all(gate.passed for gate in gates), tuple(gates))
