"""From the data frames that people bring to the two sides of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.arguments import require_list
from tiltyard.data import Dataset, Split
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.content_hash import row_digests
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.set_aside import keep_complete_rows
from tiltyard.errors import DataError, UsageError
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, format_count, join_names
from tiltyard.project import Project
from tiltyard.tasks import Task

LABEL = "label"


@dataclass(frozen=True)
class Side:
    """Inputs and labels as a caller gave them.

    Attributes:
        inputs: texts, or a table, of any usual form.
        labels: one label a row.
        name: ``train`` or ``test``; messages name the arguments by it.
    """

    inputs: Any
    labels: Any
    name: str

    def read_inputs(self) -> pd.Series | pd.DataFrame:
        """Texts as a Series of str, anything else as a table."""
        return read_inputs(self.inputs, f"X_{self.name}")


def plain_name(name: str) -> str:
    """An experiment's name as a project's: letters, digits, ``_``, ``.`` and ``-``."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "-" for letter in name)
    return kept.lstrip("-_.") or "project"


def read_inputs(given: Any, what: str = "X") -> pd.Series | pd.DataFrame:
    """Texts as a Series of str, anything else as a table.

    Raises:
        UsageError: it is neither.
    """
    if given is None:
        raise UsageError(f"{what} is None.", next_step=f"Give {what}: a table, or texts.", code="data.none")
    if isinstance(given, pd.DataFrame):
        only = given.iloc[:, 0] if given.shape[1] == 1 else None
        if only is not None and len(only) and only.map(lambda value: isinstance(value, str)).all():
            return pd.Series(only.to_list(), dtype=object, name="text")
    elif isinstance(given, pd.Series | list | tuple) or (isinstance(given, np.ndarray) and given.ndim == 1):
        values = list(given)
        if values and all(isinstance(value, str) for value in values):
            return pd.Series([str(value) for value in values], dtype=object, name="text")
    return read_table_like(given, what)


def choose_label_name(side: Side, inputs: pd.Series | pd.DataFrame) -> str:
    """What the column of the labels is called: as the caller's Series is, else by a name that no input has."""
    name = getattr(side.labels, "name", None)
    if isinstance(name, str) and name:
        return name
    taken = set(inputs.columns) if isinstance(inputs, pd.DataFrame) else {str(inputs.name)}
    label = LABEL
    while label in taken:
        label += "_"
    return label


def make_split(project: Project, train: Side, test: Side) -> Split:
    """The two sides of a training, read by the schema of the training rows; rows without a label are set aside.

    Raises:
        DataError: a side has no row, the sides have different columns, a cell of the test side is nothing of its
            column's kind, or there are fewer than two labels.
        UsageError: inputs and labels differ in number, or cannot be read.
    """
    inputs, others = train.read_inputs(), test.read_inputs()
    if isinstance(inputs, pd.Series) != isinstance(others, pd.Series):
        raise DataError(
            f"X_train holds {_describe_form(inputs)} and X_test {_describe_form(others)}.",
            next_step="Give both sides alike.",
            code="data.sides-differ",
        )
    schema = None
    if isinstance(inputs, pd.DataFrame) and isinstance(others, pd.DataFrame):
        _refuse_label_among_inputs(inputs, project.data.label)
        _require_same_columns(list(inputs.columns), list(others.columns))
        schema = infer_schema(inputs, ReadingRules.from_section(project.data))
    learnt = _make_dataset(project, inputs, train, schema)
    TaskData.find_for(project.task).require_learnable(learnt.labels, "in y_train")
    return Split(learnt, _make_dataset(project, others, test, schema))


def make_test_rows(project: Project, test: Side, schema: TableSchema | None) -> Dataset:
    """Labelled rows for the gates, read by the schema of a version where there is one.

    Raises:
        DataError: as of ``make_split``.
        UsageError: as of ``make_split``.
    """
    inputs = test.read_inputs()
    if schema is None and isinstance(inputs, pd.DataFrame):
        schema = infer_schema(inputs, ReadingRules.from_section(project.data))
    return _make_dataset(project, inputs, test, schema)


def join_sides(split: Split) -> Dataset:
    """Both sides as one dataset."""
    return join_datasets(split.train, split.test)


def join_datasets(train: Dataset, test: Dataset) -> Dataset:
    """The rows of two datasets of one form as one, the second after the first."""
    sides: list[Any] = [train.inputs, test.inputs]
    inputs: pd.Series | pd.DataFrame = pd.concat(sides, ignore_index=True)
    labels = pd.concat([train.labels, test.labels], ignore_index=True)
    frame = pd.concat([train.frame, test.frame], ignore_index=True)
    digests = np.concatenate([train.row_digests, test.row_digests])
    findings = (*train.findings, *(found for found in test.findings if found not in train.findings))
    return Dataset(train.name, train.task, inputs, labels, frame, train.source, digests, findings, train.schema)


def _make_dataset(
    project: Project, inputs: pd.Series | pd.DataFrame, side: Side, schema: TableSchema | None
) -> Dataset:
    labels = _read_labels(side, len(inputs), project.data.gaps or (), project.task)
    label = project.data.label
    frame = inputs.to_frame() if isinstance(inputs, pd.Series) else inputs
    found: list[Finding] = []
    rows, labels = keep_complete_rows(frame, labels, project.data, found)
    labels = labels.astype(TaskData.find_for(project.task).label_type).rename(label)
    kept: pd.Series | pd.DataFrame = rows.iloc[:, 0] if isinstance(inputs, pd.Series) else rows
    if schema is not None and isinstance(kept, pd.DataFrame):
        kept = conform_frame(kept, schema)
    digests = row_digests(kept, labels)
    whole = rows.assign(**{label: labels})
    return Dataset(project.name, project.task, kept, labels, whole, "data frames", digests, tuple(found), schema)


def _read_labels(side: Side, rows: int, gaps: Sequence[str], task: Task) -> pd.Series:
    what, given = f"y_{side.name}", side.labels
    if given is None:
        raise UsageError(f"{what} is None.", next_step=f"Give {what}: one label a row.", code="data.none")
    if isinstance(given, pd.DataFrame) and given.shape[1] == 1:
        given = given.iloc[:, 0]
    require_list(given, what)
    column = pd.Series(given if isinstance(given, np.ndarray | pd.Series) else list(given))
    labels = (
        TaskData.find_for(task).conform_labels(column.rename(str(column.name or what)), gaps).reset_index(drop=True)
    )
    if len(labels) != rows:
        raise UsageError(
            f"There {choose_form(rows, 'is', 'are')} {format_count(rows, 'row')} of inputs (X_{side.name}) and "
            f"{format_count(len(labels), 'label')} ({what}).",
            next_step="Give one label a row.",
            code="data.lengths-differ",
        )
    if not rows:
        raise DataError(
            f"X_{side.name} has no row.", next_step=f"Give the {side.name} side labelled rows.", code="data.empty"
        )
    return labels


def _refuse_label_among_inputs(inputs: pd.DataFrame, label: str) -> None:
    if label in inputs.columns:
        raise DataError(
            f"X_train holds the label's column '{label}': a model would learn to copy it.",
            next_step=f"Leave it out: X_train = X_train.drop(columns={label!r}), and X_test alike.",
            code="data.label-among-inputs",
            column=label,
        )


def _require_same_columns(train: list[str], test: list[str]) -> None:
    for name, has, lacking in (("X_test", train, test), ("X_train", test, train)):
        missing = [column for column in has if column not in lacking]
        if missing:
            other = "X_train" if name == "X_test" else "X_test"
            raise DataError(
                f"{name} lacks {join_names(missing)}, which {other} has.",
                next_step="Give both sides the same columns.",
                code="data.column-missing",
                column=missing[0],
            )


def _describe_form(inputs: pd.Series | pd.DataFrame) -> str:
    return "texts" if isinstance(inputs, pd.Series) else f"a table of {inputs.shape[1]} columns"
