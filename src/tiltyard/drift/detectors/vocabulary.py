"""The detector for terms: which words texts are made of."""

from __future__ import annotations

import numpy as np

from tiltyard.drift.detectors.result import TestResult, chi2_tail
from tiltyard.drift.profiles.texts import TermCounts, TextLayout

_LEAST_EXPECTED = 5.0


class TermShift:
    """Whether terms occur in as many texts as in the reference.

    T = nm / (n + m) · Σ (p - q)² / p̄(1 - p̄) over k buckets of hashed terms, p and q the shares of texts with such a
    term. Terms go together, so T is not chi-square; with ρ² the sum of their squared correlations over k, known from
    the reference, T / ρ² is so with k / ρ² degrees of freedom (the second-order correction of Rao and Scott, 1984).
    The effect is the root mean square of the differences, in standard deviations of a term, less what chance adds.

    Example:
        >>> import pandas as pd
        >>> from tiltyard.drift.profiles import build_reference, profile_rows
        >>> rng = np.random.default_rng(0)
        >>> def texts(words, rows):
        ...     return pd.Series([" ".join(rng.choice(words, 12)) for _ in range(rows)], dtype=object)
        >>> words = [f"word{n}" for n in range(200)]
        >>> base = build_reference(texts(words, 1000))
        >>> layout, before = base.layout.texts["text"], base.profile.terms["text"]
        >>> same = profile_rows(base.layout, texts(words, 300)).terms["text"]
        >>> TermShift().compare(layout, before, same).p_value > 0.05
        True
        >>> other = profile_rows(base.layout, texts(words[:150], 300)).terms["text"]
        >>> TermShift().compare(layout, before, other).p_value < 1e-9
        True
    """

    name = "terms"

    def compare(self, layout: TextLayout, reference: TermCounts, window: TermCounts) -> TestResult:
        """The comparison of the terms of two sets of texts; both must hold some."""
        n, m = reference.texts, window.texts
        size = n * m / (n + m)
        share = (reference.counts + window.counts) / (n + m)
        least = _LEAST_EXPECTED / min(n, m)
        common = (share >= least) & (share <= 1 - least)
        k = int(common.sum())
        if not k:
            return TestResult(0.0, 1.0)
        p, q, middle = reference.counts[common] / n, window.counts[common] / m, share[common]
        statistic = size * float(np.sum((p - q) ** 2 / (middle * (1 - middle))))
        overlap = layout.overlap_at(least)
        effect = float(np.sqrt(max(statistic - k, 0.0) / (size * k)))
        return TestResult(effect, chi2_tail(statistic / overlap, k / overlap), statistic, k)
