"""Checks of ``tiltyard doctor`` on decisions: interrupted alias changes, and aliases moved outside Tiltyard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiltyard.errors import TiltyardError

if TYPE_CHECKING:
    from tiltyard.ledger import Ledger
    from tiltyard.pipeline import Workspace
    from tiltyard.project import Project
    from tiltyard.settings import Settings


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: the subject of the check.
        state: ``ok``, ``note`` (worth knowing, but not a problem) or ``wrong``.
        found: what the check found.
        next_step: how to fix it; empty where nothing needs to be done.
    """

    name: str
    state: str
    found: str
    next_step: str = ""


def check_decisions(project: Project, settings: Settings, *, repair: bool) -> Iterator[Check]:
    """Check that every decision about the project's model was completed, and that a decision explains every alias.

    Args:
        project: the project.
        settings: the addresses of its ledger and registry.
        repair: whether to complete or withdraw interrupted alias changes.
    """
    from tiltyard import app_wiring, wiring

    try:
        with wiring.open_ledger(settings) as ledger:
            workspace = app_wiring.open_workspace(settings, ledger, project)
            yield from _check_interrupted_changes(workspace, project.model_name, repair=repair)
            yield from _check_outside_changes(workspace, ledger, project.model_name)
    except TiltyardError as error:
        yield Check("decisions", "wrong", error.message, error.next_step)


def _check_interrupted_changes(workspace: Workspace, name: str, *, repair: bool) -> Iterator[Check]:
    from tiltyard.pipeline import recover_alias_changes
    from tiltyard.registry.alias_history import unfinished_changes

    recovered = recover_alias_changes(workspace, name) if repair else []
    for one in recovered:
        yield Check("decisions", "note", one.message)
    unfinished = unfinished_changes(workspace.ledger, name)
    for event in unfinished:
        target = f"{event.evidence.get('alias')} to version {event.evidence.get('version')}"
        yield Check(
            "decisions",
            "wrong",
            f"The move of {target} by {event.actor}, started at {event.at:%Y-%m-%d %H:%M:%S UTC}, has not ended: it is "
            "still running, or was interrupted.",
            "If no process is running it, run: tiltyard doctor --repair",
        )
    if not unfinished and not recovered:
        yield Check("decisions", "ok", "every decision was completed")


def _check_outside_changes(workspace: Workspace, ledger: Ledger, name: str) -> Iterator[Check]:
    from tiltyard.registry.alias_history import unfinished_changes
    from tiltyard.registry.outside_changes import missing_champion, record_outside_changes, unexplained_champion

    for event in record_outside_changes(workspace.registry, ledger, name, "doctor"):
        yield Check(
            "aliases",
            "wrong",
            f"Moved outside Tiltyard: {event.reason}.",
            "If this was intended, confirm it: tiltyard set-alias --reason …; otherwise: tiltyard rollback --reason …",
        )
    champion = workspace.registry.champion(name)
    if champion is None:
        missing = missing_champion(ledger.events(subject=name), workspace.registry, name)
        if missing is not None:
            yield Check("champion's right", "wrong", missing.message, missing.next_step)
        return
    finding = unexplained_champion(ledger.events(subject=name), champion, unfinished_changes(ledger, name))
    if finding is not None:
        yield Check("champion's right", "wrong", finding.message, finding.next_step)
