"""The one way from a raw label to a number: of training rows, feedback and imports of a task that predicts numbers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from tiltyard.data.conform.labels import factorise_cells, is_label_gap, read_label_number, write_label
from tiltyard.errors import DataError
from tiltyard.formatting import choose_form, first_rows, format_count, join_rows, quote_excerpt

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e150
"""The squares of larger numbers, by which errors are measured, are infinite."""
_LEAST_DIFFERENT = 2


def conform_number_labels(column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
    """The numbers of a column of labels: n float64, NaN where there is a gap, with the column's index and name.

    Args:
        column: n raw labels: numbers, or numbers as text with a decimal point.
        gaps: words that the project declares as gaps.

    Raises:
        DataError: a label is not a number (``data.label-not-number``), infinite (``data.label-infinite``), or of a size
            whose square is (``data.label-too-large``); it names the first rows.
    """
    codes, distinct = factorise_cells(column)
    declared = frozenset(gaps)
    read = [math.nan if is_label_gap(raw) or write_label(raw) in declared else read_number(raw) for raw in distinct]
    wrong = np.array([*(value is None for value in read), False])
    if wrong[codes].any():
        raise _describe_words(column, wrong[codes])
    values = np.array([*(math.nan if value is None else value for value in read), math.nan])[codes]
    if np.isinf(values).any():
        raise _describe_infinite(column, np.isinf(values))
    if (np.abs(values) > LARGEST).any():
        raise _describe_large(column, np.abs(values) > LARGEST)
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

    return pd.Series(values, index=column.index, name=column.name, dtype=np.float64)


def read_number(raw: object) -> float | None:
    """The number that one raw label is, infinite ones too; None where it is none, as of a truth value or a word."""
    if isinstance(raw, bool | np.bool_):
        return None
    if isinstance(raw, str):
        word = raw.strip()
        if word.lower().lstrip("+-") in ("inf", "infinity"):
            return -math.inf if word.startswith("-") else math.inf
        found = read_label_number(word)
        return None if found is None else float(found)
    if isinstance(raw, numbers.Real | Decimal):
        return float(raw)
    return None


def write_number(value: float) -> str:
    """A number as text that is read as the very same number: the shortest that is, whole numbers without a fraction."""
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)


def require_varied_numbers(labels: pd.Series, where: str = "") -> None:
    """Refuse n numbers that are all the same, from which nothing can be learnt.

    Args:
        labels: the labels.
        where: what they are of, for the message, such as ``on the train side``; default: the column.

    Raises:
        DataError: they are (``data.label-constant``).
    """
    if labels.nunique() >= _LEAST_DIFFERENT:
        return
    only = f"only the number {write_number(labels.iloc[0])}" if len(labels) else "no number"
    raise DataError(
        f"Column '{labels.name}' holds {only}{where and f' {where}'}; a regressor needs numbers that differ.",
        next_step="Add rows with other numbers, or correct data.label.",
        code="data.label-constant",
        column=str(labels.name),
    )


def _describe_words(column: pd.Series, wrong: np.ndarray[Any, np.dtype[np.bool_]]) -> DataError:
    count = int(wrong.sum())
    first = column.iloc[int(np.flatnonzero(wrong)[0])]
    return DataError(
        f"The label '{column.name}' is not a number in {format_count(count, 'row')} "
        f"({join_rows(first_rows(wrong), count)}); the first is {quote_excerpt(str(first))}.",
        next_step="Write numbers with a decimal point, name words that stand for a missing label in data.gaps, or "
        "choose a classification task.",
        code="data.label-not-number",
        column=str(column.name),
        rows=count,
    )


def _describe_infinite(column: pd.Series, infinite: np.ndarray[Any, np.dtype[np.bool_]]) -> DataError:
    count = int(infinite.sum())
    return DataError(
        f"The label '{column.name}' {choose_form(count, 'is', 'is')} infinite in {format_count(count, 'row')} "
        f"({join_rows(first_rows(infinite), count)}).",
        next_step="Write finite numbers, or remove these rows.",
        code="data.label-infinite",
        column=str(column.name),
        rows=count,
    )


def _describe_large(column: pd.Series, large: np.ndarray[Any, np.dtype[np.bool_]]) -> DataError:
    count = int(large.sum())
    first = column.iloc[int(np.flatnonzero(large)[0])]
    return DataError(
        f"The label '{column.name}' is beyond ±{LARGEST:g} in {format_count(count, 'row')} "
        f"({join_rows(first_rows(large), count)}); the first is {quote_excerpt(str(first))}. The square of such an "
        "error is infinite.",
        next_step="Write the numbers in another unit, correct these rows, or remove them.",
        code="data.label-too-large",
        column=str(column.name),
        rows=count,
    )
