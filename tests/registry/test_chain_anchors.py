"""A chain that was cut off or written anew shows by what is known of it elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.promotion.dying import NAME, promotion
from tiltyard.errors import UsageError
from tiltyard.ledger import SqlLedger
from tiltyard.ledger.chain import link
from tiltyard.pipeline import Workspace
from tiltyard.promotion.alias_change import move_alias
from tiltyard.promotion.manual_change import point_alias
from tiltyard.registry.chain_anchors import DECISION_TAG, check_chain, parse_anchor, read_anchors
from tiltyard.testing import make_event
from tiltyard.testing.registry import MemoryRegistry, write_example_package


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    """Three versions; the second took over from the first."""
    registry = MemoryRegistry()
    write_example_package(tmp_path / "model")
    for _ in range(3):
        registry.register_model(str(tmp_path / "model"), NAME)
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        made = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
        ledger.append(make_event(subject=f"{NAME}/1", kind="registered"))
        move_alias(made, promotion("1", None))
        move_alias(made, promotion("2", "1"))
        yield made


def checked(workspace: Workspace, *more: Any) -> Any:
    return check_chain(workspace.ledger, NAME, [*read_anchors(workspace.registry.list_versions(NAME)), *more])


def rewrite(workspace: Workspace, forge: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Write the whole chain anew, with its end, as somebody may who can write to the ledger."""
    database: Any = workspace.ledger._database  # type: ignore[attr-defined]
    with database.write() as connection:
        rows = [dict(row._mapping) for row in connection.execute(text("SELECT * FROM events ORDER BY sequence"))]
        connection.execute(text("DELETE FROM events"))
        digest = ""
        for sequence, row in enumerate(forge(rows), 1):
            row["sequence"] = sequence
            digest = row["digest"] = link(digest, row)
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO events ({names}) VALUES ({marks})"), row)
        connection.execute(
            text("UPDATE chain SET sequence = :last, digest = :digest"), {"last": sequence, "digest": digest}
        )
    assert workspace.ledger.verify_events() == [], "nothing inside the chain tells"


def test_decisions_leave_notes(workspace: Workspace) -> None:
    """Each version carries the note of the last decision about it, and a whole chain agrees with all of them."""
    found = checked(workspace)
    assert (found.broken, found.events, found.noted, found.foreign) == ((), 7, 2, 0)
    last = list(workspace.ledger.events())[-1]
    assert found.end == f"{last.sequence}:{last.digest}"
    assert checked(workspace, parse_anchor("--anchor", found.end)).noted == 3
    point_alias(workspace, NAME, version="3", alias="shadow", reason="")
    assert checked(workspace).noted == 3


def test_an_end_that_was_cut_off(workspace: Workspace) -> None:
    """Cut off and noted anew, with or without events put in its place, the note of the last decision is missed."""
    rewrite(workspace, lambda rows: rows[:4])
    (problem,) = checked(workspace).broken
    assert "was noted elsewhere and is missing: the end of the chain was cut off" in problem
    for _ in range(6):
        workspace.ledger.append(make_event(subject=f"{NAME}/9"))
    (problem,) = checked(workspace).broken
    assert "is not the one that was noted elsewhere" in problem


@pytest.mark.requirement("R-SEC-04")
def test_a_chain_that_was_written_anew(workspace: Workspace) -> None:
    """A reason that was changed with all digests after it shows, also where the change goes back to the first event."""
    end = checked(workspace).end

    def forge(position: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        return lambda rows: [*rows[:position], {**rows[position], "reason": "forged"}, *rows[position + 1 :]]

    rewrite(workspace, forge(4))
    (problem,) = checked(workspace).broken
    assert problem.startswith("Event 6 (promoted, films/2) is not the one")
    rewrite(workspace, forge(0))
    (problem,) = checked(workspace).broken
    assert "it was written anew, or this is another ledger" in problem
    assert any("Event 7" in problem for problem in checked(workspace, parse_anchor("--anchor", end)).broken)


def test_a_ledger_that_was_begun_anew(workspace: Workspace, tmp_path: Path) -> None:
    """Notes of the ledger before are distinguished once a decision stands in the new one, and a torn note is none."""
    with SqlLedger.open(f"sqlite:///{tmp_path / 'other.db'}") as ledger:
        other = replace(workspace, ledger=ledger)
        assert checked(other).broken
        move_alias(other, promotion("3", "2"))
        found = checked(other)
        assert (found.broken, found.noted, found.foreign) == ((), 1, 2)
    workspace.registry.set_tag(NAME, "1", DECISION_TAG, json.dumps("nonsense"))
    assert len(read_anchors(workspace.registry.list_versions(NAME))) == 2
    with pytest.raises(UsageError, match="--anchor '12' is not an anchor of the chain"):
        parse_anchor("--anchor", "12")
