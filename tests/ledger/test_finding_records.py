"""Findings of monitors as values."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import UTC

import numpy as np
import pytest

from tiltyard.findings import Finding, could_not_judge, worst_severity
from tiltyard.ledger.finding_records import finding_record
from tiltyard.testing import NOON, MemoryLedger


def test_a_recorded_finding_is_the_finding() -> None:
    """A finding that went through a ledger is the finding."""
    found = Finding("drift.number", "warning", "length", score=0.5, limit=0.1, message="Moved.", since=NOON, until=NOON)
    ledger = MemoryLedger()
    ledger.findings.record([finding_record(found, project="films", version="1", at=NOON)])
    (record,) = ledger.findings.select()
    stored = {one.name for one in fields(Finding)} - {"title"}  # a title follows from the code
    assert {name: getattr(record, name) for name in stored} == {name: asdict(found)[name] for name in stored}
    assert (record.project, record.version, record.at.tzinfo) == ("films", "1", UTC)


def test_evidence_with_numpy_values_is_json() -> None:
    """Evidence with numpy's numbers is stored as JSON, and NaN is null."""
    found = Finding("drift.number", "warning", "x", score=np.float64(2), evidence={"n": np.int64(3), "bad": np.nan})
    assert json.loads(json.dumps(found.to_dict()))["evidence"] == {"n": 3, "bad": None}
    record = finding_record(found, project="p", at=NOON)
    assert record.evidence == {"n": 3, "bad": None}


def test_could_not_judge_is_not_found() -> None:
    """A finding that could not be evaluated is recorded, and is not a reason to act."""
    unknown = could_not_judge("drift.verdict", "all", "Too few rows.", "Wait.")
    assert not unknown.is_found
    assert worst_severity([unknown, Finding("a.b", "warning", "c", status="clear")]) is None
    assert worst_severity([unknown, Finding("a.b", "warning", "c"), Finding("a.b", "error", "c")]) == "error"


@pytest.mark.parametrize("wrong", [{"code": "Drift"}, {"severity": "fatal"}])
def test_wrong_codes_and_severities_are_refused(wrong: dict[str, str]) -> None:
    """A code that is not dotted, or a severity of no kind, is refused."""
    with pytest.raises(ValueError, match=r"finding (code|severity)"):
        Finding(**({"code": "a.b", "severity": "warning", "subject": "c"} | wrong))  # type: ignore[arg-type]
