"""``[response]``: what follows from what was found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import Section, Share

OnDrift = Literal["alert", "retrain", "none"]
OnDecay = Literal["alert", "retrain", "rollback", "none"]
OnBadChampion = Literal["alert", "rollback", "none"]


class ResponseSection(Section):
    """What follows from what was found."""

    on_drift: OnDrift = Field(default="alert", description="What follows when the data drifts.")
    on_estimate: OnDrift = Field(
        default="alert", description="What follows when the performance estimated without labels falls."
    )
    on_decay: OnDecay = Field(default="alert", description="What follows when the champion gets worse on labels.")
    on_bad_champion: OnBadChampion = Field(
        default="rollback",
        description="What follows when a new champion fails, is slow, or is significantly worse on labels than "
        "the previous one.",
    )
    watch_hours: float = Field(default=24.0, ge=0, description="How long a champion counts as new.")
    max_error_rate: Share = Field(default=0.02, description="Accepted share of failed requests under a new champion.")
    slow_factor: float = Field(
        default=3.0, gt=1, description="Accepted 95th percentile of latency, in times of the previous champion's."
    )
    challenge_hours: float = Field(
        default=168.0,
        gt=0,
        description="How long a retrained version answers beside the champion ([serving] challenger) before the gates "
        "decide without the labels' word.",
    )
    cooldown_minutes: float = Field(default=60.0, ge=0, description="Least time between two actions.")
    max_actions_a_day: int = Field(default=4, ge=0, description="Most retrainings and rollbacks in 24 hours.")
    step_hours: float = Field(
        default=12.0,
        gt=0,
        description="How long a step of the loop, such as a training, may take before `tiltyard up` ends the loop and "
        "starts it again.",
    )
    min_new_labels: int = Field(
        default=200, ge=0, description="Fewest new labels that a retraining needs; with fewer, labels are asked for."
    )
