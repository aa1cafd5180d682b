"""Letting a challenger predict next to the champion until the labels have decided, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tiltyard.project import Project
from tiltyard.promotion.ab_test import evaluate_ab_test
from tiltyard.promotion.context import Workspace


def _now() -> datetime:
    return datetime.now(UTC)


class AbTestWait:
    """An ``AbTestEvaluator`` over the project's own live test (``[serving] challenger``).

    Args:
        project: says how the challenger takes part, and for how long at most.
        workspace: registry and ledger.
        clock: the present, UTC.
    """

    def __init__(self, project: Project, workspace: Workspace, clock: Callable[[], datetime] = _now) -> None:
        self._project, self._workspace, self._clock = project, workspace, clock

    def verdict(self, champion: str, challenger: str, since: datetime) -> Mapping[str, Any] | None:
        """What the labels say so far; see ``AbTestEvaluator.verdict``.

        Where they have not decided within ``[response] challenge_hours``, neither version has won and the gates decide.
        """
        del champion
        workspace = self._workspace
        found = evaluate_ab_test(self._project, workspace.registry, workspace.ledger, workspace.actor)
        if found.challenger != challenger:
            reason = f"version {found.challenger} was made challenger in place of version {challenger}"
            return {"winner": "champion", "reason": reason}
        result = {"reason": found.verdict.summary, "verdict": found.to_dict()}
        if found.verdict.decision == "challenger wins":
            return {"winner": "challenger", **result}
        if found.verdict.decision == "champion holds":
            return {"winner": "champion", **result}
        patience = timedelta(hours=self._project.response.challenge_hours)
        return {"winner": "nobody", **result} if self._clock() - since >= patience else None


def make_ab_test_wait(project: Project, workspace: Workspace) -> AbTestWait | None:
    """The live evaluation of challengers; None where the project has no live test."""
    return AbTestWait(project, workspace) if project.serving.challenger is not None else None
