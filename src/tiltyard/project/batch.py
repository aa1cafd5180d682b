"""``[batch]``: how whole tables are scored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import ColumnName, Section


class BatchSection(Section):
    """How `tiltyard score` scores a whole table."""

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
    fragment_rows: int = Field(
        default=250_000, ge=1000, description="Rows of a fragment, about: what is scored and recorded as one piece."
    )
    workers: int | None = Field(
        default=None, ge=1, le=256, description="Processes that score; default: as many as there are processors."
    )
