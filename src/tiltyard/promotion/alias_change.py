"""Changing an alias so that the state can be explained whatever happens in between.

A registry and a ledger are two stores, and no transaction spans them. So one process at a time changes aliases (a lease
in the ledger); it records the change before it begins, goes ahead only if the alias still names the version that the
decision expected, reads the alias after it has set it, and appends each event on the condition that the lease is still
its own. A change that was interrupted is recovered by the next one: completed if the alias had moved, else withdrawn.

No registry sets an alias on a condition. A process that was paused just before it sets the alias may set it when
another has decided since. The late process itself, or if it dies the next decision, sets it to what was decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Event, Lease, LeaseGuard, LeaseLostError, Notice, hold_lease
from tiltyard.processes.process_identity import current_holder, is_gone
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.notifications import decision_notices
from tiltyard.registry.alias_history import (
    BEGUN,
    ENDED,
    UNDONE,
    alias_change_subject,
    find_late_writes,
    read_alias_history,
    read_begun_changes,
)
from tiltyard.registry.chain_anchors import write_anchor
from tiltyard.registry.ports import ARCHIVED_TAG

HOLD = timedelta(seconds=90)
# Longer than a hold: a lease that could not be released, because the ledger was away, ends while others wait.
PATIENCE_SECONDS = HOLD.total_seconds() + 10.0
LOST = "promotion.lost-turn"
# A process that was paused may overwrite the alias while this one sets it; one such is enough for a lifetime.
_ATTEMPTS = 3


class ChampionChangedError(TiltyardError):
    """The champion is another one than when the decision was taken."""

    code = "promotion.champion-changed"


@dataclass(frozen=True)
class AliasChange:
    """A decision that an alias is to name a version.

    Attributes:
        model_name: the registered model.
        alias: the alias.
        version: the version that it is to name; None to remove the alias.
        before: the version that it must name until now; None for nothing.
        kind: kind of the decision's event.
        reason: why.
        evidence: what the decision rests on.
    """

    model_name: str
    alias: str
    version: str | None
    before: str | None
    kind: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovered:
    """How a change that was interrupted was recovered.

    Attributes:
        event: the event with which it had begun.
        outcome: ``completed`` (the alias had moved: the decision was recorded), ``noted`` (it had been recorded),
            ``withdrawn`` (the alias had not moved: nothing was decided), ``overtaken`` (the alias names another
            version now) or ``undone`` (it was carried out after it had been withdrawn, and taken back).
    """

    event: Event
    outcome: str

    @property
    def message(self) -> str:
        """One line for people."""
        aim = f"{self.event.evidence.get('alias')} to {_describe_version(self.event.evidence.get('version'))}"
        result = {
            "completed": "the alias had moved; the decision was recorded",
            "noted": "everything was recorded but its end",
            "withdrawn": "the alias had not moved; nothing was changed. Decide again if it is still wanted",
            "overtaken": "the alias names another version now; nothing was changed",
            UNDONE: "a process that had been paused moved it after all; it names what was decided again",
        }
        return f"The move of {aim}, interrupted at {self.event.at:%Y-%m-%d %H:%M:%S UTC}: {result[self.outcome]}."


def move_alias(workspace: Workspace, change: AliasChange) -> Event:
    """Move an alias and record the decision; a champion that is replaced becomes ``previous``.

    Returns:
        The decision, as it was appended.

    Raises:
        ChampionChangedError: the alias names another version than the move expects; nothing was changed.
        UnavailableError: the registry or the ledger is away, or another change takes too long. What was begun is
            settled by the next decision, or by ``tiltyard doctor --repair``.
    """
    begun: list[Event] = []
    try:
        with _hold_alias_lease(workspace, change.model_name) as guard, _translate_lost_turn():
            return _move(workspace, change, guard, begun)
    except UnavailableError as error:
        if error.code != LOST or not begun:
            raise
        return _settle_lost_turn(workspace, begun[0], error)


def recover_unfinished_change(workspace: Workspace, name: str, lease: Lease) -> list[Recovered]:
    """Recover what others began and did not end, or carried out late; only the holder of the lease may call it.

    Raises:
        LeaseLostError: another process has taken over.
        UnavailableError: the registry or the ledger is away.
    """
    begun, late = read_begun_changes(workspace.ledger, name)
    recovered = [_recover_change(workspace, event, lease) for event in begun]
    return recovered + (_undo_late_writes(workspace, name, late, lease) if late else [])


def recover_alias_changes(workspace: Workspace, name: str) -> list[Recovered]:
    """Recover the changes that were interrupted, and undo what a process did late.

    Raises:
        UnavailableError: the registry or the ledger is away, or a change is under way and takes too long.
    """
    begun, late = read_begun_changes(workspace.ledger, name)
    if not begun and not (late and _find_late_writes(workspace, name, late)):
        return []
    with _hold_alias_lease(workspace, name) as guard, _translate_lost_turn():
        return recover_unfinished_change(workspace, name, guard.lease)


def _move(workspace: Workspace, change: AliasChange, guard: LeaseGuard, begun: list[Event]) -> Event:
    """Carry the change out; ``begun`` receives the event with which it began."""
    name, ledger, lease = change.model_name, workspace.ledger, guard.lease
    recover_unfinished_change(workspace, name, lease)
    aliases = _read_aliases(workspace, name)
    _check_expected(change, aliases.get(change.alias))
    begin = ledger.append(_begin_event(workspace, change, aliases, lease), lease=lease)
    begun.append(begin)
    try:
        if _replaces_champion(change):
            guard.renew()
            workspace.registry.set_alias(name, PREVIOUS, str(change.before))
        _set_alias(workspace, change, guard)
        decision = ledger.append(_decision_event(begin, workspace.actor), _make_notices(workspace, begin), lease=lease)
        _append_end(workspace, begin, "completed", lease)
        _anchor_decision(workspace, begin, decision)
    except LeaseLostError:
        raise  # the process that holds the lease now recovers it
    except TiltyardError as error:
        _try_to_recover(workspace, begin, lease)
        raise _explain_interruption(error) from error
    return decision


def _set_alias(workspace: Workspace, change: AliasChange, guard: LeaseGuard) -> None:
    """Set the alias, and read it: a process that was paused may have set it at the same time."""
    for _ in range(_ATTEMPTS):
        guard.renew()
        if change.version is None:
            workspace.registry.delete_alias(change.model_name, change.alias)
        else:
            workspace.registry.set_alias(change.model_name, change.alias, change.version)
            # A version that serves or competes again is not archived any more.
            workspace.registry.delete_tag(change.model_name, change.version, ARCHIVED_TAG)
        found = _read_aliases(workspace, change.model_name).get(change.alias)
        if found == change.version:
            return
    raise ChampionChangedError(
        f"The alias '{change.alias}' of {change.model_name} was set to {_describe_version(change.version)} and names "
        f"{_describe_version(found)}: something else moves it at the same time.",
        next_step="Find out what else writes to the registry, and decide again.",
        found=found,
        expected=change.version,
    )


def _settle_lost_turn(workspace: Workspace, begun: Event, error: UnavailableError) -> Event:
    """After another process has taken over: undo what was done too late, and say what became of the decision."""
    with suppress(TiltyardError):  # then the next decision does it
        recover_alias_changes(workspace, _model_name(begun))
        decision = _find_decision(workspace, begun)
        if decision is not None:
            return decision
    raise error


@contextmanager
def _hold_alias_lease(workspace: Workspace, name: str) -> Iterator[LeaseGuard]:
    with hold_lease(
        workspace.ledger.leases, alias_change_subject(name), hold=HOLD, patience_seconds=PATIENCE_SECONDS
    ) as guard:
        if guard is None:
            raise UnavailableError(
                f"Another decision about {name} is under way and does not end.",
                next_step="Try again in two minutes: the lease of a dead process has ended by then.",
                code="promotion.busy",
            )
        yield guard


@contextmanager
def _translate_lost_turn() -> Iterator[None]:
    try:
        yield
    except LeaseLostError:
        raise UnavailableError(
            "The decision took so long that another process has taken over.", next_step="Decide again.", code=LOST
        ) from None


def _check_expected(change: AliasChange, found: str | None) -> None:
    if found != change.before:
        raise ChampionChangedError(
            f"The alias '{change.alias}' of {change.model_name} names {_describe_version(found)} now, and named "
            f"{_describe_version(change.before)} "
            "when this was decided.",
            next_step="Read what happened (tiltyard history), and decide again.",
            found=found,
            expected=change.before,
        )


def _begin_event(workspace: Workspace, change: AliasChange, aliases: Mapping[str, str], lease: Lease) -> Event:
    evidence = {
        "alias": change.alias,
        "version": change.version,
        "before": change.before,
        "previous": aliases.get(PREVIOUS),
        # Who may still carry it out when another has the lease.
        "turn": lease.turn,
        "holder": current_holder(),
        "decision": {"kind": change.kind, "reason": change.reason, "evidence": dict(change.evidence)},
    }
    return Event(BEGUN, alias_change_subject(change.model_name), _now(), workspace.actor, "", evidence)


def _decision_event(begun: Event, settled_by: str, *, late: bool = False) -> Event:
    """The decision's event, from the event with which the change began."""
    decided = begun.evidence["decision"]
    evidence = {**decided["evidence"], "succession": begun.sequence, **({"settled_by": settled_by} if late else {})}
    return Event(
        kind=decided["kind"],
        subject=_decision_subject(begun),
        at=_now(),
        actor=begun.actor,
        reason=decided["reason"],
        evidence=evidence,
    )


def _recover_change(workspace: Workspace, begun: Event, lease: Lease) -> Recovered:
    name, wanted = _model_name(begun), begun.evidence
    aliases = _read_aliases(workspace, name)
    found = aliases.get(wanted["alias"])
    if _find_decision(workspace, begun) is not None:
        outcome = "noted"
    elif found == wanted["version"]:
        decision = workspace.ledger.append(
            _decision_event(begun, workspace.actor, late=True), _make_notices(workspace, begun), lease=lease
        )
        _anchor_decision(workspace, begun, decision)
        outcome = "completed"
    elif found == wanted["before"]:
        _restore_previous(workspace, begun, aliases)
        outcome = "withdrawn"
    else:
        outcome = "overtaken"
    _append_end(workspace, begun, outcome, lease)
    return Recovered(begun, outcome)


def _undo_late_writes(workspace: Workspace, name: str, late: Sequence[Event], lease: Lease) -> list[Recovered]:
    undone = []
    for begun, alias, decided in _find_late_writes(workspace, name, late):
        if decided is None:
            workspace.registry.delete_alias(name, alias)
        else:
            workspace.registry.set_alias(name, alias, decided)
        _append_end(workspace, begun, UNDONE, lease)
        undone.append(Recovered(begun, UNDONE))
    return undone


def _find_late_writes(workspace: Workspace, name: str, late: Sequence[Event]) -> list[tuple[Event, str, str | None]]:
    history = read_alias_history(workspace.ledger.events(subject=name), name)
    return find_late_writes(late, history, _read_aliases(workspace, name))


def _restore_previous(workspace: Workspace, begun: Event, aliases: Mapping[str, str]) -> None:
    wanted, name = begun.evidence, _model_name(begun)
    if wanted["alias"] != CHAMPION or aliases.get(PREVIOUS) == wanted["previous"]:
        return
    if aliases.get(PREVIOUS) != wanted["before"]:
        return  # somebody else moved it
    if wanted["previous"] is None:
        workspace.registry.delete_alias(name, PREVIOUS)
    else:
        workspace.registry.set_alias(name, PREVIOUS, wanted["previous"])


def _find_decision(workspace: Workspace, begun: Event) -> Event | None:
    """The decision with which a change was completed; None where it was not."""
    events = workspace.ledger.events(subject=_decision_subject(begun))
    return next((event for event in events if event.evidence.get("succession") == begun.sequence), None)


def _try_to_recover(workspace: Workspace, begun: Event, lease: Lease) -> None:
    """Recover at once where that is possible; where not, the next decision does."""
    with suppress(TiltyardError):
        _recover_change(workspace, begun, lease)


def _append_end(workspace: Workspace, begun: Event, outcome: str, lease: Lease) -> None:
    evidence: dict[str, Any] = {"begun": begun.sequence, "outcome": outcome}
    holder = begun.evidence.get("holder")
    if outcome in ("withdrawn", "overtaken") and holder and begun.evidence["turn"] != lease.turn:
        # Its turn is over, but as far as is known here it may only have been paused.
        evidence["late"] = not is_gone(holder)
    workspace.ledger.append(Event(ENDED, begun.subject, _now(), workspace.actor, "", evidence), lease=lease)


def _anchor_decision(workspace: Workspace, begun: Event, decision: Event) -> None:
    """Anchor the decision in the registry, with the version that it is about."""
    version = begun.evidence["version"] or begun.evidence["before"]
    if version is not None:
        write_anchor(workspace.registry, workspace.ledger, _model_name(begun), str(version), decision)


def _make_notices(workspace: Workspace, begun: Event) -> Sequence[Notice]:
    # 64 bits of the chain's hash: unique among a ledger's decisions, and short enough to be typed.
    return decision_notices(
        workspace.alerts, _decision_event(begun, workspace.actor), key=f"decision-{begun.digest[:16]}"
    )


def _explain_interruption(error: TiltyardError) -> TiltyardError:
    if not isinstance(error, UnavailableError) or error.code == LOST:
        return error
    return UnavailableError(
        f"{error.message.rstrip('.')}. The aliases were being moved.",
        next_step="When it is back, run: tiltyard doctor --repair. It completes or withdraws what was begun.",
        code=error.code,
    )


def _read_aliases(workspace: Workspace, name: str) -> dict[str, str]:
    return {alias: info.version for info in workspace.registry.list_versions(name) for alias in info.aliases}


def _replaces_champion(change: AliasChange) -> bool:
    """Whether another version becomes champion, and the present one ``previous``."""
    return change.alias == CHAMPION and change.version is not None and change.before not in (None, change.version)


def _decision_subject(begun: Event) -> str:
    """What the decision is about: the version, or the model where an alias is removed."""
    version = begun.evidence["version"]
    return f"{_model_name(begun)}/{version}" if version else _model_name(begun)


def _model_name(begun: Event) -> str:
    return begun.subject.removeprefix(alias_change_subject(""))


def _describe_version(version: str | None) -> str:
    return f"version {version}" if version else "nothing"


def _now() -> datetime:
    return datetime.now(UTC)
