"""``[data]``, ``[schema]``, ``[validation]`` and ``[split]``: the rows, and their checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, field_validator, model_validator

from tiltyard.project.base import ColumnName, Portion, Section, Share, normalise_name
from tiltyard.suggest import nearest


def is_date_order(value: str) -> bool:
    """Whether ``data.dates`` may be a value: a known order, or a format that Python's ``strptime`` reads."""
    if value in ("iso", "day-first", "month-first"):
        return True
    try:
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(value), value)  # noqa: DTZ007
    except ValueError:
        return False
    return "%" in value


class DataSection(Section):
    """The source of the labelled rows, and the meaning of its columns."""

    source: str = Field(
        min_length=1,
        description="Labelled rows: a file, folder or glob (relative to the project file), a URL of files "
        "(`s3://…`, `az://…`, `gs://…`, `https://…`), the URL of a database, or `sklearn:NAME`. `${NAME}` in it is "
        "taken from the environment or `.env`.",
    )
    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "excel", "folder"] | None = Field(
        default=None, description="Format of the source; default: by its name."
    )
    label: ColumnName = Field(default="label", description="Column of the label.")
    positive: str | None = Field(
        default=None,
        description="Label that counts as positive (two classes), in any spelling; default: the last class in order.",
    )
    text: ColumnName | None = Field(default=None, description="Column of the text (text-classification).")
    unlabelled: Literal["set-aside", "refuse"] = Field(
        default="set-aside",
        description='Rows without a label or a text: "set-aside" (counted and named in a finding), or "refuse".',
    )
    rare_classes: Literal["set-aside", "merge", "refuse"] = Field(
        default="set-aside",
        description="Classes with too few rows to be learnt and evaluated (none on the test side, fewer than two or "
        "than `training.folds` on the train side, or a share below `validation.min_class_share`): "
        '"set-aside" (named in a finding), "merge" (into the class `other`), or "refuse".',
    )
    features: tuple[ColumnName, ...] | None = Field(
        default=None,
        description="Feature columns (tabular-classification); default: all but the label and ignored ones.",
    )
    ignore: tuple[ColumnName, ...] = Field(default=(), description="Columns that are never features.")
    time: ColumnName | None = Field(default=None, description="Column with the time at which a row was created.")
    slices: tuple[ColumnName, ...] = Field(
        default=(), description="Columns whose values are evaluated one by one; a feature or any other column."
    )
    sensitive: tuple[ColumnName, ...] = Field(
        default=(), description="Columns whose groups fairness compares; they stay features unless ignored."
    )
    encoding: str = Field(
        default="utf-8", description='Encoding of text files, such as "utf-8", "utf-16" or "windows-1252".'
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Character between the cells of delimited text; default: a comma, for .tsv a tab.",
    )
    quoting: Literal["standard", "none"] = Field(
        default="standard",
        description='"standard": a cell may stand in double quotes; "none": a quote is a character like any other.',
    )
    decimal: Literal[".", ","] = Field(default=".", description="Decimal separator of numbers in delimited text.")
    thousands: Literal[",", ".", "'", " "] | None = Field(
        default=None, description="Separator between the thousands of numbers in delimited text."
    )
    gaps: tuple[str, ...] | None = Field(
        default=None,
        description="Words that stand for a missing value, in every column but the text; default: the usual ones "
        "(`NA`, `null`, `None`, …). Empty cells always do.",
    )
    timezone: str | None = Field(
        default=None,
        description="Time zone such as `Europe/Paris`; default: UTC. Times of features that name a zone are converted "
        "to it, and times of imported labels that name none are in it.",
    )
    dates: str = Field(
        default="iso",
        description='How dates are written; ISO 8601 is always read: "iso", "day-first" (31.12.2026), '
        '"month-first" (12/31/2026), or a format such as "%d %b %Y".',
    )
    unreadable_dates: Literal["refuse", "gap"] = Field(
        default="refuse",
        description='What becomes of a date that cannot be read: "refuse" stops, "gap" makes it missing.',
    )
    columns: tuple[ColumnName, ...] | None = Field(
        default=None,
        min_length=1,
        description="Names of the columns of delimited text without a header; a first line of these names only is one.",
    )
    sheet: str | None = Field(default=None, description="Sheet of an Excel workbook; default: its first.")
    query: str | None = Field(default=None, description="SQL query for the rows (source is a database).")
    table: str | None = Field(default=None, description="Table of the rows, or SCHEMA.TABLE (source is a database).")
    max_memory_share: float = Field(
        default=0.9,
        gt=0,
        description="Share of the free memory that the data may need, by estimate; more than 1 overrules the estimate.",
    )
    snapshots: bool = Field(
        default=True,
        description="Whether a training stores its rows (once for the same rows), so that its version can be trained "
        "again on them.",
    )
    max_snapshot_gb: float = Field(
        default=2.0, gt=0, description="Size of the rows in memory, in GB, above which a training does not store them."
    )

    @field_validator("positive", mode="before")
    @classmethod
    def _write_positive(cls, value: object) -> object:
        # A class that is a number or a boolean may be written as one.
        return str(value) if isinstance(value, bool | int | float) else value

    @field_validator("dates")
    @classmethod
    def _known_order(cls, value: str) -> str:
        if is_date_order(value):
            return value
        raise ValueError('must be "iso", "day-first", "month-first" or a format such as "%d %b %Y"')

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        try:
            return None if value is None else ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{value}' is not a time zone.{nearest(str(value), available_timezones())}") from None

    @model_validator(mode="after")
    def _distinct_separators(self) -> DataSection:
        if self.thousands is not None and self.thousands == self.decimal:
            raise ValueError("decimal and thousands must be different characters")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice")
        return self


ColumnType = Literal["number", "integer", "boolean", "category", "text", "time"]


class ColumnSchema(Section):
    """What one column must hold."""

    type: ColumnType = Field(description="Kind of its values.")
    required: bool = Field(default=True, description="Whether the column must exist.")
    missing: bool = Field(default=True, description="Whether cells may be missing.")
    values: tuple[str, ...] | None = Field(default=None, description="The known categories.")
    minimum: float | None = Field(default=None, description="Smallest number.")
    maximum: float | None = Field(default=None, description="Largest number.")


class ValidationSection(Section):
    """How bad data may be before training stops. A value equal to its limit is still accepted."""

    max_missing: Portion = Field(
        default=0.95, description="Largest share of missing cells in a column (for the label, none may be missing)."
    )
    max_duplicates: Portion = Field(
        default=0.5, description="Largest share of rows that repeat an earlier row (for text: an earlier text)."
    )
    max_outliers: Portion = Field(default=0.25, description="Largest share of outliers in a column of numbers.")
    max_garbage: Portion = Field(default=0.05, description="Largest share of texts that are empty or not language.")
    max_leakage: Portion = Field(
        default=0.99,
        description="Largest power of a single column to predict the label: 0 is chance, 1 is perfect.",
    )
    max_overlap: Portion = Field(
        default=0.25, description="Largest share of test rows whose inputs are also among the training rows."
    )
    max_drift: Portion = Field(
        default=0.2,
        description="Largest drift of a column or of the label from the data set that `tiltyard validate --against` "
        "names, in the measure of its test; less, from `monitoring.drift_threshold` on, is a warning.",
    )
    min_rows: int = Field(default=20, ge=0, description="Fewest rows to train on.")
    min_class_share: Portion = Field(default=0.001, description="Smallest share of rows of the rarest label.")
    fail_on: Literal["error", "warning", "never"] = Field(
        default="error", description="Least severity of a finding for which the data is refused."
    )
    ignore: tuple[str, ...] = Field(
        default=(), description='Findings to ignore: "CODE", or "CODE:COLUMN" for one column only.'
    )


class SplitSection(Section):
    """The test rows and the training rows."""

    test: Share = Field(default=0.2, description="Share of the rows that are held out for evaluation.")
    by: str = Field(
        default="content",
        description='"content" (hash of the row), "time" (the newest rows are the test rows) or "column:NAME".',
    )
    group: ColumnName | None = Field(
        default=None,
        description="Column whose equal values mark rows that belong together (a customer, a film): all rows of a "
        "group are on one side, and in one fold of the cross-validation. It is a feature only if `data.features` names "
        "it.",
    )
    salt: str = Field(default="", description="Changes which rows, or groups, the content split holds out.")

    @field_validator("by")
    @classmethod
    def _check_rule(cls, value: str) -> str:
        if value in ("content", "time"):
            return value
        if value.startswith("column:") and (name := normalise_name(value.removeprefix("column:"))):
            return f"column:{name}"
        raise ValueError('must be "content", "time" or "column:NAME"')
