"""The champion of every task by MLflow's own words ``models:/NAME@champion``, on the rows that it was trained with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.films import PROJECT, REVIEWS
from tests.mlflow_server import QUIET
from tests.project_env import ProjectEnv, open_project_env
from tests.rents import make_rents
from tiltyard.registry import VersionInfo
from tiltyard.scoring import make_scorer

ROWS = 200


def make_reviews() -> pd.DataFrame:
    return pd.read_csv(REVIEWS)[["text", "label"]][:ROWS]


def make_notes() -> pd.DataFrame:
    """Reviews with a note from 0 to 10 that follows from their label."""
    reviews = make_reviews()
    note = np.where(reviews["label"] == "positive", 7.5, 2.5) + np.random.default_rng(0).normal(size=ROWS)
    return pd.DataFrame({"text": reviews["text"], "label": note.round(2)})


def make_visits() -> pd.DataFrame:
    """Whole numbers, whole numbers with gaps, words, booleans and dates; the label mostly follows from the first."""
    random = np.random.default_rng(0)
    visits = random.integers(0, 20, ROWS)
    return pd.DataFrame(
        {
            "visits": visits,
            "friends": pd.Series(random.integers(0, 9, ROWS), dtype="Int64").mask(random.random(ROWS) < 0.1),
            "town": random.choice(["York", "Hull"], ROWS),
            "member": random.random(ROWS) < 0.5,
            "since": pd.date_range("2026-01-01", periods=ROWS).astype(str),
            "label": np.where((visits > 9) ^ (random.random(ROWS) < 0.1), "yes", "no"),
        }
    )


def make_flats() -> pd.DataFrame:
    """Rents, and the floor as a whole number."""
    flats = make_rents(ROWS).rename(columns={"rent": "label"})
    return flats.assign(floor=np.random.default_rng(1).integers(0, 9, ROWS))


TABLES = """
[project]
name = "films"
task = "{task}"
[data]
source = "reviews.csv"
label = "label"
"""
KINDS: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "text-classification": (make_reviews, PROJECT),
    "text-regression": (make_notes, TABLES.format(task="text-regression") + 'text = "text"\n'),
    "tabular-classification": (make_visits, TABLES.format(task="tabular-classification")),
    "tabular-regression": (make_flats, TABLES.format(task="tabular-regression")),
}


@dataclass(frozen=True)
class Champion:
    """A champion: its store, its name, the training's frame as pandas reads it, and what the version predicts."""

    uri: str
    address: str
    frame: pd.DataFrame
    expected: list[Any]


@pytest.fixture(scope="module", params=KINDS)
def champion(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fresh_store: Path
) -> Iterator[Champion]:
    """A project of this task with a champion."""
    make, project = KINDS[request.param]
    with open_project_env(tmp_path_factory.mktemp("kind"), fresh_store) as env:
        make().to_csv(env.films.root / "reviews.csv", index=False)
        (env.films.root / "tiltyard.toml").write_text(project, encoding="utf-8")
        outcome = env.train(promote=True)
        assert outcome.promotion is not None
        assert outcome.promotion.promoted, outcome.promotion.status
        yield Champion(env.tracking_uri, f"models:/{env.project.model_name}@champion", *_expect(env, outcome.version))


def _expect(env: ProjectEnv, version: VersionInfo) -> tuple[pd.DataFrame, list[Any]]:
    """The frame of the file, and what the server's own scorer makes of its rows."""
    frame = pd.read_csv(env.films.root / "reviews.csv")
    texts = "text" in frame
    features = frame.drop(columns="label").astype(object)
    rows = features.where(features.notna(), None).to_dict("records")
    scores = make_scorer(env.workspace.load(version)).score([{str(name): row[name] for name in row} for row in rows])
    numbers = None if scores.numbers is None else scores.numbers.tolist()
    return (frame[["text"]] if texts else frame), numbers or list(scores.labels)


@pytest.fixture
def mlflow_here(champion: Champion, monkeypatch: pytest.MonkeyPatch) -> Champion:
    """The champion, with MLflow's variables for its store."""
    for name, value in {**QUIET, "MLFLOW_TRACKING_URI": champion.uri, "MLFLOW_REGISTRY_URI": champion.uri}.items():
        monkeypatch.setenv(name, value)
    return champion


def test_the_champion_predicts_its_training_frame(mlflow_here: Champion) -> None:
    """Of every task, ``mlflow.pyfunc.load_model`` by the alias takes the frame as pandas reads it from the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        predicted = mlflow.pyfunc.load_model(mlflow_here.address).predict(mlflow_here.frame)
    assert_equal(list(predicted), mlflow_here.expected)


def assert_equal(predicted: list[Any], expected: list[Any]) -> None:
    assert len(set(expected)) > 1
    if isinstance(expected[0], float):
        np.testing.assert_allclose(predicted, expected)
    else:
        assert predicted == expected


@pytest.mark.proof
def test_mlflow_models_serve_serves_it(mlflow_here: Champion) -> None:
    """``mlflow models serve -m models:/NAME@champion --env-manager local`` predicts rows of JSON with gaps."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["models", "serve", "-m", mlflow_here.address, "-p", str(port), "--env-manager", "local"]
    # MLflow starts uvicorn by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words], env={**os.environ, "PATH": path}, start_new_session=True
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            _wait_for(client, process)
            body = {"dataframe_split": json.loads(mlflow_here.frame.to_json(orient="split", index=False))}
            response = client.post("/invocations", json=body)
            assert response.status_code == 200, response.text
            assert_equal(response.json()["predictions"], mlflow_here.expected)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None
        time.sleep(0.5)
    pytest.fail("MLflow's server did not start")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Spark on this machine, with one worker."""
    pytest.importorskip("pyspark", reason="Spark is no dependency: pip install pyspark, with Java 17 or 21")
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        made = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        session = made.config("spark.driver.host", "127.0.0.1").getOrCreate()
        try:
            yield session
        finally:
            session.stop()


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore")
def test_spark_predicts_its_columns(mlflow_here: Champion, spark: Any) -> None:
    """``mlflow.pyfunc.spark_udf`` by the alias predicts the training's rows as a Spark data frame."""
    import mlflow.pyfunc
    from pyspark.sql.functions import struct  # type: ignore[import-not-found]

    kind = "double" if isinstance(mlflow_here.expected[0], float) else "string"
    rows = mlflow_here.frame
    frame = spark.createDataFrame(rows.astype(object).where(rows.notna(), None))
    udf = mlflow.pyfunc.spark_udf(spark, mlflow_here.address, env_manager="local", result_type=kind)
    predicted = frame.withColumn("predicted", udf(struct(*rows.columns))).collect()
    assert_equal([row.predicted for row in predicted], mlflow_here.expected)
