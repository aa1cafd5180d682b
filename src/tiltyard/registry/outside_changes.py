"""Aliases that were changed outside Tiltyard: what the registry says compared with the decisions.

Anyone who can reach the registry can move an alias there, in MLflow's pages or by its client, and then no decision
records it. What differs from the decisions was changed outside Tiltyard; once noticed, that is an event too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tiltyard.aliases import CHAMPION
from tiltyard.findings import Finding
from tiltyard.ledger import Event, Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.registry.alias_history import (
    CHANGED_OUTSIDE,
    find_late_writes,
    keeps_decisions,
    read_alias_history,
    read_begun_changes,
    unfinished_changes,
)
from tiltyard.registry.ports import Registry, VersionInfo

UNEXPLAINED = "champion.unexplained"
"""The code of the finding, and of the refusal, of a champion that no decision made."""


@dataclass(frozen=True)
class AliasMismatch:
    """An alias that names another version than was decided.

    Attributes:
        alias: the alias.
        decided: what it names by the decisions; None for nothing.
        found: what it names in the registry; None for nothing.
    """

    alias: str
    decided: str | None
    found: str | None


def find_mismatches(events: Iterable[Event], name: str, found: Mapping[str, str]) -> tuple[AliasMismatch, ...]:
    """Aliases that name another version than was decided; none where the ledger does not keep the decisions.

    Args:
        events: all events about the model, in order.
        name: the model.
        found: what each alias names in the registry.
    """
    events = list(events)
    if not keeps_decisions(events):
        return ()
    decided = {alias: record.version for alias, record in read_alias_history(events, name).aliases.items()}
    return tuple(
        AliasMismatch(alias, decided.get(alias), found.get(alias))
        for alias in sorted(decided.keys() | found.keys())
        if decided.get(alias) != found.get(alias)
    )


def record_outside_changes(
    registry: Registry, ledger: Ledger, name: str, noticed_by: str, events: ModelEvents | None = None
) -> list[Event]:
    """Compare the registry's aliases with the decisions, and record what was changed outside Tiltyard.

    A change that is under way or was interrupted is left alone: its recovery records it. So is one that a process made
    late, which the next decision undoes, and a model of which the registry has no version: it may be another registry
    than that of the decisions (``missing_champion``).

    Args:
        registry: the registry.
        ledger: where decisions are kept.
        name: the model.
        noticed_by: who compares, such as ``doctor``.
        events: the model's events, as far as the caller has read them.

    Returns:
        The events that were recorded; each change is recorded once.

    Raises:
        UnavailableError: the registry or the ledger cannot be reached.
    """
    known = events or ModelEvents(ledger, name)
    if not keeps_decisions(known.read()) or unfinished_changes(ledger, name):
        return []
    found = _read_mismatches(registry, known, name)
    # Registry and ledger are read one after the other: what a decision changed in between differs only once.
    if found and (unfinished_changes(ledger, name) or _read_mismatches(registry, known, name) != found):
        return []
    late = _late_aliases(ledger, known, name, found)
    return [
        ledger.append(_outside_event(mismatch, name, noticed_by)) for mismatch in found if mismatch.alias not in late
    ]


def unexplained_champion(events: Iterable[Event], info: VersionInfo, pending: Iterable[Event] = ()) -> Finding | None:
    """A finding where no decision made a version champion: its alias was set outside Tiltyard.

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
    champion = read_alias_history(events, info.name).aliases.get(CHAMPION)
    if champion is not None and champion.version == info.version and not champion.outside:
        return None
    wanted = [event.evidence for event in pending if event.evidence.get("alias") == CHAMPION]
    if any(evidence.get("version") == info.version for evidence in wanted):
        return None
    decided = champion.version if champion else None
    by_record = f"by the decisions it is version {decided}" if decided else "by the decisions there is none"
    if champion is not None and champion.outside:
        by_record = f"the alias was moved outside Tiltyard, noticed at {champion.event.at:%Y-%m-%d %H:%M:%S UTC}"
    return Finding(
        code=UNEXPLAINED,
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
    """A finding where the decisions name a champion, or one was removed outside Tiltyard, and the registry has none.

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
    decided = read_alias_history(events, name).aliases.get(CHAMPION) if keeps_decisions(events) else None
    if decided is None or (decided.version is None and not decided.outside) or registry.champion(name) is not None:
        return None
    message = f"No version of {name} has the alias 'champion', and no decision removed it"
    if decided.version is None:
        message += f": noticed at {decided.event.at:%Y-%m-%d %H:%M:%S UTC}."
    else:
        message += f": by the decisions it is version {decided.version}."
    step = "Decide who is champion: tiltyard rollback --to VERSION --reason …, or tiltyard promote VERSION"
    if not registry.list_versions(name):
        message += " The registry has no version of it at all: it was deleted or renamed, or this is another registry."
        step = "Check MLFLOW_TRACKING_URI, and in MLflow whether the model was renamed; else restore the registry."
    evidence = {"decided": decided.version}
    return Finding(
        "champion.missing", "error", name, "The champion is gone", message, evidence=evidence, next_step=step
    )


def _late_aliases(ledger: Ledger, events: ModelEvents, name: str, found: Iterable[AliasMismatch]) -> set[str]:
    late = read_begun_changes(ledger, name)[1]
    if not late:
        return set()
    named = {mismatch.alias: mismatch.found for mismatch in found if mismatch.found is not None}
    writes = find_late_writes(late, read_alias_history(events.read(), name), named)
    return {alias for _, alias, _ in writes}


def _read_mismatches(registry: Registry, events: ModelEvents, name: str) -> tuple[AliasMismatch, ...]:
    versions = registry.list_versions(name)
    if not versions:
        # Another registry than the decisions are about, or the model was deleted: no alias of it was moved.
        return ()
    found = {alias: info.version for info in versions for alias in info.aliases}
    return find_mismatches(events.read(), name, found)


def _outside_event(mismatch: AliasMismatch, name: str, noticed_by: str) -> Event:
    now = f"names version {mismatch.found}" if mismatch.found else "names nothing"
    then = f"version {mismatch.decided}" if mismatch.decided else "nothing"
    return Event(
        kind=CHANGED_OUTSIDE,
        subject=f"{name}/{mismatch.found}" if mismatch.found else name,
        at=datetime.now(UTC),
        actor="unknown",
        reason=f"the alias '{mismatch.alias}' {now}, and by the decisions {then}; noticed by {noticed_by}",
        evidence={"alias": mismatch.alias, "before": mismatch.decided, "noticed_by": noticed_by},
    )
