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
    """

    alpha: float
    level: float
    decision: int | None = None

    @property
    def left(self) -> float:
        """What the decisions that come after this one may use together, without what promotions give back."""
        return self.alpha if self.decision is None else self.alpha / (self.decision + 1)

    @property
    def about(self) -> str:
        """The level for people, next to a p-value."""
        if self.decision is None:
            return f"(alpha {self.alpha:g})"
        return (
            f"(must be below {self.level:.2g}: decision {self.decision}, and alpha {self.alpha:g} is for all of them)"
        )


def next_allowance(
    alpha: float, past: Sequence[PastDecision], pair: tuple[str | None, str, str] | None = None
) -> Allowance:
    """The level of the next decision, such that all decisions of a project together keep ``alpha``.

    The k-th decision has alpha / (k (k + 1)), which adds up to alpha however many there are; a decision that was won
    hands its level on to the next, since only decisions about challengers that are not better use it up. This is the
    online fallback procedure (Tian and Ramdas, Statistical Methods in Medical Research 30, 2021), which holds the rate
    of projects with any false promotion at alpha whatever the dependence of the p-values, so also where the same test
    rows decide again and again. The same two versions on the same rows are the same decision.

    Args:
        alpha: the accepted rate.
        past: the decisions so far, in order.
        pair: champion, challenger and the fingerprint of the rows.
    """
    number, level, handed_on = 0, 0.0, 0.0
    for one in [*(one for one in past if one.spent), None]:
        if one is not None and pair is not None and one.pair == pair:
            return Allowance(alpha, one.level, number + 1)
        number += 1
        level = alpha / (number * (number + 1)) + handed_on
        handed_on = 0.0 if one is None else one.level if one.won else 0.0
    return Allowance(alpha, min(alpha, level), number)
