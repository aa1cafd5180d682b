"""Decisions, newest first, and whether the record of them is whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.ledger import Event, Ledger

SHOWN = 200
"""How many decisions are listed."""


@dataclass(frozen=True)
class DecisionsView:
    """Decisions about a model.

    Attributes:
        decisions: the latest, newest first.
        total: how many there are.
        broken: what is wrong with the chain of all decisions, one sentence a broken link; empty when it is whole.
    """

    decisions: tuple[Event, ...]
    total: int
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """What one gate said, read back from a decision's evidence."""

    title: str
    passed: bool
    message: str


def decisions_view(ledger: Ledger, model: str, shown: int = SHOWN) -> DecisionsView:
    """The decisions about a model and its versions; the chain is checked over the decisions about all models.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    latest: deque[Event] = deque(maxlen=shown)
    total = 0
    for event in ledger.events(subject=model):
        latest.append(event)
        total += 1
    return DecisionsView(tuple(reversed(latest)), total, tuple(ledger.verify_events()))


def gates_of(event: Event) -> tuple[Gate, ...]:
    """What the gates said, where the evidence has a verdict; none otherwise.

    Evidence is history: it may have been written by another release, so what is not understood is left out.
    """
    verdict = event.evidence.get("verdict")
    gates: Any = verdict.get("gates") if isinstance(verdict, Mapping) else None
    if not isinstance(gates, list):
        return ()
    return tuple(
        Gate(str(gate.get("title") or gate.get("code") or "gate"), bool(gate["passed"]), str(gate.get("message", "")))
        for gate in gates
        if isinstance(gate, Mapping) and "passed" in gate
    )


def headline(event: Event) -> str:
    """What was decided, in a few words."""
    version = event.subject.rpartition("/")[2]
    alias = event.evidence.get("alias", "")
    sentences = {
        "registered": f"Version {version} registered",
        "promoted": f"Version {version} became champion",
        "refused": f"Version {version} {'was not promoted' if 'verdict' in event.evidence else 'was refused'}",
        "alias-set": f"Alias {alias} set to version {version}",
        "alias-removed": f"Alias {alias} taken away",
        "alias-changed-outside": f"Alias {alias} was moved behind our back",
        "rolled-back": f"Rolled back to version {version}",
        "approval-requested": f"Version {version} waits for approval",
        "approved": f"Version {version} approved",
        "served": f"Version {version} answers as {alias or 'champion'}",
    }
    return sentences.get(event.kind, f"{event.kind.replace('-', ' ').capitalize()}: {event.subject}")
