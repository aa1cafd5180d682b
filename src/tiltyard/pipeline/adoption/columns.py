"""What the columns of the rows are to an adopted model: its inputs, its label, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.data.conform.frames import infer_schema
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import DataError, UsageError
from tiltyard.formatting import format_count, join_names
from tiltyard.pipeline.adoption.request import AdoptionRequest
from tiltyard.pipeline.training.dataframes import plain_name
from tiltyard.project import DataSection, Project
from tiltyard.registry.foreign.columns import read_model_columns
from tiltyard.registry.foreign.estimators import FittedModel, require_task
from tiltyard.suggest import nearest
from tiltyard.tasks import reads_text

_USUAL_LABELS = ("label", "target", "y", "class", "outcome")


def describe_project(request: AdoptionRequest, given: Project | None, section: DataSection | None = None) -> Project:
    """The project by which the rows of an adoption are read: the one that is given, or one that the model implies.

    Args:
        request: the adoption.
        given: the project of a file; None for none.
        section: how the file of the rows is written, where they come from one.

    Raises:
        UsageError: the model is for another task than the project, or no name is given (``adopt.no-name``).
        DataError: the rows lack a column that the model reads, or no column can be its label.
    """
    found = request.found
    if not len(request.rows):
        raise DataError(
            f"{request.rows_source} has no row.", next_step="Give labelled rows: --data FILE.", code="data.empty"
        )
    for name in (request.label, request.text):
        _require_named_column(name, request.rows)
    _refuse_label_among_inputs(found, request.label)
    if given is not None:
        require_task(found, given.task)
        label = request.label or given.data.label
        _refuse_label_among_inputs(found, label)
        update: dict[str, Any] = {"label": label, "text": request.text or given.data.text}
        if not reads_text(given.task):
            known = given.data.features
            names = found.names or _list_inputs(found, request.rows, label, known or (), given.columns_left_out)
            update["features"] = tuple(names)
        own = section or given.data
        return given.model_copy(update={"data": own.model_copy(update=update)})
    if not request.model_name:
        raise UsageError(
            "The adopted model has no name.",
            next_step="Give it one: --model-name NAME (in Python model_name=NAME).",
            code="adopt.no-name",
        )
    label = request.label or _choose_label(found, request.rows, request.text)
    data: dict[str, Any] = {"source": request.rows_source, "label": label}
    if reads_text(found.task):
        data["text"] = request.text or _choose_text(request.rows, label)
    else:
        data["features"] = found.names or _list_inputs(found, request.rows, label, (), (label,))
    written = section.model_copy(update=data) if section is not None else DataSection(**data)
    made = Project.model_validate(
        {
            "project": {"name": plain_name(request.model_name), "task": found.task},
            "data": written.model_dump(),
            "root": Path(),
        }
    )
    # A registered model may be called anything; the name of a project may not.
    named = made.project.model_copy(update={"model": request.model_name})
    return made.model_copy(update={"project": named})


def read_input_schema(found: FittedModel, rows: pd.DataFrame, project: Project) -> TableSchema | None:
    """The columns that a model of tables reads, with the kinds that it has learnt, else those of the rows.

    Raises:
        DataError: the rows lack a column that the model reads (``data.column-missing``).
    """
    if reads_text(project.task):
        return None
    names = list(project.data.features or ())
    require_columns(found, rows, names)
    rules = ReadingRules.from_section(project.data)
    seen = infer_schema(rows[names], rules)
    learnt = read_model_columns(found.model, rows[names], rules)
    if learnt is None:
        return seen
    gaps = {column.name: column.nullable for column in seen.columns}
    # A column of truth values without gaps keeps the dtype that the model was fitted on.
    columns = (
        replace(column, nullable=gaps[column.name]) if column.kind == "boolean" else column for column in learnt.columns
    )
    return TableSchema(tuple(columns), rules)


def require_columns(found: FittedModel, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Make sure that the rows have the columns that a model reads.

    Raises:
        DataError: one is missing (``data.column-missing``).
    """
    known = [str(name) for name in rows.columns]
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"The rows lack {join_names(missing)}, which the {found.kind} reads; they have {', '.join(known)}."
            f"{nearest(missing[0], known)}",
            next_step="Give rows with the columns that it was fitted on, under the same names.",
            code="data.column-missing",
            column=missing[0],
        )


def _require_named_column(name: str | None, rows: pd.DataFrame) -> None:
    known = [str(column) for column in rows.columns]
    if name is not None and name not in known:
        raise DataError(
            f"The rows have no column '{name}'; they have {', '.join(known)}.{nearest(name, known)}",
            next_step="Correct the name (--label, --text).",
            code="data.column-missing",
            column=name,
        )


def _refuse_label_among_inputs(found: FittedModel, label: str | None) -> None:
    if label is not None and label in (found.names or ()):
        raise DataError(
            f"The model reads the column '{label}', which is named as its label: it would copy what it predicts.",
            next_step="Name the column that it predicts: --label COLUMN.",
            code="data.label-among-inputs",
            column=label,
        )


def _choose_label(found: FittedModel, rows: pd.DataFrame, text: str | None) -> str:
    """The label: the only column that the model does not read, or one of a usual name among several."""
    read = {*(found.names or ()), text}
    if reads_text(found.task) and text is None and len(words := _find_words(rows)) == 1:
        read.add(words[0])
    rest = [str(name) for name in rows.columns if str(name) not in read]
    usual = [name for name in rest if name.lower() in _USUAL_LABELS]
    if len(rest) == 1 and (found.names or reads_text(found.task)):
        return rest[0]
    if len(usual) == 1:
        return usual[0]
    if not rest:
        raise DataError(
            f"The rows have no column but those that the {found.kind} reads, so no label.",
            next_step="Add the column of what it should predict, and name it: --label COLUMN.",
            code="data.label-missing",
        )
    raise DataError(
        f"It is not clear which column is the label: {join_names(rest)}.",
        next_step="Name it: --label COLUMN (in Python label=COLUMN).",
        code="data.label-unknown",
    )


def _find_words(rows: pd.DataFrame) -> list[str]:
    cells = (rows.iloc[:, place] for place in range(rows.shape[1]))  # two columns may have one name
    return [str(one.name) for one in cells if one.map(lambda value: isinstance(value, str)).any()]


def _choose_text(rows: pd.DataFrame, label: str) -> str:
    words = [name for name in _find_words(rows) if name != label]
    if len(words) == 1:
        return words[0]
    if "text" in words:
        return "text"
    raise DataError(
        f"It is not clear which column holds the texts: {join_names(words) or 'none holds words'}.",
        next_step="Name it: --text COLUMN (in Python text=COLUMN).",
        code="data.text-unknown",
    )


def _list_inputs(
    found: FittedModel, rows: pd.DataFrame, label: str, known: Sequence[str], aside: Sequence[str]
) -> tuple[str, ...]:
    """The inputs of a model without names: those of the project, else all columns but the label, in their order."""
    names = tuple(known) or tuple(str(name) for name in rows.columns if str(name) not in {label, *aside})
    if found.width is not None and len(names) != found.width:
        raise DataError(
            f"The {found.kind} was fitted on {format_count(found.width, 'column')} without names, and the rows have "
            f"{format_count(len(names), 'column')} besides the label '{label}': {join_names(names)}.",
            next_step="Give rows with its columns in their order and the label, and no others.",
            code="data.column-missing",
        )
    return names
