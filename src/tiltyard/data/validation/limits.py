"""The project file's ``[validation]``: how bad data may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tiltyard.project import Section

Portion = Annotated[float, Field(ge=0, le=1)]


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
        description="Largest power of one column to tell the labels apart by itself: 0 is chance, 1 is perfect.",
    )
    max_overlap: Portion = Field(
        default=0.25, description="Largest share of test rows whose inputs also stand among the training rows."
    )
    min_rows: int = Field(default=20, ge=0, description="Fewest rows to train on.")
    min_class_share: Portion = Field(default=0.001, description="Smallest share of rows of the rarest label.")
    fail_on: Literal["error", "warning", "never"] = Field(
        default="error", description="Gravity of a finding from which on the data is refused."
    )
    ignore: tuple[str, ...] = Field(
        default=(), description='Findings to leave out: "CODE", or "CODE:COLUMN" for one column only.'
    )
