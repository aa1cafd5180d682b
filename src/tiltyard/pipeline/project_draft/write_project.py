"""The text of a first project file: TOML with a comment for each choice."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tiltyard.data.inference.infer_columns import InferredColumns
from tiltyard.data.inference.task_part import TaskData
from tiltyard.formatting import format_count
from tiltyard.models import CANDIDATES, find_default
from tiltyard.pipeline.project_draft.request import DraftRequest, FirstRead
from tiltyard.pipeline.task_part import TaskPipeline
from tiltyard.project import ColumnSchema, SplitSection
from tiltyard.project.toml_values import quote_toml, write_toml_comment, write_toml_value
from tiltyard.tasks import reads_text

MEANINGS = {
    "format": "what the file is",
    "encoding": "encoding of its characters",
    "separator": "character between two cells",
    "quoting": "quotes are characters like any other",
    "decimal": "decimal separator of numbers",
    "thousands": "separator between thousands",
    "columns": "names of its columns: it has no header",
    "sheet": "sheet of the workbook",
}


def write_project(
    request: DraftRequest, read: FirstRead, guess: InferredColumns, accepted: tuple[str, ...] = ()
) -> str:
    """The project file for a guess, without its ``[schema]``."""
    lines = [
        "# Addresses and secrets belong in the environment, never in this file. See: tiltyard doctor",
        "[project]",
        _write_key("name", request.name or _name_project(request.output)),
        *([] if request.model is None else [_write_key("model", request.model)]),
        _write_key("task", guess.task),
        "",
        "[data]",
        *_write_data(request, read, guess),
        "",
        "[split]",
        _write_key("test", SplitSection().test, "share of rows held out for evaluation"),
        *_write_split(request, read, guess),
        "",
        "[training]",
        _write_candidates(guess),
        _write_key("metric", guess.metric, f"compares candidates and versions; {guess.metric_reason}"),
        "",
        *_write_validation(accepted),
        "[promotion]",
        _write_key("rule", "significant", 'or "better", or "non-inferior"'),
        _write_key("alpha", 0.05, "accepted rate of false promotions"),
        _suggest_floor(guess),
        "",
        "[serving]",
        "port = 8000",
        "",
    ]
    return "\n".join(lines)


def _suggest_floor(guess: InferredColumns) -> str:
    return TaskPipeline.find_for(guess.task).suggest_floor(guess.metric)


def write_schema(schema: Mapping[str, ColumnSchema]) -> str:
    """The ``[schema]`` of a project file."""
    lines = ["", "[schema]      # what each column must hold; tiltyard validate and train check the data against it"]
    for name, column in schema.items():
        fields = column.model_dump(exclude_defaults=True)
        written = ", ".join(f"{key} = {write_toml_value(value)}" for key, value in fields.items())
        lines.append(f"{quote_toml(name)} = {{ {written} }}")
    return "\n".join([*lines, ""])


def _write_key(key: str, value: object, comment: str = "") -> str:
    return f"{key} = {write_toml_value(value)}" + (write_toml_comment(comment) if comment else "")


def _write_data(request: DraftRequest, read: FirstRead, guess: InferredColumns) -> list[str]:
    source = os.path.relpath(request.data.resolve(), request.output.resolve().parent)
    lines = [_write_key("source", Path(source).as_posix(), "a file, a folder with one subfolder for each label, a URL")]
    lines += [_write_key(key, value, MEANINGS.get(key, "")) for key, value in read.layout.options.items()]
    lines += _write_dates(read, guess)
    if guess.text:
        lines.append(_write_key("text", guess.text, "column of the text"))
    lines.append(
        _write_key(
            "label",
            guess.label,
            f"column of the label: {TaskData.find_for(guess.task).describe_label(guess.classes)}{_list_others(guess)}",
        )
    )
    if guess.positive is not None:
        comment = "label for which precision, recall and F1 are computed"
        lines.append(_write_key("positive", guess.positive, comment))
    if guess.time:
        lines.append(_write_key("time", guess.time, "when a row was created"))
    if request.sensitive:
        lines.append(_write_key("sensitive", request.sensitive, "columns whose groups fairness compares"))
    if not reads_text(guess.task) and guess.ignored:
        lines.append("ignore = [      # columns that are never features")
        reasons = {column.name: column.reason for column in guess.columns}
        lines += [f"    {quote_toml(name)},{write_toml_comment(reasons[name])}" for name in guess.ignored]
        lines.append("]")
    return lines


def _write_dates(read: FirstRead, guess: InferredColumns) -> list[str]:
    used = {column.name for column in guess.columns if column.role in ("feature", "time")}
    lines = []
    columns = [name for name in read.dates.columns if name in used]
    if columns:
        meaning = f"how dates are written, next to ISO 8601: {read.dates.columns[columns[0]]}"
        lines.append(_write_key("dates", read.dates.order, meaning))
    cells = sum(count for name, count in read.dates.unreadable.items() if name in used)
    if cells:
        meaning = f"{format_count(cells, 'cell')} of columns of dates cannot be read; or: refuse"
        lines.append(_write_key("unreadable_dates", "gap", meaning))
    return lines


def _list_others(guess: InferredColumns) -> str:
    others = ", ".join(f"'{found.name}'" for found in guess.runners_up)
    return f"; else perhaps {others}" if others else ""


def _write_split(request: DraftRequest, read: FirstRead, guess: InferredColumns) -> list[str]:
    by = "column:split" if read.folder and "split" in read.frame.columns else "content"
    also = '"time", or ' if guess.time else ""
    lines = [_write_key("by", by, f'"content": a row never changes sides; or {also}"column:NAME"')]
    if request.group is not None:
        lines.append(_write_key("group", request.group, "rows of one group are on one side"))
    elif guess.group_keys:
        comment = "if its rows belong together: each group is on one side"
        lines.append("# " + _write_key("group", guess.group_keys[0], comment))
    return lines


def _write_candidates(guess: InferredColumns) -> str:
    fitting = [candidate.name for candidate in CANDIDATES.values() if candidate.task == guess.task]
    # The file names it, so that every host trains the same one, or says what it lacks.
    default = find_default(guess.task).candidate.name
    others = ", ".join(quote_toml(name) for name in fitting if name != default)
    return _write_key("candidates", (default,), f"also: {others}; several compete")


def _write_validation(accepted: tuple[str, ...]) -> list[str]:
    if not accepted:
        return []
    return ["[validation]", _write_key("ignore", accepted, "findings that were accepted"), ""]


def _name_project(output: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", output.resolve().parent.name).strip("-._") or "project"
