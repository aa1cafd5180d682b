"""``[promotion]``: what a version must show before it answers users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from tiltyard.project.section import Section, Share

PromotionRule = Literal["better", "significant", "non-inferior"]


class PromotionSection(Section):
    """What a version must show before it answers users."""

    rule: PromotionRule = Field(default="significant", description="How a challenger must compare with the champion.")
    alpha: Share = Field(default=0.05, description="Accepted rate of false promotions under the rule 'significant'.")
    margin: float = Field(default=0.01, ge=0, lt=1, description="Loss that the rule 'non-inferior' tolerates.")
    floors: Mapping[str, float] = Field(default_factory=dict, description="Least value of a metric, by metric name.")
