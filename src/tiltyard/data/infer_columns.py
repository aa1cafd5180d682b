"""Guessing what the columns of an unknown file mean, for a first project file that a person then checks."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tiltyard.errors import DataError
from tiltyard.project import Task

LABEL_NAMES = (
    "label", "target", "class", "y", "sentiment", "category", "outcome", "churn", "diagnosis", "polarity", "income",
)  # fmt: skip
TIME_NAMES = ("created_at", "timestamp", "time", "date", "datetime", "updated_at")
MAX_CLASSES = 50
PROSE_WORDS = 4  # from this many words a cell on average, a column of strings is taken for text


@dataclass(frozen=True)
class InferredColumns:
    """What the columns seem to mean.

    Attributes:
        task: text-classification where a column holds prose, else tabular-classification.
        label: the label's column.
        text: the prose column, or None.
        time: a column of times, or None.
        classes: the labels found, sorted.
        identifiers: columns whose every value is different and that are not numbers to learn from.
    """

    task: Task
    label: str
    text: str | None
    time: str | None
    classes: tuple[str, ...]
    identifiers: tuple[str, ...]


def infer_columns(frame: pd.DataFrame, *, label: str | None = None, text: str | None = None) -> InferredColumns:
    """Guess the meaning of columns from their names and values; what the caller knows is taken as given.

    Raises:
        DataError: no column looks like a label, or a given column does not exist.
    """
    names = [str(name) for name in frame.columns]
    for given in (label, text):
        if given is not None and given not in names:
            raise DataError(
                f"The data has no column '{given}'; it has {', '.join(names)}.",
                next_step="Name one of these columns.",
                code="data.column-missing",
            )
    label = label or _label(frame)
    text = text or _text(frame, label)
    time = next((name for name in names if name.lower() in TIME_NAMES and name not in (label, text)), None)
    others = [name for name in names if name not in (label, text, time)]
    return InferredColumns(
        task="text-classification" if text else "tabular-classification",
        label=label,
        text=text,
        time=time,
        classes=tuple(sorted(str(value) for value in frame[label].dropna().unique())),
        identifiers=tuple(name for name in others if _is_identifier(frame[name])),
    )


def _label(frame: pd.DataFrame) -> str:
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


def _text(frame: pd.DataFrame, label: str) -> str | None:
    words = {
        str(name): float(frame[name].dropna().astype(str).str.count(r"\S+").mean())
        for name in frame.columns
        if str(name) != label and _holds_strings(frame[name])
    }
    prose = {name: mean for name, mean in words.items() if mean >= PROSE_WORDS}
    return max(prose, key=lambda name: prose[name]) if prose else None


def _holds_strings(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_datetime64_any_dtype(column.dtype)


def _is_identifier(column: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(column.dtype) or column.isna().any() or len(column) < 20:
        return False
    named = str(column.name).lower() in ("id", "uuid", "key", "index") or str(column.name).lower().endswith("id")
    return bool(column.is_unique) and (named or _holds_strings(column))
