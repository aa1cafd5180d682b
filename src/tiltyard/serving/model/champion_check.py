"""Checks before a version takes over that a decision made it champion; on hosts that require signatures."""

from __future__ import annotations

from collections.abc import Callable

from tiltyard.errors import ArtifactError
from tiltyard.ledger.ports import Ledger
from tiltyard.registry.alias_history import unfinished_changes
from tiltyard.registry.outside_changes import UNEXPLAINED, record_outside_changes, unexplained_champion
from tiltyard.registry.ports import Registry, VersionInfo

ChampionCheck = Callable[[VersionInfo], None]
"""Raises ``ArtifactError`` with the code ``champion.unexplained`` for a version that no decision made champion."""


def champion_check(registry: Registry, ledger: Ledger) -> ChampionCheck:
    """A check against the decisions in the ledger; it also records what was changed outside Tiltyard.

    Where the ledger holds no decisions about the model, the check passes.
    """

    def check(info: VersionInfo) -> None:
        record_outside_changes(registry, ledger, info.name, "server")
        pending = unfinished_changes(ledger, info.name)
        finding = unexplained_champion(ledger.events(subject=info.name), info, pending)
        if finding is not None:
            raise ArtifactError(finding.message, next_step=finding.next_step, code=UNEXPLAINED, version=info.version)

    return check
