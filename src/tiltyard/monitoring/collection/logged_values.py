"""What Python callers log of a prediction, checked, and as the ledger keeps it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.arguments import describe_argument
from tiltyard.data.conform.labels import LabelCodec, is_label_gap
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.number_labels import read_number, write_number
from tiltyard.errors import InputError, UsageError
from tiltyard.formatting import format_count

_FEATURES = "Give a text, a mapping of features by name, a Series, a table of one row, or one value for each feature."


def read_logged_label(given: Any, classes: Sequence[str], field: str) -> str:
    """The class that a logged label means, which may stand in an array of one, as ``model.predict`` returns it.

    Args:
        given: the label.
        classes: the classes that it has to be one of; empty where they are not known.
        field: what messages call it.

    Raises:
        InputError: it says nothing, is several labels, or is none of the classes.
    """
    label = _unwrap(given, field)
    if is_label_gap(label):
        raise InputError(
            f"{field} = {label!r} says nothing.", next_step="Give the label.", field=field, code="prediction.no-label"
        )
    if not isinstance(label, str | Real | np.generic | date):
        raise InputError(
            f"{field} is of type {type(label).__name__}, which is not a label.",
            next_step="Give the label itself: a text, a number or a boolean.",
            field=field,
            code="prediction.no-label",
        )
    codec = LabelCodec(tuple(classes))
    if classes and codec.find_class(label) is None:
        raise InputError(
            f"{field}: {codec.describe_unknown(label)}",
            next_step="Give one of the classes of the version; for another version's prediction name it: "
            "model_version=….",
            field=field,
            code="prediction.unknown-class",
        )
    return codec.spell(label)


def read_logged_number(given: Any, field: str) -> str:
    """A predicted or true number as the ledger keeps it, text that is read as the very same; it may stand in an array.

    Raises:
        InputError: it is not a finite number, or it is several.
    """
    value = _unwrap(given, field)
    number = read_number(value)
    if number is None or not math.isfinite(number):
        raise InputError(
            f"{field} = {value!r} is not a finite number, and the model predicts numbers.",
            next_step="Give a number, such as 204.5.",
            field=field,
            code="prediction.number",
        )
    return write_number(number)


def read_interval(given: Any) -> tuple[float | None, float | None] | None:
    """The two ends of a number's interval, None of one that is open; None where there is no interval.

    Raises:
        InputError: it is not two numbers, the lower one first.
    """
    if given is None:
        return None
    try:
        low, high = given
        low, high = (None if end is None or math.isinf(end) else _read_number(end, "interval") for end in (low, high))
    except (TypeError, ValueError):
        low = high = math.nan
    if (low is not None and math.isnan(low)) or (low is not None and high is not None and not low <= high):
        raise InputError(
            f"interval = {given!r} does not have a lower and an upper end.",
            next_step="Give two numbers, such as (110.9, 297.4); None for an end that is open.",
            field="interval",
            code="prediction.interval",
        )
    return low, high


def is_number_given(given: Any) -> bool:
    """Whether a logged prediction is a number in Python's sense, also one in an array."""
    value = _unwrap(given, "prediction")
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def require_confidence(given: Any, prediction: Any) -> float:
    """The confidence of a class, which has to be given.

    Raises:
        InputError: it was not given, or is not a number from 0 to 1.
    """
    if given is None:
        raise InputError(
            f"The prediction {_unwrap(prediction, 'prediction')!r} of a class has no confidence.",
            next_step="Give the probability of the predicted label, such as confidence=0.87.",
            field="confidence",
            code="prediction.confidence",
        )
    return read_confidence(given)


def refuse_values_of_classes(confidence: Any, probabilities: Any) -> None:
    """Refuse what a predicted number does not have.

    Raises:
        InputError: a confidence or probabilities were given.
    """
    for name, given in (("confidence", confidence), ("probabilities", probabilities)):
        if given is not None:
            raise InputError(
                f"{name} is for classes, and the prediction is a number.",
                next_step=f"Leave {name} out; interval=(low, high) is what a number has.",
                field=name,
                code="prediction.number",
            )


def refuse_interval(interval: Any) -> None:
    """Refuse an interval of a class.

    Raises:
        InputError: one was given.
    """
    if interval is not None:
        raise InputError(
            "interval is for numbers, and the prediction is a class.",
            next_step="Leave interval out; confidence is what a class has.",
            field="interval",
            code="prediction.interval",
        )


def read_confidence(given: Any) -> float:
    """The probability of the predicted label.

    Raises:
        InputError: it is not a number from 0 to 1.
    """
    number = _read_number(given, "confidence")
    # Probabilities that were computed in 32 bits may exceed 1 by their rounding.
    if not -1e-6 <= number <= 1 + 1e-6:
        step = f" If it is a percentage, give {number / 100:g}." if 1 < number <= 100 else ""
        raise InputError(
            f"confidence = {number:g} is not between 0 and 1.",
            next_step=f"Give the probability of the predicted label, such as 0.87.{step}",
            field="confidence",
            code="prediction.confidence",
        )
    return min(max(number, 0.0), 1.0)


def read_latency(given: Any) -> float | None:
    """Milliseconds that a prediction took; None where nobody measured them.

    Raises:
        InputError: it is not a number from 0 on.
    """
    if given is None:
        return None
    number = _read_number(given, "latency_ms")
    if number < 0:
        raise InputError(
            f"latency_ms = {number:g} is negative.",
            next_step="Give milliseconds, or leave it out where they were not measured.",
            field="latency_ms",
            code="prediction.latency",
        )
    return number


def read_features(given: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """The features of one prediction as the ledger keeps an input.

    Args:
        given: a text; a mapping of features by name; a Series; a table of one row; or the n values of a row.
        names: the version's columns, which values without names take; where it is not known they become ``feature_0``.

    Raises:
        InputError: it is none of these, holds several rows, or another number of values than names.
    """
    if isinstance(given, str):
        return {"text": given}
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    if isinstance(given, pd.Series) and not _is_numbered(given.index):
        return {str(name): value for name, value in given.to_dict().items()}
    if isinstance(given, pd.Series | list | tuple) or (isinstance(given, np.ndarray) and given.ndim == 1):
        values = list(given)
        if len(values) == 1 and isinstance(values[0], str) and not names:
            return {"text": values[0]}
        given = values[0] if len(values) == 1 and isinstance(values[0], Mapping) else values
        given = [given] if not given or isinstance(given, Mapping) or np.ndim(given[0]) == 0 else given
    if isinstance(given, pd.DataFrame) and _is_numbered(given.columns):
        given = given.to_numpy(dtype=object)
    elif isinstance(given, list) and not isinstance(given[0], Mapping):
        given = _to_matrix(given)
    return _read_row(given, names)


def _read_row(given: Any, names: Sequence[str]) -> dict[str, Any]:
    try:
        frame = read_table_like(given, "features", names)
    except UsageError as error:
        raise InputError(error.message, next_step=_FEATURES, field="features", code="prediction.features") from None
    if len(frame) != 1 or not len(frame.columns):
        raise InputError(
            f"features holds {format_count(len(frame), 'row')} of {format_count(len(frame.columns), 'value')}, and one "
            "prediction has one row.",
            next_step="Log each prediction by itself: call log_prediction once for each row.",
            field="features",
            code="prediction.features",
        )
    return {str(name): frame[name].iloc[0] for name in frame.columns}


def _to_matrix(rows: list[Any]) -> Any:
    """Rows of cells as a matrix that keeps the type of each cell; the rows as they came where they are none."""
    if len({np.size(row) for row in rows}) != 1 or np.ndim(rows[0]) == 0:
        return rows
    matrix = np.empty((len(rows), np.size(rows[0])), dtype=object)
    for place, row in enumerate(rows):
        matrix[place] = list(row)
    return matrix


def _is_numbered(index: pd.Index) -> bool:
    return len(index) > 0 and all(isinstance(name, int | np.integer) for name in index)


def _unwrap(given: Any, field: str) -> Any:
    """The value of an array or list of one."""
    if isinstance(given, np.ndarray | pd.Series | list | tuple):
        values = np.asarray(given, dtype=object).ravel()
        if len(values) != 1:
            raise InputError(
                f"{field} holds {format_count(len(values), 'value')}, and one prediction has one.",
                next_step="Log each prediction by itself: call log_prediction once for each row.",
                field=field,
                code="prediction.several",
            )
        return values[0]
    return given


def _read_number(given: Any, field: str) -> float:
    value = _unwrap(given, field)
    try:
        number = float(value) if not isinstance(value, str | bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(
            f"{field} is {describe_argument(value)}, which is not a number.",
            next_step="Give a number, such as 0.87.",
            field=field,
            code=f"prediction.{field.partition('_')[0]}",
        )
    return number
