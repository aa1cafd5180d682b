"""The profile of a training with which later traffic is compared."""

from __future__ import annotations

from typing import Any

import pandas as pd
from numpy.typing import NDArray

from tiltyard.data import Dataset, Split
from tiltyard.drift.profiles import Reference, Rows, build_reference
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.drift.row_order import find_group_columns, order_rows
from tiltyard.project import Project
from tiltyard.promotion.offline_predictions import Predicted, PredictedNumbers


def build_reference_profile(split: Split, predictions: Predicted | None, project: Project) -> Reference:
    """The profile with which later traffic is compared, and how alike rows of one group or period are.

    Columns are profiled on the training rows; predictions, and words that the model has not seen, on the test rows.
    Groups are those of ``split.group``; without it, those of columns that the model does not read and that name each
    value in several rows, as the film of a review does. The time is ``data.time``.

    Args:
        split: both sides.
        predictions: the predictions for the test side; None where the model may have learnt from these rows, so that
            its predictions for them cannot be the reference.
        project: names the columns of groups and time.
    """
    columns = find_group_columns(split.train.frame, _name_inputs(split.train), project)
    labels: NDArray[Any] = split.train.labels.to_numpy()
    training = Rows(split.train.inputs, labels=labels, order=_order_side(split.train, columns, project))
    if predictions is None:
        return build_reference(training)
    test = Rows(
        split.test.inputs,
        predictions.values if isinstance(predictions, PredictedNumbers) else predictions.labels,
        None if isinstance(predictions, PredictedNumbers) else predictions.confidence,
        order=_order_side(split.test, columns, project),
    )
    return build_reference(training, test)


def _name_inputs(rows: Dataset) -> set[str]:
    inputs = rows.inputs
    return {str(inputs.name)} if isinstance(inputs, pd.Series) else {str(name) for name in inputs.columns}


def _order_side(rows: Dataset, groups: tuple[str, ...], project: Project) -> RowOrder:
    return order_rows(rows.frame, rows.inputs, groups, project.data.time, rows.rules)
