"""Setting and removing an alias by hand, without the gates, and archiving; the record says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from tiltyard.aliases import CHALLENGER, CHAMPION
from tiltyard.errors import UsageError
from tiltyard.ledger import Event
from tiltyard.promotion.alias_change import AliasChange, move_alias
from tiltyard.promotion.context import Workspace
from tiltyard.registry import VersionInfo
from tiltyard.registry.alias_history import ALIAS_REMOVED, ALIAS_SET, read_alias_history
from tiltyard.registry.ports import ARCHIVED_TAG

GATES_NOT_RUN: Mapping[str, Any] = MappingProxyType({"gates": "not run"})
"""Evidence of a decision that made a champion without the gates."""
NO_EVIDENCE: Mapping[str, Any] = MappingProxyType({})
ARCHIVED, UNARCHIVED = "archived", "unarchived"


def point_alias(
    workspace: Workspace,
    name: str,
    *,
    version: str,
    alias: str,
    reason: str,
    evidence: Mapping[str, Any] = NO_EVIDENCE,
) -> str | None:
    """Point an alias at a version by hand and record the decision; the version it named before, or None.

    A champion that is replaced by hand stays reachable as ``previous``, and is notified, as with a promotion.

    Raises:
        NotFoundError: the version does not exist.
        UsageError: it is to be champion, and no reason is given; or the alias is a number.
        UnavailableError: the registry or the ledger is away.
    """
    if alias.isdigit():
        raise UsageError(
            f"The alias '{alias}' would be read as the number of a version.",
            next_step=f"Give a name, such as {CHALLENGER}.",
            code="registry.alias-number",
        )
    target = workspace.registry.get_version(name, version=version).version
    if alias == CHAMPION and not reason.strip():
        raise UsageError(
            "The champion passes no gates this way, and the decision gives no reason.",
            next_step="Say why with --reason; it is kept.",
            code="decision.no-reason",
        )
    before = _find_named(workspace, name, alias)
    recorded = {**evidence, "alias": alias, "before": before, **(GATES_NOT_RUN if alias == CHAMPION else {})}
    move_alias(workspace, AliasChange(name, alias, target, before, ALIAS_SET, reason, recorded))
    return before


def remove_alias(
    workspace: Workspace, name: str, *, alias: str, reason: str, evidence: Mapping[str, Any] = NO_EVIDENCE
) -> str | None:
    """Remove an alias and record the decision; the version it named, or None where it named nothing.

    Raises:
        UnavailableError: the registry or the ledger is away.
    """
    before = _find_named(workspace, name, alias)
    if before is not None:
        recorded = {**evidence, "alias": alias, "before": before}
        move_alias(workspace, AliasChange(name, alias, None, before, ALIAS_REMOVED, reason, recorded))
    return before


def is_decided(workspace: Workspace, name: str, alias: str, version: str) -> bool:
    """Whether a recorded decision lets the alias name this version; a change outside Tiltyard is not a decision.

    Raises:
        UnavailableError: the ledger is away.
    """
    record = read_alias_history(workspace.ledger.events(subject=name), name).aliases.get(alias)
    return record is not None and record.version == version and not record.outside


def archive_version(
    workspace: Workspace, name: str, version: str, *, reason: str, with_champion: bool = False
) -> VersionInfo:
    """Archive a version: its aliases name nothing any more, it is tagged, and the decision is recorded.

    Archived again it stays as it is, and nothing is recorded. The tag goes when an alias names the version again.

    Args:
        workspace: registry, ledger and host; its actor is who archives.
        name: the registered model.
        version: number or label of the version.
        reason: why; kept with the decision.
        with_champion: whether it may be the champion: then there is none afterwards.

    Raises:
        NotFoundError: there is no such version.
        UsageError: no reason is given, or it is the champion.
        UnavailableError: the registry or the ledger is away.
    """
    _require_reason(reason)
    info = workspace.registry.get_version(name, version=version)
    if CHAMPION in info.aliases and not with_champion:
        raise UsageError(
            f"Version {info.version} of {name} is champion: users get its predictions.",
            next_step="Make another one champion first: tiltyard promote VERSION, or tiltyard rollback --reason WHY",
            code="archive.champion",
        )
    for alias in info.aliases:
        remove_alias(workspace, name, alias=alias, reason=reason)
    if ARCHIVED_TAG not in info.tags or info.aliases:
        now = datetime.now(UTC)
        workspace.registry.set_tag(name, info.version, ARCHIVED_TAG, now.isoformat())
        evidence = {"aliases": list(info.aliases)}
        workspace.ledger.append(Event(ARCHIVED, f"{name}/{info.version}", now, workspace.actor, reason, evidence))
    return workspace.registry.get_version(name, version=info.version)


def unarchive_version(workspace: Workspace, name: str, version: str, *, reason: str) -> VersionInfo:
    """Take a version out of the archive, without an alias, and record the decision; one that is not there is a no-op.

    Raises:
        NotFoundError: there is no such version.
        UsageError: no reason is given.
        UnavailableError: the registry or the ledger is away.
    """
    _require_reason(reason)
    info = workspace.registry.get_version(name, version=version)
    if ARCHIVED_TAG in info.tags:
        workspace.registry.delete_tag(name, info.version, ARCHIVED_TAG)
        workspace.ledger.append(Event(UNARCHIVED, f"{name}/{info.version}", datetime.now(UTC), workspace.actor, reason))
    return workspace.registry.get_version(name, version=info.version)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError(
            "The decision gives no reason.", next_step="Say why with --reason; it is kept.", code="decision.no-reason"
        )


def _find_named(workspace: Workspace, name: str, alias: str) -> str | None:
    """The version that an alias names in the registry, or None."""
    return next((info.version for info in workspace.registry.list_versions(name) if alias in info.aliases), None)
