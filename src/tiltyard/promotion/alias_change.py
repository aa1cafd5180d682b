"""Moving an alias so that whatever happens in the middle, the state is one that can be explained.

A registry and a ledger are two stores, and no transaction spans them. So a change is done by one at a time (a lease in
the ledger), is written down before it begins, goes ahead only if the champion still is who it was when the decision was
taken, and is settled by whoever comes next if it was cut short: forward, if the alias had moved; else back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Event, Lease, Notice
from tiltyard.ledger.process_identity import current_holder, is_gone
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.notifications import decision_notices
from tiltyard.registry.alias_history import BEGUN, ENDED, alias_change_subject, unfinished_changes
from tiltyard.registry.chain_anchors import write_anchor

HOLD = timedelta(seconds=90)
# Longer than a hold: where a decider lost the ledger and could not give its lease back, whoever waits outlasts it.
PATIENCE_SECONDS = HOLD.total_seconds() + 10.0
LOST = "promotion.lost-turn"
_PAUSE_SECONDS = 0.1


class ChampionChangedError(TiltyardError):
    """The champion is another one than when the decision was taken."""

    code = "promotion.champion-changed"


@dataclass(frozen=True)
class AliasChange:
    """An alias that is to name a version, by a decision.

    Attributes:
        name: the model.
        alias: the alias.
        version: what it shall name; None to take the alias away.
        before: what it must name until now; None for nothing.
        kind: kind of the decision's event.
        reason: why.
        evidence: what the decision rests on.
    """

    name: str
    alias: str
    version: str | None
    before: str | None
    kind: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovered:
    """How a change that was cut short was settled.

    Attributes:
        event: the event with which it had begun.
        outcome: ``completed`` (the alias had moved: the decision was written down), ``noted`` (it was written down
            already), ``withdrawn`` (the alias had not moved: nothing was decided) or ``overtaken`` (the alias names
            something else by now).
    """

    event: Event
    outcome: str

    @property
    def message(self) -> str:
        """One line for people."""
        aim = f"{self.event.evidence.get('alias')} to {_named(self.event.evidence.get('version'))}"
        told = {
            "completed": "the alias had moved; the decision was written down",
            "noted": "it was complete but for a note of its end",
            "withdrawn": "the alias had not moved; nothing was changed. Decide again if it is still wanted",
            "overtaken": "the alias names another version by now; nothing was changed",
        }
        return f"The move of {aim}, cut short at {self.event.at:%Y-%m-%d %H:%M:%S UTC}: {told[self.outcome]}."


def move_alias(workspace: Workspace, move: AliasChange) -> Event:
    """Move an alias, and write the decision down; a champion that is replaced becomes ``previous``.

    Returns:
        The decision, as it was appended.

    Raises:
        ChampionChangedError: the alias names another version than the move expects; nothing was changed.
        UnavailableError: the registry or the ledger is away, or another change takes too long. What was begun is
            settled by the next decision, or by ``tiltyard doctor --repair``.
    """
    with _alone(workspace, move.name) as lease:
        recover_unfinished_change(workspace, move.name)
        aliases = _aliases(workspace, move.name)
        _expect(move, aliases.get(move.alias))
        begun = workspace.ledger.append(_begin(workspace, move, aliases))
        try:
            _renew(workspace, lease)
            if _makes_previous(move):
                workspace.registry.set_alias(move.name, PREVIOUS, str(move.before))
                _renew(workspace, lease)
            if move.version is None:
                workspace.registry.delete_alias(move.name, move.alias)
            else:
                workspace.registry.set_alias(move.name, move.alias, move.version)
            decision = workspace.ledger.append(_decision(begun, workspace.actor), _notices(workspace, begun))
            _end(workspace, begun, "completed")
            _note(workspace, begun, decision)
        except TiltyardError as error:
            # Whoever has the lease by now settles it.
            if error.code != LOST:
                _try_to_settle(workspace, begun)
            raise _in_the_middle(error) from error
    return decision


def recover_unfinished_change(workspace: Workspace, name: str) -> list[Recovered]:
    """Settle what others began and did not end; to be called by who holds the lease.

    Raises:
        UnavailableError: the registry or the ledger is away.
    """
    return [_settle(workspace, begun) for begun in unfinished_changes(workspace.ledger, name)]


def recover_alias_changes(workspace: Workspace, name: str) -> list[Recovered]:
    """Settle what was cut short.

    Raises:
        UnavailableError: the registry or the ledger is away, or a change is under way and takes too long.
    """
    if not unfinished_changes(workspace.ledger, name):
        return []
    with _alone(workspace, name):
        return recover_unfinished_change(workspace, name)


@contextmanager
def _alone(workspace: Workspace, name: str) -> Iterator[Lease]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lease = workspace.ledger.leases.acquire(alias_change_subject(name), current_holder(), _now(), HOLD, is_gone)
        if lease is not None:
            break
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Another decision about {name} is under way and does not end.",
                next_step="Try again in two minutes: a decision whose process is gone gives way by then.",
                code="promotion.busy",
            )
        time.sleep(_PAUSE_SECONDS)
    try:
        yield lease
    finally:
        # Where the ledger is away, the lease runs out by itself.
        with suppress(UnavailableError):
            workspace.ledger.leases.release(lease)


def _renew(workspace: Workspace, lease: Lease) -> None:
    if not workspace.ledger.leases.renew(lease, _now(), HOLD):
        raise UnavailableError(
            "The decision took so long that it gave way to another.", next_step="Decide again.", code=LOST
        )


def _expect(move: AliasChange, found: str | None) -> None:
    if found != move.before:
        raise ChampionChangedError(
            f"The alias '{move.alias}' of {move.name} names {_named(found)} by now, and named {_named(move.before)} "
            "when this was decided.",
            next_step="Look at what happened (tiltyard history), and decide again.",
            found=found,
            expected=move.before,
        )


def _begin(workspace: Workspace, move: AliasChange, aliases: Mapping[str, str]) -> Event:
    evidence = {
        "alias": move.alias,
        "version": move.version,
        "before": move.before,
        "previous": aliases.get(PREVIOUS),
        "decision": {"kind": move.kind, "reason": move.reason, "evidence": dict(move.evidence)},
    }
    return Event(BEGUN, alias_change_subject(move.name), _now(), workspace.actor, "", evidence)


def _decision(begun: Event, settled_by: str, *, late: bool = False) -> Event:
    """The decision's event, from the note with which the change began."""
    decided = begun.evidence["decision"]
    evidence = {**decided["evidence"], "succession": begun.sequence, **({"settled_by": settled_by} if late else {})}
    return Event(
        kind=decided["kind"],
        subject=_subject(begun),
        at=_now(),
        actor=begun.actor,
        reason=decided["reason"],
        evidence=evidence,
    )


def _settle(workspace: Workspace, begun: Event) -> Recovered:
    name, wanted = _name(begun), begun.evidence
    aliases = _aliases(workspace, name)
    found = aliases.get(wanted["alias"])
    if _was_decided(workspace, begun):
        outcome = "noted"
    elif found == wanted["version"]:
        decision = workspace.ledger.append(_decision(begun, workspace.actor, late=True), _notices(workspace, begun))
        _note(workspace, begun, decision)
        outcome = "completed"
    elif found == wanted["before"]:
        _restore_previous(workspace, begun, aliases)
        outcome = "withdrawn"
    else:
        outcome = "overtaken"
    _end(workspace, begun, outcome)
    return Recovered(begun, outcome)


def _restore_previous(workspace: Workspace, begun: Event, aliases: Mapping[str, str]) -> None:
    wanted, name = begun.evidence, _name(begun)
    if wanted["alias"] != CHAMPION or aliases.get(PREVIOUS) == wanted["previous"]:
        return
    if aliases.get(PREVIOUS) != wanted["before"]:
        return  # somebody else moved it
    if wanted["previous"] is None:
        workspace.registry.delete_alias(name, PREVIOUS)
    else:
        workspace.registry.set_alias(name, PREVIOUS, wanted["previous"])


def _was_decided(workspace: Workspace, begun: Event) -> bool:
    events = workspace.ledger.events(subject=_subject(begun))
    return any(event.evidence.get("succession") == begun.sequence for event in events)


def _try_to_settle(workspace: Workspace, begun: Event) -> None:
    """Settle at once where that is possible; where not, whoever comes next does."""
    try:
        _settle(workspace, begun)
    except TiltyardError:
        return


def _end(workspace: Workspace, begun: Event, outcome: str) -> None:
    evidence = {"begun": begun.sequence, "outcome": outcome}
    workspace.ledger.append(Event(ENDED, begun.subject, _now(), workspace.actor, "", evidence))


def _note(workspace: Workspace, begun: Event, decision: Event) -> None:
    """Let the registry know of the decision, with the version that it is about."""
    version = begun.evidence["version"] or begun.evidence["before"]
    if version is not None:
        write_anchor(workspace.registry, workspace.ledger, _name(begun), str(version), decision)


def _notices(workspace: Workspace, begun: Event) -> Sequence[Notice]:
    # 64 bits of the chain's hash: enough to be one among a ledger's decisions, and still to be typed.
    return decision_notices(workspace.alerts, _decision(begun, workspace.actor), key=f"decision-{begun.digest[:16]}")


def _in_the_middle(error: TiltyardError) -> TiltyardError:
    if not isinstance(error, UnavailableError) or error.code == LOST:
        return error
    return UnavailableError(
        f"{error.message.rstrip('.')}. The aliases were being moved.",
        next_step="When it is back, run: tiltyard doctor --repair. It completes or withdraws what was begun.",
        code=error.code,
    )


def _aliases(workspace: Workspace, name: str) -> dict[str, str]:
    return {alias: info.version for info in workspace.registry.list_versions(name) for alias in info.aliases}


def _makes_previous(move: AliasChange) -> bool:
    """Whether somebody else becomes champion, and who was it becomes ``previous``."""
    return move.alias == CHAMPION and move.version is not None and move.before not in (None, move.version)


def _subject(begun: Event) -> str:
    """What the decision is about: the version, or the model where an alias is taken away."""
    version = begun.evidence["version"]
    return f"{_name(begun)}/{version}" if version else _name(begun)


def _name(begun: Event) -> str:
    return begun.subject.removeprefix(alias_change_subject(""))


def _named(version: str | None) -> str:
    return f"version {version}" if version else "nothing"


def _now() -> datetime:
    return datetime.now(UTC)
