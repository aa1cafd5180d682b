"""``[monitoring]``: how a served model is monitored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltyard.project.base import Section, Share


class MonitoringSection(Section):
    """How the served model is monitored."""

    every_minutes: float = Field(default=60.0, gt=0, description="How often `tiltyard up` runs the monitoring.")
    window_hours: float = Field(default=24.0, gt=0, description="Hours of predictions that one monitoring run covers.")
    min_rows: int = Field(
        default=100,
        ge=1,
        description="Fewest predictions (or labels) for a check; with fewer its status is could_not_judge.",
    )
    false_alarm_rate: Share = Field(
        default=0.05, description="Accepted share of monitoring runs on undrifted data that find drift nevertheless."
    )
    max_loss: Share = Field(
        default=0.05, description="Accepted loss of the metric, as a share of its value at training."
    )
    detect_changes: bool = Field(
        default=True,
        description="Whether a run searches the champion's labelled predictions for a rise of the error rate (ADWIN).",
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="Longest time that 95 % of the predictions may take; default: not checked."
    )
    report_days: float | None = Field(
        default=None, gt=0, description="Days after which `tiltyard up` writes a report on them; default: never."
    )
    keep_days: float | None = Field(
        default=None, gt=0, description="Days of predictions that `tiltyard predictions prune` keeps; default: all."
    )
    drift_threshold: Share = Field(
        default=0.1,
        description="Least effect that counts as drift; for shares of rows (missing, new) a fifth of it.",
    )
    drift_limits: dict[str, Share] = Field(
        default_factory=dict, description="Thresholds of single columns: `{ amount = 0.2 }`."
    )
    drift_ignore: tuple[str, ...] = Field(default=(), description="Columns that drift checks ignore.")
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
