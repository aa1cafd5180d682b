"""Records of the ledger: their ids, and what becomes of a finding."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy

from tiltyard.findings import Finding
from tiltyard.ledger import SqlLedger, new_id
from tiltyard.ledger.records import finding_record
from tiltyard.testing import NOON, MemoryLedger, make_finding


def test_ids_rise_and_are_of_version_7() -> None:
    """Each id of a process sorts after the one before, and is a UUID of version 7 in its usual text."""
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert {UUID(id_).version for id_ in ids} == {7}
    assert all(str(UUID(id_)) == id_ for id_ in ids[:10])


def test_threads_never_share_an_id() -> None:
    """Ids made by several threads at once are all different."""
    with ThreadPoolExecutor(8) as pool:
        made = [id_ for ids in pool.map(lambda _: [new_id() for _ in range(2_000)], range(8)) for id_ in ids]
    assert len(set(made)) == len(made)


def test_a_recorded_finding_is_the_finding() -> None:
    """A finding that went through a ledger is the finding."""
    found = Finding("drift.number", "warning", "length", score=0.5, limit=0.1, message="Moved.", since=NOON, until=NOON)
    ledger = MemoryLedger()
    ledger.findings.record([finding_record(found, model_name="films", version="1", at=NOON)])
    (record,) = ledger.findings.select()
    stored = {one.name for one in fields(Finding)} - {"title"}  # a title follows from the code
    assert {name: getattr(record, name) for name in stored} == {name: asdict(found)[name] for name in stored}
    assert (record.project, record.version, record.at.tzinfo) == ("films", "1", UTC)


def test_the_latest_findings_are_ranked_without_their_evidence(tmp_path: Path) -> None:
    """Evidence may be long: the ledger looks for the newest findings without it, and reads that of the few it found."""
    statements: list[str] = []

    def note(*seen: Any) -> None:
        statements.append(seen[2])

    with SqlLedger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.findings.record([make_finding(at=NOON + timedelta(hours=hour)) for hour in range(3)])
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
        try:
            (latest,) = ledger.findings.latest(project="films")
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert (latest.at, latest.evidence) == (NOON + timedelta(hours=2), {"rows": 3})
    [ranking] = [part.partition(")")[0] for part in statements[-1].split("(SELECT")[1:]]
    assert "row_number" in ranking
    assert "evidence" not in statements[-1].split("(SELECT")[1]


def test_evidence_with_numpy_values_is_json() -> None:
    """Evidence with numpy's numbers is stored as JSON, and NaN is null."""
    found = Finding("drift.number", "warning", "x", score=np.float64(2), evidence={"n": np.int64(3), "bad": np.nan})
    assert json.loads(json.dumps(found.to_dict()))["evidence"] == {"n": 3, "bad": None}
    record = finding_record(found, model_name="p", at=NOON)
    assert record.evidence == {"n": 3, "bad": None}
