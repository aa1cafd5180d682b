"""A sample of the simulation; a long run is one command (docs/evidence.md)."""

from __future__ import annotations

import pytest
from benchmarks.simulation import simulate

from tiltyard.ledger import Lease
from tiltyard.testing.leases import MemoryLeases


def test_a_sample_holds_and_is_repeatable() -> None:
    """What must hold holds at the end of an episode, and the same seed gives the same steps and the same happenings."""
    first, again = (simulate(1200, "7") for _ in range(2))
    assert first["broken"] == []
    assert first["steps"] >= 1200
    assert first["counts"]["sent"] > 0
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert simulate(1200, "8")["counts"] != first["counts"]


@pytest.mark.proof
def test_it_finds_a_decision_without_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where events are appended without the lease's turn, the simulation finds two decisions at a time."""

    def accept(self: MemoryLeases, lease: Lease) -> None:
        del self, lease

    monkeypatch.setattr(MemoryLeases, "require_turn", accept)
    assert any("replaced" in sentence for sentence in simulate(40_000, "1")["broken"])


@pytest.mark.proof
def test_it_finds_a_newer_champion_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where late writes are not undone, the simulation finds a champion without a decision."""
    monkeypatch.setattr("tiltyard.promotion.alias_change.find_late_writes", lambda *_: [])
    assert any("the aliases are" in sentence for sentence in simulate(40_000, "1")["broken"])


@pytest.mark.proof
def test_a_hundred_thousand_steps() -> None:
    """Nothing breaks in a hundred thousand steps."""
    assert simulate(100_000, "2")["broken"] == []
