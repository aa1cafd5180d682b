"""Decisions, newest first, and whether their chain is whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.ledger import Event, Ledger

MAX_DECISIONS = 200
"""Number of listed decisions."""


@dataclass(frozen=True)
class DecisionsView:
    """Decisions about a model.

    Attributes:
        decisions: the latest, newest first.
        total: number of all decisions about the model.
        broken: errors in the chain of all decisions, one sentence per broken link; empty if the chain is whole.
    """

    decisions: tuple[Event, ...]
    total: int
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """The result of one gate, read from a decision's evidence."""

    title: str
    passed: bool
    message: str


def decisions_view(ledger: Ledger, model: str, limit: int = MAX_DECISIONS) -> DecisionsView:
    """The decisions about a model and its versions; the chain is checked over the decisions about all models.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    latest: deque[Event] = deque(maxlen=limit)
    total = 0
    for event in ledger.events(subject=model):
        latest.append(event)
        total += 1
    return DecisionsView(tuple(reversed(latest)), total, tuple(ledger.verify_events()))


def gates_of(event: Event) -> tuple[Gate, ...]:
    """The results of the gates, if the evidence has a verdict.

    Another release may have written the evidence, so unknown parts are left out.
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


def decision_title(event: Event) -> str:
    """The decision, in a few words."""
    version = event.subject.rpartition("/")[2]
    alias = event.evidence.get("alias", "")
    sentences = {
        "registered": f"Version {version} registered",
        "promoted": f"Version {version} became champion",
        "refused": f"Version {version} {'was not promoted' if 'verdict' in event.evidence else 'was refused'}",
        "alias-set": f"Alias {alias} set to version {version}",
        "alias-removed": f"Alias {alias} removed",
        "alias-changed-outside": f"Alias {alias} was moved outside Tiltyard",
        "rolled-back": f"Rolled back to version {version}",
        "approval-requested": f"Version {version} waits for approval",
        "approved": f"Version {version} approved",
        "served": f"Version {version} is served as {alias or 'champion'}",
    }
    if event.kind.startswith("alert-"):
        return event.reason or event.kind.replace("-", " ").capitalize()
    return sentences.get(event.kind, f"{event.kind.replace('-', ' ').capitalize()}: {event.subject}")
