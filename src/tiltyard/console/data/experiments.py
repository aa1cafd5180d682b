"""The runs of an experiment, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tiltyard.evaluation import METRICS

_FIRST = ("candidate", "model_type", "train_size", "test_rows", "num_features", "split_by", "data_fingerprint")


@dataclass(frozen=True)
class ExperimentsView:
    """All runs, newest first.

    Attributes:
        runs: one row a run: ``run_id``, ``run_name``, ``status``, ``start_time``, ``params.…``, ``metrics.…``.
        metrics: names of the metrics worth a column; each is known of some run.
        parameters: names of the parameters, the most useful ones first.
        constant: parameters that are the same in all runs, with their value.
    """

    runs: pd.DataFrame
    metrics: tuple[str, ...]
    parameters: tuple[str, ...]
    constant: dict[str, str]


def experiments_view(runs: pd.DataFrame, metric: str) -> ExperimentsView:
    """The runs, compared by a metric; trials of a search are left out."""
    if not len(runs):
        return ExperimentsView(runs, (), (), {})
    if "run_name" in runs:
        runs = runs[~runs["run_name"].fillna("").str.startswith("trial ")]
    runs = runs.sort_values("start_time", ascending=False, ignore_index=True)
    known = [str(name).removeprefix("metrics.") for name in runs if str(name).startswith("metrics.")]
    preferred = dict.fromkeys((metric, "accuracy", "precision", "recall", "f1", "roc_auc", "fit_seconds"))
    params = [str(name).removeprefix("params.") for name in runs if str(name).startswith("params.")]
    ordered = [*(name for name in _FIRST if name in params), *sorted(set(params) - set(_FIRST))]
    constant = {}
    for name in ordered:
        values = runs[f"params.{name}"].unique()
        if len(runs) > 1 and len(values) == 1 and not pd.isna(values[0]):
            constant[name] = str(values[0])
    return ExperimentsView(runs, tuple(name for name in preferred if name in known), tuple(ordered), constant)


def over_time(view: ExperimentsView) -> pd.DataFrame:
    """One row per run, oldest first: ``start_time``, ``run_name``, and the metrics that are shares."""
    shares = [name for name in view.metrics if name in METRICS and METRICS[name].bigger_is_better]
    frame = view.runs[["start_time", "run_name", *(f"metrics.{name}" for name in shares)]]
    return frame.rename(columns={f"metrics.{name}": name for name in shares}).iloc[::-1].reset_index(drop=True)
