"""What a comparison of champion and challenger found, and how many rows would show a true difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from tiltyard.evaluation.metrics import find_metric
from tiltyard.evaluation.resampling.by_group import CONFIDENCE, student_quantile
from tiltyard.evaluation.resampling.skewness import count_groups, measure_unseen_loss

MCNEMAR = "McNemar's exact test"
EXCHANGE = "exchange of groups, and t corrected for skewness"
BOOTSTRAP = "paired bootstrap"
BOTH = "paired bootstrap and permutation"
ALL_BY_GROUP = "paired bootstrap and permutation of groups, and t corrected for skewness"
ALL_OF_NUMBERS = "paired bootstrap and permutation, and t corrected for skewness"


@dataclass(frozen=True)
class Comparison:
    """A challenger against a champion on n rows, paired; the sign is such that positive favours the challenger.

    Attributes:
        metric: name of the metric.
        method: name of the test.
        rows: n.
        champion: the champion's value of the metric.
        challenger: the challenger's.
        difference: by how much the challenger is better, in the metric's own unit.
        low: lower end of the 95 % interval of the difference.
        high: upper end.
        p_value: one-sided: how likely is a lead like this, or a larger one, if the challenger were not better.
        p_value_two_sided: the same for a difference either way.
        only_champion_right: rows that only the champion got right; of numbers, on which it is nearer.
        only_challenger_right: the same of the challenger.
        groups: groups of rows that belong together, of which test and interval are made; None where each row is by
            itself.
        groups_alike: so many groups of equal size would tell as much.
    """

    metric: str
    method: str
    rows: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    p_value: float
    p_value_two_sided: float
    only_champion_right: int
    only_challenger_right: int
    groups: int | None = None
    groups_alike: float | None = None

    def rows_needed(self, *, alpha: float = 0.05, power: float = 0.8, difference: float | None = None) -> int | None:
        """Rows on which a true difference would be found with the given power, one-sided.

        For accuracy: (z_alpha sqrt(d) + z_beta sqrt(d - D²))² / D², where d is the share of rows on which just one of
        them is right, and D the difference (Connor, Biometrics 43, 1987). For other metrics: n ((z_alpha + z_beta)
        s / D)², where s is the standard error on the n rows at hand, taken from the interval. So it is, too, where
        rows belong together in groups: these are rows of more such groups, and the difference is lowered for what
        no group at hand shows.

        Args:
            alpha: the level of the test.
            power: how often the difference is to be found.
            difference: the true difference; default: the one that was seen.

        Returns:
            The number of rows; None where the difference is not above 0, so that no number would do.
        """
        true = self.difference if difference is None else difference
        if true <= 0:
            return None
        z_alpha, z_beta = NormalDist().inv_cdf(1 - alpha), NormalDist().inv_cdf(power)
        if self.method != MCNEMAR:
            width = (
                NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
                if self.groups_alike is None
                else student_quantile(self.groups_alike, CONFIDENCE)
            )
            error = (self.high - self.low) / (2 * width)
            known = find_metric(self.metric)
            if self.groups is not None and known is not None:
                of_one = (z_alpha + z_beta) * error * math.sqrt(self.groups)
                groups = count_groups(true, of_one, measure_unseen_loss(known, self.champion))
                return math.ceil(groups * self.rows / self.groups)
            return max(1, math.ceil(self.rows * ((z_alpha + z_beta) * error / true) ** 2))
        discordant = (self.only_challenger_right + self.only_champion_right) / self.rows
        # A difference of D takes a share of at least D on which just one of them is right.
        discordant = max(discordant, true)
        root = z_alpha * math.sqrt(discordant) + z_beta * math.sqrt(max(0.0, discordant - true**2))
        return math.ceil((root / true) ** 2)

    def groups_needed(self, rows: int | None) -> int | None:
        """How many groups hold so many rows, if they are as large as those at hand; None where there are no groups."""
        if self.groups is None or rows is None:
            return None
        return math.ceil(rows * self.groups / self.rows)
