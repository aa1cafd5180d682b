"""The data that a version was trained on must be good enough."""

from __future__ import annotations

from tiltyard.jsonable import to_json_object
from tiltyard.promotion.gates.inspection import GRADES, DataFindings
from tiltyard.promotion.gates.verdict import GateResult

SHOWN = 3


def data_limit(gravest: str, findings: DataFindings | None) -> GateResult:
    """Whether nothing graver than a grade was found in the training data; ``gravest`` is the grade that may be."""
    title = f"Nothing graver than {gravest} in its data"
    if findings is None:
        return GateResult(
            "gate.data",
            title,
            False,
            "what was found in its data was not written down with it: train it with Tiltyard",
            "its data could not be checked",
            {"limit": gravest},
        )
    graver = findings.graver_than(gravest)
    counted = ", ".join(f"{count} {grade}" for grade in reversed(GRADES) if (count := findings.counts.get(grade)))
    named = f": {', '.join(findings.named[:SHOWN])}" if findings.named and graver else ""
    return GateResult(
        "gate.data",
        title,
        graver == 0,
        f"its data has {counted or 'no'} findings{named}",
        "its data has grave findings" if graver else "",
        {**to_json_object(findings), "limit": gravest},
    )
