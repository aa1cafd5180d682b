"""``[response]``: what follows from what was found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.section import Section

OnDrift = Literal["alert", "retrain", "none"]
OnDecay = Literal["alert", "retrain", "rollback", "none"]


class ResponseSection(Section):
    """What follows from what was found."""

    on_drift: OnDrift = Field(default="alert", description="What follows when the data drifts.")
    on_decay: OnDecay = Field(default="alert", description="What follows when the champion gets worse on labels.")
    cooldown_minutes: float = Field(default=60.0, ge=0, description="Least time between two actions.")
    max_actions_a_day: int = Field(default=4, ge=0, description="Most retrainings and rollbacks in 24 hours.")
    min_new_labels: int = Field(
        default=200, ge=0, description="Fewest new labels that a retraining needs; with fewer, labels are asked for."
    )
