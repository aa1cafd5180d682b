"""``[decision]``: which label is predicted at which probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import Field, field_validator, model_validator

from tiltyard.project.base import Section, Share


class DecisionSection(Section):
    """Which label is predicted at which probabilities; by default the likeliest."""

    threshold: Share | None = Field(
        default=None, description="Of two labels, the positive one is predicted from this probability on."
    )
    tune: str | None = Field(
        default=None,
        description="Metric of labels for which the threshold is chosen, by cross-validation on the train side.",
    )
    costs: Mapping[str, Mapping[str, float]] = Field(
        default_factory=dict,
        description="Cost of a prediction by true and by predicted label; 0 for a pair that is not named.",
    )
    abstain_below: Share | None = Field(
        default=None, description="The model abstains where the likeliest label has a lower probability."
    )
    abstain_cost: float | None = Field(
        default=None, gt=0, description="Cost of abstaining: with `costs`, the model abstains where that is cheaper."
    )

    @field_validator("costs")
    @classmethod
    def _are_costs(cls, costs: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
        for true, row in costs.items():
            for predicted, cost in row.items():
                if not (math.isfinite(cost) and cost >= 0):
                    raise ValueError(f"{true}.{predicted}: {cost:g} is not a cost of 0 or more")
        if costs and not any(cost > 0 for row in costs.values() for cost in row.values()):
            raise ValueError("no prediction costs anything; name at least one cost above 0")
        return costs

    @model_validator(mode="after")
    def _is_one_rule(self) -> DecisionSection:
        rules = {"threshold": self.threshold is not None, "tune": self.tune is not None, "costs": bool(self.costs)}
        given = [name for name, is_given in rules.items() if is_given]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} both say which label is predicted; keep one of them")
        if self.abstain_cost is not None and not self.costs:
            raise ValueError("abstain_cost: is held against decision.costs, which are not given; use abstain_below")
        if self.abstain_below is not None and self.abstain_cost is not None:
            raise ValueError("abstain_below and abstain_cost both say when the model abstains; keep one of them")
        return self

    @property
    def is_usual(self) -> bool:
        """Whether the likeliest label is predicted, and always."""
        return self == DecisionSection()
