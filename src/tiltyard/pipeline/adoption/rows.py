"""The rows of an adoption: which teach the profile, and which the model was not trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tiltyard.data import Dataset
from tiltyard.data.conform.frames import conform_frame
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import Hashes, content_keys, row_digests
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.loading import build_dataset
from tiltyard.errors import DataError, UsageError
from tiltyard.findings import Finding
from tiltyard.formatting import format_count, join_names
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.pipeline.adoption.columns import require_columns
from tiltyard.pipeline.adoption.request import AdoptionRequest
from tiltyard.pipeline.training.dataframes import join_datasets
from tiltyard.project import Project
from tiltyard.registry.foreign.estimators import FittedModel

ROWS_UNKNOWN = (
    "which rows it was trained on is not known, so a comparison could be with rows that it has seen: give them with "
    "--trained-on FILE, or state with --all-new that it was trained on none of these"
)


@dataclass(frozen=True)
class AdoptedRows:
    """The rows of an adoption.

    Attributes:
        reference: rows that count as normal: those of the training where they are given, else all.
        held_out: rows that the model was not trained on; None where that is not known.
        every: all rows, which are kept with the run.
        training_keys: content keys of the rows that it was trained on; none where they are not known.
        new_keys: content keys of the rows that were stated to be new to it; None where nothing was stated.
        trained: how many rows it was trained on; 0 where that is not known.
        findings: what was found in the labels.
    """

    reference: Dataset
    held_out: Dataset | None
    every: Dataset
    training_keys: Hashes
    new_keys: Hashes | None = None
    trained: int = 0
    findings: tuple[Finding, ...] = ()


def read_adopted_rows(request: AdoptionRequest, project: Project, schema: TableSchema | None) -> AdoptedRows:
    """Read the rows as the model reads them, and part those that it was trained on from the others.

    Args:
        request: the adoption.
        project: says which columns are the inputs and the label.
        schema: of the inputs of a table; None for texts.

    Raises:
        UsageError: the training rows are given, and it is stated that there are none among the rows.
        DataError: the rows cannot be read, none has a label that the model knows, or the model was trained on each.
    """
    if request.all_new and request.trained_on is not None:
        raise UsageError(
            "The rows of the training are given, and all rows are stated to be new.",
            next_step="Leave out --all-new: rows that are among those of --trained-on are left out by themselves.",
            code="adopt.rows-contradict",
        )
    found: list[Finding] = []
    rows = _spell_labels(build_dataset(project, request.rows, found, schema=schema), request.found, found)
    keys = content_keys(rows.inputs)
    none = np.empty(0, dtype=np.uint64)
    if request.all_new:
        return AdoptedRows(rows, rows, rows, none, np.unique(keys), findings=tuple(found))
    if request.trained_on is None:
        return AdoptedRows(rows, None, rows, none, findings=tuple(found))
    before, seen = _read_training_rows(request.trained_on, request, project, schema)
    unseen = ~np.isin(keys, seen)
    if not unseen.any():
        raise DataError(
            f"The model was trained on each of {format_count(len(rows), 'row')} of {request.rows_source}, so none can "
            "evaluate it.",
            next_step="Give rows that it has not seen: --data FILE.",
            code="adopt.no-new-rows",
        )
    held_out = rows.take(unseen)
    TaskData.find_for(project.task).require_varied(held_out.labels, "among the rows that the model was not trained on")
    if before is None:
        return AdoptedRows(held_out, held_out, held_out, seen, trained=len(request.trained_on), findings=tuple(found))
    every = join_datasets(before, held_out)
    return AdoptedRows(before, held_out, every, seen, trained=len(before), findings=tuple(found))


def _read_training_rows(
    frame: pd.DataFrame, request: AdoptionRequest, project: Project, schema: TableSchema | None
) -> tuple[Dataset | None, Hashes]:
    """The rows of the training, None where they have no labels, and the keys of their contents."""
    if project.data.label in frame.columns:
        rows = _spell_labels(build_dataset(project, frame, [], schema=schema), request.found, [])
        return rows, content_keys(rows.inputs)
    if schema is not None:
        require_columns(request.found, frame, [column.name for column in schema.columns])
        return None, content_keys(conform_frame(frame, schema))
    text = project.data.text or "text"
    if text not in frame.columns:
        known = join_names([str(name) for name in frame.columns])
        raise DataError(
            f"The training rows have no column '{text}'; they have {known}.",
            next_step="Give the rows that the model was fitted on, with the same column of texts.",
            code="data.column-missing",
            column=text,
        )
    words = frame[text].dropna().map(str)
    return None, content_keys(pd.Series(words.to_list(), dtype=object, name=text))


def _spell_labels(rows: Dataset, model: FittedModel, found: list[Finding]) -> Dataset:
    """The rows with each label as the model spells its class; a label that it does not know stays as it is."""
    classes = TaskModels.find_for(rows.task).list_model_classes(model.model)
    if not classes:
        return rows
    codec = LabelCodec(classes)
    spelt = {label: codec.spell(label) for label in rows.labels.unique()}
    unknown = [label for label, name in spelt.items() if name not in classes]
    if len(unknown) == len(spelt):
        raise DataError(
            f"No label of '{rows.labels.name}' ({join_names(list(map(str, unknown[:5])))}) is a class of the model "
            f"({join_names(list(classes[:5]))}).",
            next_step="Name the column of what the model predicts (--label COLUMN), or write its labels as the model's "
            "classes.",
            code="adopt.other-labels",
        )
    if unknown:
        count = int(rows.labels.isin(unknown).sum())
        found.append(
            Finding(
                "adopt.unknown-labels",
                "warning",
                str(rows.labels.name),
                "Labels that the model does not know",
                f"{format_count(count, 'row')} of '{rows.labels.name}' have labels that the model does not know "
                f"({join_names(list(map(str, unknown[:5])))}); each counts as an error of the model.",
                score=count / len(rows),
                next_step="Correct the labels, or train a version that knows these classes.",
            )
        )
    if all(label == name for label, name in spelt.items()):
        return rows
    labels = rows.labels.map(spelt)
    frame = rows.frame.assign(**{str(labels.name): labels})
    return replace(rows, labels=labels, frame=frame, row_digests=row_digests(rows.inputs, labels))
