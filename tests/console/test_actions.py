"""Actions of the console and the commands that do the same: one table, one record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest

from tests.films import Films, make_films
from tiltyard import wiring
from tiltyard.cli.main import cli
from tiltyard.console.actions import ACTIONS, ActionDesk, ActionJob
from tiltyard.console.actions.perform import PERFORMERS
from tiltyard.console.actions.values import read_values, write_command, write_words
from tiltyard.console.session import Session
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.ledger import Event
from tiltyard.project import load_project
from tiltyard.promotion.context import build_workspace
from tiltyard.settings import Settings

NAME = "films-classifier"
ADA = Session("API key 0123456789ab (ada)", "admin", signed_in=True)
VALUES = {
    "version": "3",
    "incident": "drift",
    "prediction": "0199a5e8",
    "label": "-1",
    "alias": "challenger",
    "for": "12h",
    "until": "2031-01-01T00:00:00Z",
    "reason": 'it\'s -- worse; "much" $HOME',
    "force": True,
    "size": 20,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """Version 1, a weak one, is champion, and version 2 waits."""
    films = make_films(tmp_path_factory.mktemp("actions") / "films", rows=400, store=fresh_store)
    file = films.root / "tiltyard.toml"
    whole = file.read_text(encoding="utf-8")
    file.write_text(f"{whole}\n[split]\ntest = 0.9\n", encoding="utf-8")
    films.call("train", "--accept-data", check=False)
    films.call("set-alias", "--version", "1", "--alias", "champion", "--reason", "the first")
    file.write_text(whole, encoding="utf-8")
    films.call("train", "--accept-data", check=False)
    return films


@pytest.fixture
def desk(trained: Films) -> Iterator[ActionDesk]:
    project = load_project(trained.root)
    settings = Settings.load(project.root)
    with ExitStack() as stack:
        ledger = stack.enter_context(wiring.open_ledger(settings))
        workspace = build_workspace(settings, ledger, project.alerts)
        made = ActionDesk(project, workspace, [f"--project={trained.root}"], trained.root)
        stack.callback(made.close)
        yield made


def wait_for(desk: ActionDesk, job: ActionJob | None) -> ActionJob:
    assert job is not None
    end = time.monotonic() + 240
    while time.monotonic() < end:
        found = desk.find_job(job.id)
        if found.state != "running":
            return found
        time.sleep(0.2)
    raise AssertionError(f"{job.command} did not end")


def read_decisions(desk: ActionDesk, kind: str) -> list[Event]:
    return [event for event in desk.workspace.ledger.events(subject=NAME) if event.kind == kind]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_is_a_command_with_these_options(name: str) -> None:
    """The words of an action, with all of its values, are taken by the command, which reads the same values."""
    action = ACTIONS[name]
    given = {one.name: VALUES[one.name] for one in action.fields}
    read = read_values(action, given)
    words = write_words(action, read)
    command, arguments = find_command(words)
    assert not isinstance(command, click.Group), words
    parsed = command.make_context("tiltyard", list(arguments)).params
    texts = {str(value) for value in parsed.values()}
    for one in action.fields:
        if one.name not in ("force", "for", "until"):
            assert str(read[one.name]) in texts, (name, one.name)
    assert write_command(words).startswith("tiltyard ")


def test_each_short_action_has_a_use_case_and_each_long_one_a_process() -> None:
    """An action of the table can be taken: by a function, or by its command in a process."""
    assert set(PERFORMERS) == {name for name, action in ACTIONS.items() if not action.is_long}


@pytest.mark.requirement("R-MORE-21")
def test_a_promotion_runs_as_a_job_and_leaves_the_record_of_the_command(trained: Films, desk: ActionDesk) -> None:
    """A promotion from the console is in the record as that of the command, with who and why; then it is rolled back,
    and both rollbacks look alike."""
    outcome = desk.perform("promote", {"version": "2", "reason": "more reviews"}, ADA)
    assert outcome.command == f"tiltyard promote 2 --reason 'more reviews' --project {trained.root}"
    job = wait_for(desk, outcome.job)
    assert (job.state, job.actor) == ("done", ADA.actor), job
    assert "champion" in job.summary
    assert job.progress == ("reading the rows …", "comparing with the champion on the same rows …")
    assert job.result is not None
    (promoted,) = [event for event in read_decisions(desk, "promoted") if event.subject == f"{NAME}/2"]
    assert (promoted.actor, promoted.evidence["request"]) == (ADA.actor, "more reviews")

    desk.perform("roll-back", {"reason": "complaints"}, ADA)
    trained.call("promote", "2", "--reason", "more reviews")
    trained.call("rollback", "--to", "1", "--reason", "complaints")
    by_console, by_command = read_decisions(desk, "promoted")[-2:]
    assert dict(by_console.evidence).keys() == dict(by_command.evidence).keys()
    assert by_console.reason == by_command.reason
    back_by_console, back_by_command = read_decisions(desk, "rolled-back")
    assert (back_by_console.subject, back_by_console.reason) == (back_by_command.subject, "complaints")
    for event in (back_by_console, back_by_command):
        assert {**event.evidence, "succession": 0} == {
            "alias": "champion",
            "before": "2",
            "gates": "not run",
            "succession": 0,
        }
    assert back_by_console.actor == ADA.actor
    assert desk.workspace.ledger.verify_events() == []


def test_a_job_that_fails_says_why(desk: ActionDesk) -> None:
    """A version that is not there, and a live test that the project does not have, end as the command ends."""
    missing = wait_for(desk, desk.perform("promote", {"version": "99", "reason": "why"}, ADA).job)
    assert missing.state == "failed"
    assert missing.error is not None
    assert "99" in missing.error["message"]
    assert missing.error["next_step"]
    none = wait_for(desk, desk.perform("challenge", {}, ADA).job)
    assert (none.state, none.summary) == ("failed", "No challenger predicts in this project.")
    assert [job.id for job in desk.list_jobs()][:2] == [none.id, missing.id]


def test_few_jobs_run_at_a_time_and_end_with_the_console(desk: ActionDesk) -> None:
    """A third long action has to wait, and what runs when the console ends is kept as stopped."""
    jobs = [desk.perform("promote", {"version": "2", "reason": "why"}, ADA).job for _ in range(2)]
    with pytest.raises(UnavailableError, match="so many run"):
        desk.perform("promote", {"version": "2", "reason": "why"}, ADA)
    desk.close()
    states = {desk.find_job(job.id).state for job in jobs if job is not None}
    assert states <= {"stopped", "done", "refused", "failed"}
    with pytest.raises(UnavailableError):
        desk.perform("challenge", {}, ADA)


def test_what_fits_a_version_says_why_it_cannot_be_done(desk: ActionDesk) -> None:
    """The champion is not promoted, archived or rolled back to; a viewer reads which role it takes."""
    champion = desk.workspace.registry.champion(NAME)
    assert champion is not None
    offered = {one.action.name: one for one in desk.offer("version", champion.version, ADA)}
    assert "roll-back" not in offered
    for name in ("promote", "archive"):
        assert offered[name].refused == "It is champion: users get its predictions."
    other = "2" if champion.version == "1" else "1"
    fits: dict[str, Any] = {one.action.name: one.refused for one in desk.offer("version", other, ADA)}
    assert fits.pop("roll-back", "") == ""  # it is there once the version was champion
    assert fits == {"promote": "", "set-alias": "", "archive": ""}
    viewer = Session("API key ba9876543210 (eve)", "viewer", signed_in=True)
    for one in desk.offer("model", None, viewer):
        assert one.action.role in one.refused
        assert one.command.startswith("tiltyard ")
    with pytest.raises(UsageError, match="does not wait for approval"):
        desk.perform("approve", {"version": other, "reason": "why"}, ADA)
