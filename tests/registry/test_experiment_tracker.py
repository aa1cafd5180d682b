"""Runs are written where they belong, whatever happens in them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mlflow.tracking import MlflowClient

from tests.registry.fitted import fitted
from tiltyard.data import Dataset
from tiltyard.errors import NotFoundError, UnavailableError, UsageError
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.testing.registry import write_example_package


@pytest.fixture
def tracker(tracking_uri: str, tmp_path: Path) -> ExperimentTracker:
    return ExperimentTracker("films", tracking_uri=tracking_uri, artifact_location=(tmp_path / "artifacts").as_uri())


@pytest.fixture
def client(tracking_uri: str) -> Any:
    return MlflowClient(tracking_uri=tracking_uri)


def artifacts(client: Any, run_id: str, folder: str = "") -> set[str]:
    found = client.list_artifacts(run_id, folder)
    return {one.path for one in found if not one.is_dir}.union(
        *(artifacts(client, run_id, one.path) for one in found if one.is_dir)
    )


@pytest.mark.requirement("R-TRACK-06", "R-TRACK-07", "R-TRACK-08", "R-TRACK-09", "R-TRACK-10", "R-TRACK-14")
def test_what_a_run_logs_is_in_mlflow(tracker: ExperimentTracker, client: Any) -> None:
    """What is logged within a run is in MLflow: name, tags, parameters as text, metrics to the last bit."""
    with tracker.start_run("baseline", tags={"team": "blue"}) as run:
        tracker.log_params({"C": 10.0, "ngram": (1, 2), "none": None})
        tracker.log_metrics({"accuracy": 1 / 3, "très bon.f1": 0.5})
    found = client.get_run(run.run_id)
    assert found.info.run_name == "baseline"
    assert found.info.status == "FINISHED"
    assert found.data.tags["team"] == "blue"
    assert found.data.params == {"C": "10.0", "ngram": "(1, 2)", "none": "None"}
    assert found.data.metrics["accuracy"] == 1 / 3
    assert 0.5 in found.data.metrics.values()


@pytest.mark.requirement("R-TRACK-05", "R-TRACK-12")
def test_logged_contents_become_files_of_the_run(tracker: ExperimentTracker, client: Any) -> None:
    """Dictionaries, texts, figures and confusion matrices become files of the run."""
    with tracker.start_run() as run:
        tracker.log_dict({"a": 1}, "metrics.json")
        tracker.log_text("one", "notes/one.txt")
        tracker.log_figure(Figure(), "plots/empty.png")
        tracker.log_confusion_matrix(["yes", "no", "no"], ["yes", "yes", "no"])
    assert artifacts(client, run.run_id) == {
        "metrics.json",
        "notes/one.txt",
        "plots/empty.png",
        "confusion_matrix.json",
        "plots/confusion_matrix.svg",
    }
    matrix = Path(client.download_artifacts(run.run_id, "confusion_matrix.json"))
    assert json.loads(matrix.read_text()) == {"classes": ["no", "yes"], "matrix": [[1, 1], [0, 1]]}


def test_a_dataset_is_an_input_of_the_run(tracker: ExperimentTracker, client: Any) -> None:
    """A dataset is an input of the run, with its fingerprint as the digest."""
    texts = pd.Series(["one", "two"])
    dataset = Dataset(
        name="films",
        task="text-classification",
        inputs=texts,
        labels=pd.Series(["a", "b"]),
        frame=pd.DataFrame({"text": texts}),
        source="reviews.csv",
        row_digests=np.array([1, 2], dtype=np.uint64),
    )
    with tracker.start_run() as run:
        tracker.log_dataset(dataset, "training")
    (logged,) = client.get_run(run.run_id).inputs.dataset_inputs
    assert logged.dataset.digest == dataset.fingerprint
    assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", "training")]


@pytest.mark.requirement("R-TRACK-05")
def test_a_table_is_a_dataset_too(tracker: ExperimentTracker, client: Any) -> None:
    """A data frame is logged as an input with a digest of its rows, whatever their order."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    with tracker.start_run() as run:
        tracker.log_dataset(frame, "training")
        tracker.log_dataset(frame.iloc[::-1], "evaluation", name="same rows")
    first, second = sorted(
        client.get_run(run.run_id).inputs.dataset_inputs, key=lambda one: one.dataset.name == "same rows"
    )
    assert (first.dataset.name, second.dataset.name) == ("training", "same rows")
    assert first.dataset.digest == second.dataset.digest
    assert json.loads(first.dataset.profile) == {"num_rows": 2, "num_columns": 2, "columns": ["a", "b"]}


@pytest.mark.requirement("R-TRACK-14")
def test_single_values_tags_and_files(tracker: ExperimentTracker, client: Any, tmp_path: Path) -> None:
    """One parameter, one metric by step, tags, a file and a folder are logged; a missing file is named."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_text("one")
    with tracker.start_run() as run:
        tracker.log_param("depth", 3)
        for step, loss in enumerate((0.5, 0.25)):
            tracker.log_metric("loss", loss, step)
        tracker.set_tags({"team": "people", "ticket": 7})
        tracker.log_artifact(tmp_path / "notes" / "one.txt")
        tracker.log_artifact(tmp_path / "notes")
        with pytest.raises(UsageError, match=r"no file .*two\.txt"):
            tracker.log_artifact(tmp_path / "two.txt")
    data = client.get_run(run.run_id).data
    assert (data.params, data.metrics, data.tags["ticket"]) == ({"depth": "3"}, {"loss": 0.25}, "7")
    assert [point.value for point in client.get_metric_history(run.run_id, "loss")] == [0.5, 0.25]
    assert artifacts(client, run.run_id) == {"one.txt", "notes/one.txt"}


@pytest.mark.requirement("R-TRACK-13")
def test_runs_are_compared_and_errors_name_the_run_or_filter(tracker: ExperimentTracker) -> None:
    """Runs are compared by whole ids or their beginning; an unknown run and an unreadable filter are named."""
    ids = []
    for depth in (1, 2):
        with tracker.start_run() as run:
            tracker.log_param("depth", depth)
        ids.append(run.run_id)
    compared = tracker.compare_runs([ids[0], ids[1][:12]])
    assert list(compared.loc["params.depth"]) == ["1", "2"]
    with pytest.raises(NotFoundError, match="'nothing'"):
        tracker.compare_runs(["nothing"])
    with pytest.raises(UsageError, match="over 0"):
        tracker.search_runs("accuracy over 0.9")


def test_a_run_that_raises_is_failed(tracker: ExperimentTracker, client: Any) -> None:
    """A run whose block raises is failed, says why, and raises the error again."""
    with pytest.raises(ZeroDivisionError), tracker.start_run() as run:
        _ = 1 / 0
    found = client.get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["tiltyard.error"] == "ZeroDivisionError: division by zero"


def test_an_interrupted_run_is_failed(tracker: ExperimentTracker, client: Any) -> None:
    """So is a run that was interrupted from the keyboard."""
    with pytest.raises(KeyboardInterrupt), tracker.start_run() as run:
        raise KeyboardInterrupt
    assert client.get_run(run.run_id).info.status == "FAILED"


def test_outside_a_run(tracker: ExperimentTracker) -> None:
    """Nothing can be logged outside a run, also not after one that failed."""
    with pytest.raises(ZeroDivisionError), tracker.start_run():
        _ = 1 / 0
    with pytest.raises(UsageError, match="no run"):
        tracker.log_metrics({"accuracy": 1.0})


def test_an_inner_run_takes_what_is_logged_until_it_ends(tracker: ExperimentTracker, client: Any) -> None:
    """A run within a run takes what is logged until it ends; then the outer one does again."""
    with tracker.start_run("outer") as outer:
        with tracker.start_run("inner") as inner:
            tracker.log_params({"which": "inner"})
        tracker.log_params({"which": "outer"})
    assert client.get_run(inner.run_id).data.params == {"which": "inner"}
    assert client.get_run(outer.run_id).data.params == {"which": "outer"}


def test_each_thread_has_its_own_run(tracker: ExperimentTracker, client: Any) -> None:
    """Each thread has its own run."""
    both_run = Barrier(2)

    def work(name: str) -> str:
        with tracker.start_run(name) as run:
            both_run.wait(20)
            tracker.log_params({"name": name})
            both_run.wait(20)
        return run.run_id

    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(work, ["one", "two"]))
    assert [client.get_run(run_id).data.params for run_id in ids] == [{"name": "one"}, {"name": "two"}]


def test_no_state_of_the_process(tracker: ExperimentTracker, tmp_path: Path) -> None:
    """Tracking leaves MLflow's process-wide URI and run alone."""
    before = mlflow.get_tracking_uri()
    with tracker.start_run():
        assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == before


@pytest.mark.requirement("R-TRACK-11")
@pytest.mark.parametrize("uri", ["models", "runs"])
@pytest.mark.parametrize("name", ["naive Bayes", "random forest"])
def test_logged_model_to_production(
    tracker: ExperimentTracker, tracking_uri: str, tmp_path: Path, name: str, uri: str
) -> None:
    """A model that was logged is registered by either of its addresses with its metrics, promoted, and loaded."""
    given = fitted(name)
    with tracker.start_run() as run:
        tracker.log_metrics({"accuracy": 0.1 + 0.2})
        logged = tracker.log_model(given.model, "model")
    registry = MlflowRegistry(tracking_uri=tracking_uri)
    info = registry.register_model(logged if uri == "models" else f"runs:/{run.run_id}/model", "films")
    assert info.run_id == run.run_id
    assert dict(registry.get_version("films", version=info.version).metrics) == {"accuracy": 0.1 + 0.2}
    assert dict(registry.register_model(logged, "films", metrics={}).metrics) == {}
    registry.set_alias("films", "champion", info.version)
    loaded = registry.load_model("films", stage="Production")
    assert np.array_equal(loaded.predict_proba(given.inputs), given.model.predict_proba(given.inputs))


def test_logged_model_is_an_output_of_the_run(tracker: ExperimentTracker, client: Any, tmp_path: Path) -> None:
    """MLflow shows a logged model with the run that made it."""
    write_example_package(tmp_path / "package")
    with tracker.start_run() as run:
        uri = tracker.log_package(tmp_path / "package", "model")
    found = client.get_run(run.run_id)
    assert [output.model_id for output in found.outputs.model_outputs] == [uri.removeprefix("models:/")]
    assert client.get_logged_model(uri.removeprefix("models:/")).status == "READY"


def test_only_fitted_classifiers_are_logged(tracker: ExperimentTracker) -> None:
    """What is not a fitted classifier is refused by its name."""
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(UsageError, match="LogisticRegression"), tracker.start_run():
        tracker.log_model(LogisticRegression())


@pytest.mark.requirement("R-TRACK-13")
def test_runs_as_frames(tracker: ExperimentTracker) -> None:
    """Runs can be searched and compared as data frames."""
    ids = []
    for value in (0.1, 0.9):
        with tracker.start_run() as run:
            tracker.log_params({"C": value})
            tracker.log_metrics({"accuracy": value})
        ids.append(run.run_id)
    found = tracker.search_runs("metrics.accuracy > 0.5")
    assert found["run_id"].tolist() == [ids[1]]
    nothing = tracker.search_runs("metrics.accuracy > 2")
    assert nothing["run_id"].tolist() == []
    assert set(nothing.columns) <= set(found.columns)
    assert tracker.compare_runs(ids).loc[["metrics.accuracy"], ids].to_numpy().tolist() == [[0.1, 0.9]]


@pytest.mark.requirement("R-TRACK-19")
def test_an_absent_server_is_named_with_its_address() -> None:
    """A tracking server that is away is named as such, with its address."""
    tracker = ExperimentTracker("films", tracking_uri="http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"), tracker.start_run():
        pass
