"""Setting and removing an alias by hand, without the gates; the record says so."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tiltyard.aliases import CHALLENGER, CHAMPION
from tiltyard.errors import UsageError
from tiltyard.promotion.alias_change import AliasChange, move_alias
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import ALIAS_REMOVED, ALIAS_SET, read_alias_history

GATES_NOT_RUN: Mapping[str, Any] = MappingProxyType({"gates": "not run"})
"""Evidence of a decision that made a champion without the gates."""
NO_EVIDENCE: Mapping[str, Any] = MappingProxyType({})


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


def _find_named(workspace: Workspace, name: str, alias: str) -> str | None:
    """The version that an alias names in the registry, or None."""
    return next((info.version for info in workspace.registry.list_versions(name) if alias in info.aliases), None)
