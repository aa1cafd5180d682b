"""``[training]``: which recipes compete and by what they are chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import Section


class SearchSection(Section):
    """How long to look for better parameters of the candidates; with neither limit there is no search."""

    trials: int | None = Field(default=None, ge=1, description="Most trials, each a cross-validation.")
    seconds: float | None = Field(default=None, gt=0, description="Seconds after which no further trial begins.")


class TrainingSection(Section):
    """Which recipes compete and by what they are chosen."""

    candidates: tuple[str, ...] = Field(default=(), description="Recipes to try; default: one that suits the task.")
    metric: str = Field(default="accuracy", description="Metric by which candidates and versions are compared.")
    folds: int = Field(default=5, ge=2, le=50, description="Folds of the cross-validation that chooses a candidate.")
    random_state: int = Field(default=42, ge=0, description="Seed of everything random.")
    search: SearchSection = Field(default=SearchSection(), description="Search over the parameters of the candidates.")
    mitigation: Literal["none", "reweighing"] = Field(
        default="none",
        description="What is done for fairness: reweighing makes the label independent of data.sensitive by weights.",
    )
