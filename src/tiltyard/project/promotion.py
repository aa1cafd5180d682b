"""``[promotion]``: what a version must show before it serves users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, FiniteFloat

from tiltyard.project.base import Portion, Section, Share

PromotionRule = Literal["better", "significant", "non-inferior"]
FairnessMeasure = Literal[
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "mae_ratio",
    "coverage_difference",
]
NUMBER_FAIRNESS = ("mae_ratio", "coverage_difference")


class PromotionSection(Section):
    """What a version must show before it serves users."""

    rule: PromotionRule = Field(default="significant", description="Rule for the comparison with the champion.")
    alpha: Share = Field(default=0.05, description="Accepted rate of false promotions under the rule 'significant'.")
    alpha_for: Literal["project", "decision"] = Field(
        default="project",
        description="What alpha holds for: 'project', all decisions of a model together, since the same test rows "
        "decide again and again; 'decision', each of them, so that many retrainings promote falsely sooner or later.",
    )
    margin: FiniteFloat = Field(
        default=0.01,
        ge=0,
        description="Loss that the rule 'non-inferior' tolerates, in the unit of the metric; of classes below 1.",
    )
    floors: Mapping[str, FiniteFloat] = Field(
        default_factory=dict, description="Least value of a metric, by metric name."
    )
    slices: Literal["not-worse", "any"] = Field(
        default="not-worse",
        description="Whether a slice (data.slices; of texts also their length) may be significantly worse than under "
        "the champion.",
    )
    slice_alpha: Share = Field(
        default=0.05,
        description="Accepted rate of false refusals for slices, all together, and for calibration compared with "
        "the champion's.",
    )
    calibration: Literal["any", "not-worse"] = Field(
        default="any", description="Whether probabilities may be significantly worse calibrated than the champion's."
    )
    calibration_error: Portion | None = Field(
        default=None, description="Largest expected calibration error; default: no limit."
    )
    fairness: Mapping[FairnessMeasure, Portion] = Field(
        default_factory=dict,
        description="Largest difference (least ratio) between the groups of data.sensitive, by fairlearn's measure; of "
        "numbers `mae_ratio` (the least mean absolute error as a share of the largest) and `coverage_difference` (of "
        "intervals).",
    )
    live: Literal["off", "not-worse", "wins"] = Field(
        default="not-worse",
        description="What the live A/B test of the two ([serving] challenger) must show: 'not-worse' refuses if the "
        "champion holds, and needs no test; 'wins' needs a test that the challenger won.",
    )
    latency_ms: FiniteFloat | None = Field(
        default=None, gt=0, description="Longest time for a single prediction, in milliseconds; default: no limit."
    )
    size_mb: FiniteFloat | None = Field(
        default=None, gt=0, description="Largest size of a version's files, in megabytes; default: no limit."
    )
    data_findings: Literal["info", "warning", "error"] = Field(
        default="error", description="Most severe finding in its training data that a promoted version may have."
    )
    approval: Literal["none", "required"] = Field(
        default="none", description="Whether a person must approve a version that passed, before it becomes champion."
    )
    self_approval: bool = Field(
        default=True, description="Whether the person who trained a version or requested its promotion may approve it."
    )
