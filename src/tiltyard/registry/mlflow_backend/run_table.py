"""Runs of MLflow as a data frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd


def tabulate_runs(runs: Iterable[Any]) -> pd.DataFrame:
    """One row a run: id, name, status, start, and columns ``params.…``, ``metrics.…``, ``tags.…`` (not MLflow's)."""
    rows = [
        {
            "run_id": run.info.run_id,
            "run_name": run.info.run_name,
            "status": run.info.status,
            "start_time": pd.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
            **name_figures(run.data),
            **{f"tags.{key}": value for key, value in run.data.tags.items() if not key.startswith("mlflow.")},
        }
        for run in runs
    ]
    return pd.DataFrame(rows, columns=None if rows else ["run_id", "run_name", "status", "start_time"])


def name_figures(data: Any) -> dict[str, Any]:
    """A run's parameters and metrics by the names of their columns."""
    return {
        **{f"params.{key}": value for key, value in data.params.items()},
        **{f"metrics.{key}": value for key, value in data.metrics.items()},
    }
