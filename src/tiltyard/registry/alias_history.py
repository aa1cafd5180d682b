"""Who is champion since when, and what every alias names, by the decisions.

This is the one fold over decisions: every part that asks for the champion, an earlier one, or what an alias should name
uses it. ``outside_changes`` compares the registry with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.ledger import Event, Ledger

PROMOTED = "promoted"
ROLLED_BACK = "rolled-back"
ALIAS_SET = "alias-set"
ALIAS_REMOVED = "alias-removed"
CHANGED_OUTSIDE = "alias-changed-outside"

BEGUN = "succession-begun"
ENDED = "succession-ended"
UNDONE = "undone"
"""How a change ended that a paused process carried out after another had withdrawn it."""
LATE = timedelta(days=1)
"""For so long after it began, a change may still be carried out by a process that was paused."""

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
    return read_begun_changes(ledger, name)[0]


def read_begun_changes(ledger: Ledger, name: str) -> tuple[list[Event], list[Event]]:
    """The alias changes that were begun and not ended, and those that may still be carried out late; oldest first.

    A change is late where another process ended it, after the lease had run out, while the one that had begun it was
    perhaps only paused: that one may yet move the alias. It is forgotten once it was undone, or after a day.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    open_: dict[int, Event] = {}
    late: dict[int, Event] = {}
    newest: datetime | None = None
    for event in ledger.events(subject=alias_change_subject(name)):
        newest = event.at
        if event.kind == BEGUN:
            open_[event.sequence] = event
        elif event.kind == ENDED:
            number = int(event.evidence.get("begun", 0))
            begun = open_.pop(number, None)
            if begun is not None and event.evidence.get("late"):
                late[number] = begun
            elif event.evidence.get("outcome") == UNDONE:
                late.pop(number, None)
    now = max(datetime.now(UTC), newest) if newest is not None else None
    return list(open_.values()), [begun for begun in late.values() if now is not None and now - begun.at < LATE]


def find_late_writes(
    late: Sequence[Event], history: AliasHistory, found: Mapping[str, str]
) -> list[tuple[Event, str, str | None]]:
    """Aliases that name what a late change wanted, and not what was decided.

    Args:
        late: the late changes (``read_begun_changes``).
        history: what the decisions made of the aliases.
        found: what each alias names in the registry.

    Returns:
        For each: the event with which the change had begun, the alias, and the version that it is to name.
    """
    writes = []
    for begun in late:
        wanted = begun.evidence
        aims = {wanted["alias"]: (wanted["version"], wanted["before"])}
        if wanted["alias"] == CHAMPION and wanted["version"] is not None and wanted["before"] is not None:
            aims[PREVIOUS] = (wanted["before"], wanted["previous"])
        for alias, (version, before) in aims.items():
            record = history.aliases.get(alias)
            decided = before if record is None else record.version
            # One that was moved outside Tiltyard since is somebody's wish.
            if found.get(alias) == version != decided and not (record is not None and record.outside):
                writes.append((begun, alias, decided))
    return writes


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
