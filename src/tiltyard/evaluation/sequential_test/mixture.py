"""Mixtures of likelihood ratios of hits and misses that do not depend on each other: evidence, and bounds of a rate."""

from __future__ import annotations

import math

from scipy.special import betaincc, betaln

from tiltyard.evaluation.sequential_test.verdict import bounded_exp

# Half a success and half a failure before the first row: Jeffreys' prior, as the weight of the mixtures.
_PRIOR = 0.5
_HALVINGS = 60


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
    return bounded_exp(log_evidence_above(0.5, only_first, only_second))


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
    return bounded_exp(log_evidence_above(limit, hits, misses))


def log_evidence_above(share: float, hits: int, misses: int) -> float:
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


def lower_rate_bound(hits: int, misses: int, alpha: float) -> float:
    """A lower bound of a share that holds at all times at once with probability 1 - alpha."""
    if not hits:
        return 0.0
    low, high = 0.0, hits / (hits + misses)
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        refuted = log_evidence_above(middle, hits, misses) >= -math.log(alpha)
        low, high = (middle, high) if refuted else (low, middle)
    return low


def upper_rate_bound(hits: int, misses: int, alpha: float) -> float:
    """An upper bound of a share that holds at all times at once with probability 1 - alpha."""
    return 1.0 - lower_rate_bound(misses, hits, alpha)
