"""Promote, roll back, and look up what was decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.project_env import ProjectEnv
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.errors import ArtifactError, NotFoundError, UsageError
from tiltyard.pipeline import champion_at, promote_version, roll_back

NAME = "films-classifier"


def held_out_rows(project_env: ProjectEnv) -> Dataset:
    return split_dataset(load_dataset(project_env.project), project_env.project.split).test


def champion(project_env: ProjectEnv) -> str:
    info = project_env.workspace.registry.champion(NAME)
    assert info is not None
    return info.version


@pytest.fixture(scope="module")
def trained(project_env: ProjectEnv) -> ProjectEnv:
    """Version 1, trained on a tenth of the rows, and version 2, which is better."""
    weak = project_env.project.model_copy(update={"split": project_env.project.split.model_copy(update={"test": 0.9})})
    project_env.train(weak, promote=True)
    project_env.train()
    return project_env


@pytest.fixture
def two(trained: ProjectEnv) -> ProjectEnv:
    """Version 1 is champion, and version 2 waits, whichever tests ran before."""
    trained.reset_champion("1")
    return trained


@pytest.mark.requirement("R-REG-19")
def test_a_story_of_decisions_can_be_looked_up(two: ProjectEnv) -> None:
    """Promoted, rolled back, promoted again: each is an event, and who was champion when follows from them alone."""
    workspace = two.workspace
    start = datetime.now(UTC)
    promoted = promote_version(workspace, two.project, "2", held_out_rows(two))
    assert promoted.verdict.promoted
    assert champion(two) == "2"
    between = datetime.now(UTC)
    now, before = roll_back(workspace, NAME, to=None, reason="complaints")
    assert before is not None
    assert (now.version, now.aliases, before.version) == ("1", ("champion",), "2")
    assert champion(two) == "1"
    events = list(workspace.ledger.events(subject=NAME))
    assert [event.kind for event in events][-2:] == ["promoted", "rolled-back"]
    assert events[-1].reason == "complaints"
    assert workspace.ledger.verify_events() == []
    moments = (start - timedelta(days=1), start, between, datetime.now(UTC))
    periods = [champion_at(events, NAME, moment) for moment in moments]
    assert [period and period.version for period in periods] == [None, "1", "2", "1"]
    roll_back(workspace, NAME, to="2", reason="it was not the model")
    assert champion(two) == "2"


def test_a_worse_version_is_refused_by_the_gates(two: ProjectEnv) -> None:
    """promote decides by evidence, not by wish; the refusal is written down."""
    two.reset_champion("2")
    refused = promote_version(two.workspace, two.project, "1", held_out_rows(two))
    assert not refused.verdict.promoted
    assert champion(two) == "2"
    assert list(two.workspace.ledger.events(subject=f"{NAME}/1"))[-1].kind == "refused"


def test_the_champion_and_unknown_versions_are_no_targets(two: ProjectEnv) -> None:
    """The champion cannot be promoted or rolled back to, an unknown version is not there."""
    present = champion(two)
    with pytest.raises(UsageError, match="champion already"):
        promote_version(two.workspace, two.project, present, held_out_rows(two))
    with pytest.raises(UsageError, match="champion already"):
        roll_back(two.workspace, NAME, to=present, reason="x")
    with pytest.raises(NotFoundError):
        roll_back(two.workspace, NAME, to="77", reason="x")
    with pytest.raises(NotFoundError, match="nothing to go back to"):
        roll_back(two.workspace, "songs-classifier", to=None, reason="x")


def test_a_damaged_version_is_not_rolled_back_to(two: ProjectEnv) -> None:
    """The target is verified before the alias moves: the champion stays."""
    two.reset_champion("2")
    stored = list((two.films.root / "artifacts").rglob("model.skops"))
    originals = {file: file.read_bytes() for file in stored}
    cached = list(two.workspace.cache.rglob("model.skops"))
    try:
        for file in [*stored, *cached]:
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(bytes(content))
        with pytest.raises(ArtifactError):
            roll_back(two.workspace, NAME, to="1", reason="x")
        assert champion(two) == "2"
    finally:
        for file, content_before in originals.items():
            file.write_bytes(content_before)
