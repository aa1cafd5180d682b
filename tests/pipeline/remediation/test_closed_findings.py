"""Findings that are over say so once, and their advice goes away with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv
from tiltyard.errors import UsageError
from tiltyard.ledger import FindingRecord, new_id
from tiltyard.notifications.alerts import read_alerts
from tiltyard.pipeline.jobs.monitoring_run import run_monitoring
from tiltyard.pipeline.remediation.closed_findings import find_closed, list_open
from tiltyard.pipeline.remediation.history import Action, History, advise_rollback, read_history
from tiltyard.promotion.rollback import roll_back
from tiltyard.registry.alias_history import AliasHistory
from tiltyard.testing import make_prediction


def make(
    env: ModelEnv, code: str, subject: str, *, version: str | None, minutes: float = -5, **more: Any
) -> FindingRecord:
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    fields: dict[str, Any] = {"severity": "error", "status": "found", "message": "Bad.", "next_step": "Act.", **more}
    record = FindingRecord(id=new_id(), at=now, project=MODEL, version=version, code=code, subject=subject, **fields)
    env.ledger.findings.record([record])
    return record


def close(env: ModelEnv, *records: FindingRecord) -> list[FindingRecord]:
    found = find_closed(env.ledger, MODEL, env.responder().history(), records, datetime.now(UTC))
    env.ledger.findings.record(found)
    return found


@pytest.fixture
def rolled_back(model_env: ModelEnv) -> ModelEnv:
    """Version 2 is champion again, in place of version 3."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    model_env.make_champion(model_env.register(right=False).version, before="2")
    roll_back(model_env.responder()._workspace, MODEL, to="2", reason="it fails")
    return model_env


def test_what_is_about_a_version_that_no_longer_serves_is_over(rolled_back: ModelEnv) -> None:
    """After a rollback the finding is closed once, with the reason and without advice; others stay."""
    make(rolled_back, "champion.errors", "requests", version="3", next_step="Go back.")
    make(rolled_back, "drift.verdict", "data", version="3")
    make(rolled_back, "performance.degradation", "accuracy", version="2")
    closed = {one.code: one for one in close(rolled_back)}
    assert set(closed) == {"champion.errors", "drift.verdict"}
    over = closed["champion.errors"]
    assert (over.status, over.severity, over.next_step, over.version) == ("clear", "info", "", "3")
    assert "Version 3 no longer serves: version 2 is champion" in over.message
    assert "by a rollback" in over.message
    assert close(rolled_back) == []


def test_drift_stands_after_a_rollback_while_its_rows_are_in_the_window(rolled_back: ModelEnv) -> None:
    """A rollback ends no drift: it stands until the champion can evaluate the rows, or they are out of the window."""
    now = datetime.now(UTC)
    window: dict[str, Any] = {"since": now - timedelta(hours=24), "until": now - timedelta(hours=1)}
    found = make(rolled_back, "drift.number", "age", version="3", **window)
    blind = make(rolled_back, "drift.verdict", "rows", version="2", status="could_not_judge", minutes=0)
    assert close(rolled_back, blind) == []
    history = rolled_back.responder().history()
    assert [one.id for one in list_open([found, blind], history)] == [found.id]
    clear = make(rolled_back, "drift.verdict", "rows", version="2", status="clear", minutes=0)
    assert [one.evidence["finding"] for one in close(rolled_back, clear)] == [found.id]


def test_drift_is_over_when_its_rows_are_out_of_the_window(rolled_back: ModelEnv) -> None:
    """Drift of another version in rows that no window of the present holds is over, whatever can be evaluated."""
    now = datetime.now(UTC)
    window: dict[str, Any] = {"since": now - timedelta(hours=48), "until": now - timedelta(hours=25)}
    make(rolled_back, "drift.number", "age", version="3", **window)
    blind = make(rolled_back, "drift.verdict", "rows", version="2", status="could_not_judge", minutes=0)
    assert [one.code for one in close(rolled_back, blind)] == ["drift.number"]


def test_what_a_run_no_longer_finds_is_over(rolled_back: ModelEnv) -> None:
    """A code that was evaluated, and does not name the subject any more, is over; one that could not be is not."""
    make(rolled_back, "approval.awaited", "version 3", version=None)
    make(rolled_back, "drift.column", "age", version="2")
    quiet = make(rolled_back, "approval.awaited", "versions", version=None, status="clear", minutes=0)
    blind = make(rolled_back, "drift.column", "town", version="2", status="could_not_judge", minutes=0)
    assert [one.code for one in close(rolled_back, quiet, blind)] == ["approval.awaited"]


def test_the_present_runs_word_is_the_latest(rolled_back: ModelEnv) -> None:
    """A finding about the champion of now is not hidden by the closing of one about the champion before."""
    make(rolled_back, "drift.verdict", "data", version="3")
    now = make(rolled_back, "drift.verdict", "data", version="2", minutes=0)
    assert len(find_closed(rolled_back.ledger, MODEL, rolled_back.responder().history(), [now], now.at)) == 1
    close(rolled_back, now)
    assert rolled_back.ledger.findings.latest(code="drift.verdict")[0].version == "2"


def test_its_alert_ends_with_the_reason_and_people_are_notified_once(rolled_back: ModelEnv) -> None:
    """The alert about the version that was rolled back is over when the next run has no more to say about it."""
    bad = make(rolled_back, "champion.errors", "requests", version=None)
    rolled_back.responder(on_bad_champion="alert").respond([bad])
    stale = make(rolled_back, "champion.errors", "requests", version="3")
    assert rolled_back.responder().respond([stale]).alerts == ()
    (over,) = rolled_back.responder().respond(close(rolled_back)).alerts
    assert over.state == "cleared"
    assert "Version 3 no longer serves" in over.text
    assert rolled_back.responder().respond(close(rolled_back)).alerts == ()
    assert [alert.state for alert in read_alerts(rolled_back.ledger.events(subject=MODEL))] == ["cleared"]


def test_no_advice_names_a_version_that_was_rolled_back(rolled_back: ModelEnv) -> None:
    """The alias previous names the bad version after a rollback: neither advice nor the default goes there."""
    history = rolled_back.responder().history()
    assert history.rollback_target == "1"
    assert "--to 1" in advise_rollback(history)
    assert rolled_back.named("previous") == "3"
    with pytest.raises(UsageError, match="itself rolled back") as refused:
        roll_back(rolled_back.responder()._workspace, MODEL, to=None, reason="again")
    assert "--to 1" in refused.value.next_step
    assert rolled_back.named("champion") == "2"
    roll_back(rolled_back.responder()._workspace, MODEL, to="3", reason="it was the disk")
    assert rolled_back.named("champion") == "3"


def test_no_advice_goes_back_to_what_was_retrained_away(model_env: ModelEnv) -> None:
    """A champion that got worse on labels, and was replaced for it, does not help against the next one's troubles."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    known = read_history(list(model_env.ledger.events(subject=MODEL)), MODEL)
    assert known.rollback_target == "1"
    plan = {"matter": "performance", "champion": "1"}
    outcomes: Any = {"meet-champion": {"promoted": True}}
    retrained = Action("a", "retrain", datetime.now(UTC), "decay", plan, outcomes)
    assert History([retrained], known.aliases).rollback_target is None
    assert "No earlier version" in advise_rollback(History([retrained], known.aliases))
    assert History([], AliasHistory()).rollback_target is None


def test_a_monitoring_run_advises_only_a_rollback_that_helps(rolled_back: ModelEnv) -> None:
    """What a run finds names the version to go back to, and no rollback where every earlier one was rolled back."""
    now = datetime.now(UTC)
    rows = [make_prediction(project=MODEL, version="2", at=now, latency_ms=50.0) for _ in range(5)]
    rolled_back.ledger.record(rows)
    project = rolled_back.project()
    project = project.model_copy(update={"monitoring": project.monitoring.model_copy(update={"max_latency_ms": 1.0})})
    workspace = rolled_back.responder()._workspace

    def find_step() -> str:
        result = run_monitoring(project, workspace, until=now + timedelta(minutes=1), record=False)
        return next(one.next_step for one in result.alarms if one.code == "operations.latency")

    assert "tiltyard rollback --to 1" in find_step()
    roll_back(workspace, MODEL, to="1", reason="slow")
    assert "rollback" not in find_step()
