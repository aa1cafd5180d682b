"""``[monitoring]``: how a model that answers is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import Section, Share


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
    report_days: float | None = Field(
        default=None, gt=0, description="After so many days `tiltyard up` writes a report on them; default: never."
    )
    keep_days: float | None = Field(
        default=None, gt=0, description="Days that predictions are kept by `tiltyard predictions prune`; default: all."
    )
    drift_threshold: Share = Field(
        default=0.1,
        description="Least effect that is called drift; a share of rows (missing, new) may move by a fifth.",
    )
    drift_limits: dict[str, Share] = Field(
        default_factory=dict, description="Thresholds of single columns: `{ amount = 0.2 }`."
    )
    drift_ignore: tuple[str, ...] = Field(default=(), description="Columns whose drift is not judged.")
    drift_numbers: Literal["ks", "psi", "wasserstein"] = Field(
        default="ks",
        description="How numbers are compared: Kolmogorov–Smirnov, stability index, earth mover's distance.",
    )
    drift_categories: Literal["chi-square", "jensen-shannon"] = Field(
        default="chi-square", description="How categories are compared."
    )
    drift_correction: Literal["holm", "benjamini-hochberg"] = Field(
        default="holm",
        description="Correction for many tests: `holm` bounds any false alarm, `benjamini-hochberg` their share.",
    )
