"""Champion and challenger on rows that have changed since, and gates that measure what a version costs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import Workspace
from tiltyard.project import Project
from tiltyard.promotion.challenge import PromotionResult
from tiltyard.promotion.gate_run import evaluate_gates
from tiltyard.promotion.offline_predictions import PredictedRows, find_clusters
from tiltyard.registry import MlflowRegistry, VersionInfo
from tiltyard.registry.lineage import read_lineage

PROJECT = """
[project]
name = "loans"
task = "tabular-classification"
[data]
source = "rows.csv"
label = "paid"
[training]
candidates = ["logreg"]
[promotion]
rule = "better"
"""


def write(folder: Path, **columns: Any) -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"income": random.normal(40, 9, 400), "age": random.integers(18, 80, 400)})
    frame["paid"] = np.where(frame["income"] + random.normal(0, 3, 400) > 40, "yes", "no")
    frame.assign(**columns).to_csv(folder / "rows.csv", index=False)


@dataclass(frozen=True)
class Loans:
    """A project of tables whose champion, version 1, was trained on a column 'town' that is gone since.

    Attributes:
        env: the project and its stores.
        incomparable: the decision about version 2, trained without the column.
        measured: the decision about version 3, the same recipe, with gates for latency, size and findings in the data.
    """

    env: ProjectEnv
    incomparable: PromotionResult
    measured: PromotionResult

    @property
    def workspace(self) -> Workspace:
        """The stores."""
        return self.env.workspace


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Loans]:
    root = tmp_path_factory.mktemp("loans")
    (root / "tiltyard.toml").write_text(PROJECT)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        project_env = ProjectEnv(
            Films(root), Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester"), uri
        )
        write(root, town=np.where(np.arange(400) % 3, "York", "Hull"))
        assert project_env.train(promote=True).promotion is not None
        write(root)
        incomparable = project_env.train(promote=True).promotion
        gates = {"latency_ms": 60_000.0, "size_mb": 0.000001, "data_findings": "info"}
        measured = project_env.train(with_promotion(project_env.project, **gates), promote=True).promotion
        assert incomparable is not None
        assert measured is not None
        yield Loans(project_env, incomparable, measured)


def with_promotion(project: Project, **changes: object) -> Project:
    return project.model_copy(update={"promotion": project.promotion.model_copy(update=changes)})


def test_a_champion_that_lacks_columns_refuses_the_challenger(loans: Loans) -> None:
    """The refusal names the column, is recorded, and leaves the champion where it was."""
    refused = loans.incomparable
    assert not refused.verdict.promoted
    assert refused.verdict.reason == "the champion cannot predict these rows"
    assert "'town'" in refused.status
    champion = loans.workspace.registry.champion("loans-classifier")
    assert champion is not None
    assert champion.version == "1"
    subject = f"loans-classifier/{refused.version.version}"
    (event,) = [event for event in loans.workspace.ledger.events(kind="refused") if event.subject == subject]
    assert event.evidence["verdict"]["gates"][-1]["code"] == "gate.comparable"


def test_latency_and_size_are_those_of_the_stored_version(loans: Loans) -> None:
    """Latency and size are measured on the stored version, and the verdict is stored with it."""
    found = {gate.code: gate for gate in loans.measured.verdict.gates}
    assert found["gate.latency"].passed
    assert 0 < found["gate.latency"].evidence["median_ms"] <= found["gate.latency"].evidence["latency_ms"]
    assert not found["gate.size"].passed
    stored = loans.workspace.registry.get_version("loans-classifier", version=loans.measured.version.version)
    folder = loans.workspace.registry.fetch(stored, loans.workspace.cache)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert found["gate.size"].evidence["size_mb"] == pytest.approx(size / 1e6)
    verdict = json.loads(stored.tags["tiltyard.verdict"])
    assert (verdict["promoted"], [gate["code"] for gate in verdict["gates"]]) == (False, list(found))


def test_the_data_gate_counts_the_findings_stored_with_the_version(loans: Loans) -> None:
    """A version keeps the findings of the data that it was trained on, and the gate counts them."""
    (gate,) = [gate for gate in loans.measured.verdict.gates if gate.code == "gate.data"]
    assert gate.passed == (gate.evidence["counts"]["warning"] + gate.evidence["counts"]["error"] == 0)


@pytest.mark.requirement("R-REG-20", "R-REG-21")
def test_labels_follow_schema_and_recipe_and_lineage_names_the_parent(loans: Loans) -> None:
    """Another schema is a new first number, the same recipe again a new last one; each version names its parent."""
    versions = {info.version: info for info in loans.workspace.registry.list_versions("loans-classifier")}
    assert [versions[number].label for number in ("1", "2", "3")] == ["1.0.0", "2.0.0", "2.0.1"]
    lineage = read_lineage(versions["2"])
    assert lineage is not None
    assert lineage.parent == "1"
    assert lineage.data["fingerprint"] == versions["2"].tags["tiltyard.data_fingerprint"]
    assert lineage.parameters["candidate"] == "logreg"
    assert set(lineage.environment) >= {"python", "scikit-learn"}
    assert loans.workspace.registry.get_version("loans-classifier", version="2.0.1").version == "3"


@dataclass(frozen=True)
class Grouped:
    """The project of tables with ``split.group``, its champion, and a challenger that is right about every test row."""

    project: Project
    champion: VersionInfo
    test: Dataset
    challenger: PredictedRows

    @property
    def groups(self) -> int:
        """Groups on the test side."""
        return int(self.test.frame["age"].nunique())


@pytest.fixture(scope="module")
def grouped(loans: Loans) -> Grouped:
    project = loans.env.project
    test = split_dataset(load_dataset(project), project.split).test
    truth = test.labels.to_numpy(dtype=str)
    sure = np.where(truth == "yes", 0.9, 0.1)
    return Grouped(
        project.model_copy(
            update={
                "split": project.split.model_copy(update={"group": "age"}),
                "data": project.data.model_copy(update={"slices": ("paid",)}),
                "promotion": project.promotion.model_copy(update={"rule": "significant"}),
            }
        ),
        loans.measured.version,
        test,
        PredictedRows(truth, np.column_stack([1 - sure, sure]), ("no", "yes")),
    )


def test_every_comparison_is_of_groups(loans: Loans, grouped: Grouped) -> None:
    """With ``split.group`` first champions, challengers and slices are compared by groups, as verdicts say."""
    challenger = replace(grouped.champion, version="9")
    gates = {
        gate.code: gate
        for champion in (None, grouped.champion)
        for gate in evaluate_gates(
            loans.workspace, grouped.project, challenger, champion, grouped.challenger, grouped.test
        ).gates
    }
    assert 10 < grouped.groups < len(grouped.test)
    assert gates["gate.first"].evidence["method"].endswith("by groups")
    assert gates["gate.significant"].evidence["method"] == "exchange of groups, and t corrected for skewness"
    for code in ("gate.first", "gate.significant"):
        assert gates[code].evidence["groups"] == grouped.groups
        assert f"{len(grouped.test):,} rows of {grouped.groups} groups" in gates[code].message
    slices = gates["gate.slices"].evidence["slices"]
    assert slices
    assert all(part["groups"] > 1 for part in slices)


def test_groups_are_those_that_the_project_names(loans: Loans, grouped: Grouped) -> None:
    """Without ``split.group`` each row is by itself, and with it a row without a name is a separate group."""
    assert find_clusters(grouped.test, loans.env.project) is None
    found = find_clusters(grouped.test, grouped.project)
    alone = find_clusters(replace(grouped.test, frame=grouped.test.frame.assign(age=None)), grouped.project)
    assert found is not None
    assert alone is not None
    assert (len(np.unique(found)), len(np.unique(alone))) == (grouped.groups, len(grouped.test))
