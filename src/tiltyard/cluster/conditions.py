"""The conditions in the status of a ``TiltyardModel``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tiltyard.cluster.observed import Manifest

LONGEST_MESSAGE = 1_000
"""Characters of a message; the cluster refuses long ones."""


@dataclass(frozen=True)
class Condition:
    """Something that holds of a model, or does not, with the reason.

    Attributes:
        kind: what it is about.
        holds: whether it holds; None where it cannot be said.
        reason: one word for programs.
        message: a sentence for people.
    """

    kind: str
    holds: bool | None
    reason: str
    message: str = ""


def write_conditions(
    found: Iterable[Condition], before: Sequence[Manifest], generation: int, now: datetime
) -> list[Manifest]:
    """The conditions as the status holds them: each with the moment at which it last changed.

    Args:
        found: what holds now.
        before: the conditions of the status.
        generation: of the specification that they are about.
        now: the moment, UTC.
    """
    old = {one["type"]: one for one in before}
    written = []
    for one in found:
        status = "Unknown" if one.holds is None else str(one.holds)
        same = old.get(one.kind, {}).get("status") == status
        written.append(
            {
                "type": one.kind,
                "status": status,
                "reason": one.reason,
                "message": one.message[:LONGEST_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": old[one.kind]["lastTransitionTime"] if same else write_time(now),
            }
        )
    return written


def write_time(moment: datetime) -> str:
    """A moment as Kubernetes writes it: UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
