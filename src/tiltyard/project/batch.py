"""``[batch]``: how whole tables are scored; ``[batch.NAME]``: tables that are scored by name, or by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from tiltyard.project.base import ColumnName, Name, Section
from tiltyard.project.schedule import (
    CronSchedule,
    NewFiles,
    Schedule,
    ScheduleText,
    TimeZone,
    read_schedule,
    require_unit,
)

PLACE = "{name}"
"""What stands in a target for the name of each file of the source."""

_NAME = TypeAdapter(Name)


class BatchTable(Section):
    """A table that is scored by its name (`tiltyard score NAME`), and by itself where it has a schedule."""

    source: str = Field(
        description="What is scored: a file, folder, glob, URL or database; relative to the project file."
    )
    target: str = Field(
        description="Where the results go: a file, a folder/ or the URL of a database; `{name}` stands for the name of "
        "each file of the source, without its ending."
    )
    query: str | None = Field(default=None, description="SQL query for the rows, where the source is a database.")
    table: str | None = Field(default=None, description="Table of the rows, where the source is a database.")
    to_table: str | None = Field(default=None, description="Table of the results, where the target is a database.")
    version: str | None = Field(default=None, description="Version that predicts; default: that of the alias.")
    alias: str | None = Field(default=None, description="Alias of the version that predicts; default: `champion`.")
    columns: tuple[ColumnName, ...] | None = Field(default=None, description="As in `[batch]`, for this table.")
    key: ColumnName | None = Field(default=None, description="As in `[batch]`, for this table.")
    record: Literal["all", "sample", "none"] | None = Field(
        default=None, description="As in `[batch]`, for this table."
    )
    probabilities: bool | None = Field(default=None, description="As in `[batch]`, for this table.")
    confidence_level: float | None = Field(default=None, gt=0, lt=1, description="As in `[batch]`, for this table.")
    strict: bool = Field(
        default=False, description="Whether a row that cannot be scored stops the run, instead of being set aside."
    )
    schedule: ScheduleText | None = Field(
        default=None,
        description='When `tiltyard up` scores it: a cron expression (`"0 2 * * *"`), `"new files"`, or '
        '`"1000 new rows"`; default: only by hand.',
    )
    time_zone: TimeZone = Field(default="UTC", description="Time zone of the cron expression.")

    @property
    def trigger(self) -> Schedule | None:
        """When it is scored by itself; None for never."""
        return None if self.schedule is None else read_schedule(self.schedule, self.time_zone)

    @model_validator(mode="after")
    def _fits_schedule(self) -> BatchTable:
        require_unit(self.schedule, frozenset({"rows"}), "a table")
        placed = PLACE in self.target or PLACE in (self.to_table or "")
        if isinstance(self.trigger, NewFiles) and not placed:
            raise ValueError(
                'target: each new file is scored once, so each needs its own result: write {name} (target = "scores/'
                '{name}.parquet")'
            )
        if placed and not isinstance(self.trigger, NewFiles):
            raise ValueError('target: {name} is for schedule = "new files"')
        if self.time_zone != "UTC" and not isinstance(self.trigger, CronSchedule):
            raise ValueError("time_zone: it is that of a cron expression, and schedule is none")
        for first, second in (("version", "alias"), ("query", "table")):
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise ValueError(f"{first}: {second} is set too; set one of them")
        return self


class BatchSection(Section):
    """How `tiltyard score` scores a whole table. A table `[batch.NAME]` describes one that is scored by its name."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, BatchTable]

    record: Literal["all", "sample", "none"] = Field(
        default="sample",
        description="Which predictions of a batch run are kept in the ledger, for late labels, search and retraining; "
        "the run's profile is kept in any case.",
    )
    sample: int = Field(default=10_000, ge=1, description='Rows of a run that are kept with record = "sample", about.')
    key: ColumnName | None = Field(
        default=None, description="Column with the caller's own key of each row, by which late labels find it."
    )
    columns: tuple[ColumnName, ...] = Field(
        default=(), description='Columns of the source that the result carries along; "*" for all of them.'
    )
    probabilities: bool = Field(default=False, description="Whether the result has the probability of each class.")
    confidence_level: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Confidence of the prediction sets that the result has, such as `0.9`; default: no sets.",
    )
    fragment_rows: int = Field(
        default=250_000, ge=1000, description="Rows of a fragment, about: what is scored and recorded as one piece."
    )
    workers: int | None = Field(
        default=None, ge=1, le=256, description="Processes that score; default: as many as there are processors."
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description="Where these processes are: on this machine, or on the Ray cluster at `RAY_ADDRESS` (extra `ray`), "
        "whose machines all see the project folder, source and target under the same names.",
    )
    at_once: int = Field(default=1, ge=1, le=64, description="Scheduled tables that `tiltyard up` scores at a time.")
    check_seconds: float = Field(
        default=30.0, gt=0, description="How often `tiltyard up` checks for new files and rows."
    )
    settle_seconds: float = Field(
        default=10.0,
        ge=0,
        description="How long a new file must be unchanged before it is scored: until then it may still be written.",
    )

    readable: tuple[str, ...] = Field(
        default=(),
        description="Folders, files and beginnings of URLs (with a slash at the end) that callers of `POST /batch` may "
        "have scored; default: none, and the route is off.",
    )
    results: str = Field(
        default="batch-results", description="Folder of the results of `POST /batch`, relative to the project file."
    )
    jobs: int = Field(default=1, ge=1, le=64, description="Jobs of `POST /batch` that run at a time.")

    @property
    def tables(self) -> Mapping[str, BatchTable]:
        """The tables that are scored by name."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        """Refuse unknown keys, and names that no table can have."""
        if not isinstance(given, Mapping):
            return given
        wrong: list[InitErrorDetails] = []
        for name, value in given.items():
            if name in cls.model_fields:
                continue
            if not isinstance(value, Mapping | BatchTable):
                wrong.append(InitErrorDetails(type="extra_forbidden", loc=(name,), input=value))
                continue
            try:
                _NAME.validate_python(name)
            except ValidationError:
                said = PydanticCustomError("name", "a name has letters, digits, '_', '.' and '-'")
                wrong.append(InitErrorDetails(type=said, loc=(name,), input=name))
        if wrong:
            raise ValidationError.from_exception_data("batch", wrong)
        return given
