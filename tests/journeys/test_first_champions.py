"""From a small table to a first champion, or to the reason why there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.errors import UsageError
from tiltyard.ledger import SqlLedger
from tiltyard.ledger.model_events import read_rare_classes
from tiltyard.pipeline import TrainingOutcome, Workspace
from tiltyard.promotion.manual_change import point_alias, remove_alias
from tiltyard.promotion.rollback import promote_version, roll_back
from tiltyard.registry import MlflowRegistry
from tiltyard.registry.alias_history import CHANGED_OUTSIDE
from tiltyard.registry.outside_changes import record_outside_changes

ROWS = 240
PROJECT = """
[project]
name = "{name}"
task = "tabular-classification"
[data]
source = "{name}.csv"
label = "y"
[training]
candidates = ["logreg"]
"""


def make_table(name: str) -> pd.DataFrame:
    """A table whose label follows from the age; or, of the name ``noise``, from nothing."""
    random = np.random.default_rng(7)
    age = random.normal(40, 12, ROWS)
    label = np.where(age + random.normal(0, 2, ROWS) > 40, "yes", "no").astype(object)
    if name == "noise":
        label = np.where(random.random(ROWS) < 0.2, "yes", "no").astype(object)
    if name == "odd":
        label[[3, 50]] = None
        label[[7, 90]] = "perhaps"
    return pd.DataFrame({"age": age.round(2), "fee": random.normal(10, 3, ROWS).round(2), "y": label})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A folder for projects of tables, with stores and no version yet."""
    root = tmp_path_factory.mktemp("tables")
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield ProjectEnv(Films(root), workspace, uri)


def check_every_door(tables: ProjectEnv, model: str, outcome: TrainingOutcome) -> None:
    """A version that learned nothing becomes no first champion, unless a reason is given and kept with the decision."""
    workspace, test = tables.workspace, outcome.trial.split.test
    promoted = promote_version(workspace, tables.project, "1", test)
    assert (promoted.promoted, "always guessing" in promoted.status) == (False, True)
    with pytest.raises(UsageError, match="never was champion"):
        roll_back(workspace, model, to="1", reason="back")
    with pytest.raises(UsageError, match="passes no gates this way"):
        point_alias(workspace, model, version="1", alias="champion", reason=" ")
    retrained = tables.train(promote=True)
    assert retrained.promotion is not None
    assert not retrained.promotion.promoted
    workspace.registry.set_alias(model, "champion", "1")  # as MLflow's pages do it
    [changed] = record_outside_changes(workspace.registry, workspace.ledger, model, "tester")
    assert changed.kind == CHANGED_OUTSIDE
    remove_alias(workspace, model, alias="champion", reason="nobody decided it")
    forced = promote_version(workspace, tables.project, "1", test, force="a demonstration")
    assert forced.promoted
    assert "by force (a demonstration), though not better than always guessing" in forced.status
    second = promote_version(workspace, tables.project, "2", test)
    assert not second.promoted
    assert {"gate.guessing"} <= {gate.code for gate in second.verdict.refusals}
    decision = list(workspace.ledger.events(subject=f"{model}/1", kind="promoted"))[-1]
    assert decision.evidence["forced"] == "a demonstration"
    assert not decision.evidence["verdict"]["promoted"]
    remove_alias(workspace, model, alias="champion", reason="the demonstration is over")
    point_alias(workspace, model, version="2", alias="champion", reason="by hand")
    decision = list(workspace.ledger.events(subject=f"{model}/2", kind="alias-set"))[-1]
    assert (decision.reason, decision.evidence["gates"]) == ("by hand", "not run")


@pytest.mark.parametrize(("name", "learnable"), [("noise", False), ("odd", True)])
def test_what_can_be_learnt_ends_with_a_champion(tables: ProjectEnv, name: str, learnable: bool) -> None:
    """A table that can be learnt gives a champion, also with unlabelled rows and a rare class; noise gives none."""
    root = tables.films.root
    (root / "tiltyard.toml").write_text(PROJECT.format(name=name), encoding="utf-8")
    make_table(name).to_csv(root / f"{name}.csv", index=False)
    outcome = tables.train(promote=True)
    assert outcome.promotion is not None
    assert outcome.promotion.promoted == learnable
    assert (tables.workspace.registry.champion(f"{name}-classifier") is not None) == learnable
    if not learnable:
        assert "always guessing" in outcome.promotion.status
        assert "--force --reason" in outcome.promotion.status
        check_every_door(tables, f"{name}-classifier", outcome)
        return
    split = outcome.trial.split
    assert len(split.train) + len(split.test) == ROWS - 4
    assert split.train.set_aside.keys() == {"perhaps"}
    assert read_rare_classes(tables.workspace.ledger, f"{name}-classifier").set_aside == split.train.set_aside
    assert {found.code for found in split.train.findings} == {"data.rows-set-aside", "data.rare-classes"}
