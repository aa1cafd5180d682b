"""A new champion that predicts numbers is watched by its absolute errors, as the gates compare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.project_env import ProjectEnv
from tests.rents import make_rents, open_rents
from tiltyard.findings import Finding
from tiltyard.ledger import Label
from tiltyard.pipeline.remediation.canary_checks import check_new_champion
from tiltyard.pipeline.remediation.history import read_history
from tiltyard.promotion.manual_change import point_alias
from tiltyard.testing import MemoryLedger, make_prediction


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """Version 2 of a model of rents has just followed version 1."""
    with open_rents(tmp_path_factory.mktemp("watched"), fresh_store) as env:
        for version in ("1", "2"):
            assert env.train().version.version == version
            point_alias(env.workspace, env.project.model_name, version=version, alias="champion", reason="test")
        yield env


def watch_errors(env: ProjectEnv, new: NDArray[np.float64], before: NDArray[np.float64], unit: str = "") -> Finding:
    """What the watch says where the versions err so, in units of the previous one's mean absolute error at training."""
    project, workspace = env.project, env.workspace
    name, now = project.model_name, datetime.now(UTC)
    size = workspace.registry.get_version(name, version="1").metrics["mae"]
    rows = make_rents(len(new), seed=7).drop(columns="rent").astype(object)
    inputs = rows.where(rows.notna(), None).to_dict("records")
    package = workspace.load(workspace.registry.get_version(name, version="1"))
    pairs = []
    for row, theirs, mine, other in zip(
        inputs, package.pipeline.predict(rows.infer_objects()), new, before, strict=True
    ):
        truth = float(theirs) + size * float(other)
        made = make_prediction(
            at=now,
            project=name,
            version="2",
            input=row,
            label=repr(truth + size * float(mine)),
            confidence=None,
            probabilities={},
            unit=unit or None,
        )
        pairs.append((made, Label(made.id, repr(truth), now, "test")))
    ledger = MemoryLedger()
    ledger.record([made for made, _ in pairs])
    ledger.record_labels([label for _, label in pairs])
    history = read_history(list(workspace.ledger.events()), name)
    found = check_new_champion(project, replace(workspace, ledger=ledger), history, now + timedelta(seconds=1))
    return next(one for one in found if one.code == "champion.worse")


def test_a_smaller_error_counts_and_not_how_often_it_is_smaller(rents: ProjectEnv) -> None:
    """A champion with the smaller mean error stays, though the previous one would have been nearer on most rows."""
    random = np.random.default_rng(1)
    before = np.exp(random.normal(size=600) - 0.5)
    new = 0.9 + 0.1 * random.uniform(-1, 1, 600)
    assert np.mean(before < new) > 0.6
    assert new.mean() < before.mean()
    found = watch_errors(rents, new, before)
    assert (found.status, found.subject, found.evidence["rows"]) == ("clear", "error", 600)
    assert found.evidence["champion_error"] < found.evidence["previous_error"]
    assert "version 1 would have missed by" in found.message


def test_larger_errors_bring_the_previous_version_back(rents: ProjectEnv) -> None:
    """A champion whose errors are half as large again is found, with both errors and the version to go back to."""
    random = np.random.default_rng(2)
    found = watch_errors(rents, 1.5 * np.abs(random.normal(size=300)), np.abs(random.normal(size=300)))
    assert (found.status, found.severity) == ("found", "error")
    assert found.evidence["champion_error"] > found.evidence["previous_error"]
    assert "--to 1" in found.next_step


def test_a_far_miss_counts_up_to_the_cap(rents: ProjectEnv) -> None:
    """One error of a thousand times the usual size does not accuse a champion that is as good otherwise."""
    random = np.random.default_rng(3)
    errors = np.abs(random.normal(size=(2, 200)))
    errors[0, 0] = 1000.0
    found = watch_errors(rents, *errors)
    assert found.status == "clear"
    assert found.evidence["champion_error"] < found.evidence["cap"]
    more = found.evidence["units_needed"] - 200
    assert f"{more:,} more." in found.message


def test_large_errors_of_one_caller_are_one_piece_of_evidence(rents: ProjectEnv) -> None:
    """However many rows one caller has, their errors are one observation."""
    found = watch_errors(rents, np.full(300, 3.0), np.full(300, 0.5), unit="c0000000000000001")
    assert (found.status, found.evidence["units"]) == ("clear", 1)
