"""Archiving a version: its aliases go, the decision stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.errors import NotFoundError, UsageError
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import archive_version, point_alias, unarchive_version
from tiltyard.testing import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Version 1 is champion, version 2 challenger."""
    registry = MemoryRegistry()
    for _ in range(2):
        registry.register_model(tmp_path.as_uri(), "films")
    made = Workspace(registry, MemoryLedger(), tmp_path / "cache", (), "ada")
    point_alias(made, "films", version="1", alias="champion", reason="first")
    point_alias(made, "films", version="2", alias="challenger", reason="trial")
    return made


def test_an_archived_version_has_no_alias_and_is_on_record(workspace: Workspace) -> None:
    """The aliases are removed, the stage is Archived, and who and why is recorded once."""
    for _ in range(2):
        info = archive_version(workspace, "films", "2", reason="worse")
    assert (info.stage, info.aliases) == ("Archived", ())
    kinds = [(event.kind, event.actor, event.reason) for event in workspace.ledger.events(subject="films/2")]
    assert kinds[-1] == ("archived", "ada", "worse")
    assert [kind for kind, *_ in kinds].count("archived") == 1
    assert unarchive_version(workspace, "films", "2", reason="not so bad").stage == "None"
    unarchive_version(workspace, "films", "2", reason="again")
    kinds = [(event.kind, event.actor, event.reason) for event in workspace.ledger.events(subject="films/2")]
    assert kinds[-1] == ("unarchived", "ada", "not so bad")


def test_an_alias_takes_a_version_out_of_the_archive(workspace: Workspace) -> None:
    """A version that competes again is not archived any more."""
    archive_version(workspace, "films", "2", reason="worse")
    point_alias(workspace, "films", version="2", alias="challenger", reason="once more")
    assert workspace.registry.get_version("films", version="2").stage == "Staging"


def test_the_champion_and_decisions_without_a_reason_are_refused(workspace: Workspace) -> None:
    """Users keep their champion; a decision has a reason; a version that is not there cannot be archived."""
    with pytest.raises(UsageError, match="is champion"):
        archive_version(workspace, "films", "1", reason="why")
    with pytest.raises(UsageError, match="no reason"):
        archive_version(workspace, "films", "2", reason=" ")
    with pytest.raises(NotFoundError):
        archive_version(workspace, "films", "3", reason="why")
    assert workspace.registry.champion("films") is not None
