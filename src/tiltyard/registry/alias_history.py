"""Who is champion since when, and what every alias names, by the decisions; and whether the registry agrees.

This is the one fold over decisions: every part that asks for the champion, an earlier one, or what an alias should name
uses it. Anyone who can reach the registry can also move an alias there, in MLflow's pages or by its client, and then no
decision records it. What differs from the decisions was changed outside Tiltyard; once noticed, that is an event too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.findings import Finding
from tiltyard.ledger import Event, Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.registry.ports import Registry, VersionInfo

PROMOTED = "promoted"
ROLLED_BACK = "rolled-back"
ALIAS_SET = "alias-set"
ALIAS_REMOVED = "alias-removed"
CHANGED_OUTSIDE = "alias-changed-outside"

BEGUN = "succession-begun"
ENDED = "succession-ended"

# Events by which a ledger shows that it keeps the decisions about a model. A server's own events are not among them:
# its ledger may be another one.
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

UNEXPLAINED = "champion.unexplained"
"""The code of the finding, and of the refusal, of a champion that no decision made."""


@dataclass(frozen=True)
class AliasRecord:
    """What an alias names by the decisions.

    Attributes:
        version: the version; None where the alias was removed.
        event: the event that says so.
    """

    version: str | None
    event: Event

    @property
    def outside(self) -> bool:
        """Whether it was changed outside Tiltyard, and no decision was recorded since."""
        return self.event.kind == CHANGED_OUTSIDE


@dataclass(frozen=True)
class ChampionPeriod:
    """A period in which one version was champion, or none was.

    Attributes:
        version: the champion; None for a period without one.
        since: when it began: when the decision was recorded, or the change outside Tiltyard was noticed.
        event: the latest event of the period that names the champion; a change outside may be confirmed by a decision.
    """

    version: str | None
    since: datetime
    event: Event


@dataclass(frozen=True)
class AliasHistory:
    """What the decisions about a model made of its aliases.

    Attributes:
        aliases: what every alias names.
        champions: the periods of its champions, in order; versions of neighbouring periods differ.
        rolled_back: versions that a rollback replaced.
    """

    aliases: Mapping[str, AliasRecord] = field(default_factory=dict)
    champions: tuple[ChampionPeriod, ...] = ()
    rolled_back: frozenset[str] = frozenset()

    @property
    def champion(self) -> ChampionPeriod | None:
        """The present champion's period; None where there is no champion."""
        last = self.champions[-1] if self.champions else None
        return last if last is not None and last.version is not None else None

    @property
    def previous_champion(self) -> str | None:
        """The latest other version that was champion before the present period; None where there was none."""
        present = self.champions[-1].version if self.champions else None
        earlier = (period.version for period in reversed(self.champions[:-1]))
        return next((version for version in earlier if version not in (None, present)), None)


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


def read_alias_history(events: Iterable[Event], model_name: str) -> AliasHistory:
    """Fold a model's events, in the order they were appended."""
    decided: dict[str, AliasRecord] = {}
    champions: list[ChampionPeriod] = []
    rolled_back: set[str] = set()
    for event in events:
        if event.subject != model_name and not event.subject.startswith(f"{model_name}/"):
            continue
        version = event.subject.removeprefix(model_name).removeprefix("/") or None
        alias = _alias_of(event)
        if alias is None:
            continue
        if alias == CHAMPION:
            before = _replaced_champion(event)
            if event.kind == ROLLED_BACK and before is not None:
                rolled_back.add(before)
            if version is not None and event.kind != CHANGED_OUTSIDE and before not in (None, version):
                decided[PREVIOUS] = AliasRecord(before, event)
            _extend(champions, version, event)
        decided[alias] = AliasRecord(version, event)
    return AliasHistory(decided, tuple(champions), frozenset(rolled_back))


def champion_at(events: Iterable[Event], model_name: str, moment: datetime) -> ChampionPeriod | None:
    """Who was champion of a model at a moment, by the events alone; None where there was no champion.

    Args:
        events: the ledger's events about the model, in order.
        model_name: the registered model.
        moment: the moment, with its time zone.
    """
    return read_alias_history((event for event in events if event.at <= moment), model_name).champion


def keeps_decisions(events: Iterable[Event]) -> bool:
    """Whether these events show that this ledger keeps the decisions about the model."""
    return any(event.kind in _DECISIONS for event in events)


def alias_change_subject(name: str) -> str:
    """The subject of the events that record the progress of alias changes; they are not decisions themselves."""
    return f"succession:{name}"


def unfinished_changes(ledger: Ledger, name: str) -> list[Event]:
    """The alias changes that were begun and not ended, oldest first: under way, or interrupted.

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

    A change that is under way or was interrupted is left alone: its recovery records it. So is a model of which the
    registry has no version: it may be another registry than that of the decisions (``missing_champion``).

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
    return [ledger.append(_outside_event(mismatch, name, noticed_by)) for mismatch in found]


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


def _read_mismatches(registry: Registry, events: ModelEvents, name: str) -> tuple[AliasMismatch, ...]:
    versions = registry.list_versions(name)
    if not versions:
        # Another registry than the decisions are about, or the model was deleted: no alias of it was moved.
        return ()
    found = {alias: info.version for info in versions for alias in info.aliases}
    return find_mismatches(events.read(), name, found)


def _extend(champions: list[ChampionPeriod], version: str | None, event: Event) -> None:
    """Begin a period, or let the event confirm the present one."""
    if champions and champions[-1].version == version:
        champions[-1] = ChampionPeriod(version, champions[-1].since, event)
    else:
        champions.append(ChampionPeriod(version, event.at, event))


def _replaced_champion(event: Event) -> str | None:
    """The version that an event about the champion replaced, as the event has it."""
    before = event.evidence.get("champion" if event.kind == PROMOTED else "before")
    return None if before is None else str(before)


def _alias_of(event: Event) -> str | None:
    """The alias that an event moves to its version; None for one that moves none."""
    if event.kind in (PROMOTED, ROLLED_BACK):
        return CHAMPION
    alias = event.evidence.get("alias")
    return alias if event.kind in (ALIAS_SET, ALIAS_REMOVED, CHANGED_OUTSIDE) and isinstance(alias, str) else None


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
