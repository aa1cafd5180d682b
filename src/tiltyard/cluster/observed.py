"""What was seen of a model on the cluster, and what is to be done about it: values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Manifest = dict[str, Any]
Ref = tuple[str, str]
"""Kind and name of an object in the namespace of its model."""
REMOVABLE = ("goodRevision", "failed", "rollout", "champion", "revision", "image")
"""What may be missing from a status: it is removed where it does not hold any more."""


@dataclass(frozen=True)
class Health:
    """What a pod said of its ``/health``.

    Attributes:
        responded: whether it responded at all.
        alive: False where it says that it hangs.
        version: the version that it serves; None for none, and of pods that serve none.
        reason: why there was no response.
    """

    responded: bool
    alive: bool = True
    version: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod of a model.

    Attributes:
        name: its name.
        uid: what tells it from another pod of that name.
        part: ``api``, ``loop``, ``stream``, ``console``, or the name of a job.
        revision: the label by which its controller knows its template.
        started: whether its container has come up.
        ready: whether the cluster sends requests to it.
        leaving: whether it is being ended.
        waiting: why its container does not run, as the cluster says it; empty for none.
        address: its IP address; empty for none yet.
        port: the port of its health; None where it listens on loopback alone.
        health: what it said; None where nobody read it.
    """

    name: str
    uid: str
    part: str
    revision: str = ""
    started: bool = False
    ready: bool = False
    leaving: bool = False
    waiting: str = ""
    address: str = ""
    port: int | None = None
    health: Health | None = None


@dataclass(frozen=True)
class Observation:
    """A model, and what was seen of it at a moment.

    Attributes:
        model: the resource.
        objects: the objects that have its names, also those that others made.
        revisions: what was applied earlier, by name: the objects of each.
        pods: its pods.
        now: the moment, UTC.
        refused: what the cluster refused of the latest attempt to apply the specification; empty for nothing.
    """

    model: Manifest
    objects: Mapping[Ref, Manifest]
    revisions: Mapping[str, list[Manifest]]
    pods: tuple[Pod, ...]
    now: datetime
    refused: str = ""

    @property
    def name(self) -> str:
        """The name of the resource."""
        return str(self.model["metadata"]["name"])

    @property
    def uid(self) -> str:
        """What tells the resource from another of that name."""
        return str(self.model["metadata"]["uid"])

    @property
    def status(self) -> Manifest:
        """What the resource says of itself."""
        return dict(self.model.get("status") or {})


@dataclass(frozen=True)
class KeepRevision:
    """Record the objects of a specification, so that they can be applied again."""

    name: str
    number: int
    objects: list[Manifest]


@dataclass(frozen=True)
class Apply:
    """Bring an object about, or back to what it should be."""

    item: Manifest


@dataclass(frozen=True)
class Delete:
    """Remove an object that is not wanted any more.

    Attributes:
        ref: which.
        uid: the one that was seen; another of that name stays.
    """

    ref: Ref
    uid: str


@dataclass(frozen=True)
class Announce:
    """Tell people by an event.

    Attributes:
        kind: how it is shown.
        reason: one word for programs.
        message: a sentence.
        key: the same for what is announced once only.
    """

    kind: Literal["Normal", "Warning"]
    reason: str
    message: str
    key: str


@dataclass(frozen=True)
class WriteStatus:
    """Write what the resource says of itself."""

    status: Manifest


Action = KeepRevision | Apply | Delete | Announce | WriteStatus


@dataclass(frozen=True)
class RolloutState:
    """How far a set of objects has come up.

    Attributes:
        complete: whether all that runs is what was applied, and is healthy.
        progress: pods that have come up so far.
        missing: what is not up, in words; empty for nothing.
        waiting_for_champion: whether only a champion is missing.
    """

    complete: bool
    progress: int
    missing: tuple[str, ...] = field(default=())
    waiting_for_champion: bool = False


def describe_action(action: Action) -> tuple[str, str]:
    """One word for programs and a sentence for people."""
    match action:
        case KeepRevision(name=name):
            return "revision", f"{name} is on record."
        case Apply(item=item):
            return "applied", f"{item['kind']} {item['metadata']['name']} is applied."
        case Delete(ref=(kind, name)):
            return "removed", f"{kind} {name} is removed."
        case Announce(reason=reason, message=message):
            return "announced", f"{reason}: {message}"
        case WriteStatus(status=status):
            conditions = {one["type"]: one for one in status["conditions"]}
            return "status", f"{status['servers']} servers, {conditions['Progressing']['reason']}."
