"""The verdict of a live test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tiltyard.errors import UsageError
from tiltyard.jsonable import json_form

GAIN = 0.01
"""The gain of accuracy for which verdicts name the number of units."""

Decision = Literal["challenger wins", "champion holds", "go on"]


@json_form(also=("difference", "summary"))
@dataclass(frozen=True)
class LiveVerdict:
    """The verdict of production labels on two versions that predict for the same traffic.

    Attributes:
        decision: ``challenger wins``, ``champion holds`` or ``go on``.
        mode: ``shadow`` (both predicted the same inputs) or ``split`` (each its own).
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.
        min_gain: a gain smaller than this is not worth waiting for.
        champion: the champion's accuracy on its labelled rows, of numbers the mean of its capped absolute errors; None
            without any.
        challenger: the challenger's.
        champion_rows: labelled rows of the champion.
        challenger_rows: labelled rows of the challenger; in ``shadow`` they are the champion's.
        e_value: evidence that the challenger is better: 1 at the start, and 1 / alpha is enough.
        low: lower end of the confidence sequence of the difference, level 1 - 2 alpha.
        high: its upper end.
        champion_units: requests and callers of the champion's labelled rows; 0 where they are not known.
        challenger_units: of the challenger's.
        units_needed: about so many requests and callers like these, those that there are included, find a true gain
            of 0.01 (of numbers, a hundredth of the cap) in four of five tests; None where nothing is known of them yet.
        left_out: labelled rows that do not count because an earlier build did not record which request they came in.
        metric: what is compared: ``accuracy``, or ``mae`` of numbers.
        cap: of numbers, the largest error that counts, in the unit of the label.
    """

    decision: Decision
    mode: Literal["shadow", "split"]
    alpha: float
    min_gain: float
    champion: float | None
    challenger: float | None
    champion_rows: int
    challenger_rows: int
    e_value: float
    low: float
    high: float
    champion_units: int = 0
    challenger_units: int = 0
    units_needed: int | None = None
    left_out: int = 0
    metric: Literal["accuracy", "mae"] = "accuracy"
    cap: float | None = None

    @property
    def difference(self) -> float | None:
        """By how much the challenger is better: its accuracy less that of the champion, of numbers the champion's error
        less its own. None where one of them has no labelled rows."""
        if self.champion is None or self.challenger is None:
            return None
        gain = self.challenger - self.champion
        return gain if self.cap is None else -gain

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.champion is None or self.challenger is None or self.difference is None:
            whose = "the champion" if self.champion is None else "the challenger"
            return f"{self.decision}: no labels yet for {whose}{self._left_out}"
        if self.cap is None:
            compared = f"accuracy {self.challenger:.4f} against {self.champion:.4f} on {self._sample} (difference "
            gains = [f"{gain:+.4f}" for gain in (self.difference, self.low, self.high)]
        else:
            compared = (
                f"mean error {self.challenger:.4g} against {self.champion:.4g}, each counted up to {self.cap:.4g}, on "
                f"{self._sample} (saved "
            )
            gains = [f"{gain:+.4g}" for gain in (self.difference, self.low, self.high)]
        return (
            f"{self.decision}: {compared}{gains[0]}, between {gains[1]} and {gains[2]}; "
            f"evidence {self.e_value:.3g} of {1 / self.alpha:g}{self._lacking}){self._left_out}"
        )

    @property
    def _lacking(self) -> str:
        """What an undecided test needs to find a gain of one hundredth."""
        if self.decision != "go on" or self.units_needed is None:
            return ""
        there = self.champion_units + (self.challenger_units if self.mode == "split" else 0)
        gain = GAIN if self.cap is None else GAIN * self.cap
        text = f"; a gain of {gain:.3g} takes about {self.units_needed:,} requests and callers"
        more = self.units_needed - there
        return f"{text}, {more:,} more than now" if more > 0 else f"{text}, which there are"

    @property
    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        return f"; {self.left_out:,} labelled rows of an earlier build are left out: their requests are not known"

    @property
    def _sample(self) -> str:
        """The labelled rows of both, and how many requests and callers sent them, where these are fewer."""
        rows, units = [self.champion_rows, self.challenger_rows], [self.champion_units, self.challenger_units]
        if self.mode == "shadow":
            del rows[1], units[1]
        text = "/".join(f"{number:,}" for number in rows) + " labelled rows"
        if any(units) and sum(units) < sum(rows):
            text += " of " + "/".join(f"{number:,}" for number in units) + " requests and callers"
        return text


def check_options(counts: tuple[int, ...], alpha: float, min_gain: float) -> None:
    """Refuse what cannot be evaluated.

    Raises:
        UsageError: a count or ``min_gain`` is negative, or alpha is not between 0 and 0.5.
    """
    if any(count < 0 for count in counts):
        raise UsageError(f"Counts of labelled rows cannot be negative: {counts}.", next_step="Count them anew.")
    if not 0 < alpha < 0.5:
        raise UsageError(f"alpha is {alpha}, and has to be between 0 and 0.5.", next_step="Such as alpha = 0.05.")
    if min_gain < 0:
        raise UsageError(f"min_gain is {min_gain}, and cannot be negative.", next_step="Such as min_gain = 0.005.")


def choose_decision(e_value: float, against: float, high: float, alpha: float, min_gain: float) -> Decision:
    """What may be decided, by the evidence for the challenger and ``against`` it, and the bound of its gain."""
    if e_value >= 1 / alpha:
        return "challenger wins"
    return "champion holds" if against >= 1 / alpha or high < min_gain else "go on"


def bounded_exp(log: float) -> float:
    """The exponential; beyond 700 nothing changes any more, and it stays a number that JSON can hold."""
    return math.exp(min(log, 700.0))
