"""What the record of decisions says the aliases name, and whether the registry agrees.

Whoever can reach the registry can move an alias there, in MLflow's own pages or by its client, and no decision tells of
it. Folding the events gives what every alias should name; what differs was done behind our back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.findings import Finding
from tiltyard.ledger import Event, Ledger
from tiltyard.registry.ports import Registry, VersionInfo

PROMOTED = "promoted"
ROLLED_BACK = "rolled-back"
ALIAS_SET = "alias-set"
ALIAS_REMOVED = "alias-removed"
CHANGED_OUTSIDE = "alias-changed-outside"

BEGUN = "succession-begun"
ENDED = "succession-ended"

# Events by which a ledger shows that decisions about a model are written into it. A server's own are not among them:
# its ledger may be another than that of whoever decides.
_DECISIONS = (
    "registered",
    PROMOTED,
    ROLLED_BACK,
    ALIAS_SET,
    ALIAS_REMOVED,
    CHANGED_OUTSIDE,
    "approval-requested",
    "approved",
)


@dataclass(frozen=True)
class AliasRecord:
    """What an alias names by the record.

    Attributes:
        version: the version; None where it was taken away.
        event: the event that says so.
    """

    version: str | None
    event: Event

    @property
    def outside(self) -> bool:
        """Whether it was changed behind our back, and nobody has decided since."""
        return self.event.kind == CHANGED_OUTSIDE


@dataclass(frozen=True)
class AliasChange:
    """An alias that names another version than was decided.

    Attributes:
        alias: the alias.
        decided: what it names by the record; None for nothing.
        found: what it names in the registry; None for nothing.
    """

    alias: str
    decided: str | None
    found: str | None


def fold_aliases(events: Iterable[Event], name: str) -> dict[str, AliasRecord]:
    """What every alias of a model names by its events, in the order they were appended."""
    decided: dict[str, AliasRecord] = {}
    for event in events:
        if event.subject != name and not event.subject.startswith(f"{name}/"):
            continue
        version = event.subject.removeprefix(name).removeprefix("/") or None
        alias = _alias_of(event)
        if alias is None:
            continue
        if alias == CHAMPION and version is not None and event.kind != CHANGED_OUTSIDE:
            before = event.evidence.get("champion" if event.kind == PROMOTED else "before")
            if before is not None and before != version:
                decided[PREVIOUS] = AliasRecord(str(before), event)
        decided[alias] = AliasRecord(version, event)
    return decided


def keeps_decisions(events: Iterable[Event]) -> bool:
    """Whether these events show that decisions about the model are written into this ledger."""
    return any(event.kind in _DECISIONS for event in events)


def alias_change_subject(name: str) -> str:
    """The subject of the events that tell how far a change of aliases is; they are no decisions themselves."""
    return f"succession:{name}"


def unfinished_changes(ledger: Ledger, name: str) -> list[Event]:
    """The changes of aliases that were begun and not ended, oldest first: under way, or cut short.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    open_: dict[int, Event] = {}
    for event in ledger.events(subject=alias_change_subject(name)):
        if event.kind == BEGUN:
            open_[event.sequence] = event
        elif event.kind == ENDED:
            open_.pop(int(event.evidence.get("begun", 0)), None)
    return list(open_.values())


def alias_changes(events: Iterable[Event], name: str, found: Mapping[str, str]) -> tuple[AliasChange, ...]:
    """Aliases that name another version than was decided; none where the ledger does not keep the decisions.

    Args:
        events: all events about the model, in order.
        name: the model.
        found: what each alias names in the registry.
    """
    events = list(events)
    if not keeps_decisions(events):
        return ()
    decided = {alias: one.version for alias, one in fold_aliases(events, name).items()}
    return tuple(
        AliasChange(alias, decided.get(alias), found.get(alias))
        for alias in sorted(decided.keys() | found.keys())
        if decided.get(alias) != found.get(alias)
    )


def record_outside_changes(registry: Registry, ledger: Ledger, name: str, noticed_by: str) -> list[Event]:
    """Compare the registry's aliases with the decisions, and write down what was changed behind our back.

    What is being changed at the moment, or was cut short, is left alone: that is told by who settles it. So is a model
    of which the registry has no version: it may be another registry than that of the decisions (``missing_champion``).

    Args:
        registry: the registry.
        ledger: where decisions are kept.
        name: the model.
        noticed_by: who looked, such as ``doctor``.

    Returns:
        The events that were written; each change is written once.

    Raises:
        UnavailableError: the registry or the ledger cannot be reached.
    """
    if not keeps_decisions(ledger.events(subject=name)) or unfinished_changes(ledger, name):
        return []
    changes = _differing(registry, ledger, name)
    # Registry and ledger are read one after the other: what a decision changed in between differs in one look only.
    if changes and (unfinished_changes(ledger, name) or _differing(registry, ledger, name) != changes):
        return []
    return [ledger.append(_outside(change, name, noticed_by)) for change in changes]


def unexplained_champion(events: Iterable[Event], info: VersionInfo, pending: Iterable[Event] = ()) -> Finding | None:
    """A finding where no decision made a version champion: its alias was set behind our back.

    Args:
        events: all events about the model, in order.
        info: the version that the registry's alias ``champion`` names.
        pending: changes that were begun and not ended (``unfinished_changes``): their version is explained.

    Returns:
        None where a decision explains it, and where this ledger keeps no decisions about the model, so that it cannot
        tell.
    """
    events = list(events)
    if not keeps_decisions(events):
        return None
    champion = fold_aliases(events, info.name).get(CHAMPION)
    if champion is not None and champion.version == info.version and not champion.outside:
        return None
    wanted = [event.evidence for event in pending if event.evidence.get("alias") == CHAMPION]
    if any(evidence.get("version") == info.version for evidence in wanted):
        return None
    decided = champion.version if champion else None
    by_record = f"by the record it is version {decided}" if decided else "by the record there is none"
    if champion is not None and champion.outside:
        by_record = f"the alias was moved behind our back, noticed at {champion.event.at:%Y-%m-%d %H:%M:%S UTC}"
    return Finding(
        code="champion.unexplained",
        severity="error",
        subject=f"{info.name}/{info.version}",
        title="No decision made it champion",
        message=f"Version {info.version} of {info.name} has the alias 'champion', and no decision gave it: "
        f"{by_record}.",
        evidence={"decided": decided, "found": info.version},
        next_step="If it is meant, decide so: tiltyard set-alias --alias champion --version "
        f"{info.version} --reason …; else: tiltyard rollback --reason …",
    )


def missing_champion(events: Iterable[Event], registry: Registry, name: str) -> Finding | None:
    """A finding where the record names a champion, or one was taken away behind our back, and the registry has none.

    Args:
        events: all events about the model, in order.
        registry: the registry.
        name: the model.

    Returns:
        None where the registry has a champion, or none was decided.

    Raises:
        UnavailableError: the registry cannot be reached.
    """
    events = list(events)
    decided = fold_aliases(events, name).get(CHAMPION) if keeps_decisions(events) else None
    if decided is None or (decided.version is None and not decided.outside) or registry.champion(name) is not None:
        return None
    message = f"No version of {name} has the alias 'champion', and no decision took it away"
    if decided.version is None:
        message += f": noticed at {decided.event.at:%Y-%m-%d %H:%M:%S UTC}."
    else:
        message += f": by the record it is version {decided.version}."
    step = "Decide who is champion: tiltyard rollback --to VERSION --reason …, or tiltyard promote VERSION"
    if not registry.list_versions(name):
        message += " The registry has no version of it at all: it was deleted or renamed, or this is another registry."
        step = "Check MLFLOW_TRACKING_URI, and in MLflow whether the model was renamed; else restore the registry."
    evidence = {"decided": decided.version}
    return Finding(
        "champion.missing", "error", name, "The champion is gone", message, evidence=evidence, next_step=step
    )


def _differing(registry: Registry, ledger: Ledger, name: str) -> tuple[AliasChange, ...]:
    versions = registry.list_versions(name)
    if not versions:
        # Another registry than the decisions are about, or the model was deleted: no alias of it was moved.
        return ()
    found = {alias: info.version for info in versions for alias in info.aliases}
    return alias_changes(ledger.events(subject=name), name, found)


def _alias_of(event: Event) -> str | None:
    """The alias that an event moves to its version; None for one that moves none."""
    if event.kind in (PROMOTED, ROLLED_BACK):
        return CHAMPION
    alias = event.evidence.get("alias")
    return alias if event.kind in (ALIAS_SET, ALIAS_REMOVED, CHANGED_OUTSIDE) and isinstance(alias, str) else None


def _outside(change: AliasChange, name: str, noticed_by: str) -> Event:
    now = f"names version {change.found}" if change.found else "names nothing"
    then = f"version {change.decided}" if change.decided else "nothing"
    return Event(
        kind=CHANGED_OUTSIDE,
        subject=f"{name}/{change.found}" if change.found else name,
        at=datetime.now(UTC),
        actor="unknown",
        reason=f"the alias '{change.alias}' {now}, and by the decisions {then}; noticed by {noticed_by}",
        evidence={"alias": change.alias, "before": change.decided, "noticed_by": noticed_by},
    )
