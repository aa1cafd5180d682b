"""Sequential test of champion and challenger in production: its error rate holds however often it is evaluated.

A fixed-size test that is looked at after every label finds a winner sooner or later, also among equals. The
tests here are anytime-valid: the chance that the challenger is *ever* declared the winner, however often the test is
evaluated, is at most alpha if it is not better. They follow from the labelled rows alone, so nothing has to be kept
between two evaluations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaln

from tiltyard.errors import UsageError
from tiltyard.jsonable import json_form

Decision = Literal["challenger wins", "champion holds", "go on"]

# Half a success and half a failure before the first row: Jeffreys' prior, as the weight of the mixtures.
_PRIOR = 0.5
_HALVINGS = 60


@json_form(also=("difference", "summary"))
@dataclass(frozen=True)
class LiveVerdict:
    """The verdict of production labels on two versions that predict for the same traffic.

    Attributes:
        decision: ``challenger wins``, ``champion holds`` or ``go on``.
        mode: ``shadow`` (both predicted the same inputs) or ``split`` (each its own).
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.
        min_gain: a gain of accuracy smaller than this is not worth waiting for.
        champion: the champion's accuracy on its labelled rows; None without any.
        challenger: the challenger's.
        champion_rows: labelled rows of the champion.
        challenger_rows: labelled rows of the challenger; in ``shadow`` they are the champion's.
        e_value: evidence that the challenger is better: 1 at the start, and 1 / alpha is enough.
        low: lower end of the confidence sequence of the difference (challenger less champion), level 1 - 2 alpha.
        high: its upper end.
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

    @property
    def difference(self) -> float | None:
        """Accuracy of the challenger less that of the champion; None where one of them has no labelled rows."""
        return None if self.champion is None or self.challenger is None else self.challenger - self.champion

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.champion is None or self.challenger is None or self.difference is None:
            return f"{self.decision}: no labels yet for {'the champion' if self.champion is None else 'the challenger'}"
        rows = (
            f"{self.champion_rows:,}" if self.mode == "shadow" else f"{self.champion_rows:,}/{self.challenger_rows:,}"
        )
        return (
            f"{self.decision}: accuracy {self.challenger:.4f} against {self.champion:.4f} on {rows} labelled rows "
            f"(difference {self.difference:+.4f}, between {self.low:+.4f} and {self.high:+.4f}; "
            f"evidence {self.e_value:.3g} of {1 / self.alpha:g})"
        )


def evaluate_shadow(
    both_right: int,
    only_champion_right: int,
    only_challenger_right: int,
    both_wrong: int,
    *,
    alpha: float = 0.05,
    min_gain: float = 0.005,
) -> LiveVerdict:
    """Evaluate two versions that predicted the same n labelled inputs.

    Only rows count on which one alone is right. If the challenger is not better, each of them falls to it with a
    probability of at most a half; a mixture of likelihood ratios against a half, with Jeffreys' weights on what is
    more than a half, is then a non-negative supermartingale: ever passing 1 / alpha has a probability of at most alpha
    (Ville, 1939; Robbins, Annals of Mathematical Statistics 41, 1970; Ramdas et al., Statistical Science 38, 2023).
    The difference is the share of such rows times how one-sided they are; its bounds join bounds of the two.

    Raises:
        UsageError: a count or ``min_gain`` is negative, or alpha is not between 0 and 0.5.
    """
    counts = (both_right, only_champion_right, only_challenger_right, both_wrong)
    _check(counts, alpha, min_gain)
    rows = sum(counts)
    e_value = compute_paired_evidence(only_challenger_right, only_champion_right)
    against = compute_paired_evidence(only_champion_right, only_challenger_right)
    high = _difference_bound(only_challenger_right, only_champion_right, rows, alpha)
    low = -_difference_bound(only_champion_right, only_challenger_right, rows, alpha)
    return LiveVerdict(
        decision=_decide(e_value, against, high, alpha, min_gain),
        mode="shadow",
        alpha=alpha,
        min_gain=min_gain,
        champion=(both_right + only_champion_right) / rows if rows else None,
        challenger=(both_right + only_challenger_right) / rows if rows else None,
        champion_rows=rows,
        challenger_rows=rows,
        e_value=e_value,
        low=low,
        high=high,
    )


def evaluate_split(
    of_challenger: NDArray[np.bool_],
    right: NDArray[np.bool_],
    *,
    share: float,
    alpha: float = 0.05,
    min_gain: float = 0.005,
) -> LiveVerdict:
    """Evaluate two versions that predicted different inputs, drawn alike.

    Each labelled row multiplies the evidence by how likely its outcome was, by the estimates so far of the version that
    gave it, over how likely it was by the two estimates mixed as the traffic is. Whatever accuracy the two may have
    in common, that factor is 1 in expectation, and less if the challenger's is the lower one; so the product is a
    non-negative supermartingale (after Turner, Ly and Grünwald, Generic E-variables for exact sequential k-sample tests
    that allow for optional stopping, Journal of Statistical Planning and Inference 230, 2024; here rows come one by
    one). The bounds of the difference join confidence sequences of the two accuracies.

    It takes for granted that labels come for both alike: a label that is more likely for one version's rows misleads
    any comparison.

    Args:
        of_challenger: for n labelled rows, in the order in which their labels came, whether the challenger made the
            prediction.
        right: whether the prediction was right.
        share: the challenger's share of the traffic, between 0 and 1.

    Raises:
        UsageError: the lengths differ, or ``share``, ``alpha`` or ``min_gain`` is out of range.
    """
    theirs, right = np.asarray(of_challenger, dtype=bool), np.asarray(right, dtype=bool)
    if theirs.shape != right.shape or not 0 < share < 1:
        raise UsageError(
            f"{len(theirs)} rows, {len(right)} outcomes and a share of {share} cannot be evaluated.",
            next_step="Give an outcome for each row, and a share of the traffic between 0 and 1.",
        )
    counts = tuple(int(np.sum(side & hit)) for side in (~theirs, theirs) for hit in (right, ~right))
    _check(counts, alpha, min_gain)
    champion_rows, challenger_rows = counts[0] + counts[1], counts[2] + counts[3]
    low = _lower_bound(counts[2], counts[3], alpha / 2) - _upper_bound(counts[0], counts[1], alpha / 2)
    high = _upper_bound(counts[2], counts[3], alpha / 2) - _lower_bound(counts[0], counts[1], alpha / 2)
    e_value = split_evidence(theirs, right, share)
    against = split_evidence(~theirs, right, 1 - share)
    return LiveVerdict(
        decision=_decide(e_value, against, high, alpha, min_gain),
        mode="split",
        alpha=alpha,
        min_gain=min_gain,
        champion=counts[0] / champion_rows if champion_rows else None,
        challenger=counts[2] / challenger_rows if challenger_rows else None,
        champion_rows=champion_rows,
        challenger_rows=challenger_rows,
        e_value=e_value,
        low=low,
        high=high,
    )


def compute_paired_evidence(only_first: int, only_second: int) -> float:
    """Evidence that the first of two models is right more often, if one alone is right: see ``evaluate_shadow``.

    The mixture of likelihood ratios of McNemar's test, over all shares above a half, by Jeffreys' weights.

    Args:
        only_first: rows on which only the first is right.
        only_second: rows on which only the second is right.

    Returns:
        The e-value: 1 says nothing, 1 / alpha is enough; always finite.

    Example:
        >>> compute_paired_evidence(12, 2) > 20 > compute_paired_evidence(7, 5)
        True
    """
    return _exp(_log_evidence_above(0.5, only_first, only_second))


def compute_rate_evidence(limit: float, hits: int, misses: int) -> float:
    """Evidence that a rate is above a limit, for hits and misses seen so far; valid however often it is computed.

    The mixture of likelihood ratios against the limit, over all rates above it, by Jeffreys' weights (Robbins, 1970).
    As long as no outcome is a hit with a chance above the limit, given all before it, the chance that the evidence
    *ever* reaches 1 / alpha is at most alpha (Ville, 1939).

    Args:
        limit: the allowed rate, 0 to 1.
        hits: outcomes that count towards the rate.
        misses: the other outcomes.

    Returns:
        The e-value: 1 says nothing, 1 / alpha is enough; always finite.

    Example:
        >>> compute_rate_evidence(0.02, 20, 80) > 20 > compute_rate_evidence(0.02, 3, 97)
        True
    """
    return _exp(_log_evidence_above(limit, hits, misses))


def split_evidence(mine: NDArray[np.bool_], right: NDArray[np.bool_], share: float) -> float:
    """Evidence that ``mine`` of n rows are right more often than the others: the e-value of ``evaluate_split``.

    Args:
        mine: whether the row belongs to the side that may be better, in the order in which labels came.
        right: whether the prediction was right.
        share: that side's share of the traffic.
    """
    estimates = []
    for side in (mine, ~mine):
        hits, rows = np.cumsum(side & right), np.cumsum(side)
        # Before the first row of a side: half a hit and half a miss (Krichevsky and Trofimov, 1981).
        estimates.append((np.append(0, hits[:-1]) + _PRIOR) / (np.append(0, rows[:-1]) + 2 * _PRIOR))
    own, other = estimates
    # Where the estimates do not say that mine are better, nothing is staked.
    mixed = share * own + (1 - share) * other
    staked = np.where(mine, own, other)
    odds = np.where(right, staked / mixed, (1 - staked) / (1 - mixed))
    return _exp(float(np.sum(np.log(np.where(own > other, odds, 1.0)))))


def _check(counts: tuple[int, ...], alpha: float, min_gain: float) -> None:
    if any(count < 0 for count in counts):
        raise UsageError(f"Counts of labelled rows cannot be negative: {counts}.", next_step="Count them anew.")
    if not 0 < alpha < 0.5:
        raise UsageError(f"alpha is {alpha}, and has to be between 0 and 0.5.", next_step="Such as alpha = 0.05.")
    if min_gain < 0:
        raise UsageError(f"min_gain is {min_gain}, and cannot be negative.", next_step="Such as min_gain = 0.005.")


def _decide(e_value: float, against: float, high: float, alpha: float, min_gain: float) -> Decision:
    if e_value >= 1 / alpha:
        return "challenger wins"
    return "champion holds" if against >= 1 / alpha or high < min_gain else "go on"


def _log_evidence_above(share: float, hits: int, misses: int) -> float:
    """Log of the mixture of likelihood ratios that a share is larger than ``share``, for hits and misses seen."""
    if not 0 < share < 1:
        # A share of 0 is refuted by the first hit; one of 1 can have nothing above it.
        return math.inf if share <= 0 and hits else -math.inf if share >= 1 else 0.0
    beyond = float(betaincc(hits + _PRIOR, misses + _PRIOR, share))
    if beyond <= 0.0:
        return -math.inf
    return (
        float(betaln(hits + _PRIOR, misses + _PRIOR))
        + math.log(beyond)
        - float(betaln(_PRIOR, _PRIOR))
        - math.log(float(betaincc(_PRIOR, _PRIOR, share)))
        - hits * math.log(share)
        - misses * math.log1p(-share)
    )


def _lower_bound(hits: int, misses: int, alpha: float) -> float:
    """A lower bound of a share that holds at all times at once with probability 1 - alpha."""
    if not hits:
        return 0.0
    low, high = 0.0, hits / (hits + misses)
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = _log_evidence_above(middle, hits, misses) >= -math.log(alpha)
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _upper_bound(hits: int, misses: int, alpha: float) -> float:
    return 1.0 - _lower_bound(misses, hits, alpha)


def _difference_bound(mine: int, others: int, rows: int, alpha: float) -> float:
    """An upper bound of the share of rows that fall to one side alone less that of the other side."""
    if not rows:
        return 1.0
    lead = 2 * _upper_bound(mine, others, alpha / 2) - 1
    apart = mine + others
    share = _upper_bound(apart, rows - apart, alpha / 2) if lead > 0 else _lower_bound(apart, rows - apart, alpha / 2)
    return lead * share


def _exp(log: float) -> float:
    # Beyond this nothing changes any more, and it stays a number that JSON can hold.
    return math.exp(min(log, 700.0))
