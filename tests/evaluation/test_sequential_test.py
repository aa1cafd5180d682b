"""Deciding between live versions at any time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test import compute_paired_evidence, evaluate_shadow, evaluate_split


def test_evidence_is_the_mixture_of_likelihood_ratios() -> None:
    """The evidence of paired rows is the mixture's integral, as computed by quadrature."""
    found = evaluate_shadow(50, 4, 15, 3).e_value
    top, _ = quad(lambda p: beta.pdf(p, 0.5, 0.5) * p**15 * (1 - p) ** 4, 0.5, 1.0)
    assert found == pytest.approx(top / beta.sf(0.5, 0.5, 0.5) / 0.5**19, rel=1e-6)


def test_paired_evidence_is_fair() -> None:
    """Of two equals, the evidence that either is better is 1 in expectation, whatever the number of rows."""
    for apart in (1, 7, 40):
        hits = np.arange(apart + 1)
        evidence = [evaluate_shadow(0, int(apart - k), int(k), 0).e_value for k in hits]
        assert float(np.sum(binom.pmf(hits, apart, 0.5) * evidence)) == pytest.approx(1.0)


@pytest.mark.parametrize(("edge", "said"), [(60, "challenger wins"), (0, "go on"), (-60, "champion holds")])
def test_a_decision_falls_to_the_better_one(edge: int, said: str) -> None:
    """The better of two versions on the same inputs wins; between equals the test continues."""
    verdict = evaluate_shadow(800, 80 - edge, 80 + edge, 40)
    assert verdict.decision == said
    assert verdict.low < (verdict.difference or 0.0) < verdict.high


def test_evidence_never_overflows() -> None:
    """Extremes stay finite, and speak for one side alone."""
    assert np.isfinite(compute_paired_evidence(100_000, 0))
    assert compute_paired_evidence(0, 100_000) == pytest.approx(0.0)


def test_a_split_finds_the_better_one() -> None:
    """A challenger that is ten points better wins on a tenth of the traffic; the other way round it does not."""
    random = np.random.default_rng(3)
    mine = random.random(6000) < 0.1
    right = random.random(6000) < np.where(mine, 0.9, 0.8)
    assert evaluate_split(mine, right, share=0.1).decision == "challenger wins"
    assert evaluate_split(~mine, right, share=0.9).decision == "champion holds"


def test_no_labels_go_on() -> None:
    """Without labels nothing is decided, and the summary says what is missing."""
    verdict = evaluate_split(np.array([], bool), np.array([], bool), share=0.5)
    assert verdict.decision == "go on"
    assert verdict.difference is None
    assert "no labels yet" in verdict.summary
    assert evaluate_shadow(0, 0, 0, 0).e_value == pytest.approx(1.0)


def test_what_cannot_be_tested_is_refused() -> None:
    """Negative counts, lengths that differ and shares out of range are named."""
    with pytest.raises(UsageError, match="negative"):
        evaluate_shadow(1, -1, 0, 0)
    with pytest.raises(UsageError, match="share"):
        evaluate_split(np.array([True]), np.array([True]), share=1.0)
    with pytest.raises(UsageError, match="alpha"):
        evaluate_shadow(1, 1, 1, 1, alpha=0.7)
