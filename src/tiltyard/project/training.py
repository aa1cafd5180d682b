"""``[training]``: the candidates, and how one is chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tiltyard.project.base import Section, Share
from tiltyard.project.schedule import CronSchedule, Schedule, ScheduleText, TimeZone, read_schedule


class SearchSection(Section):
    """Limits of the search for better parameters; without a limit there is no search."""

    trials: int | None = Field(default=None, ge=1, description="Most trials, each a cross-validation.")
    seconds: float | None = Field(default=None, gt=0, description="Seconds after which no further trial begins.")


class TrainingSection(Section):
    """The candidates, and how one is chosen."""

    candidates: tuple[str, ...] = Field(
        default=(),
        description="Candidates to train; default: the one that did best on public tables, of those installed.",
    )
    metric: str = Field(
        default="accuracy",
        description="Metric by which candidates and versions are compared; of a regression by default `mae`.",
    )
    coverage: Share = Field(
        default=0.9,
        description="Share of the true numbers that prediction intervals are to hold; of labels, the confidence for "
        "which prediction sets are measured.",
    )
    folds: int = Field(default=5, ge=2, le=50, description="Folds of the cross-validation that chooses a candidate.")
    random_state: int = Field(default=42, ge=0, description="Seed of everything random.")
    search: SearchSection = Field(default=SearchSection(), description="Search over the parameters of the candidates.")
    mitigation: Literal["none", "reweighing"] = Field(
        default="none",
        description="Bias mitigation: reweighing makes the label independent of data.sensitive by weights.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Processes that score the folds of a cross-validation or search; default: the training itself, one "
        "fold after the other, or on Ray as many as the cluster has processors.",
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description="Where these processes are: on this machine, or on the Ray cluster at `RAY_ADDRESS` (extra `ray`).",
    )
    schedule: ScheduleText | None = Field(
        default=None,
        description="When `tiltyard up` trains a version, which becomes champion if it passes the gates: a cron "
        'expression (`"0 3 * * 0"`), `"new files"`, `"1000 new rows"` or `"200 new labels"`; default: never by itself.',
    )
    time_zone: TimeZone = Field(default="UTC", description="Time zone of the cron expression.")

    @property
    def trigger(self) -> Schedule | None:
        """When a version is trained by itself; None for never."""
        return None if self.schedule is None else read_schedule(self.schedule, self.time_zone)

    @model_validator(mode="after")
    def _fits_schedule(self) -> TrainingSection:
        if self.time_zone != "UTC" and not isinstance(self.trigger, CronSchedule):
            raise ValueError("time_zone: it is that of a cron expression, and schedule is none")
        return self
