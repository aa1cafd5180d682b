"""The classes of Python take tables of any usual library, also inside a running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from tiltyard import DataValidator, MLOpsPipeline, ModelMonitor

_RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "income": _RANDOM.normal(2000, 400, 160),
        "visits": _RANDOM.integers(0, 9, 160),
        "town": pd.Series(_RANDOM.choice(["York", "Hull"], 160), dtype="str"),
    }
)
ROWS.loc[::9, "income"] = np.nan
LABELS = ["yes" if visits > 4 else "no" for visits in ROWS["visits"]]
FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda rows: rows,
    "polars": polars.from_pandas,
    "pyarrow": lambda rows: pa.Table.from_pandas(rows, preserve_index=False),
    "rows": lambda rows: rows.to_dict("records"),
    "columns": lambda rows: rows.to_dict("list"),
    "a matrix of objects": lambda rows: rows.to_numpy(dtype=object),
}


@pytest.fixture
def folder(tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in which MLflow's tables are made already."""
    (tmp_path / ".tiltyard").mkdir()
    (tmp_path / ".tiltyard" / "mlflow.db").write_bytes(fresh_store.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_drift_is_found_in_tables_of_any_library(form: str) -> None:
    """Two tables of one form are compared column by column: the changed column, and no other."""
    changed = ROWS.assign(income=ROWS["income"] + 900)
    report = DataValidator().validate_drift(FORMS[form](ROWS), FORMS[form](changed), adversarial=False)
    found = {finding.subject for finding in report.findings if finding.severity != "info"}
    assert found == ({"feature_0"} if form == "a matrix of objects" else {"income"})


@pytest.mark.parametrize("form", ["polars", "pyarrow", "rows"])
@pytest.mark.filterwarnings("ignore")
def test_a_model_is_trained_and_monitored_in_a_running_event_loop(form: str, folder: Path) -> None:
    """As in a notebook: a table of any library is trained on, and compared with what production sent."""
    make = FORMS[form]

    async def run() -> tuple[Any, Any]:
        with MLOpsPipeline("tables", "tables") as mlops:
            trained = mlops.train_and_track_model(
                LogisticRegression(),
                make(ROWS[:120]),
                LABELS[:120],
                make(ROWS[120:]),
                polars.Series(LABELS[120:]) if form == "polars" else LABELS[120:],
                force=True,
            )
        with ModelMonitor("tables") as monitor:
            for row in ROWS.assign(income=ROWS["income"] + 900).to_dict("records"):
                monitor.log_prediction("yes", row, 0.9)
            return trained, monitor.detect_data_drift(make(ROWS))

    trained, drift = asyncio.run(run())
    assert trained["metrics"]["accuracy"] > 0.8
    assert list(trained["model"].predict(ROWS[:3])) == LABELS[:3]
    assert drift["drift_detected"]
