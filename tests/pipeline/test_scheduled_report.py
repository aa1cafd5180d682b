"""A review of the last days is written when they are over."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline.jobs import scheduled_report
from tiltyard.pipeline.jobs.scheduled_report import report_if_due
from tiltyard.pipeline.loop import Loop
from tiltyard.pipeline.orchestration.runner import LocalFlows, QuietRunner
from tiltyard.project import Project
from tiltyard.testing import NOON


def set_up(model_env: ModelEnv, folder: Path, days: float | None) -> tuple[Project, Any, Any]:
    model_env.make_champion(model_env.register(right=True).version)
    responder = model_env.responder()
    project = responder.context.project
    section = project.monitoring.model_copy(update={"report_days": days, "every_minutes": 0.01})
    return project.model_copy(update={"root": folder, "monitoring": section}), responder._workspace, responder


def report_at(workspace: Any, project: Any, now: datetime) -> Path | None:
    """What is written at a time, here and by the ledger's clock."""
    workspace.ledger.leases.clock = lambda: now
    return report_if_due(project, workspace, now)


@pytest.mark.requirement("R-MON-11")
def test_a_report_a_week(tmp_path: Path) -> None:
    """The first review is due at once, the next after so many days; each is a file and an event."""
    model_env = ModelEnv(tmp_path / "model_env")
    project, workspace, _ = set_up(model_env, tmp_path, 7)
    first = report_at(workspace, project, NOON)
    assert first == tmp_path / "reports" / f"monitoring-{NOON:%Y-%m-%d}.html"
    assert "<html" in first.read_text(encoding="utf-8")
    assert report_at(workspace, project, NOON + timedelta(days=6)) is None
    assert report_at(workspace, project, NOON + timedelta(days=7.1)) != first
    assert len(list((tmp_path / "reports").iterdir())) == model_env.kinds(MODEL).count("reviewed") == 2


def test_none_unless_required(tmp_path: Path) -> None:
    """Without ``report_days`` nothing is written."""
    project, workspace, _ = set_up(ModelEnv(tmp_path / "model_env"), tmp_path, None)
    assert report_at(workspace, project, NOON) is None
    assert not (tmp_path / "reports").exists()


def test_what_fails_is_due_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A review that could not be written is tried again after ten minutes, not after a week."""
    project, workspace, _ = set_up(ModelEnv(tmp_path / "model_env"), tmp_path, 7)
    (tmp_path / "reports").write_text("in the way", encoding="utf-8")
    with pytest.raises(UnavailableError, match="cannot be written"):
        report_at(workspace, project, NOON)
    assert report_at(workspace, project, NOON + timedelta(minutes=1)) is None
    (tmp_path / "reports").unlink()
    assert report_at(workspace, project, NOON + scheduled_report.RETRY + timedelta(seconds=1)) is not None


@pytest.mark.requirement("R-MON-11")
def test_the_loop_reviews(tmp_path: Path) -> None:
    """A loop that runs writes the review that is due."""
    project, workspace, responder = set_up(ModelEnv(tmp_path / "model_env"), tmp_path, 7)
    loop = Loop(project, responder, Dispatcher(workspace.ledger.outbox, {}), LocalFlows(QuietRunner()))
    stop, problems = threading.Event(), list[TiltyardError]()

    def after_a_step() -> None:
        if (tmp_path / "reports").exists() or problems:
            stop.set()

    loop.run(stop, lambda _: None, problems.append, after_a_step)
    assert not problems
    assert len(list((tmp_path / "reports").iterdir())) == 1
