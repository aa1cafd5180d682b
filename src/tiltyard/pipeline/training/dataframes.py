"""From the data frames and estimators that people bring to datasets and pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tiltyard.data import Dataset, Split
from tiltyard.data.conform.labels import conform_labels
from tiltyard.data.content_hash import row_digests
from tiltyard.errors import UsageError
from tiltyard.models.calibration import ensure_probabilities
from tiltyard.project import Project

LABEL = "label"


def plain_name(name: str) -> str:
    """An experiment's name as a project's: letters, digits, ``_``, ``.`` and ``-``."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "-" for letter in name)
    return kept.lstrip("-_.") or "project"


def read_inputs(given: Any) -> pd.Series | pd.DataFrame:
    """Texts as a Series of str, anything else as a table."""
    if isinstance(given, pd.DataFrame):
        only = given.iloc[:, 0] if given.shape[1] == 1 else None
        if only is not None and only.map(lambda value: isinstance(value, str)).all():
            return pd.Series(only.to_list(), dtype=object, name="text")
        return given.rename(columns=str).reset_index(drop=True)
    if not isinstance(given, np.ndarray) or given.ndim == 1:
        values = list(given)
        if values and all(isinstance(value, str) for value in values):
            return pd.Series([str(value) for value in values], dtype=object, name="text")
    matrix = np.asarray(given)
    if matrix.ndim != 2:
        raise UsageError(
            f"The inputs are neither texts nor a table (their shape is {matrix.shape}).",
            next_step="Give a DataFrame, a matrix of n rows, or a list of texts.",
        )
    return pd.DataFrame(matrix, columns=[f"feature_{number}" for number in range(matrix.shape[1])])


def make_dataset(project: Project, inputs: pd.Series | pd.DataFrame, y: Any) -> Dataset:
    """Labelled rows of a project.

    Raises:
        UsageError: inputs and labels differ in number, or a label is missing.
    """
    labels = conform_labels(pd.Series(y if isinstance(y, np.ndarray | pd.Series) else list(y)))
    labels = labels.reset_index(drop=True).rename(LABEL)
    if len(labels) != len(inputs):
        raise UsageError(
            f"There are {len(inputs):,} rows of inputs and {len(labels):,} labels.", next_step="Give one label a row."
        )
    if labels.isna().any():
        row = int(np.flatnonzero(labels.isna())[0])
        raise UsageError(f"Row {row + 1} has no label.", next_step="Leave out rows without a label.")
    labels = labels.astype(str)
    frame = inputs.to_frame() if isinstance(inputs, pd.Series) else inputs
    digests = row_digests(inputs, labels)
    return Dataset(project.name, project.task, inputs, labels, frame.assign(**{LABEL: labels}), "data frames", digests)


def join_sides(split: Split) -> Dataset:
    """Both sides as one dataset."""
    train, test = split.train, split.test
    sides: list[Any] = [train.inputs, test.inputs]
    inputs: pd.Series | pd.DataFrame = pd.concat(sides, ignore_index=True)
    labels = pd.concat([train.labels, test.labels], ignore_index=True)
    frame = pd.concat([train.frame, test.frame], ignore_index=True)
    digests = np.concatenate([train.row_digests, test.row_digests])
    return Dataset(train.name, train.task, inputs, labels, frame, train.source, digests, train.findings)


def prepare_pipeline(model: Any, params: Mapping[str, Any]) -> tuple[Pipeline, str]:
    """An unfitted pipeline of the user's estimator, with the parameters that it has set; and its name."""
    if not hasattr(model, "fit") or not hasattr(model, "get_params"):
        raise UsageError(
            f"The model ({type(model).__name__}) is not a scikit-learn estimator.",
            next_step="Give a classifier or a pipeline that ends in one.",
        )
    ours = clone(model)
    has = ours.get_params(deep=True)
    ours.set_params(**{name: value for name, value in params.items() if name in has})
    pipeline = ours if isinstance(ours, Pipeline) else Pipeline([("classifier", ours)])
    return ensure_probabilities(pipeline), type(pipeline.steps[-1][1]).__name__
