"""Infer what the columns of an unknown file mean, for a first project file that a person then checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tiltyard.data.columns import Column
from tiltyard.data.read_table import read_column
from tiltyard.errors import DataError
from tiltyard.project import Task

LABEL_NAMES = (
    "label", "target", "class", "y", "sentiment", "category", "outcome", "churn", "diagnosis", "polarity", "income",
)  # fmt: skip
TIME_NAMES = ("created_at", "timestamp", "time", "date", "datetime", "updated_at")
MAX_CLASSES = 50


@dataclass(frozen=True)
class InferredColumns:
    """What the columns seem to mean.

    Attributes:
        task: text-classification where a column holds prose, else tabular-classification.
        label: the label's column.
        text: the prose column, or None.
        time: a column of times, or None.
        classes: the labels found, sorted.
        identifiers: columns that only identify rows, such as a number of each.
    """

    task: Task
    label: str
    text: str | None
    time: str | None
    classes: tuple[str, ...]
    identifiers: tuple[str, ...]


def infer_columns(frame: pd.DataFrame, *, label: str | None = None, text: str | None = None) -> InferredColumns:
    """Infer the meaning of columns from their names and values; what the caller names is not inferred.

    Raises:
        DataError: no column looks like a label, or a named column does not exist.
    """
    names = [str(name) for name in frame.columns]
    for name in (label, text):
        if name is not None and name not in names:
            raise DataError(
                f"The data has no column '{name}'; it has {', '.join(names)}.",
                next_step="Name one of these columns.",
                code="data.column-missing",
            )
    label = label or _find_label(frame)
    columns = {name: read_column(frame.iloc[:, place], name) for place, name in enumerate(names)}
    text = text or _find_text(frame, columns, label)
    time = next((name for name in names if name.lower() in TIME_NAMES and name not in (label, text)), None)
    others = [name for name in names if name not in (label, text, time)]
    return InferredColumns(
        task="text-classification" if text else "tabular-classification",
        label=label,
        text=text,
        time=time,
        classes=tuple(sorted(str(value) for value in frame[label].dropna().unique())),
        identifiers=tuple(name for name in others if columns[name].identifier),
    )


def _find_label(frame: pd.DataFrame) -> str:
    by_name = {str(name).lower(): str(name) for name in frame.columns}
    for known in LABEL_NAMES:
        if known in by_name and 2 <= frame[by_name[known]].nunique() <= MAX_CLASSES:
            return by_name[known]
    fitting = [str(name) for name in frame.columns if 2 <= frame[name].nunique() <= min(MAX_CLASSES, len(frame) // 2)]
    if not fitting:
        raise DataError(
            "No column looks like a label (between 2 and 50 different values).",
            next_step="Name it with --label COLUMN.",
            code="data.no-label",
        )
    return fitting[-1]


def _find_text(frame: pd.DataFrame, columns: Mapping[str, Column], label: str) -> str | None:
    """The column of prose with the most words a cell, if there is one."""
    words = {
        name: float(frame[name].dropna().astype(str).str.count(r"\S+").mean())
        for name, column in columns.items()
        if name != label and column.kind == "text"
    }
    return max(words, key=lambda name: words[name]) if words else None
