"""One row gives one prediction by whatever door it comes, equal to that of the row in the training file."""

from __future__ import annotations

import csv
import io
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.api.types import pandas_dtype
from sklearn.pipeline import Pipeline

from tests.serving.fake_registry import MODEL, package
from tests.serving.interfaces import ServerUnderTest, run_server
from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.loading import load_dataset
from tiltyard.drift import detect_data_drift
from tiltyard.errors import DataError
from tiltyard.models.recipes.tabular import TABULAR
from tiltyard.monitoring import ModelMonitor
from tiltyard.pipeline.training.production_data import gather_production_data
from tiltyard.project import Project
from tiltyard.registry.mlflow_env import quiet_mlflow
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.protocols.invocations import parse_invocation_json
from tiltyard.testing import MemoryLedger

Row = dict[str, Any]
Door = Callable[[ServerUnderTest, Row], dict[str, float]]

SPELLINGS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "age": ((34, 34.0, "34", " 34 ", "34.00", "3.4e1"), (None, "", "  ", "NA", "null"), (20, "20", "+20")),
    "fee": ((1163.74, "1163.74", "1,163.74", " 1,163.74"), (27.7, "27.70"), (None, "n/a")),
    "member": ((True, "TRUE", "true", "True", 1, 1.0, "1"), (False, "FALSE", 0, "0.0"), (None, "", "NaN")),
    "place": (("café", unicodedata.normalize("NFD", "café"), " café"), ("bar", "bar "), ("pub",), (None, "NA")),
    "region": (("NA", " NA"), ("EU", "EU "), (None, "")),
    "zone": (("1", 1, 1.0, "1.0", "1.00"), (2, "2", 2.0)),
    "rate": (("12.5 %", "12.5%", " 12.50 %", 12.5, "12.5"), ("3.0 %", 3, "3%", "3"), (None, "", "NA")),
    "price": (("12.5 EUR", "EUR 12.5", "12.50EUR", 12.5, "12.5"), ("-3.0 EUR", "EUR -3", -3), (None, "", "NA")),
    "since": (
        ("2026-01-05", " 2026-01-05 ", "2026-01-05T00:00:00", "2026-01-05 00:00:00.0+00:00", "2026-01-05T00:00Z"),
        ("2027-03-01", "2027-03-01T00"),
        (None, "", "NA"),
    ),
    "cost": (("$1,163.74", "$ 1163.74", "1,163.74 $", 1163.74), ("-$5.00", "$-5.00", "-5", -5.0)),
}
"""Cells by column: each group says one thing, its first as the training file writes it."""


def training_file(folder: Path) -> Path:
    """A file as a spreadsheet writes it: thousands, signs, TRUE, decomposed accents, a region NA, empty cells."""
    rows = []
    for number in range(120):
        member = number % 3 == 0
        fee = 20.0 + 13 * number if member else 3000.0 - 11 * number
        rows.append(
            {
                "age": "" if number % 11 == 5 else str(20 + number % 40),
                " fee": f"{fee:,.2f}",
                "member": "" if number % 17 == 3 else str(member).upper(),
                "place": ("café", unicodedata.normalize("NFD", "café"), "bar ", "bar")[number % 4],
                "region": ("EU", "NA", "AF")[number % 3] if number % 13 else "",
                "zone": ("1", "2", "x")[number % 3],
                "rate": f"{number % 9 * 2.5:.1f} %" if number % 7 else "",
                "price": f"{number % 8 * 2.5 - 5:.1f} EUR" if number % 5 else "",
                "since": "" if number % 19 == 4 else f"2026-{1 + number % 12:02}-{1 + number % 28:02}",
                "cost": f"{'-' if number % 2 else ''}${number % 24 * 55.5:,.2f}",
                "y": "yes" if (number % 3 == 0) ^ (number % 10 == 0) else "no",
            }
        )
    file = folder / "rows.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def make_project(folder: Path) -> Project:
    """The project of the training file."""
    about = {"name": "rows", "task": "tabular-classification", "model": MODEL}
    section = {"source": str(folder / "rows.csv"), "label": "y", "thousands": ","}
    return Project.model_validate({"project": about, "data": section})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, TableSchema, Path]:
    folder = tmp_path_factory.mktemp("parity")
    training_file(folder)
    dataset = load_dataset(make_project(folder))
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert dataset.schema is not None
    pipeline = TABULAR["logreg"][1](42).fit(dataset.inputs, dataset.labels)
    made = package(folder / "package", pipeline, "tabular-classification", dataset.inputs, table_schema=dataset.schema)
    return pipeline, dataset.schema, made


@pytest.fixture(scope="module")
def served(
    trained: tuple[Pipeline, TableSchema, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("served"), trained[2]) as running:
        yield running


@pytest.fixture(scope="module")
def generic(trained: tuple[Pipeline, TableSchema, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The version as MLflow's generic interface has it, returning probabilities instead of labels."""
    with quiet_mlflow():
        import mlflow.pyfunc
        from mlflow.models import Model

        folder = tmp_path_factory.mktemp("generic") / "model"
        shutil.copytree(trained[2], folder)
        described = Model.load(str(folder))
        described.flavors["python_function"]["predict_fn"] = "predict_proba"
        described.save(str(folder / "MLmodel"))
        return mlflow.pyfunc.load_model(str(folder))


def predict(served: ServerUnderTest, row: Row) -> dict[str, float]:
    return dict(post(served, "/predict", {"features": row})["probabilities"])


def predict_batch(served: ServerUnderTest, row: Row) -> dict[str, float]:
    [found] = post(served, "/predict/batch", {"instances": [row]})["predictions"]
    return dict(found["probabilities"])


def invoke_records(served: ServerUnderTest, row: Row) -> dict[str, float]:
    return invoke(served, json.dumps({"dataframe_records": [row]}), "application/json")


def invoke_split(served: ServerUnderTest, row: Row) -> dict[str, float]:
    split = {"columns": list(row), "data": [list(row.values())]}
    return invoke(served, json.dumps({"dataframe_split": split}), "application/json")


def invoke_csv(served: ServerUnderTest, row: Row) -> dict[str, float]:
    text = io.StringIO()
    csv.writer(text).writerows([[f" {name}" for name in row], ["" if cell is None else cell for cell in row.values()]])
    return invoke(served, text.getvalue(), "text/csv")


def infer(served: ServerUnderTest, row: Row) -> dict[str, float]:
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": ["" if cell is None else str(cell)]}
        for name, cell in row.items()
    ]
    outputs = post(served, f"/v2/models/{MODEL}/infer", {"inputs": tensors})["outputs"]
    found = next(output for output in outputs if output["name"] == "probabilities")
    return dict(zip(found["parameters"]["classes"], found["data"], strict=True))


DOORS: tuple[Door, ...] = (predict, predict_batch, invoke_records, invoke_split, invoke_csv, infer)


def post(served: ServerUnderTest, path: str, body: Any) -> Any:
    response = served.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def invoke(served: ServerUnderTest, body: str, kind: str) -> dict[str, float]:
    response = served.client.post("/invocations", content=body.encode(), headers={"Content-Type": kind})
    assert response.status_code == 200, response.text
    [found] = response.json()["probabilities"]
    return dict(found)


@st.composite
def spelt_rows(draw: st.DrawFn) -> tuple[Row, Row]:
    """A row as the training file would write it, and the same row spelt otherwise."""
    plain, spelt = {}, {}
    for name, groups in SPELLINGS.items():
        group = draw(st.sampled_from(groups))
        plain[name], spelt[name] = group[0], draw(st.sampled_from(group))
    return plain, spelt


@settings(max_examples=20, deadline=None)
@given(rows=spelt_rows())
def test_a_row_gives_one_prediction_by_every_door(
    trained: tuple[Pipeline, TableSchema, Path], served: ServerUnderTest, rows: tuple[Row, Row]
) -> None:
    """However its cells are spelt, a row's prediction over HTTP is that of the row in the training file."""
    pipeline, schema, _ = trained
    plain, spelt = rows
    expected = pipeline.predict_proba(conform_frame(pd.DataFrame([plain], dtype=object), schema))[0]
    conforming = conform_frame(pd.DataFrame([spelt], dtype=object), schema)
    np.testing.assert_allclose(pipeline.predict_proba(conforming)[0], expected, rtol=1e-12)
    for door in DOORS:
        found = door(served, spelt)
        actual = [found[str(label)] for label in pipeline.classes_]
        np.testing.assert_allclose(actual, expected, rtol=1e-9, err_msg=f"{door.__name__} {spelt}")


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(spelt_rows(), min_size=1, max_size=4), missing=st.sampled_from([None, np.nan, pd.NA]))
def test_mlflows_generic_interface_is_a_door_too(
    trained: tuple[Pipeline, TableSchema, Path], generic: Any, rows: list[tuple[Row, Row]], missing: Any
) -> None:
    """`mlflow.pyfunc` reads the cells of a frame as the server does, gaps of every kind among them."""
    pipeline, schema, _ = trained
    expected = pipeline.predict_proba(conform_frame(pd.DataFrame([plain for plain, _ in rows], dtype=object), schema))
    spelt = pd.DataFrame([spelt for _, spelt in rows], dtype=object)
    found = generic.predict(spelt.where(spelt.notna(), missing))
    np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=str(rows))


@pytest.mark.parametrize(
    ("column", "kind"), [("age", "Int64"), ("fee", "Float64"), ("member", "boolean"), ("place", "string")]
)
def test_mlflows_generic_interface_takes_gaps_of_pandas_own_kinds(
    trained: tuple[Pipeline, TableSchema, Path], generic: Any, column: str, kind: str
) -> None:
    """Columns of pandas' own kinds are predicted, with their gaps (`pd.NA`)."""
    pipeline, schema, _ = trained
    frame = pd.DataFrame([{name: groups[0][0] for name, groups in SPELLINGS.items()}] * 2, dtype=object)
    values: dict[str, Any] = {"age": [34, None], "fee": [27.5, None], "member": [True, None], "place": ["bar", None]}
    frame = frame.assign(**{column: pd.Series(values[column]).astype(pandas_dtype(kind))})
    expected = pipeline.predict_proba(conform_frame(frame.assign(**{column: values[column]}), schema))
    np.testing.assert_allclose(generic.predict(frame), expected, rtol=1e-12)


@pytest.mark.parametrize(("column", "cell"), [("age", "old"), ("member", "maybe"), ("since", "soon"), ("place", ["x"])])
def test_mlflows_generic_interface_refuses_what_the_server_refuses(
    generic: Any, served: ServerUnderTest, column: str, cell: Any
) -> None:
    """A cell that is nothing of its column's kind is refused by both, by the name of the column."""
    row = {name: groups[0][0] for name, groups in SPELLINGS.items()} | {column: cell}
    refusal = served.client.post("/predict", json={"features": row})
    assert (refusal.status_code, column in refusal.text) == (422, True)
    with pytest.raises(DataError, match=f"'{column}'"):
        generic.predict(pd.DataFrame([row], dtype=object))


def test_mlflows_scikit_learn_interface_gives_the_fitted_pipeline(
    trained: tuple[Pipeline, TableSchema, Path],
) -> None:
    """`mlflow.sklearn` gives the pipeline as it was fitted, which holds nothing of Tiltyard but parts of dates."""
    import mlflow.sklearn

    loaded = mlflow.sklearn.load_model(str(trained[2]))
    assert [name for name, _ in loaded.steps] == [name for name, _ in trained[0].steps]
    assert "tiltyard==" in (trained[2] / "requirements.txt").read_text("utf-8")


def test_the_rows_of_the_file_are_predicted_as_they_stand_in_it(
    trained: tuple[Pipeline, TableSchema, Path], served: ServerUnderTest
) -> None:
    """The cells of the training file, sent as the text that they are, get the predictions of its evaluation."""
    pipeline, schema, folder = trained
    with (folder.parent / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: cell for name, cell in row.items() if name != "y"} for row in csv.DictReader(file)][:40]
    frame = pd.DataFrame(rows, dtype=object).rename(columns=str.strip)
    expected = pipeline.predict_proba(conform_frame(frame, schema))
    response = post(served, "/predict/batch", {"instances": rows})["predictions"]
    actual = [[one["probabilities"][str(label)] for label in pipeline.classes_] for one in response]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


def test_columns_named_by_whole_numbers_are_text_at_the_door() -> None:
    """A split frame may name its columns 0 and 1, as pandas writes a frame without names."""
    body = json.dumps({"dataframe_split": {"columns": [0, 1], "data": [[3, "x"]]}}).encode()
    request = parse_invocation_json(body, InputColumns({"0": "float64", "1": "str"}), ValueLimit(100, 2))
    assert list(request.inputs) == [{"0": 3, "1": "x"}]


@settings(max_examples=4, deadline=None)
@given(rows=st.lists(spelt_rows(), min_size=6, max_size=6, unique_by=repr))
def test_recorded_rows_come_back_as_training_rows(
    trained: tuple[Pipeline, TableSchema, Path], served: ServerUnderTest, rows: list[tuple[Row, Row]]
) -> None:
    """A row that came by any door, and got a label, is trained on with the values that the training file would give."""
    _, schema, folder = trained
    first = len(list(served.ledger.predictions()))
    for door, (_, spelt) in zip(DOORS, rows, strict=True):
        door(served, spelt)
    recorded = list(served.ledger.predictions())[first:]
    since = recorded[0].at
    for row in recorded:
        body = {"prediction_id": row.id, "label": " yes"}
        assert served.client.post("/feedback", json=body).status_code == 200
    project = make_project(folder.parent)
    found = gather_production_data(project, served.ledger, since=since)
    assert (found.added, found.unreadable, found.unknown_label) == (len(rows), 0, {})
    assert isinstance(found.dataset.inputs, pd.DataFrame)
    actual = found.dataset.inputs.tail(len(rows)).reset_index(drop=True)
    expected = conform_frame(pd.DataFrame([plain for plain, _ in rows], dtype=object), schema)
    pd.testing.assert_frame_equal(actual, expected, check_dtype=False)
    assert set(found.dataset.labels.tail(len(rows))) == {"yes"}


def test_monitoring_sees_the_values_of_a_row_in_any_spelling(trained: tuple[Pipeline, TableSchema, Path]) -> None:
    """The drift of recorded rows against the training rows is the same however their cells were spelt."""
    dataset = load_dataset(make_project(trained[2].parent))
    random = Random(3)
    ledgers = [MemoryLedger(), MemoryLedger()]
    for _ in range(120):
        groups = {name: random.choice(choices) for name, choices in SPELLINGS.items()}
        plain = {name: group[0] for name, group in groups.items()}
        spelt = {name: random.choice(group) for name, group in groups.items()}
        for ledger, row in zip(ledgers, (plain, spelt), strict=True):
            ModelMonitor(MODEL, ledger=ledger).log_prediction("yes", row, 0.9, model_version="1")
    sent = [[row.input for row in ledger.predictions()] for ledger in ledgers]
    reports = [detect_data_drift(dataset.inputs, inputs, schema=dataset.schema) for inputs in sent]
    assert reports[0]["features"].keys() == set(dataset.inputs) - {"since"}  # every later date differs
    assert reports[0] == reports[1]
