"""Changing an alias so that the state can be explained whatever happens in between.

A registry and a ledger are two stores, and no transaction spans them. So one process at a time changes aliases (a lease
in the ledger); it records the change before it begins, and goes ahead only if the alias still names the version that
the decision expected. A change that was interrupted is recovered by the next one: completed if the alias had moved,
else withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.aliases import CHAMPION, PREVIOUS
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Event, LeaseGuard, LeaseLostError, Notice, hold_lease
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.notifications import decision_notices
from tiltyard.registry.alias_history import BEGUN, ENDED, alias_change_subject, unfinished_changes
from tiltyard.registry.chain_anchors import write_anchor
from tiltyard.registry.ports import ARCHIVED_TAG

HOLD = timedelta(seconds=90)
# Longer than a hold: a lease that could not be released, because the ledger was away, ends while others wait.
PATIENCE_SECONDS = HOLD.total_seconds() + 10.0
LOST = "promotion.lost-turn"


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
            ``withdrawn`` (the alias had not moved: nothing was decided) or ``overtaken`` (the alias names another
            version now).
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
    with _hold_alias_lease(workspace, change.model_name) as guard:
        recover_unfinished_change(workspace, change.model_name)
        aliases = _read_aliases(workspace, change.model_name)
        _check_expected(change, aliases.get(change.alias))
        begun = workspace.ledger.append(_begin_event(workspace, change, aliases))
        try:
            _renew(guard)
            if _replaces_champion(change):
                workspace.registry.set_alias(change.model_name, PREVIOUS, str(change.before))
                _renew(guard)
            if change.version is None:
                workspace.registry.delete_alias(change.model_name, change.alias)
            else:
                workspace.registry.set_alias(change.model_name, change.alias, change.version)
                # A version that serves or competes again is not archived any more.
                workspace.registry.delete_tag(change.model_name, change.version, ARCHIVED_TAG)
            decision = workspace.ledger.append(_decision_event(begun, workspace.actor), _make_notices(workspace, begun))
            _append_end(workspace, begun, "completed")
            _anchor_decision(workspace, begun, decision)
        except TiltyardError as error:
            # The process that holds the lease now recovers it.
            if error.code != LOST:
                _try_to_recover(workspace, begun)
            raise _explain_interruption(error) from error
    return decision


def recover_unfinished_change(workspace: Workspace, name: str) -> list[Recovered]:
    """Recover what others began and did not end; only the holder of the lease may call it.

    Raises:
        UnavailableError: the registry or the ledger is away.
    """
    return [_recover_change(workspace, begun) for begun in unfinished_changes(workspace.ledger, name)]


def recover_alias_changes(workspace: Workspace, name: str) -> list[Recovered]:
    """Recover the changes that were interrupted.

    Raises:
        UnavailableError: the registry or the ledger is away, or a change is under way and takes too long.
    """
    if not unfinished_changes(workspace.ledger, name):
        return []
    with _hold_alias_lease(workspace, name):
        return recover_unfinished_change(workspace, name)


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


def _renew(guard: LeaseGuard) -> None:
    try:
        guard.renew()
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


def _begin_event(workspace: Workspace, change: AliasChange, aliases: Mapping[str, str]) -> Event:
    evidence = {
        "alias": change.alias,
        "version": change.version,
        "before": change.before,
        "previous": aliases.get(PREVIOUS),
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


def _recover_change(workspace: Workspace, begun: Event) -> Recovered:
    name, wanted = _model_name(begun), begun.evidence
    aliases = _read_aliases(workspace, name)
    found = aliases.get(wanted["alias"])
    if _was_recorded(workspace, begun):
        outcome = "noted"
    elif found == wanted["version"]:
        decision = workspace.ledger.append(
            _decision_event(begun, workspace.actor, late=True), _make_notices(workspace, begun)
        )
        _anchor_decision(workspace, begun, decision)
        outcome = "completed"
    elif found == wanted["before"]:
        _restore_previous(workspace, begun, aliases)
        outcome = "withdrawn"
    else:
        outcome = "overtaken"
    _append_end(workspace, begun, outcome)
    return Recovered(begun, outcome)


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


def _was_recorded(workspace: Workspace, begun: Event) -> bool:
    events = workspace.ledger.events(subject=_decision_subject(begun))
    return any(event.evidence.get("succession") == begun.sequence for event in events)


def _try_to_recover(workspace: Workspace, begun: Event) -> None:
    """Recover at once where that is possible; where not, the next decision does."""
    try:
        _recover_change(workspace, begun)
    except TiltyardError:
        return


def _append_end(workspace: Workspace, begun: Event, outcome: str) -> None:
    evidence = {"begun": begun.sequence, "outcome": outcome}
    workspace.ledger.append(Event(ENDED, begun.subject, _now(), workspace.actor, "", evidence))


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
