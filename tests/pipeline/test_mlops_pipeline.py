"""The requirements' calls, on real parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from tiltyard.errors import ArtifactError, DataError, NotFoundError, UsageError
from tiltyard.pipeline.mlops_pipeline import MLOpsPipeline
from tiltyard.pipeline.training.dataframes import plain_name, read_inputs
from tiltyard.settings import Settings
from tiltyard.testing.registry import write_example_package


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, pd.Series]:
    bunch = load_breast_cancer(as_frame=True)
    X, y = bunch.data.iloc[:, :8], bunch.target.map({0: "malignant", 1: "benign"})
    parts: Any = train_test_split(X, y, test_size=0.4, random_state=0)
    return tuple(part.reset_index(drop=True) for part in parts)


@pytest.fixture
def mlops(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[MLOpsPipeline]:
    """A model with no version yet."""
    settings = Settings.load(tmp_path_factory.mktemp("mlops"))
    settings.state.mkdir()
    shutil.copy(fresh_store, settings.state / "mlflow.db")
    with MLOpsPipeline("personality classification", "personality_model", settings=settings) as pipeline:
        yield pipeline


@pytest.mark.requirement("R-DATA-11", "R-REG-06", "R-MON-08", "R-ORCH-01", "R-ORCH-02")
def test_the_requirements_story(mlops: MLOpsPipeline, data: Any) -> None:
    """Validate, train and track, promote and monitor, as the requirements show the calls."""
    X_train, X_test, y_train, y_test = data
    validated = mlops.validate_and_track_data(X_train.assign(target=y_train), X_test.assign(target=y_test))
    assert validated["passed"]
    assert validated["train"]["missing_data"]
    assert 0 < validated["quality_score"] <= 100

    stump = DecisionTreeClassifier(max_depth=1, max_features=1, random_state=0)
    poor = mlops.train_and_track_model(stump, X_train, y_train, X_test, y_test)
    assert mlops.promote_model(str(poor["model_version"]), "Production")["promoted"]

    model = RandomForestClassifier(n_estimators=20, random_state=0)
    trained = mlops.train_and_track_model(
        model=model,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        model_params={"param1": "value1", "n_estimators": 10},
        register_model=True,
    )
    assert not hasattr(model, "estimators_"), "the user's own model is left as it was"
    assert len(trained["model"][-1].estimators_) == 10
    assert trained["metrics"]["accuracy"] > 0.85
    assert trained["model_version"] == "2"
    run = mlops.tracker.search_runs().set_index("run_id").loc[trained["run_id"]]
    assert run["params.model_params.param1"] == "value1"

    promoted = mlops.promote_model(model_version="2", stage="Production")
    assert promoted["promoted"]
    assert promoted["verdict"]["gates"]
    results: list[Any] = [validated, trained, promoted, promoted["verdict"]]
    assert promoted["verdict"]["gates"][0]["message"] in str(promoted["verdict"])
    for result in results:
        assert len(repr(result).splitlines()) < 40
        assert "<table>" in result._repr_html_()
    champion = mlops.registry.champion("personality_model")
    assert champion is not None
    assert champion.version == "2"
    again = mlops.promote_model(model_version="1", stage="Production")
    assert not again["promoted"]
    kinds = [event.kind for event in mlops.ledger.events(subject="personality_model")]
    assert kinds.count("promoted") == 2
    assert "refused" in kinds

    seen = X_test.assign(prediction=trained["model"].predict(X_test), actual=y_test)
    calm = mlops.monitor_production_model(prediction_data=seen, reference_data=X_train)
    assert calm["labelled"] == len(X_test)
    assert calm["performance"] is not None
    assert calm["performance"]["accuracy"] == pytest.approx(trained["metrics"]["accuracy"])
    moved = X_test.assign(**{X_test.columns[0]: X_test.iloc[:, 0] * 3})
    drifted = mlops.monitor_production_model(moved, X_train)
    assert drifted["drift_detected"]
    assert drifted["performance"] is None
    assert drifted["findings"]


def test_a_stage_without_test_rows_is_set_without_the_gates(mlops: MLOpsPipeline, data: Any, tmp_path: Path) -> None:
    """Where no test rows are known, the alias is set and the record says that no gate was run."""
    X_train, X_test, y_train, y_test = data
    model = LogisticRegression(max_iter=5000)
    kept = mlops.train_and_track_model(model, X_train, y_train, X_test, y_test, register_model=False)
    assert kept["model_version"] is None
    write_example_package(tmp_path / "model", model_name=mlops.model_name)
    made = mlops.registry.register_model(str(tmp_path / "model"), mlops.model_name)
    staged = mlops.promote_model(made.version, "Staging")
    assert (staged["alias"], "without test rows" in staged["status"]) == ("challenger", True)
    decision = list(mlops.ledger.events(subject=f"{mlops.model_name}/{made.version}"))[-1]
    assert (decision.kind, decision.reason) == (
        "alias-set",
        "promoted to Staging from Python, without test rows for the gates",
    )
    assert "already" in mlops.promote_model(made.version, "Staging")["status"]
    for version, stage, error in ((made.version, "Nowhere", UsageError), (99, "Production", NotFoundError)):
        with pytest.raises(error):
            mlops.promote_model(version, stage)


def test_the_gates_run_in_another_process_too(mlops: MLOpsPipeline, data: Any, caplog: Any) -> None:
    """The test rows of a training are kept with it, so that a later promotion elsewhere runs the gates."""
    X_train, X_test, y_train, y_test = data
    for model in (RandomForestClassifier(n_estimators=10, random_state=0), DecisionTreeClassifier(max_depth=1)):
        mlops.train_and_track_model(model, X_train, y_train, X_test, y_test)
    with MLOpsPipeline(mlops.experiment_name, mlops.model_name, settings=mlops._settings) as later:
        first = later.promote_model("1", "Production")
        assert first["promoted"]
        assert first["verdict"]["gates"]
        worse = later.promote_model("2", "Production")
        assert not worse["promoted"]
        with pytest.raises(UsageError, match="no reason is given"):
            later.promote_model("2", "Production", force=True)
        forced = later.promote_model("2", "Production", force=True, reason="the other one is too slow")
        assert forced["promoted"]
        assert "verdict" not in forced
        decision = list(later.ledger.events(subject=f"{mlops.model_name}/2"))[-1]
        assert (decision.reason, decision.evidence["gates"]) == ("the other one is too slow", "not run")
    assert "without the gates" not in caplog.text


def test_damaged_files_do_not_become_champion_without_the_gates(mlops: MLOpsPipeline, tmp_path: Path) -> None:
    """A version whose files were changed does not become champion, by any call."""
    write_example_package(tmp_path / "model", model_name=mlops.model_name)
    made = mlops.registry.register_model(str(tmp_path / "model"), mlops.model_name)
    before = mlops.registry.champion(mlops.model_name)
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}")
    for stage in ("Production", "Staging"):
        with pytest.raises(ArtifactError, match="MLmodel"):
            mlops.promote_model(made.version, stage)
    assert mlops.registry.champion(mlops.model_name) == before
    assert mlops.registry.get_version(mlops.model_name, version=made.version).aliases == ()


def test_sides_that_do_not_fit_are_refused(mlops: MLOpsPipeline, data: Any) -> None:
    """Sides with different columns, and a reference without inputs, are refused."""
    X_train, X_test, y_train, y_test = data
    with pytest.raises(DataError, match="lacks the column"):
        mlops.validate_and_track_data(X_train.assign(label=y_train), X_test.iloc[:, 1:].assign(label=y_test))
    with pytest.raises(DataError, match="no column of inputs"):
        mlops.monitor_production_model(X_test, pd.DataFrame({"prediction": ["a"]}))
    with pytest.raises(UsageError, match="rows of inputs"):
        mlops.train_and_track_model(LogisticRegression(), X_train, y_train[:3], X_test, y_test)


def test_inputs_of_any_usual_form_are_taken() -> None:
    """Texts in a list, a Series or a column are texts; matrices are tables."""
    for texts in (["a", "b"], pd.Series(["a", "b"]), pd.DataFrame({"review": ["a", "b"]}), np.array(["a", "b"])):
        found = read_inputs(texts)
        assert isinstance(found, pd.Series)
        assert found.to_list() == ["a", "b"]
    table = read_inputs(np.eye(3))
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["feature_0", "feature_1", "feature_2"]
    for nothing in ([1, 2], None, 7):
        with pytest.raises(UsageError, match="X is "):
            read_inputs(nothing)
    assert plain_name("My project: 2026!") == "My-project--2026-"


def test_data_with_errors_stops_unless_it_is_forced(mlops: MLOpsPipeline) -> None:
    """Data that breaks the limits is refused, and the message says how to train all the same."""
    X = pd.DataFrame({"kind": [float(n % 2) for n in range(40)]})
    y = ["odd" if n % 2 else "even" for n in range(40)]
    with pytest.raises(DataError, match="is the label in other words") as refused:
        mlops.train_and_track_model(DecisionTreeClassifier(), X, y, X, y, register_model=False)
    assert "force=True" in (refused.value.next_step or "")


def test_classes_of_any_name_have_metrics_of_their_own(mlops: MLOpsPipeline) -> None:
    """Each class has its metrics in MLflow, also where names come out alike, break lines or are very long."""
    names = ["C", "C+", "C#", "<=50K", ">50K", "a/b", "a b", "two\nlines", "x" * 300, "x" * 299 + "y"]
    X = pd.DataFrame({"kind": [float(n % 10) for n in range(120)]})
    y = [names[n % 10] for n in range(120)]
    forest = RandomForestClassifier(n_estimators=5, random_state=0)
    trained = mlops.train_and_track_model(forest, X, y, X, y, register_model=False, force=True)
    runs = mlops.tracker.search_runs().set_index("run_id")
    logged = runs.loc[trained["run_id"]].filter(regex=r"^metrics\..*\.f1$")
    by_class = {str(name).removeprefix("metrics."): value for name, value in logged.items()}
    assert len(by_class) == 10
    assert {"C.f1", "a/b.f1", "a b.f1"} <= by_class.keys()
    assert all(value == 1.0 for value in by_class.values())


def test_labels_that_are_numbers_are_ordered_and_met_in_any_type(mlops: MLOpsPipeline) -> None:
    """Classes that are numbers come in their order, and truth of another type meets them."""
    X = pd.DataFrame({"kind": [float(n % 12) for n in range(144)]})
    y = pd.Series([n % 12 for n in range(144)])
    forest = RandomForestClassifier(n_estimators=5, random_state=0)
    trained = mlops.train_and_track_model(forest, X, y, X, y * 1.0, register_model=False, force=True)
    assert trained["metrics"]["accuracy"] == 1.0
    rows = [line.split()[0] for line in trained["classification_report"].splitlines() if line.strip()]
    assert rows[1:13] == [str(number) for number in range(12)]
