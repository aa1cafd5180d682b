"""``[response]``: the automatic actions on findings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import Section, Share

OnDrift = Literal["alert", "retrain", "none"]
OnDecay = Literal["alert", "retrain", "rollback", "none"]
OnBadChampion = Literal["alert", "rollback", "none"]


class ResponseSection(Section):
    """The automatic actions on findings."""

    on_drift: OnDrift = Field(default="alert", description="Action when the data drifts.")
    on_estimate: OnDrift = Field(
        default="alert", description="Action when the performance estimated without labels falls."
    )
    on_decay: OnDecay = Field(default="alert", description="Action when the champion gets worse on labels.")
    on_bad_champion: OnBadChampion = Field(
        default="rollback",
        description="Action when a new champion fails, is slow, or is significantly worse on labels than "
        "the previous one.",
    )
    watch_hours: float = Field(default=24.0, ge=0, description="How long a champion counts as new.")
    max_error_rate: Share = Field(
        default=0.02, description="Accepted share of requests for which a new champion's model fails."
    )
    min_requests: int = Field(
        default=50, ge=1, description="Fewest requests that a rollback of a new champion for errors needs."
    )
    slow_factor: float = Field(
        default=3.0,
        gt=1,
        description="When a model call of a new champion is slow: in times of what 95 % of the previous champion's "
        "calls took at most.",
    )
    challenge_hours: float = Field(
        default=168.0,
        gt=0,
        description="How long a retrained version serves in an A/B test ([serving] challenger) before the gates "
        "decide without its result.",
    )
    cooldown_minutes: float = Field(default=60.0, ge=0, description="Least time between two actions.")
    max_actions_a_day: int = Field(default=4, ge=0, description="Most retrainings and rollbacks in 24 hours.")
    step_hours: float = Field(
        default=12.0,
        gt=0,
        description="How long a step of the loop, such as a training, may take before `tiltyard up` ends the loop and "
        "restarts it.",
    )
    min_new_labels: int = Field(
        default=200, ge=0, description="Fewest new labels that a retraining needs; with fewer, labels are requested."
    )
