"""Approval: a version that passed the gates waits until somebody says yes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tiltyard.aliases import CHAMPION
from tiltyard.errors import UsageError
from tiltyard.jsonable import from_jsonable
from tiltyard.ledger import Event
from tiltyard.project import Project
from tiltyard.promotion.alias_change import ChampionChangedError, move_alias
from tiltyard.promotion.challenge import APPROVAL_REQUESTED, REFUSED, PromotionResult, promotion_change
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import Verdict
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import PROMOTED

APPROVED = "approved"
DECLINED = "approval-declined"
LAPSED = "approval-lapsed"
_KEY_OF_PERSON = re.compile(r"API key [0-9a-f]+ \((?P<person>.+)\)")
_CLOSING = (PROMOTED, REFUSED, DECLINED, LAPSED)


@dataclass(frozen=True)
class ApprovalRequest:
    """A version that waits for approval.

    Attributes:
        version: the version's number.
        champion: the champion that it beat; None where there was none.
        verdict: what the gates said.
        event: the event that asks: who, when, and the evidence.
    """

    version: str
    champion: str | None
    verdict: Verdict
    event: Event

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "version": self.version,
            "champion": self.champion,
            "requested_by": self.event.actor,
            "at": self.event.at,
            "summary": self.verdict.summary,
        }


def pending_approvals(events: Iterable[Event], name: str) -> list[ApprovalRequest]:
    """The versions of a model that wait for approval, by its events; the oldest request first."""
    waiting: dict[str, Event] = {}
    for event in events:
        if not event.subject.startswith(f"{name}/"):
            continue
        version = event.subject.removeprefix(f"{name}/")
        if event.kind == APPROVAL_REQUESTED:
            waiting[version] = event
        elif event.kind in _CLOSING and ("verdict" in event.evidence or event.kind != REFUSED):
            # A server's refusal to load it has no verdict, and decides nothing here.
            waiting.pop(version, None)
    return [
        ApprovalRequest(
            version, event.evidence.get("champion"), from_jsonable(Verdict, event.evidence["verdict"]), event
        )
        for version, event in sorted(waiting.items(), key=lambda item: item[1].sequence)
    ]


def approve_version(workspace: Workspace, project: Project, version: str, *, reason: str) -> PromotionResult:
    """Make a version champion that passed the gates and waits for approval.

    Args:
        workspace: registry, ledger and host; its actor is who approves.
        project: says whether somebody may approve their own.
        version: the version.
        reason: why; kept with the decision.

    Raises:
        NotFoundError: there is no such version.
        UsageError: it does not wait for approval; who approves trained it or requested it, and the project wants
            somebody else; or the champion has changed since the verdict, which then no longer holds.
        ArtifactError: its files are damaged or unsafe; it waits on.
        UnavailableError: the registry or the ledger is away.
    """
    workspace = replace(workspace, alerts=project.alerts)
    info = workspace.registry.get_version(project.model_name, version=version)
    request = _request(workspace, info)
    if not project.promotion.self_approval:
        _check_somebody_else(workspace, info, request)
    champion = workspace.registry.champion(info.name)
    if request.champion != (champion.version if champion else None):
        raise _lapse(workspace, info, request, champion)
    workspace.load(info)
    _write(workspace, APPROVED, info, reason, {"requested_by": request.event.actor, "request": request.event.sequence})
    reasons = {name: request.event.evidence.get(name, "") for name in ("forced", "request")}
    outcome = PromotionResult(info, champion, request.verdict, **reasons)
    move = promotion_change(
        outcome, champion, approved_by=workspace.actor, approval=reason, requested_by=request.event.actor
    )
    try:
        move_alias(workspace, move)
    except ChampionChangedError:
        raise _lapse(workspace, info, request, workspace.registry.champion(info.name)) from None
    return outcome


def decline_version(workspace: Workspace, project: Project, version: str, *, reason: str) -> ApprovalRequest:
    """Say no to a version that waits for approval.

    Raises:
        NotFoundError: there is no such version.
        UsageError: it does not wait for approval.
    """
    info = workspace.registry.get_version(project.model_name, version=version)
    request = _request(workspace, info)
    _write(workspace, DECLINED, info, reason, {"requested_by": request.event.actor, "request": request.event.sequence})
    return request


def _request(workspace: Workspace, info: VersionInfo) -> ApprovalRequest:
    waiting = pending_approvals(workspace.ledger.events(subject=info.name), info.name)
    for request in waiting:
        if request.version == info.version:
            return request
    others = f" These do: {', '.join(one.version for one in waiting)}." if waiting else ""
    raise UsageError(
        f"Version {info.version} of {info.name} does not wait for approval.{others}",
        next_step=f"Send it through the gates first: tiltyard promote {info.version}",
        code="approval.not-waiting",
    )


def _check_somebody_else(workspace: Workspace, info: VersionInfo, request: ApprovalRequest) -> None:
    subject = f"{info.name}/{info.version}"
    trained_by = {_find_person(event.actor) for event in workspace.ledger.events(subject=subject, kind="registered")}
    person = _find_person(workspace.actor)
    did = (
        "requested it" if person == _find_person(request.event.actor) else "trained it" if person in trained_by else ""
    )
    if did:
        raise UsageError(
            f"{workspace.actor} {did}, and may not approve version {info.version} of {info.name} as well "
            "(promotion.self_approval is false).",
            next_step="Let somebody else approve it.",
            code="approval.own",
        )


def _find_person(actor: str) -> str:
    """Whom a recorded name means: ``API key 0123456789ab (ada)`` and ``ada`` are one person."""
    found = _KEY_OF_PERSON.fullmatch(actor)
    return found["person"] if found else actor


def _lapse(
    workspace: Workspace, info: VersionInfo, request: ApprovalRequest, champion: VersionInfo | None
) -> UsageError:
    """Close a request whose verdict no longer holds, and say so."""
    now = f"version {champion.version}" if champion else "nobody"
    then = f"version {request.champion}" if request.champion else "nobody"
    reason = f"it was evaluated against {then}, and {CHAMPION} is {now} now"
    _write(workspace, LAPSED, info, reason, {"request": request.event.sequence})
    return UsageError(
        f"The verdict on version {info.version} of {info.name} no longer holds: {reason}.",
        next_step=f"Send it through the gates again: tiltyard promote {info.version}",
        code="approval.stale",
    )


def _write(workspace: Workspace, kind: str, info: VersionInfo, reason: str, evidence: dict[str, Any]) -> None:
    workspace.ledger.append(
        Event(kind, f"{info.name}/{info.version}", datetime.now(UTC), workspace.actor, reason, evidence),
    )
