"""What a candidate says of rows that it cannot learn from, as an error that names the cell where one is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from tiltyard.data import Dataset
from tiltyard.errors import DataError

LARGEST = float(np.finfo(np.float32).max)
"""Forests and some boosters read numbers in single precision, and refuse larger ones."""


@contextmanager
def explain_fit_errors(what: str, train: Dataset) -> Iterator[None]:
    """A block that fits candidates: their libraries' errors about values are errors about the data.

    Args:
        what: who fits, such as ``The candidate 'ridge'``.
        train: the rows.

    Raises:
        DataError: the block raises a ``ValueError`` (``training.fit-failed``).
    """
    try:
        yield
    except ValueError as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        large = _find_large(train.inputs)
        column, value = large or (None, None)
        raise DataError(
            f"{what} cannot learn from these rows: {said}.",
            next_step="Correct the rows, or name another candidate: training.candidates."
            if large is None
            else f"Correct {value:g} in column '{column}', which few models can read, or leave the cell empty; or name "
            "another candidate: training.candidates.",
            code="training.fit-failed",
            column=column,
        ) from error


def _find_large(inputs: pd.Series | pd.DataFrame) -> tuple[str, float] | None:
    """The first column of a table with a number beyond single precision, and that number."""
    for name in inputs.columns if isinstance(inputs, pd.DataFrame) else ():
        if pd.api.types.is_numeric_dtype(inputs[name].dtype):
            numbers = inputs[name].to_numpy(dtype=np.float64, na_value=np.nan)
            large = np.abs(numbers) > LARGEST
            if large.any():
                return str(name), float(numbers[large][0])
    return None
