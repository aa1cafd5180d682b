"""The result of a batch run, as callers get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tiltyard.findings import Finding
from tiltyard.jsonable import from_jsonable, json_form, to_json_object
from tiltyard.result_display import ShownResult


@json_form(also=("alarms",), names={"model_name": "model"})
@dataclass(frozen=True, repr=False)
class ScoreResult(ShownResult):
    """A batch run that is finished.

    Attributes:
        run_id: its id.
        model_name: the registered model.
        version: the version that predicted.
        source: what was scored.
        target: where the results are.
        started: when it began, UTC.
        finished: when its results appeared, UTC.
        rows: rows of the source.
        scored: those in the result.
        refused: those that could not be scored.
        refused_file: where these are, with the reasons; None for none.
        unusual: scored rows with values that training did not know.
        abstained: scored rows that the model leaves to a person.
        recorded: scored rows whose predictions are in the ledger.
        labels: how often each class was predicted; empty of numbers.
        findings: about the run as a whole, the gravest first.
        already: whether it was finished before this call, which then did nothing.
        resumed: fragments that an earlier call had done.
    """

    run_id: str
    model_name: str
    version: str
    source: str
    target: str
    started: datetime
    finished: datetime
    rows: int
    scored: int
    refused: int
    refused_file: str | None
    unusual: int
    abstained: int
    recorded: int
    labels: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    already: bool = False
    resumed: int = 0

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """What was found and needs attention or action, the gravest first."""
        return tuple(found for found in self.findings if found.is_found and found.severity != "info")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return to_json_object(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreResult:
        """The result that ``to_dict`` wrote down."""
        return from_jsonable(cls, {**data, "model_name": data["model"]})

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """Its title, and what is shown of it."""
        shown = {
            "rows": f"{self.scored:,} of {self.rows:,} scored",
            "result": self.target,
            "refused": f"{self.refused:,} ({self.refused_file})" if self.refused else "none",
            "recorded": f"{self.recorded:,}",
            "predicted": dict(self.labels),
            "findings": [found.to_dict() for found in self.findings],
        }
        return f"Batch run {self.run_id[:8]} of {self.model_name} version {self.version}", shown
