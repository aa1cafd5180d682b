"""A challenger meets the champion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.project_env import ProjectEnv
from tiltyard.errors import DataError, NotFoundError
from tiltyard.pipeline import TrainingOutcome
from tiltyard.project import Project
from tiltyard.promotion.challenge import PromotionResult
from tiltyard.promotion.manual_change import point_alias

NAME = "films-classifier"


def aliases(project_env: ProjectEnv) -> dict[str, tuple[str, ...]]:
    return {info.version: info.aliases for info in project_env.workspace.registry.list_versions(NAME) if info.aliases}


def with_split(project: Project, **changes: object) -> Project:
    return project.model_copy(update={"split": project.split.model_copy(update=changes)})


@pytest.fixture(scope="module")
def first(project_env: ProjectEnv) -> TrainingOutcome:
    """The first champion: half as good as it could be, so that there is something to beat."""
    weak = with_split(project_env.project, test=0.9)
    outcome = project_env.train(weak, promote=True)
    assert aliases(project_env) == {"1": ("champion",)}
    return outcome


@dataclass(frozen=True)
class Challenge:
    """The decision about a challenger, and the aliases right after it."""

    promotion: PromotionResult
    aliases: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def better(project_env: ProjectEnv, first: TrainingOutcome) -> Challenge:
    """A version trained on more rows than the first champion, which it meets."""
    project_env.reset_champion("1")
    promotion = project_env.train(promote=True).promotion
    assert promotion is not None
    return Challenge(promotion, aliases(project_env))


@pytest.fixture(autouse=True)
def first_is_champion(project_env: ProjectEnv, first: TrainingOutcome) -> None:
    """Each test begins with version 1 as the champion, whichever tests ran before it."""
    project_env.reset_champion("1")


def test_the_first_version_becomes_champion(first: TrainingOutcome) -> None:
    """Where there is no champion, only the floors count."""
    assert first.promotion is not None
    assert first.promotion.status == "Set as champion"


@pytest.mark.requirement("R-REG-09", "R-REG-11", "R-REG-17")
def test_a_better_version_takes_over_and_the_old_one_stays_as_previous(
    project_env: ProjectEnv, first: TrainingOutcome, better: Challenge
) -> None:
    """Evaluated on the rows that neither was trained on, the one trained on more rows wins."""
    assert better.promotion.verdict.promoted, better.promotion.status
    assert better.aliases == {"1": ("previous",), better.promotion.version.version: ("champion",)}
    gate = better.promotion.verdict.comparison
    assert gate is not None
    assert gate.evidence["difference"] > 0
    assert gate.evidence["rows"] == len(first.trial.split.test.take(_in_both(project_env, first)))


def _in_both(project_env: ProjectEnv, first: TrainingOutcome) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Test rows of the present split that the first champion was not trained on: all of them."""
    from tiltyard.data import load_dataset, split_dataset

    present = set(split_dataset(load_dataset(project_env.project), project_env.project.split).test.inputs)
    return np.asarray([text in present for text in first.trial.split.test.inputs])


@pytest.mark.requirement("R-REG-12")
def test_an_equal_version_never_wins(project_env: ProjectEnv, better: Challenge) -> None:
    """The same recipe on the same data is not promoted, says so with the numbers, and the refusal is an event."""
    project_env.reset_champion(better.promotion.version.version)
    before = aliases(project_env)
    again = project_env.train(promote=True).promotion
    assert again is not None
    assert not again.verdict.promoted
    assert again.status.startswith("Not promoted (current champion is better or equal): accuracy 0.")
    assert aliases(project_env) == before
    events = [
        event for event in project_env.workspace.ledger.events() if event.subject == f"{NAME}/{again.version.version}"
    ]
    assert [event.kind for event in events] == ["registered", "refused"]
    assert project_env.workspace.ledger.verify_events() == []


def test_rows_that_the_champion_was_trained_on_are_not_compared(project_env: ProjectEnv, better: Challenge) -> None:
    """When the split has changed, only rows that neither was trained on are compared."""
    project_env.reset_champion(better.promotion.version.version)
    salted = with_split(project_env.project, salt="another", test=0.5)
    result = project_env.train(salted, promote=True)
    assert result.promotion is not None
    assert result.promotion.verdict.comparison is not None
    compared = result.promotion.verdict.comparison.evidence["rows"]
    assert 0 < compared < len(result.trial.split.test)


def test_a_champion_that_has_learnt_every_row_cannot_be_compared(
    project_env: ProjectEnv,
) -> None:
    """With no common unseen rows there is no verdict, only an explanation."""
    learnt = project_env.train(with_split(project_env.project, test=0.01, salt="x"))
    point_alias(project_env.workspace, NAME, version=learnt.version.version, alias="champion", reason="for the test")
    project = with_split(project_env.project, test=0.004, salt="y")
    with pytest.raises(DataError, match="was trained on every test row"):
        project_env.train(project, promote=True)


def test_other_metrics_are_compared_by_bootstrap(project_env: ProjectEnv) -> None:
    """The project's metric decides, whatever it is, and knows its direction."""
    by_loss = project_env.project.model_copy(
        update={"training": project_env.project.training.model_copy(update={"metric": "log_loss"})}
    )
    result = project_env.train(by_loss, promote=True).promotion
    assert result is not None
    assert result.verdict.promoted, result.status
    assert result.verdict.comparison is not None
    evidence = result.verdict.comparison.evidence
    assert evidence["challenger"] < evidence["champion"]
    assert evidence["difference"] > 0


def test_an_alias_set_by_hand_is_a_decision_with_a_reason(project_env: ProjectEnv, better: Challenge) -> None:
    """The champion before stays as previous, the event says who and why, and an unknown version is refused."""
    before = better.promotion.version.version
    project_env.reset_champion(before)
    assert point_alias(project_env.workspace, NAME, version="1", alias="champion", reason="roll back") == before
    assert aliases(project_env)[before] == ("previous",)
    event = list(project_env.workspace.ledger.events(kind="alias-set"))[-1]
    assert (event.subject, event.reason, event.actor) == (f"{NAME}/1", "roll back", "tester")
    with pytest.raises(NotFoundError):
        point_alias(project_env.workspace, NAME, version="99", alias="champion", reason="")
