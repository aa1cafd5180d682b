"""The columns a table model was trained on: checking inputs against them, and building its data frame."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tiltyard.data.conform.cells import is_gap, normalise_text, parse_number, write_category
from tiltyard.data.conform.dates import describe_orders
from tiltyard.data.conform.rows import CellError, CellReader, make_cell_reader
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.scoring.input_errors import MISSING, MOST_PROBLEMS, InputProblem, advise_names, refuse_inputs, write_value
from tiltyard.scoring.input_warnings import InputWarning, UnknownColumns, Warnings, join_warnings, shorten_cell

if TYPE_CHECKING:
    import pandas as pd

InputKind = Literal["number", "boolean", "text", "time", "any"]
"""What a value in a request may be: the words of the HTTP interface, for a column's dtype at training."""

# A number that is not a finite float has no meaning for a model.
LARGEST = float(np.finfo(np.float64).max)
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class InputColumn:
    """One feature.

    Attributes:
        name: the feature's name.
        dtype: pandas dtype that the column had at training, such as ``float64`` or ``str``.
    """

    name: str
    dtype: str

    @property
    def kind(self) -> InputKind:
        """What a value of this column has to be."""
        name = self.dtype.lower()
        if name.startswith(("int", "uint", "float")):
            return "number"
        if name.startswith("bool"):
            return "boolean"
        if name.startswith(("str", "category", "large_string")):
            return "text"
        if name.startswith(("datetime", "timestamp")):
            return "time"
        return "any"

    @property
    def whole(self) -> bool:
        """Whether the column held whole numbers or booleans, so that its dtype has no room for a gap."""
        return self.dtype.startswith(("int", "uint", "bool"))


class InputColumns:
    """The ordered columns of a table model.

    Args:
        dtypes: the features in training order, with the pandas dtype of each.
        others: the other columns of the training file: they may be in a row, and the model does not read them.
        schema: of the training rows; None where it is not known.

    Attributes:
        names: the features.
        others, schema: see above.
    """

    def __init__(
        self, dtypes: Mapping[str, str], others: Collection[str] = (), schema: TableSchema | None = None
    ) -> None:
        self._columns = tuple(InputColumn(name, dtype) for name, dtype in dtypes.items())
        self.names = frozenset(dtypes)
        self.others = frozenset(others) - self.names
        self.schema = schema
        typed = {} if schema is None else {column.name: column for column in schema.columns}
        rules = USUAL_RULES if schema is None else schema.rules
        self._rules = rules
        self._dates_with_gaps = tuple(
            column.name
            for column in self._columns
            if rules.unreadable_dates == "gap" and column.name in typed and typed[column.name].kind == "time"
        )
        self._readers = {
            column.name: make_input_reader(column, typed.get(column.name), rules) for column in self._columns
        }

    def __iter__(self) -> Any:
        return iter(self._columns)

    def kind_of(self, name: str) -> InputKind:
        """What a value of the column has to be."""
        return next(column.kind for column in self._columns if column.name == name)

    def read(self, inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The features of n rows as the model takes them; see ``make_input_reader``.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        readers = self._readers.items()
        try:
            return [{name: read(cells[name]) for name, read in readers} for cells in map(self.name_cells, inputs)]
        except (CellError, KeyError):
            raise refuse_inputs(self.problems(inputs)) from None

    @property
    def reads_unsure_dates(self) -> bool:
        """Whether a cell that cannot be read as a date counts as a gap, of which each row is warned."""
        return bool(self._dates_with_gaps)

    def reader_of(self, name: str) -> CellReader:
        """What reads the cells of a column."""
        return self._readers[name]

    def name_cells(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row by conforming names, where its own lack a feature: without outer white space, and composed."""
        return row if row.keys() >= self.names else {normalise_text(str(name)): row[name] for name in row}

    def problems(self, inputs: Sequence[Mapping[str, Any]]) -> list[InputProblem]:
        """Everything that keeps inputs from being scored: missing and wrongly typed features.

        With a missing feature, columns that the model does not know are named too; without, they are not a problem
        (see ``find_warnings``).
        """
        found: list[InputProblem] = []
        unknown = UnknownColumns(self.names, self.others)
        for position, row in enumerate(map(self.name_cells, inputs)):
            if not row.keys() >= self.names:
                found += self._find_misnamed(position, row, unknown)
            for column in self._columns:
                value = row.get(column.name)
                try:
                    self._readers[column.name](value)
                except CellError:
                    found.append(InputProblem(position, column.name, _mismatch(self._expect(column), value)))
        return found

    def _expect(self, column: InputColumn) -> str:
        if column.kind == "time" and self.schema is not None:
            return f"a date as text, written as {describe_orders(self._rules)},"
        return _EXPECTED[column.kind]

    def fits_training(self, row: Mapping[str, Any]) -> bool:
        """Whether a row that was read fits the exact dtypes of the training data.

        A gap or a fraction in a column that held whole numbers cannot.
        """
        return all(_fits(column, row[column.name]) for column in self._columns if column.whole)

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """The data frame of n rows that were read, with the columns, order and dtypes of the training data.

        A row that does not fit the training dtypes widens its column, so it is to be framed alone: no other
        input may change with it.
        """
        import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

        return pd.DataFrame(
            {column.name: _series(column, [row[column.name] for row in rows]) for column in self._columns}
        )

    def find_warnings(self, inputs: Sequence[Mapping[str, Any]]) -> Warnings | None:
        """The warnings of n checked rows about raw cells and columns; None if there are none.

        They name columns that the model does not know, and dates that cannot be read and so are missing.
        """
        return join_warnings(self._find_unread_dates(inputs), self._find_unknown_columns(inputs))

    def _find_unread_dates(self, inputs: Sequence[Mapping[str, Any]]) -> list[list[InputWarning]] | None:
        if not self._dates_with_gaps:
            return None
        gaps = self._rules.gap_words
        message = f"cannot be read as a date, written as {describe_orders(self._rules)}, and counts as missing"
        warnings = []
        for row in map(self.name_cells, inputs):
            cells = ((name, row[name]) for name in self._dates_with_gaps)
            unread = ((name, cell) for name, cell in cells if self._readers[name](cell) is None)
            warnings.append(
                [
                    InputWarning(name, "unreadable-date", shorten_cell(cell), message)
                    for name, cell in unread
                    if not is_gap(cell, gaps)
                ]
            )
        return warnings

    def _find_unknown_columns(self, inputs: Sequence[Mapping[str, Any]]) -> list[list[InputWarning]] | None:
        if all(len(row) == len(self.names) or row.keys() <= self.names | self.others for row in inputs):
            return None
        unknown = UnknownColumns(self.names, self.others)
        return [unknown.find(self.name_cells(row)) for row in inputs]

    def _find_misnamed(self, position: int, row: Mapping[str, Any], unknown: UnknownColumns) -> list[InputProblem]:
        missing = [column.name for column in self._columns if column.name not in row]
        others = unknown.find(row)
        advice = advise_names([column.name for column in self._columns]) if others else ""
        message = "is missing (send null for a value that is not known)"
        return [InputProblem(position, name, message, MISSING, advice) for name in missing[:MOST_PROBLEMS]] + [
            InputProblem(position, one.field, one.message, one.code, advice) for one in others
        ]


def make_input_reader(column: InputColumn, typed: TypedColumn | None, rules: ReadingRules) -> CellReader:
    """What reads the raw cells of a feature: as the schema of the training rows says, else as its dtype does.

    Args:
        column: the feature.
        typed: its column in the schema; None for a version that keeps none.
        rules: how cells are read.

    Returns:
        A function from a raw cell to a finite float, a bool, a str or None for a gap, that raises `CellError` for
        anything else. Without a schema, texts stay as they are.
    """
    if column.kind == "number" or column.kind == "boolean":  # noqa: PLR1714 - narrows
        return make_cell_reader(typed or TypedColumn(column.name, column.kind, nullable=True), rules)
    if column.kind == "text":
        return _read_text if typed is None else make_cell_reader(typed, rules)
    if column.kind == "time" and typed is not None:
        return make_cell_reader(typed, rules)
    return _read_time if column.kind == "time" else _read_scalar


def _read_text(raw: Any) -> str | None:
    if isinstance(raw, str):
        return raw
    return None if _is_gap(raw) else _require(write_category(raw))


def _read_time(raw: Any) -> Any:
    if not _is_gap(raw):
        import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

        try:
            pd.Timestamp(_require(raw if isinstance(raw, str | pd.Timestamp) else None))
        except ValueError:
            raise CellError from None
    return raw


def _read_scalar(raw: Any) -> Any:
    if isinstance(raw, str | bool | np.bool_) or _is_gap(raw):
        return raw
    return _require(raw if parse_number(raw, USUAL_RULES) not in (None, math.inf, -math.inf) else None)


def _require(value: Any) -> Any:
    if value is None:
        raise CellError
    return value


def _is_gap(value: Any) -> bool:
    return is_gap(value, ())


_EXPECTED: dict[InputKind, str] = {
    "number": "a finite number",
    "boolean": "true or false",
    "text": "a text",
    "time": "a time in ISO 8601 as text",
    "any": "a text, a number or a boolean",
}


def _mismatch(expected: str, value: Any) -> str:
    return f"has to be {expected} or null, and is {write_value(value)}"


def _fits(column: InputColumn, value: Any) -> bool:
    if _is_gap(value):
        return False
    if column.kind == "boolean":
        return True
    return float(value).is_integer() and _INT64.min <= value <= _INT64.max


def _series(column: InputColumn, values: list[Any]) -> pd.Series:
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

    if column.kind == "any":
        # scikit-learn knows a gap among objects by NaN, not by None.
        return pd.Series([np.nan if value is None else value for value in values], dtype=object)
    if column.kind == "time":
        zoned = "utc" in column.dtype.lower()
        moments = pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True))
        return moments if zoned else pd.Series(moments.dt.tz_localize(None), dtype=column.dtype)
    if column.whole and not all(_fits(column, value) for value in values):
        return pd.Series(values, dtype="float64")
    if column.dtype == "category":
        return pd.Series(values, dtype="str")
    return pd.Series(values, dtype=column.dtype)
