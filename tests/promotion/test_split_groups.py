"""With ``[split] group`` the groups of the test rows reach every gate and the record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.evaluation import (
    LabelledPredictions,
    compare,
    compare_paired,
    evaluate_predictions,
    get_metric,
    label_predictions,
)
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import Workspace
from tiltyard.project import PromotionSection
from tiltyard.promotion.challenge import PromotionResult
from tiltyard.promotion.gate_run import _count_differing, evaluate_gates
from tiltyard.promotion.gates import GateInputs, guess_gate, run_gates
from tiltyard.promotion.offline_predictions import (
    PredictedRows,
    compare_with_labels,
    find_clusters,
    predict_with_version,
)
from tiltyard.registry import MlflowRegistry

PROJECT = """
[project]
name = "loans"
task = "tabular-classification"
[data]
source = "rows.csv"
label = "paid"
slices = ["town"]
[split]
group = "customer"
test = 0.4
[training]
candidates = ["logreg"]
"""
CUSTOMERS, EACH = 60, 6


def write(folder: Path) -> None:
    """Six rows of each customer, who pays or does not."""
    random = np.random.default_rng(3)
    customer = np.repeat(np.arange(CUSTOMERS), EACH)
    income = random.normal(40, 9, CUSTOMERS)[customer] + random.normal(0, 1, len(customer))
    frame = pd.DataFrame({"customer": customer, "income": income, "town": np.where(customer % 2, "York", "Hull")})
    frame["paid"] = np.where(frame["income"] + random.normal(0, 4, CUSTOMERS)[customer] > 40, "yes", "no")
    frame.to_csv(folder / "rows.csv", index=False)


@dataclass(frozen=True)
class Grouped:
    """A project with groups, whose first champion was trained; and its test rows."""

    env: ProjectEnv
    promotion: PromotionResult
    test: Dataset

    @property
    def groups(self) -> int:
        """The customers on the test side."""
        return int(self.test.frame["customer"].nunique())


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Grouped]:
    root = tmp_path_factory.mktemp("customers")
    (root / "tiltyard.toml").write_text(PROJECT)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        env = ProjectEnv(
            Films(root), Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester"), uri
        )
        write(root)
        promotion = env.train(promote=True).promotion
        assert promotion is not None
        test = split_dataset(load_dataset(env.project), env.project.split).test
        yield Grouped(env, promotion, test)


def test_the_first_champion_is_compared_by_groups(grouped: Grouped) -> None:
    """Verdict and record say of how many groups the test rows are, and that the lead over guessing is theirs."""
    assert grouped.promotion.verdict.promoted
    gate = grouped.promotion.verdict.gates[-1]
    assert gate.code == "gate.first"
    assert gate.evidence["method"].endswith("by groups")
    assert f"{len(grouped.test):,} rows of {grouped.groups} groups" in gate.message
    (event,) = grouped.env.workspace.ledger.events(kind="promoted")
    assert event.evidence["verdict"]["gates"][-1]["evidence"]["groups"] == grouped.groups


def test_a_challenger_is_compared_by_groups(grouped: Grouped) -> None:
    """Comparison and slices are of groups, and a challenger that is better in few groups only has not won."""
    truth = grouped.test.labels.to_numpy(dtype=str)
    sure = np.where(truth == "yes", 0.9, 0.1)
    better = PredictedRows(truth, np.column_stack([1 - sure, sure]), ("no", "yes"))
    champion = grouped.promotion.version
    verdict = evaluate_gates(
        grouped.env.workspace, grouped.env.project, replace(champion, version="2"), champion, better, grouped.test
    )
    gates = {gate.code: gate for gate in verdict.gates}
    found = gates["gate.significant"].evidence
    assert found["method"] == "exact exchange of groups"
    assert found["groups"] == grouped.groups
    alone = compare_paired(truth, *(one.predicted for one in _pair(grouped, better)))
    assert alone.p_value < found["p_value"]
    assert all(part["groups"] > 1 for part in gates["gate.slices"].evidence["slices"])


def _pair(grouped: Grouped, challenger: PredictedRows) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Champion and challenger on the test rows."""
    workspace, champion = grouped.env.workspace, grouped.promotion.version
    theirs = predict_with_version(workspace.load(champion), champion, grouped.test)
    first, second = (compare_with_labels(one, grouped.test, grouped.env.project) for one in (theirs, challenger))
    return first, second


def test_groups_are_those_that_the_project_names(grouped: Grouped) -> None:
    """Without ``split.group`` each row is by itself, and with it a row without a name is a separate group."""
    project, rows = grouped.env.project, grouped.test
    without = project.model_copy(update={"split": project.split.model_copy(update={"group": None})})
    assert find_clusters(rows, without) is None
    found = find_clusters(rows, project)
    alone = find_clusters(replace(rows, frame=rows.frame.assign(customer=None)), project)
    assert found is not None
    assert alone is not None
    assert (len(np.unique(found)), len(np.unique(alone))) == (grouped.groups, len(rows))


def test_a_verdict_names_the_groups_that_would_suffice() -> None:
    """Where the lead may be chance, it says how many groups of such a size would show it, and which level is used."""
    random, clusters = np.random.default_rng(0), np.repeat(np.arange(40), 10)
    truth = np.array(["no", "yes"])[random.integers(0, 2, 400)]
    wrong = [random.random(40)[clusters] < share for share in (0.3, 0.25)]
    first, second = (
        label_predictions(
            truth, np.where(miss, np.where(truth == "no", "yes", "no"), truth), None, ("no", "yes"), clusters=clusters
        )
        for miss in wrong
    )
    comparison = compare(get_metric("accuracy"), first, second)
    section = PromotionSection()
    verdict = run_gates(
        section, evaluate_predictions(second), evaluate_predictions(first), comparison, metric="accuracy"
    )
    assert comparison.difference > 0
    gate = verdict.gates[0]
    assert gate.reason == "the lead may be chance"
    needed = gate.evidence["groups_needed"]
    assert needed > 40
    assert f"takes about {needed:,} groups ({gate.evidence['rows_needed']:,} rows)" in gate.message
    assert _count_differing("accuracy", first, second) == int(np.sum(wrong[0][::10] != wrong[1][::10]))


def test_few_groups_make_no_first_champion() -> None:
    """Four groups that are all predicted right may be luck, however many rows they have."""
    clusters = np.repeat(np.arange(4), 100)
    truth = np.array(["no", "yes"])[clusters % 2]
    sure = np.where(truth == "yes", 0.9, 0.1)
    labelled = label_predictions(truth, truth, np.column_stack([1 - sure, sure]), ("no", "yes"), clusters=clusters)
    gate = guess_gate(PromotionSection(), "accuracy", labelled, 0)
    assert not gate.passed
    assert gate.reason == "its lead over always guessing may be chance"
    assert (
        run_gates(
            PromotionSection(),
            evaluate_predictions(labelled),
            None,
            None,
            metric="accuracy",
            inspection=GateInputs(guess=gate),
        ).reason
        == gate.reason
    )
