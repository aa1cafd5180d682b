"""What can be refused before the fitting is refused before it, and the message names what refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from tests.project_env import ProjectEnv
from tiltyard.data import Split, load_dataset, split_dataset
from tiltyard.errors import DataError, UsageError
from tiltyard.findings import Finding
from tiltyard.models import Candidate
from tiltyard.pipeline import validate_data
from tiltyard.pipeline.training.preflight import check_candidate_types, find_plan_problems
from tiltyard.project import Project


class Constant(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of a type that no host trusts; it counts how often it was fitted, and on how many rows."""

    fitted_on: list[int] = []  # noqa: RUF012

    def fit(self, inputs: pd.DataFrame, labels: pd.Series) -> Constant:
        self.classes_ = np.unique(labels)
        self.fitted_on.append(len(inputs))
        return self

    def predict_proba(self, inputs: pd.DataFrame) -> np.ndarray:
        return np.full((len(inputs), len(self.classes_)), 1 / len(self.classes_))


def make_split(root: Path, frame: pd.DataFrame, **sections: Any) -> tuple[Project, Split]:
    frame.to_csv(root / "rows.csv", index=False)
    data = {"source": "rows.csv", "label": "y", **sections.pop("data", {})}
    content = {"project": {"name": "rows", "task": "tabular-classification"}, "data": data, **sections, "root": root}
    project = Project.model_validate(content)
    return project, split_dataset(load_dataset(project), project.split, project.data.time)


def make_frame(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": np.arange(rows) * 1.5,
            "age": random.integers(18, 80, rows),
            "sex": np.where(np.arange(rows) % 20, "f", "m"),
            "y": np.where(random.random(rows) < 0.5, "yes", "no"),
        }
    )


def only(found: tuple[Finding, ...], code: str) -> Finding:
    (one,) = found
    assert (one.code, one.severity) == (code, "error")
    assert one.next_step
    return one


def test_a_plan_that_can_succeed_has_no_problem(tmp_path: Path) -> None:
    """Nothing is found where the data suffices for what the project asks."""
    frame = make_frame().assign(sex=lambda rows: np.where(rows.index % 2, "f", "m"))
    project, split = make_split(
        tmp_path,
        frame,
        data={"sensitive": ["sex"]},
        training={"candidates": ["logreg", "hist-gb"]},
        promotion={"fairness": {"demographic_parity_difference": 0.2}},
    )
    assert find_plan_problems(split, project) == ()


@pytest.mark.parametrize("measure", ["demographic_parity_difference", "equalized_odds_difference"])
def test_groups_too_small_for_the_fairness_gate(tmp_path: Path, measure: str) -> None:
    """A fairness gate that no version could pass is named, with the rows that it needs."""
    project, split = make_split(
        tmp_path, make_frame(), data={"sensitive": ["sex"]}, promotion={"fairness": {measure: 0.2}}
    )
    found = only(find_plan_problems(split, project), "split.groups-too-small")
    assert found.subject == "sex"
    assert found.evidence["rows_needed"] is None or found.evidence["rows_needed"] > 400
    assert "30 test rows" in found.message


def test_a_number_as_sensitive_column(tmp_path: Path) -> None:
    """A sensitive column of many numbers is named, with how to bin it and what may be meant; a project may insist."""
    project, split = make_split(tmp_path, make_frame(), data={"sensitive": ["age"]})
    found = only(find_plan_problems(split, project), "data.sensitive-number")
    assert "named ranges" in found.next_step
    assert "sex" in found.next_step
    with pytest.raises(DataError, match="'age' holds") as caught:
        validate_data(load_dataset(project), split, project).refuse()
    assert "named ranges" in (caught.value.next_step or "")
    validation = project.validation.model_copy(update={"ignore": ("data.sensitive-number:age",)})
    insisting = project.model_copy(update={"validation": validation})
    validate_data(load_dataset(insisting), split, insisting).refuse()


def test_too_few_rows_for_the_folds(tmp_path: Path) -> None:
    """Folds that a class has too few rows for are named before any candidate is fitted."""
    frame = make_frame(200).assign(y=lambda rows: np.where(rows.index % 30, "no", "yes"))
    training = {"candidates": ["logreg", "hist-gb"], "folds": 12}
    project, split = make_split(tmp_path, frame, training=training)
    found = only(find_plan_problems(split, project), "split.too-few-for-folds")
    assert "'yes'" in found.message
    assert "training.folds" in found.next_step


def test_types_that_this_host_does_not_trust(tmp_path: Path) -> None:
    """A candidate of a foreign type is refused by its name after a fit on a few rows; where trusted, it passes."""
    project, split = make_split(tmp_path, make_frame(2000))
    foreign = Candidate("mine:make", "mine", project.task, lambda _seed: Pipeline([("classifier", Constant())]))
    Constant.fitted_on.clear()
    with pytest.raises(UsageError, match="The candidate 'mine:make' holds types") as caught:
        check_candidate_types([foreign], split.train, project, ())
    assert caught.value.code == "artifact.untrusted-type"
    assert Constant.fitted_on == [80]
    name = f"{Constant.__module__}.{Constant.__qualname__}"
    check_candidate_types([foreign], split.train, project, (name,))
    tree = Candidate("mine:tree", "mine", project.task, lambda _seed: Pipeline([("c", DecisionTreeClassifier())]))
    check_candidate_types([tree], split.train, project, ())


def test_a_deleted_experiment_is_refused_before_the_fitting(project_env: ProjectEnv) -> None:
    """A training for an experiment that was deleted in MLflow is refused with the command that restores it."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=project_env.tracking_uri)
    name = project_env.project.name
    experiment = client.get_experiment_by_name(name)
    number = experiment.experiment_id if experiment else client.create_experiment(name)
    client.delete_experiment(number)
    with pytest.raises(UsageError, match="was deleted in MLflow") as caught:
        project_env.train()
    assert caught.value.code == "experiment.deleted"
    assert f"--experiment-id {number}" in (caught.value.next_step or "")
