"""Predictions of a stored version for rows as they are today, which may differ from what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data import Dataset
from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.labels import LabelCodec, order_classes
from tiltyard.data.conform.rules import USUAL_RULES
from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.errors import DataError
from tiltyard.evaluation import LabelledPredictions, label_predictions
from tiltyard.project import Project
from tiltyard.registry import Manifest, Package, VersionInfo
from tiltyard.suggest import nearest


@dataclass(frozen=True)
class PredictedRows:
    """The predictions of a model for n rows.

    Attributes:
        labels: n predicted labels.
        probabilities: (n, k), columns in the order of ``classes``.
        classes: k labels.
    """

    labels: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    def take(self, chosen: NDArray[np.bool_]) -> PredictedRows:
        """The predictions where ``chosen`` (n booleans) is true."""
        return PredictedRows(self.labels[chosen], self.probabilities[chosen], self.classes)

    def expand_probabilities(self, classes: tuple[str, ...]) -> NDArray[np.float64]:
        """The probabilities with a column for each of ``classes``; a label that is not known here has 0."""
        expanded = np.zeros((len(self.labels), len(classes)))
        expanded[:, [classes.index(label) for label in self.classes]] = self.probabilities
        return expanded


def predict_dataset(pipeline: Any, inputs: pd.Series | pd.DataFrame) -> PredictedRows:
    """Predict n rows with a fitted pipeline; the columns are in the order of ``order_classes``."""
    probabilities = np.asarray(pipeline.predict_proba(inputs), dtype=np.float64)
    found = np.asarray(pipeline.classes_, dtype=str)
    predicted = found[np.argmax(probabilities, axis=1)]
    classes = order_classes(found.tolist())
    places = {name: place for place, name in enumerate(found.tolist())}
    return PredictedRows(predicted, probabilities[:, [places[name] for name in classes]], classes)


def compare_with_labels(predictions: PredictedRows, test: Dataset, project: Project) -> LabelledPredictions:
    """Pair the predictions for the test side with its labels."""
    truth = test.labels.to_numpy(dtype=str)
    return label_predictions(
        truth, predictions.labels, predictions.probabilities, predictions.classes, project.data.positive
    )


def predict_with_version(package: Package, info: VersionInfo, rows: Dataset) -> PredictedRows:
    """Predict rows with a version, from the columns that it was trained on; its classes are spelt as the rows' are.

    Raises:
        DataError: they have not the columns or the kinds of values that it reads.
    """
    fitting = align_columns(rows, package.manifest, info)
    try:
        return _spell_classes(predict_dataset(package.pipeline, fitting.inputs), rows)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"Version {info.version} cannot read the test rows: {(str(error).strip() or 'no reason').splitlines()[0]}",
            next_step="Compare the data with what it was trained on (tiltyard validate), or train a new version.",
            code="evaluation.other-data",
        ) from error


def _spell_classes(predictions: PredictedRows, rows: Dataset) -> PredictedRows:
    """The predictions with each class as the rows spell it: the data may spell it otherwise than at training."""
    codec = LabelCodec(rows.classes)
    spelt = {name: codec.spell(name) for name in predictions.classes}
    if len(set(spelt.values())) < len(spelt) or all(name == now for name, now in spelt.items()):
        return predictions
    labels = np.asarray([spelt[label] for label in predictions.labels.tolist()], dtype=str)
    return PredictedRows(labels, predictions.probabilities, tuple(spelt.values()))


def align_columns(rows: Dataset, manifest: Manifest, info: VersionInfo) -> Dataset:
    """The rows with the columns that the version was trained on, in their order.

    Raises:
        DataError: a column is not there, or the version is for another task.
    """
    if manifest.task != rows.task:
        raise DataError(
            f"Version {info.version} is for {manifest.task}, and the rows are for {rows.task}.",
            next_step="Evaluate it on rows of its task, or train a new version.",
            code="evaluation.other-task",
        )
    if isinstance(rows.inputs, pd.Series) or not manifest.columns:
        return rows
    known = [str(column) for column in rows.inputs.columns]
    missing = [name for name in manifest.columns if name not in known]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        raise DataError(
            f"Version {info.version} was trained on the column{'s' if len(missing) > 1 else ''} {named}, which the "
            f"data does not have; it has {', '.join(known)}.{nearest(missing[0], known)}",
            next_step="Bring the column back under its name, or train a new version.",
            code="data.column-missing",
            column=missing[0],
        )
    inputs = rows.inputs[list(manifest.columns)]
    otherwise = [name for name, dtype in manifest.columns.items() if _is_date(inputs[name].dtype) != _is_date(dtype)]
    if otherwise:
        # A version from before dates were read knows them as words, and reads today's cells so.
        typed = {column.name: column for column in manifest.table_schema.columns} if manifest.table_schema else {}
        rules = manifest.table_schema.rules if manifest.table_schema else USUAL_RULES
        columns = tuple(typed.get(name, TypedColumn(name, "category", nullable=True)) for name in otherwise)
        inputs = inputs.assign(**conform_frame(rows.frame[otherwise], TableSchema(columns, rules)))
    return replace(rows, inputs=inputs)


def _is_date(dtype: object) -> bool:
    return str(dtype).startswith("datetime")
