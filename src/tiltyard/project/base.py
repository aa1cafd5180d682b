"""The base of all tables of the project file."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)]
Share = Annotated[float, Field(gt=0, lt=1)]
Portion = Annotated[float, Field(ge=0, le=1)]


def normalise_name(name: str) -> str:
    """A column's name as the data has it: without outer white space, its accents composed (NFC)."""
    return unicodedata.normalize("NFC", name.strip())


ColumnName = Annotated[str, AfterValidator(normalise_name)]


class Section(BaseModel):
    """A table of the project file: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
