"""A version through MLflow's own tools: its generic loader, its server, and Spark."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.registry.fitted import FRAME, TEXTS, TWO, fitted, package
from tiltyard.models import CANDIDATES

ROWS = FRAME.assign(
    whole=range(90),
    plan=["a", "b", "a"] * 30,
    since=pd.date_range("2026-01-01", periods=90),
)
LEARNED = ROWS.assign(**{name: ROWS[name].astype(float) for name in ("visits", "whole")})
FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as read from a file": lambda rows: rows,
    "with the label": lambda rows: rows.assign(label=TWO),
    "categories": lambda rows: rows.assign(plan=rows["plan"].astype("category"), town=rows["town"].astype("category")),
    "objects": lambda rows: rows.astype({"plan": object, "town": object, "member": object}),
    "pandas' own kinds": lambda rows: rows.astype({"whole": "Int64", "member": "boolean", "plan": "string"}),
    "dates of Python": lambda rows: rows.assign(since=rows["since"].dt.to_pydatetime()),
}


def load(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder))


@pytest.fixture(scope="module", params=["logreg", "random-forest", "gradient-boosting"])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A built-in candidate as MLflow loads it, the model itself, and its folder."""
    model = CANDIDATES[request.param].build(0).fit(LEARNED, TWO)
    folder = tmp_path_factory.mktemp("table") / "model"
    package(folder, model, LEARNED)
    return load(folder), model, folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore")
def test_a_version_takes_its_training_rows_in_any_form(table: tuple[Any, Any, Path], form: str) -> None:
    """Whole numbers, fractions, gaps, dates, booleans and categories are predicted as the model itself does."""
    function, model, _ = table
    expected = model.predict(LEARNED).tolist()
    assert len(set(expected)) == 2
    assert function.predict(FORMS[form](ROWS)).tolist() == expected


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.filterwarnings("ignore")
def test_gaps_are_predicted(table: tuple[Any, Any, Path], missing: Any) -> None:
    """Cells are missing as None, NaN or, in words, as pandas' NA; in every kind of column."""
    function, model, _ = table
    rows = LEARNED.copy()
    rows.loc[::5, ["age", "whole"]] = np.nan
    rows["since"] = rows["since"].mask(np.arange(90) % 5 == 1)
    for name in ("town", "plan"):
        rows[name] = rows[name].astype(object).mask(np.arange(90) % 5 == 2)
    given = rows.assign(
        **{name: rows[name].astype(object).where(rows[name].notna(), missing) for name in ("town", "plan")}
    )
    assert function.predict(given).tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize(
    "given",
    [
        TEXTS,
        pd.Series(TEXTS, name="review"),
        pd.Series(TEXTS, dtype=object),
        pd.DataFrame({"text": TEXTS}),
        pd.DataFrame({"text": TEXTS.astype(object)}),
    ],
    ids=["array", "series", "series of objects", "frame", "frame of objects"],
)
def test_texts_in_any_form_of_pandas(given: Any, tmp_path: Path) -> None:
    """A version of texts takes arrays, series and a frame with one column."""
    made = fitted("logistic regression")
    package(tmp_path / "model", made.model, TEXTS)
    assert load(tmp_path / "model").predict(given).tolist() == made.model.predict(TEXTS).tolist()


@pytest.mark.filterwarnings("ignore")
def test_mlflows_server_predicts_the_rows_of_a_file(table: tuple[Any, Any, Path]) -> None:
    """MLflow's scoring server, in this process, predicts rows with gaps that arrive as JSON."""
    from fastapi.testclient import TestClient
    from mlflow.pyfunc.scoring_server import init

    function, model, _ = table
    assert _ask(TestClient(init(function))) == model.predict(LEARNED).tolist()


def _ask(client: Any) -> list[str]:
    body = f'{{"dataframe_split": {ROWS.to_json(orient="split", date_format="iso", index=False)}}}'
    response = client.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    return [str(label) for label in response.json()["predictions"]]


@pytest.mark.proof
def test_mlflow_models_serve(table: tuple[Any, Any, Path]) -> None:
    """`mlflow models serve --env-manager local` serves a version in a process of MLflow."""
    _, model, folder = table
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "mlflow", "models", "serve", "-m", str(folder), "-p", str(port), "--env-manager", "local"]
    # MLflow starts uvicorn by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen([sys.executable, *words], env={**os.environ, "PATH": path}, start_new_session=True)
    try:
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60) as client:
            _wait_for(client, process)
            assert _ask(client) == model.predict(LEARNED).tolist()
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    import time

    for _ in range(600):
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None
        time.sleep(0.5)
    pytest.fail("MLflow's server did not start")


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore")
def test_spark_predicts_the_columns_of_a_frame(table: tuple[Any, Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """`spark_udf` predicts the columns of a Spark data frame, where Spark is installed."""
    pytest.importorskip("pyspark", reason="Spark is no dependency: pip install pyspark, with Java 17")
    import mlflow.pyfunc
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]
    from pyspark.sql.functions import struct  # type: ignore[import-not-found]

    _, model, folder = table
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    made = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = made.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        rows = LEARNED[["age", "visits", "town", "member", "whole", "plan", "since"]]
        frame = spark.createDataFrame(rows)
        udf = mlflow.pyfunc.spark_udf(spark, str(folder), env_manager="local")
        predicted = frame.withColumn("predicted", udf(struct(*rows.columns))).collect()
        assert [row.predicted for row in predicted] == model.predict(LEARNED).tolist()
    finally:
        spark.stop()
