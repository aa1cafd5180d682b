"""What ``tiltyard doctor`` sees of decisions: those cut short, and aliases that were moved behind our back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tiltyard import app_wiring, wiring
from tiltyard.errors import TiltyardError
from tiltyard.ledger import Ledger
from tiltyard.pipeline import Workspace, recover_alias_changes
from tiltyard.project import Project
from tiltyard.registry.alias_history import (
    missing_champion,
    record_outside_changes,
    unexplained_champion,
    unfinished_changes,
)
from tiltyard.settings import Settings


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        state: ``ok``, ``note`` (worth knowing, nothing is wrong) or ``wrong``.
        found: what was seen.
        next_step: how to mend it; empty where nothing is to be done.
    """

    name: str
    state: str
    found: str
    next_step: str = ""


def check_decisions(project: Project, settings: Settings, *, mend: bool) -> Iterator[Check]:
    """Whether every decision about the project's model was carried out, and every alias is by a decision.

    Args:
        project: the project.
        settings: where its ledger and registry are.
        mend: whether to settle what was cut short.
    """
    try:
        with wiring.open_ledger(settings) as ledger:
            workspace = app_wiring.open_workspace(settings, ledger, project)
            yield from _cut_short(workspace, project.model_name, mend=mend)
            yield from _behind_our_back(workspace, ledger, project.model_name)
    except TiltyardError as error:
        yield Check("decisions", "wrong", error.message, error.next_step)


def _cut_short(workspace: Workspace, name: str, *, mend: bool) -> Iterator[Check]:
    settled = recover_alias_changes(workspace, name) if mend else []
    for one in settled:
        yield Check("decisions", "note", one.message)
    waiting = unfinished_changes(workspace.ledger, name)
    for event in waiting:
        aim = f"{event.evidence.get('alias')} to version {event.evidence.get('version')}"
        yield Check(
            "decisions",
            "wrong",
            f"The move of {aim} by {event.actor}, begun at {event.at:%Y-%m-%d %H:%M:%S UTC}, has not ended: it is "
            "under way, or was cut short.",
            "If nobody is at it, run: tiltyard doctor --mend",
        )
    if not waiting and not settled:
        yield Check("decisions", "ok", "every decision was carried out whole")


def _behind_our_back(workspace: Workspace, ledger: Ledger, name: str) -> Iterator[Check]:
    for event in record_outside_changes(workspace.registry, ledger, name, "doctor"):
        yield Check(
            "aliases",
            "wrong",
            f"Moved behind our back: {event.reason}.",
            "If it is meant, decide so with: tiltyard set-alias --reason …; else: tiltyard rollback --reason …",
        )
    champion = workspace.registry.champion(name)
    if champion is None:
        gone = missing_champion(ledger.events(subject=name), workspace.registry, name)
        if gone is not None:
            yield Check("champion's right", "wrong", gone.message, gone.next_step)
        return
    finding = unexplained_champion(ledger.events(subject=name), champion, unfinished_changes(ledger, name))
    if finding is not None:
        yield Check("champion's right", "wrong", finding.message, finding.next_step)
