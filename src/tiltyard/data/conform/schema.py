"""The columns of a table, and how their cells are read, as they are kept with a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.errors import DataError
from tiltyard.jsonable import from_jsonable, to_json_object

SchemaKind = Literal["number", "boolean", "category", "time", "empty"]
"""The kinds that a schema keeps: texts are categories to a model of tables."""

# Columns with more categories than this are named without them.
MOST_CATEGORIES = 100
# A version knows more of them, to say what training did not know: so many, and so many characters in all.
MOST_KNOWN, MOST_KNOWN_CHARACTERS = 10_000, 200_000


@dataclass(frozen=True)
class TypedColumn:
    """What one column holds.

    Attributes:
        name: its name.
        kind: what its values are.
        nullable: whether a value was missing when the schema was inferred.
        categories: the known categories, sorted; None for other kinds and where there are more than `MOST_CATEGORIES`;
            in a version, more than `MOST_KNOWN`.
        minimum: smallest finite number, or first date in microseconds since 1970; None for other kinds.
        maximum: largest finite number, or last date; None for other kinds.
        value_words: words that are values of this column although they usually are gaps, such as a region ``NA``.
        sign: of percent or of a currency, that the numbers of this column may be written with.
    """

    name: str
    kind: SchemaKind
    nullable: bool
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    value_words: tuple[str, ...] = ()
    sign: str = ""

    @property
    def dtype(self) -> str:
        """Name of the pandas dtype of a conforming column."""
        if self.kind == "category":
            return "str"
        if self.kind == "time":
            return "datetime64[us]"
        if self.kind == "boolean":
            return "boolean" if self.nullable else "bool"
        return "float64"


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table.

    Attributes:
        columns: in order.
        rules: how their cells are read.
    """

    columns: tuple[TypedColumn, ...]
    rules: ReadingRules = USUAL_RULES

    @property
    def dtypes(self) -> dict[str, str]:
        """The pandas dtype of each column of a conforming frame, by name and in order."""
        return {column.name: column.dtype for column in self.columns}

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON-ready data."""
        return to_json_object(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableSchema:
        """The schema that `to_dict` wrote down; keys that are not its own are passed over.

        Raises:
            DataError: the data is not a schema (``data.schema-unreadable``).
        """
        try:
            return from_jsonable(cls, data)
        except ValueError as error:
            raise DataError(
                f"The column schema cannot be read: {error}.",
                next_step="Infer it anew from the data.",
                code="data.schema-unreadable",
            ) from None
