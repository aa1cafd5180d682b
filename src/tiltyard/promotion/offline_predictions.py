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
from tiltyard.data.content_hash import Hashes, content_keys
from tiltyard.data.groups import find_row_groups
from tiltyard.errors import DataError
from tiltyard.evaluation import EvaluatedRows, label_predictions, pair_numbers
from tiltyard.models.selection.decision import find_prices
from tiltyard.project import Project
from tiltyard.promotion.gates.task_part import TaskPromotion
from tiltyard.registry import Manifest, Package, VersionInfo
from tiltyard.suggest import nearest
from tiltyard.tasks import TASKS, DecisionRule


@dataclass(frozen=True)
class PredictedRows:
    """The predictions of a model for n rows.

    Attributes:
        labels: n predicted labels.
        probabilities: (n, k), columns in the order of ``classes``.
        classes: k labels.
        rule: by which the labels follow from the probabilities; None for the likeliest.
    """

    labels: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]
    rule: DecisionRule | None = None

    def take(self, chosen: NDArray[np.bool_]) -> PredictedRows:
        """The predictions where ``chosen`` (n booleans) is true."""
        return replace(self, labels=self.labels[chosen], probabilities=self.probabilities[chosen])

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of each predicted label."""
        places = {name: place for place, name in enumerate(self.classes)}
        found = [places[label] for label in self.labels.tolist()]
        return self.probabilities[np.arange(len(found)), found]

    def expand_probabilities(self, classes: tuple[str, ...]) -> NDArray[np.float64]:
        """The probabilities with a column for each of ``classes``; a label that is not known here has 0."""
        expanded = np.zeros((len(self.labels), len(classes)))
        expanded[:, [classes.index(label) for label in self.classes]] = self.probabilities
        return expanded


@dataclass(frozen=True)
class PredictedNumbers:
    """The predictions of a model of numbers for n rows.

    Attributes:
        values: n predicted numbers.
    """

    values: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_]) -> PredictedNumbers:
        """The predictions where ``chosen`` (n booleans) is true."""
        return PredictedNumbers(self.values[chosen])


Predicted = PredictedRows | PredictedNumbers


def predict_rows(pipeline: Any, rows: Dataset, rule: DecisionRule | None = None) -> Predicted:
    """Predict the rows of a dataset with a pipeline that was fitted for its task, by the version's rule."""
    found: Predicted = TaskPromotion.find_for(rows.task).predict_rows(pipeline, rows, rule)
    return found


def predict_dataset(pipeline: Any, inputs: pd.Series | pd.DataFrame, rule: DecisionRule | None = None) -> PredictedRows:
    """Predict n rows with a fitted classifier; the columns are in the order of ``order_classes``."""
    probabilities = np.asarray(pipeline.predict_proba(inputs), dtype=np.float64)
    found = np.asarray(pipeline.classes_, dtype=str)
    classes = order_classes(found.tolist())
    places = {name: place for place, name in enumerate(found.tolist())}
    ordered = probabilities[:, [places[name] for name in classes]]
    if rule is None:
        return PredictedRows(found[np.argmax(probabilities, axis=1)], ordered, classes)
    return PredictedRows(np.asarray(classes)[rule.reorder(classes).decide(ordered)], ordered, classes, rule)


def compare_with_labels(predictions: Predicted, test: Dataset, project: Project) -> EvaluatedRows:
    """Pair the predictions for the test side with its labels, and with the groups that its rows belong to."""
    clusters, target = find_clusters(test, project), TASKS[project.task].target
    if isinstance(predictions, PredictedNumbers):
        return pair_numbers(test.labels.to_numpy(), predictions.values, clusters=clusters, target=target)
    truth = test.labels.to_numpy(dtype=str)
    return label_predictions(
        truth,
        predictions.labels,
        predictions.probabilities,
        predictions.classes,
        project.data.positive,
        clusters=clusters,
        rule=predictions.rule,
        prices=find_prices(project.decision, predictions.classes),
        target=target,
    )


def find_clusters(rows: Dataset, project: Project) -> Hashes | None:
    """The group of each row, by the column of ``split.group``; None where the project names none."""
    return None if project.split.group is None else find_row_groups(rows, project.split.group).keys


def predict_with_version(package: Package, info: VersionInfo, rows: Dataset) -> Predicted:
    """Predict rows with a version, from the columns that it was trained on; its classes are spelt as the rows' are.

    Raises:
        DataError: they have not the columns or the kinds of values that it reads.
    """
    fitting = align_columns(rows, package.manifest, info)
    try:
        predictions = predict_rows(package.pipeline, fitting, package.manifest.decision)
        return predictions if isinstance(predictions, PredictedNumbers) else _spell_classes(predictions, rows)
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
    classes = tuple(spelt.values())
    rule = None if predictions.rule is None else predictions.rule.reorder(classes, spelt)
    return PredictedRows(labels, predictions.probabilities, classes, rule)


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
    known = [str(column) for column in rows.frame.columns]
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
    return replace(rows, inputs=_read_as_trained(rows, manifest))


def _read_as_trained(rows: Dataset, manifest: Manifest) -> pd.DataFrame:
    """The cells of the rows as the version reads them, whatever they are read as today."""
    then, now = manifest.table_schema, rows.schema
    today = {column.name: column for column in now.columns} if now else {}
    if then is None:
        # A version of the user's own making, or from before schemas were kept; dates were words to it then.
        columns = [
            TypedColumn(name, "category", nullable=True)
            for name, dtype in manifest.columns.items()
            if name not in rows.inputs.columns or _is_date(rows.inputs[name].dtype) != _is_date(dtype)
        ]
        others = conform_frame(rows.frame, TableSchema(tuple(columns), USUAL_RULES))
        return pd.DataFrame({name: others.get(name, rows.inputs.get(name)) for name in manifest.columns})
    if then.rules == rows.rules and all(_reads_alike(column, today.get(column.name)) for column in then.columns):
        return pd.DataFrame(rows.inputs[list(manifest.columns)])
    return conform_frame(rows.frame, then)


def _reads_alike(then: TypedColumn, now: TypedColumn | None) -> bool:
    return now is not None and (then.kind, then.value_words) == (now.kind, now.value_words)


def _is_date(dtype: object) -> bool:
    return str(dtype).startswith("datetime")


def find_unseen_rows(package: Package, info: VersionInfo, rows: Dataset) -> NDArray[np.bool_]:
    """Which of n rows a version was not trained on: rows that it was trained on say nothing about it.

    A row is recognised by what the version read of it, so a column that was added since, or that is read as another
    kind today, hides none. Of an adopted version whose training rows are not known only the rows count that were
    stated to be new when it was adopted. Where a cell is missing that may have been a value to the version, the row
    counts as seen.

    Raises:
        DataError: the version was packaged without the keys of its training rows, so that it is not known, or the rows
            have not the columns or the kinds of values that it reads.
    """
    keys, new = package.training_keys, package.new_keys
    if not len(keys) and new is None:
        raise DataError(
            f"Version {info.version} does not say which rows it was trained on, so no row can be used to evaluate it.",
            next_step="Adopt it again with its training rows (tiltyard adopt … --trained-on FILE), log it with them "
            "(ExperimentTracker.log_model(…, training_data=X)), or set the alias by hand: tiltyard set-alias --reason "
            "…",
            code="promotion.training-rows-unknown",
        )
    read = content_keys(align_columns(rows, package.manifest, info).inputs)
    # Of a version with stated new rows the training rows are not known: any other row may be one of them.
    unseen = ~np.isin(read, keys) if new is None else np.isin(read, new)
    return np.asarray(unseen & ~_lost_words(rows, package.manifest), dtype=np.bool_)


def _lost_words(rows: Dataset, manifest: Manifest) -> NDArray[np.bool_]:
    """Rows with a gap today where a word may have been a value to the version: which word it was is not known."""
    then, now = manifest.table_schema, rows.schema
    lost = np.zeros(len(rows), dtype=np.bool_)
    if then is None or now is None:
        return lost
    today = {column.name: frozenset(column.value_words) for column in now.columns}
    for column in then.columns:
        values = then.rules.gap_words - frozenset(column.value_words)
        if (now.rules.gap_words - today.get(column.name, frozenset())) - values:
            lost |= rows.frame[column.name].isna().to_numpy()
    return lost
