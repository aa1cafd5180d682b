"""A table of predictions compared with a reference, and with the truth where the table has it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tiltyard.data.conform.labels import is_label_gap
from tiltyard.data.conform.table_like import read_table_pair
from tiltyard.errors import DataError
from tiltyard.pipeline.mlops_results import ProductionReport
from tiltyard.pipeline.task_part import TaskPipeline
from tiltyard.registry import ExperimentTracker
from tiltyard.tasks import TARGETS, USUAL_TARGET, Task
from tiltyard.validation import DataValidator

PREDICTED = ("prediction", "predicted", "predicted_label")
ACTUAL = ("actual", "label", "target", "y_true")


def report_production(
    tracker: ExperimentTracker, validator: DataValidator, tables: tuple[Any, Any], task: Task | None
) -> ProductionReport:
    """The drift of rows with predictions from a reference, and their performance, kept as an MLflow run.

    Args:
        tracker: where the run is recorded.
        validator: its limits say what drift is.
        tables: n rows with predictions (``PREDICTED``), and perhaps the truth (``ACTUAL``); and rows as they should be.
        task: what is predicted from what; None where that is not known: predictions with fractions are then numbers.

    Raises:
        DataError: the reference has no column of inputs.
        UsageError: one of the two has no rows.
    """
    reference_data, prediction_data = read_table_pair(*tables[::-1], ("reference_data", "prediction_data"))
    predicted, actual = (_find_result_column(prediction_data, names) for names in (PREDICTED, ACTUAL))
    # Production rows often lack the truth: that is not a lost input.
    lacking = {*PREDICTED, *ACTUAL}.difference(prediction_data.columns)
    inputs = [name for name in reference_data.columns if name not in {predicted, actual, "confidence"} | lacking]
    if not inputs:
        raise DataError("The reference has no column of inputs.", next_step="Give it the columns that the model reads.")
    drift = validator.validate_drift(
        reference_data[inputs], prediction_data[[name for name in inputs if name in prediction_data.columns]]
    )
    performance, labelled = _measure_performance(prediction_data, predicted, actual, task)
    with tracker.start_run("production-monitoring") as run:
        tracker.log_metrics(
            {"rows": len(prediction_data), "drift_detected": float(drift.drift_detected), **(performance or {})}
        )
        tracker.log_dict(drift.to_dict(), "monitoring/drift.json")
    return {
        "drift_detected": drift.drift_detected,
        "data_drift": drift,
        "performance": performance,
        "predictions": len(prediction_data),
        "labelled": labelled,
        "findings": [found.to_dict() for found in drift.findings],
        "run_id": run.run_id,
    }


def _find_result_column(frame: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first of some names that a table has as a column."""
    return next((name for name in names if name in frame.columns), None)


def _measure_performance(
    frame: pd.DataFrame, predicted: str | None, actual: str | None, task: Task | None
) -> tuple[dict[str, float] | None, int]:
    """The metrics of the rows whose truth is known, and how many these are.

    Args:
        frame: n rows.
        predicted: the column of predictions; None where there is none.
        actual: the column of the truth; None where there is none.
        task: as of ``report_production``.

    Returns:
        The metrics, None without a row that has both; and the number of rows that have both.
    """
    if predicted is None or actual is None:
        return None, 0
    known = frame[[predicted, actual]]
    known = known[~known.map(is_label_gap).any(axis=1)]
    if known.empty:
        return None, 0
    of_target = TaskPipeline.find_for(task) if task is not None else _find_target(known[predicted])
    return of_target.evaluate_columns(known[actual], known[predicted]), len(known)


def _find_target(predictions: pd.Series) -> TaskPipeline:
    """What a column of predictions is of: of the first target that is not the usual one, and suits it."""
    others = [TaskPipeline.find_for_target(target) for target in TARGETS if target != USUAL_TARGET]
    return next(
        (found for found in others if found.suits_column(predictions)), TaskPipeline.find_for_target(USUAL_TARGET)
    )
