"""MLflow's scoring protocol: what a body of POST /invocations means for a model of texts or of tables.

Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally, "Inference server specification".
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiltyard.data.conform.cells import normalise_text
from tiltyard.data.conform.rows import CellError
from tiltyard.data.sources.delimited.dialect import (
    Dialect,
    LoneQuoteError,
    Record,
    TooManyCellsError,
    bound_cells,
    find_separator_line,
    has_trailing_cell,
)
from tiltyard.formatting import format_count
from tiltyard.scoring import InputProblem
from tiltyard.scoring.input_errors import advise_names
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import TEXT, TextColumns
from tiltyard.serving.predict.bodies.json_body import parse_json, refuse_empty_body
from tiltyard.serving.predict.bodies.json_values import ValueLimit, replace_nan
from tiltyard.serving.predict.inputs import PredictionRequest, name_rows, read_confidence_level
from tiltyard.serving.problem_details import FieldProblem, RequestError, invalid_fields
from tiltyard.tasks import CONFIDENCE_LEVEL

Rows = list[Mapping[str, Any]]
SEPARATORS = (",", ";", "\t", "|")
# Characters of the line of names in CSV, which is divided by each separator in turn.
_LONGEST_HEADER = 1_000_000
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class SplitFrame(BaseModel):
    """A data frame as pandas writes it with ``orient="split"``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: list[str | int] | None = None
    index: list[Any] | None = None
    data: list[list[Any]]


class Invocation(BaseModel):
    """Inputs in one of MLflow's four forms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataframe_split: SplitFrame | None = Field(default=None, description="Columns and rows.")
    dataframe_records: list[dict[str, Any]] | None = Field(default=None, description="An object for each row.")
    instances: list[Any] | dict[str, list[Any]] | None = Field(default=None, description="Values, rows or objects.")
    inputs: list[Any] | dict[str, Any] | None = Field(default=None, description="Likewise, or a list a column.")
    params: dict[str, Any] | None = Field(
        default=None, description="May hold confidence_level, for which the prediction sets of labels are returned."
    )

    @model_validator(mode="after")
    def _check_one_form(self) -> Invocation:
        sent = [name for name in FORMATS if getattr(self, name) is not None]
        if len(sent) != 1:
            raise ValueError(f"give one of {', '.join(FORMATS)}" + (f", and not {' and '.join(sent)}" if sent else ""))
        unknown = sorted(set(self.params or ()) - {CONFIDENCE_LEVEL})
        if unknown:
            raise ValueError(f"'params' has {unknown[0]!r:.80}, and may have {CONFIDENCE_LEVEL} alone")
        return self


def parse_invocation_json(
    body: bytes | bytearray, columns: InputColumns | TextColumns, limit: ValueLimit
) -> PredictionRequest:
    """The inputs in a JSON body.

    Args:
        body: the body.
        columns: the columns that the model knows, of a table or of texts.
        limit: how many values it may hold.

    Raises:
        RequestError: it is not of the protocol, not for this model, or holds too many values.
    """
    found = parse_json(body, Invocation, limit)
    name = next(name for name in FORMATS if getattr(found, name) is not None)
    names = [columns.name] if isinstance(columns, TextColumns) else [column.name for column in columns]
    if found.dataframe_split is not None:
        rows = _split_rows(found.dataframe_split, names)
    elif found.dataframe_records is not None:
        rows = list(found.dataframe_records)
    else:
        values = getattr(found, name)
        rows = _column_rows(name, values) if isinstance(values, dict) else _list_rows(name, values, names)
    named = _names_columns(found)
    level = read_confidence_level(found.params or {}, "params.")
    request = name_rows(
        [replace_nan(row) for row in rows], columns, lambda problem: _field_path(name, problem, named=named)
    )
    return replace(request, confidence_level=level)


def parse_invocation_csv(
    body: bytes | bytearray, columns: InputColumns | TextColumns, limit: ValueLimit, separator: str = ","
) -> PredictionRequest:
    """The inputs of a CSV body with a line of names; an empty cell is a value that is not known.

    Args:
        body: the body.
        columns: the columns that the model knows, of a table or of texts.
        limit: how many cells it may hold.
        separator: that of the training file; a comma separates too, where it divides the line of names better. A first
            line such as ``sep=;`` states another.

    Raises:
        RequestError: it is empty or not CSV in UTF-8, a name is there twice, or a row has more or fewer cells than
            there are names, or there are too many of them.
    """
    refuse_empty_body(body)
    try:
        # Line by line: the whole text would take four bytes a character.
        with io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="") as lines:
            first = lines.readline(_LONGEST_HEADER + 1)
            if len(first) > _LONGEST_HEADER:
                raise _long_header()
            stated = find_separator_line(first)
            dialect = Dialect(stated[0]) if stated else _choose_dialect(first, columns, separator)
            records = _read_bounded(lines if stated else chain([first], lines), dialect, limit, 2 if stated else 1)
    except (UnicodeDecodeError, csv.Error, LoneQuoteError) as error:
        raise RequestError(
            f"The body is not CSV that can be read: {error}.",
            status=400,
            code="request.malformed",
            next_step="Send CSV in UTF-8 whose first line names the columns.",
        ) from None
    names = [normalise_text(name) for name in records[0].cells] if records else []
    _refuse_doubled_names(names, f"line {records[0].line if records else 1}")
    surplus = has_trailing_cell(records[1:], len(names), sample=len(records))
    rows: Rows = []
    problems: list[FieldProblem] = []
    for number, record in enumerate(records[1:], start=1):
        cells = record.cells[:-1] if surplus else record.cells
        if len(cells) != len(names):
            message = (
                f"has {format_count(len(cells), 'cell')}, and {len(names)} are named (line {record.line} of the body)"
            )
            problems.append(FieldProblem(f"row {number}", message))
            continue
        rows.append({name: _read_cell(cell, name, columns) for name, cell in zip(names, cells, strict=True)})
    if problems:
        raise invalid_fields(problems)
    return name_rows(
        rows,
        columns,
        lambda problem: f"row {problem.position + 1}" + (f".{problem.field}" if problem.field else ""),
    )


def _read_bounded(lines: Iterable[str], dialect: Dialect, limit: ValueLimit, first_line: int) -> list[Record]:
    """The records, while they have no more cells than the limit."""
    try:
        return list(bound_cells(lines, dialect, limit.values, first_line))
    except TooManyCellsError:
        raise limit.surplus_error("cell") from None


def _long_header() -> RequestError:
    return RequestError(
        f"The first line of the CSV has more than {_LONGEST_HEADER:,} characters.",
        status=413,
        code="request.too-large",
        next_step="Send a first line that names the model's columns.",
    )


def _choose_dialect(line: str, columns: InputColumns | TextColumns, separator: str) -> Dialect:
    """The separator that finds the most names of the model in the first line; in doubt, that of the training file."""
    known = set(columns.names) | columns.others

    def count_known(candidate: str) -> int:
        return sum(normalise_text(cell.strip().strip('"')) in known for cell in line.split(candidate))

    return Dialect(max((separator, *SEPARATORS), key=count_known))


def _read_cell(cell: str, name: str, columns: InputColumns | TextColumns) -> Any:
    """A cell as its column's values are; what is none of them is left for the scorer, which refuses it by name."""
    if isinstance(columns, TextColumns) or name not in columns.names:
        return cell
    try:
        return columns.reader_of(name)(cell or None)
    except CellError:
        return cell


def _split_rows(split: SplitFrame, names: Sequence[str]) -> Rows:
    columns = names if split.columns is None else list(map(str, split.columns))
    _refuse_doubled_names(columns, "dataframe_split.columns")
    for position, row in enumerate(split.data):
        if len(row) != len(columns):
            message = f"has {_count(len(row), 'value')}, and the number of columns is {len(columns)}"
            raise invalid_fields([FieldProblem(f"dataframe_split.data[{position}]", message, advise_names(names))])
    return [dict(zip(columns, row, strict=True)) for row in split.data]


def _column_rows(form: str, values: Mapping[str, Any]) -> Rows:
    """Rows of a list for each column, or one row of a value for each."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    lengths = {len(value) for value in lists.values()}
    if len(lengths) > 1:
        raise invalid_fields([FieldProblem(form, f"has columns of {' and '.join(map(str, sorted(lengths)))} values")])
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _list_rows(form: str, values: Sequence[Any], names: Sequence[str]) -> Rows:
    """Rows of objects, of lists in the model's order, or of single values where the model has one column."""
    rows: Rows = []
    for position, value in enumerate(values):
        if isinstance(value, dict):
            rows.append(value)
            continue
        cells = value if isinstance(value, list) else [value]
        if len(cells) != len(names):
            message = f"has {_count(len(cells), 'value')}, and the model reads {_count(len(names), 'column')}"
            step = f"Send the values of a row in this order, or rows that name them. {advise_names(names)}"
            raise invalid_fields([FieldProblem(f"{form}[{position}]", message, step)])
        rows.append(dict(zip(names, cells, strict=True)))
    return rows


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _refuse_doubled_names(names: Sequence[str], place: str) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise invalid_fields([FieldProblem(place, f"names the column '{doubled[0]:.80}' twice")])


def _names_columns(invocation: Invocation) -> bool:
    """Whether the caller named the columns, or sent bare values in the model's order."""
    if invocation.dataframe_split is not None:
        return invocation.dataframe_split.columns is not None
    values = next(value for form in FORMATS if (value := getattr(invocation, form)) is not None)
    return isinstance(values, dict) or any(isinstance(value, dict) for value in values)


def _field_path(form: str, problem: InputProblem, *, named: bool) -> str:
    inner = ".data" if form == "dataframe_split" else ""
    shown = problem.field and (named or problem.field != TEXT)
    return f"{form}{inner}[{problem.position}]" + (f".{problem.field}" if shown else "")
