"""How much of a window lies beyond what the reference holds: where estimates that rest on the reference end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.drift.detectors.result import RARE

_INPUTS = frozenset(
    f"drift.{kind}" for kind in ("number", "category", "text", "joint", "missing", "invalid", "new-category", "kind")
)
_SHARES = frozenset({"ks", "fisher", "kind"})  # methods whose effect is a share of rows


@dataclass(frozen=True)
class Extrapolation:
    """How far the inputs of a window are from what the reference holds.

    Attributes:
        beyond: share of the rows that lie where the reference has next to none, of the subject with most such rows.
        subject: that subject; empty where no input drifted.
        moved: the greatest share of rows that moved across one point, within the reference or beyond it.
    """

    beyond: float = 0.0
    subject: str = ""
    moved: float = 0.0


NO_EXTRAPOLATION = Extrapolation()
"""Inputs that are like the reference's, as far as is known."""


def measure_extrapolation(tests: Iterable[Mapping[str, Any]]) -> Extrapolation:
    """The extrapolation that tests show, each as ``DriftTest.to_dict`` gives it; only inputs that drifted count."""
    drifted = [test for test in tests if test["drifted"] and test["code"] in _INPUTS]
    if not drifted:
        return NO_EXTRAPOLATION
    farthest = max(drifted, key=lambda test: (_share_beyond(test), test["effect"]))
    beyond = _share_beyond(farthest)
    moved = max((float(test["effect"]) for test in drifted if test["method"] in _SHARES), default=0.0)
    return Extrapolation(beyond, str(farthest["subject"]), max(moved, beyond))


def _share_beyond(test: Mapping[str, Any]) -> float:
    if test["code"] == "drift.kind":
        return 1.0
    if test["code"] == "drift.new-category":
        return float(test["effect"])
    if test["code"] in ("drift.missing", "drift.invalid"):
        return float(test["effect"]) if test["reference_share"] < RARE else 0.0
    return float(test.get("beyond_reference", 0.0))
