"""From a project file to its labelled rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.data.conform.big_integers import describe_big_integers
from tiltyard.data.conform.column_findings import describe_number_signs, describe_unread_dates
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.gaps import GapDecisions
from tiltyard.data.conform.labels import LabelCodec, point_decimals
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import row_digests
from tiltyard.data.dataset import Dataset
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.rare_classes import settle_rare_classes
from tiltyard.data.set_aside import keep_complete_rows
from tiltyard.data.sources import FORMATS, WRITING_KEYS, detect_layout, read_source
from tiltyard.data.sources.source_reading import find_source_files
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.project import DataSection, Project
from tiltyard.suggest import nearest
from tiltyard.tasks import Task, reads_text


def load_dataset(project: Project, split_schema: TableSchema | None = None) -> Dataset:
    """Read the rows that a project file describes, with its rare classes treated as it says.

    Args:
        project: the project.
        split_schema: the columns and kinds by which rows were divided before; default: by the features.

    Raises:
        DataError: as of ``read_dataset``; or a class is rare and the project refuses such classes.
    """
    return settle_rare_classes(read_dataset(project, split_schema), project)


def read_dataset(project: Project, split_schema: TableSchema | None = None) -> Dataset:
    """Read the rows that a project file describes, those of rare classes too.

    Args:
        project: the project.
        split_schema: the columns and kinds by which rows were divided before; default: by the features. Where the rows
            do not have them any more, the features decide, and a finding says so.

    Raises:
        DataError: the source cannot be read, a column is missing, no row has a label (or one has none and the project
            refuses such rows), there is only one label, the labels are a quantity and the task predicts classes, or
            one is not a finite number and it predicts numbers.
    """
    found: list[Finding] = []
    frame = _read_frame(project.data, project.root, found)
    return build_dataset(project, frame, found, split_schema=split_schema)


def build_dataset(
    project: Project,
    frame: pd.DataFrame,
    found: list[Finding],
    *,
    schema: TableSchema | None = None,
    split_schema: TableSchema | None = None,
) -> Dataset:
    """The labelled rows of a frame, as the project's own source would be read.

    Args:
        project: names the label, the text and the features, and says how cells are read.
        frame: n rows with all their columns.
        found: what was found so far; what is found here is added.
        schema: the columns of a table and their kinds, where they are known; default: inferred from the rows.
        split_schema: as of ``read_dataset``.

    Raises:
        DataError: as of ``read_dataset``.
    """
    section = project.data
    rules = ReadingRules.from_section(section)
    frame, labels = keep_complete_rows(frame, _read_labels(frame, section, project.task), section, found)
    labels = labels.astype(TaskData.find_for(project.task).label_type).rename(section.label)
    inputs: pd.Series | pd.DataFrame
    if reads_text(project.task):
        schema, inputs = None, _read_texts(frame, section)
    else:
        features = _select_features(frame, project)
        found += describe_big_integers(features)
        for name in project.serving.unknown_columns:
            _find_column(features, name, "serving.unknown_columns")
        schema = schema or infer_schema(features, rules, split_schema)
        found += [*describe_unread_dates(features, schema), *describe_number_signs(features, schema)]
        inputs = conform_frame(features, schema)
    dataset = Dataset(
        name=project.name,
        task=project.task,
        inputs=inputs,
        labels=labels,
        frame=frame,
        source=section.source,
        row_digests=row_digests(inputs, labels),
        schema=schema,
        rules=rules,
        split_schema=_choose_split_schema(frame, schema, split_schema, found),
    )
    dataset = replace(dataset, findings=tuple(found))
    TaskData.find_for(project.task).require_learnable(labels)
    _require_positive(dataset, section)
    return dataset


def _require_positive(dataset: Dataset, section: DataSection) -> None:
    if section.positive is not None and LabelCodec(dataset.classes).find_class(section.positive) is None:
        raise DataError(
            f"data.positive = {section.positive!r} is not among the labels {', '.join(dataset.classes)}.",
            next_step="Correct data.positive in the project file.",
            code="data.positive-unknown",
        )


def _choose_split_schema(
    frame: pd.DataFrame, now: TableSchema | None, before: TableSchema | None, found: list[Finding]
) -> TableSchema | None:
    """The schema by which rows were divided before, where it is another one than that of the features."""
    if now is None or before is None or _divides_alike(before, now):
        return None
    why = _explain_lost_columns(frame, before)
    if why:
        names = ", ".join(f"'{column.name}'" for column in before.columns)
        found.append(
            Finding(
                "split.columns-changed",
                "warning",
                "split",
                "Rows change sides",
                f"The sides of the split followed from {names} before, and the rows cannot be divided by these any "
                f"more: {why} They follow from the present features now; rows that an earlier version was "
                "trained on are left out where it is compared.",
                next_step="Bring the column back, if only under data.ignore, to keep the sides.",
                evidence={"columns": [column.name for column in before.columns]},
            )
        )
        return None
    return before


def _explain_lost_columns(frame: pd.DataFrame, before: TableSchema) -> str:
    """Why the columns that divided the rows before do not do so any more; empty where they do."""
    try:
        conform_frame(frame, before)
    except DataError as error:
        if error.code != "data.wrong-type":
            return error.message
        # Single cells of another kind, such as a row of sums, do not justify dividing all rows anew.
        read = conform_frame(frame, before, strict=False)
        lost = [name for name in read.columns if 2 * read[name].notna().sum() < frame[name].notna().sum()]
        return error.message if lost else ""
    return ""


def _divides_alike(before: TableSchema, now: TableSchema) -> bool:
    def kinds(schema: TableSchema) -> set[tuple[str, str]]:
        # Truth values are hashed as the numbers 0 and 1.
        return {(one.name, "number" if one.kind == "boolean" else one.kind) for one in schema.columns}

    return kinds(before) == kinds(now)


def read_rows(
    project: Project,
    source: str,
    root: Path | None = None,
    *,
    settle_gaps: bool = True,
    decided: GapDecisions = MappingProxyType({}),
) -> pd.DataFrame:
    """All columns of another source, read as the project's own would be.

    Files with the ending of the project's own are written like them (encoding, separators, columns); how a local file
    of another kind is written is detected.

    Args:
        project: says which columns are text and labels.
        source: a file, folder, glob or URL of files.
        root: folder that a relative source starts from; default: the working folder.
        settle_gaps, decided: as of `read_source`.

    Raises:
        DataError: the source cannot be read.
    """
    folder = root or Path()
    section = find_section(project, source, folder)
    return _read_frame(section, folder, [], settle_gaps=settle_gaps, decided=decided)


def find_section(project: Project, source: str, folder: Path, kind: str | None = None) -> DataSection:
    """``[data]`` for another source: as the project's own with its ending, else as detected.

    Args:
        project: says how its own files are written.
        source: a file, folder, glob or URL of files.
        folder: that a relative source starts from.
        kind: the format of the source, where that is stated.

    Raises:
        DataError: the file is something else than rows, or cannot be decompressed or decoded.
    """
    other: dict[str, object] = {"source": source, "query": None, "table": None}
    ending = _find_ending(project.data.model_copy(update={"source": source, "format": None}), folder)
    own = _find_own_ending(project)
    if ending != own or kind not in (None, project.data.format or FORMATS.get(own)):
        other |= {key: DataSection.model_fields[key].get_default() for key in WRITING_KEYS}
        other |= detect_layout(folder / source, {"format": kind}, header=True).options
    return project.data.model_copy(update=other)


def _find_ending(section: DataSection, root: Path) -> str:
    """The ending of a source; of a folder, that of the first table in it, empty where it holds texts.

    Raises:
        DataError: the folder cannot be reached, or holds no tables that go together.
    """
    ending = PurePosixPath(section.source).suffix.lower()
    bucket = "://" in section.source and section.source.endswith("/")
    if section.format == "folder" or not (bucket or (root / section.source).is_dir()):
        return ending
    files = find_source_files(section, root)
    if not files or files[0].is_folder:
        return ending if files is None else ""
    return PurePosixPath(files[0].name).suffix.lower()


def _find_own_ending(project: Project) -> str:
    if "://" in project.data.source:
        return PurePosixPath(project.data.source).suffix.lower()
    try:
        return _find_ending(project.data, project.root)
    except DataError:  # the rows of the training need not be on this host, nor be in order
        return ""


def _read_frame(section: DataSection, root: Path, found: list[Finding], **settling: Any) -> pd.DataFrame:
    """All columns of a source; its labels are read as text, which the decimal separator of the file applies to."""
    frame = read_source(section, root, verbatim=_verbatim_columns(section), found=found, **settling)
    if section.decimal == "." or section.label not in frame:
        return frame
    return frame.assign(**{section.label: point_decimals(frame[section.label], section.decimal)})


def _verbatim_columns(section: DataSection) -> tuple[str, ...]:
    return tuple(name for name in (section.text, section.label) if name is not None)


def _find_column(frame: pd.DataFrame, name: str, key: str) -> pd.Series:
    if name not in frame.columns:
        columns = [str(column) for column in frame.columns]
        raise DataError(
            f"The data has no column '{name}' ({key}); it has {', '.join(columns)}.{nearest(name, columns)}",
            next_step=f"Correct {key} in the project file.",
            code="data.column-missing",
            column=name,
        )
    return frame[name]


def _read_labels(frame: pd.DataFrame, section: DataSection, task: Task) -> pd.Series:
    column = _find_column(frame, section.label, "data.label")
    return TaskData.find_for(task).conform_labels(column, section.gaps or ())


def _read_texts(frame: pd.DataFrame, section: DataSection) -> pd.Series:
    column = _find_column(frame, section.text or "text", "data.text")
    wrong = ~column.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"Column '{column.name}' holds {column.iloc[row]!r} in row {row + 1} where a text belongs.",
            next_step="Correct data.text, or write texts into that column.",
            code="data.not-text",
            column=str(column.name),
        )
    # Plain Python strings: every later step (hashing, vectorising, scoring) wants exactly these.
    return pd.Series(column.to_list(), dtype=object, name=column.name)


def _select_features(frame: pd.DataFrame, project: Project) -> pd.DataFrame:
    section = project.data
    if section.features is not None:
        for name in section.features:
            _find_column(frame, name, "data.features")
        return frame[list(section.features)]
    for name in section.ignore:
        _find_column(frame, name, "data.ignore")
    names = [name for name in frame.columns if name not in project.columns_left_out]
    if not names:
        raise DataError(
            "There is no feature column besides the label.",
            next_step="Name feature columns in data.features.",
            code="data.no-features",
        )
    return frame[names]
