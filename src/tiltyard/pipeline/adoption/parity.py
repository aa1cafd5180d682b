"""Whether a model predicts for rows as they are served what it predicts for rows as its owner has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from tiltyard.data import Dataset
from tiltyard.errors import UsageError
from tiltyard.formatting import format_number, join_names
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.registry.foreign.estimators import FittedModel, predict_plain

SAME = 1e-9
"""Far above what another order of a sum does, far below what another reading of a cell does."""
SAME_SINGLE = 1e-6
"""The same where the model itself predicts in single precision, as XGBoost does."""
ROWS = 500


def name_inputs(found: FittedModel, inputs: pd.Series | pd.DataFrame) -> Any:
    """The model as it is stored: one that was fitted on a matrix gets a first step that takes columns by name.

    The step changes no value. Without it scikit-learn warns of each frame, and takes columns in any order.

    Raises:
        UsageError: it cannot be a step of a pipeline (``model.not-an-estimator``).
    """
    if isinstance(inputs, pd.Series) or found.names is not None:
        return found.model
    if not hasattr(found.model, "__sklearn_tags__"):
        raise UsageError(
            f"A {found.kind} cannot be kept as a version: its class does not inherit from scikit-learn's "
            "BaseEstimator, which a pipeline requires of its steps.",
            next_step="Let its class inherit from ClassifierMixin or RegressorMixin, and from BaseEstimator; or give "
            "an estimator of scikit-learn.",
            code="model.not-an-estimator",
        )
    names = [str(name) for name in inputs.columns]
    step = ColumnTransformer([("columns", "passthrough", names)], verbose_feature_names_out=False)
    return Pipeline([("matrix", step.fit(inputs.head(2))), (TaskModels.find_for(found.task).noun, found.model)])


def check_parity(found: FittedModel, stored: Any, rows: Dataset) -> float | None:
    """Make sure that the stored model predicts for conforming rows what the model itself predicts for the rows.

    Args:
        found: the model.
        stored: it as it will be stored.
        rows: labelled rows; the first 500 are compared.

    Returns:
        The largest difference; None where the model cannot read the rows as they are written, only as they are served.

    Raises:
        UsageError: the model refuses the rows (``adopt.rows-refused``); it predicts something else for them as they
            are served, or refuses these (``adopt.reads-otherwise``); or a prediction is not finite
            (``adopt.not-finite``).
    """
    inputs = rows.inputs.head(ROWS)
    try:
        plain, refusal = predict_plain(found, _as_given(found, rows)), ""
    except Exception as error:  # noqa: BLE001 - somebody's model may refuse rows in any way
        plain, refusal = None, _first_line(error)
    served = FittedModel(stored, found.task, found.names, found.width)
    try:
        predicted = predict_plain(served, inputs)
    except Exception as error:
        why = _first_line(error)
        if plain is None:
            raise UsageError(
                f"The {found.kind} cannot predict the rows: {refusal}.",
                next_step="Give rows as it was fitted on: the same columns, with values of the same kinds.",
                code="adopt.rows-refused",
            ) from error
        raise _reads_otherwise(found, rows, f"it refuses them: {why}") from error
    _require_finite(found, predicted)
    if plain is None:
        return None
    if plain.shape != predicted.shape:
        raise _reads_otherwise(found, rows, f"it predicts {predicted.shape} values, not {plain.shape}")
    apart = np.abs(plain - predicted).reshape(len(inputs), -1).max(axis=1)
    same = SAME_SINGLE if plain.dtype == np.float32 else SAME
    scale = TaskModels.find_for(found.task).measure_unit(plain)
    difference = float(apart.max())
    if not difference <= same * scale:
        how = f"its predictions differ by up to {format_number(difference)}"
        raise _reads_otherwise(found, rows, how, int(apart.argmax()))
    return difference


def _as_given(found: FittedModel, rows: Dataset) -> Any:
    if isinstance(rows.inputs, pd.Series):
        return rows.inputs.head(ROWS).to_list()
    given = rows.frame[list(rows.inputs.columns)].head(ROWS)
    return given if found.names is not None else given.to_numpy()


def _reads_otherwise(found: FittedModel, rows: Dataset, how: str, row: int = 0) -> UsageError:
    """What stands between a row as it is and as it is served: the cells that change."""
    changed = []
    for name in rows.inputs.columns if isinstance(rows.inputs, pd.DataFrame) else ():
        before, after = rows.frame[name], rows.inputs[name]
        cells = before.iloc[row], after.iloc[row]
        if str(cells[0]) != str(cells[1]) and not _are_both_numbers(before.dtype, after.dtype):
            changed.append(f"'{name}' ({str(cells[0])!r}, served as {str(cells[1])!r})")
        elif str(before.dtype) == "category" or before.dtype.kind in "mM":
            changed.append(f"'{name}' ({before.dtype}, served as {after.dtype})")
    named = f" Of row {row + 1} this changes: {join_names(changed)}." if changed else ""
    return UsageError(
        f"The {found.kind} does not predict the same for rows as they are served (numbers, words, true or false): "
        f"{how}.{named}",
        next_step="Fit it on cells as they are served, and let the pipeline itself prepare them:\n"
        "  coded = make_column_transformer((OneHotEncoder(handle_unknown='ignore'), WORDS), remainder='passthrough')\n"
        "  model = make_pipeline(coded, ESTIMATOR).fit(X, y)\n"
        "  tiltyard.adopt(model, data)",
        code="adopt.reads-otherwise",
    )


def _are_both_numbers(before: Any, after: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(before) and pd.api.types.is_numeric_dtype(after))


def _require_finite(found: FittedModel, predicted: NDArray[np.float64]) -> None:
    wrong = ~np.isfinite(predicted)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise UsageError(
            f"The {found.kind} predicts {predicted.ravel()[np.flatnonzero(wrong.ravel())[0]]} for row {row + 1}, not a "
            "finite number.",
            next_step="Look for a division by zero, or for values of a size that it was not fitted on.",
            code="adopt.not-finite",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
