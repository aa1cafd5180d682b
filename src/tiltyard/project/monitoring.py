"""``[monitoring]``: how a model that answers is watched."""

from __future__ import annotations

from pydantic import Field

from tiltyard.project.section import Section, Share


class MonitoringSection(Section):
    """How the model that answers is watched."""

    every_minutes: float = Field(default=60.0, gt=0, description="How often `tiltyard up` takes a look.")
    window_hours: float = Field(default=24.0, gt=0, description="Hours of predictions that one look judges.")
    min_rows: int = Field(
        default=100,
        ge=1,
        description="Fewest predictions (or labels) to judge by; fewer are answered 'could not judge'.",
    )
    false_alarm_rate: Share = Field(
        default=0.05, description="Accepted share of looks at undrifted data that find drift all the same."
    )
    max_loss: Share = Field(
        default=0.05, description="Accepted loss of the metric, as a share of its value at training."
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="Longest time that 95 % of the answers may take; default: not judged."
    )
    keep_days: float | None = Field(
        default=None, gt=0, description="Days that predictions are kept by `tiltyard predictions prune`; default: all."
    )
