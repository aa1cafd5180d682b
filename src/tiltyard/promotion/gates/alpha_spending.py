"""How much of alpha one decision may use, so that the promise on false promotions holds for the life of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PastDecision:
    """A comparison that the rows of a project have decided before.

    Attributes:
        level: the level that its p-value was compared with.
        won: whether the p-value was below it.
        pair: champion, challenger and the fingerprint of the rows; None where the record does not have them.
        spent: whether it used its level: one that could not be won, whatever the labels were, did not.
    """

    level: float
    won: bool
    pair: tuple[str | None, str, str] | None = None
    spent: bool = True


@dataclass(frozen=True)
class Allowance:
    """What one decision may use.

    Attributes:
        alpha: the accepted rate of false promotions.
        level: what the p-value of this decision is compared with.
        decision: its number among those of the project, from 1; None where each decision may use all of alpha.
        left: what the decisions after this one may use together, without what promotions hand on.
    """

    alpha: float
    level: float
    decision: int | None = None
    left: float | None = None

    @property
    def about(self) -> str:
        """The level for people, next to a p-value."""
        if self.decision is None:
            return f"(alpha {self.alpha:g})"
        left = "" if self.left is None else f", {self.left:.2g} of alpha {self.alpha:g} left"
        return f"(limit {self.level:.2g}: decision {self.decision}{left})"


@dataclass(frozen=True)
class Spending:
    """How alpha is shared by decisions, whose number is not known before.

    The first of them gets the share ``first`` of alpha, the k-th one after it ``2 (1 - first) / (k (k + 1))``, which
    adds up to 1 however many there are. With a first share of a half that is 1 / (k (k + 1)) for all of them.
    """

    first: float

    def share(self, number: int) -> float:
        """The share of decision ``number``, from 1."""
        return self.first if number == 1 else 2 * (1 - self.first) / (number * (number + 1))

    def count_left(self, number: int) -> float:
        """What is left after it."""
        return 2 * (1 - self.first) / (number + 1)


CHALLENGERS = Spending(0.5)
"""Challengers against champions: there will be many."""
FIRST_CHAMPIONS = Spending(0.8)
"""Versions against guessing, while there is no champion: mostly the first attempt is the only one."""


def next_allowance(
    alpha: float,
    past: Sequence[PastDecision],
    pair: tuple[str | None, str, str] | None = None,
    spending: Spending = CHALLENGERS,
) -> Allowance:
    """The level of the next decision, such that all decisions of a project together keep ``alpha``.

    Each decision has its share of alpha, and one that was won hands its level on to the next, since only decisions
    about challengers that are not better use alpha up. This is the online fallback procedure (Tian and Ramdas,
    Statistical Methods in Medical Research 30, 2021), which holds the rate of projects with any false promotion at
    alpha whatever the dependence of the p-values, so also where the same test rows decide again and again. The same two
    versions on the same rows are the same decision.

    Args:
        alpha: the accepted rate.
        past: the decisions so far, in order.
        pair: champion, challenger and the fingerprint of the rows.
        spending: how alpha is shared.
    """
    handed_on, number = 0.0, 0
    for number, one in enumerate((one for one in past if one.spent), 1):
        if pair is not None and one.pair == pair:
            return Allowance(alpha, one.level, number, alpha * spending.count_left(number))
        handed_on = one.level if one.won else 0.0
    number += 1
    level = min(alpha, alpha * spending.share(number) + handed_on)
    return Allowance(alpha, level, number, alpha * spending.count_left(number))
