"""Evidence that may be looked at as often as one likes."""

from __future__ import annotations

import math

from scipy.special import betaincc, betaln


def paired_evidence(only_first: int, only_second: int) -> float:
    """How strongly pairs of answers speak for the first of two models being right more often.

    Of the rows on which exactly one of the two is right, n = b + c, the first is right on b. If it were right on at
    most half of them in the long run, the evidence would rarely be large: the chance that it *ever* reaches 1/alpha,
    however often one looks, is at most alpha (Ville's inequality, 1939). It is the likelihood ratio of McNemar's test
    against a half, averaged over all shares p above a half alike:

        e = 2 · 2ⁿ · ∫ p^b (1 − p)^c dp over p from ½ to 1

    (a mixture of test martingales: Robbins, 1970; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and
    safe anytime-valid inference", 2023).

    Args:
        only_first: b, rows on which only the first is right.
        only_second: c, rows on which only the second is right.

    Returns:
        The evidence; 1 says nothing, 20 is what alpha = 0.05 asks for.

    Example:
        >>> paired_evidence(0, 0)
        1.0
        >>> paired_evidence(12, 2) > 20 > paired_evidence(7, 5)
        True
    """
    b, c = only_first, only_second
    upper_half = float(betaincc(b + 1, c + 1, 0.5))
    if upper_half <= 0.0:
        return 0.0
    log_evidence = math.log(2.0) + (b + c) * math.log(2.0) + float(betaln(b + 1, c + 1)) + math.log(upper_half)
    return math.exp(min(log_evidence, 700.0))
