"""Detectors compute what their formulas say, and alarm no more often than they state."""

from __future__ import annotations

import doctest
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tiltyard.drift.detectors import categories, correction, numbers, proportions, vocabulary
from tiltyard.drift.detectors.categories import ChiSquare, JensenShannon
from tiltyard.drift.detectors.correction import adjust_p_values
from tiltyard.drift.detectors.numbers import KolmogorovSmirnov, PopulationStability, Wasserstein
from tiltyard.drift.detectors.proportions import ShareOfRows
from tiltyard.drift.profiles.numbers import NumberLayout

RNG = np.random.default_rng(5)
BASE = RNG.normal(size=4000)
LAYOUT = NumberLayout.fit(BASE)


def histogram(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.bincount(np.searchsorted(LAYOUT.edges, values, side="right"), minlength=len(LAYOUT.edges) + 1)


@pytest.mark.parametrize("module", [numbers, categories, proportions, vocabulary, correction])
def test_docstring_examples_hold(module: ModuleType) -> None:
    """The examples in the docstrings say what they say."""
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_ks_is_scipys_from_a_histogram() -> None:
    """From the histogram, the statistic is at most scipy's on the values, and nearly as large."""
    window = RNG.normal(0.2, 1.1, size=700)
    exact = stats.ks_2samp(BASE, window, method="asymp")
    found = KolmogorovSmirnov().compare(histogram(BASE), histogram(window), LAYOUT.centres, LAYOUT.scale)
    assert exact.statistic - 0.02 < found.effect <= exact.statistic + 1e-12
    assert found.p_value == pytest.approx(float(stats.kstwo.sf(found.effect, round(4000 * 700 / 4700))), rel=0.05)


def test_wasserstein_is_scipys_from_a_histogram() -> None:
    """From the histogram, the distance is scipy's on the values to a few hundredths of a standard deviation."""
    window = RNG.normal(0.5, 1, size=5000)
    exact = stats.wasserstein_distance(BASE, window) / LAYOUT.scale
    found = Wasserstein().compare(histogram(BASE), histogram(window), LAYOUT.centres, LAYOUT.scale)
    assert found.effect == pytest.approx(exact, abs=0.05)


def test_chi_square_has_the_p_value_of_scipy() -> None:
    """Where no category is rare, the p-value is that of scipy's contingency table."""
    a, b = np.array([400, 250, 90]), np.array([60, 55, 20])
    exact = stats.chi2_contingency(np.array([a, b]), correction=False)
    assert ChiSquare().compare(a, b).p_value == pytest.approx(exact.pvalue)


def test_shares_have_the_p_value_of_fishers_exact_test() -> None:
    """Exact for small counts; for large ones the score test, which says the same."""
    exact = stats.fisher_exact(np.array([[20, 80], [50, 950]]))
    assert ShareOfRows().compare((50, 1000), (20, 100)).p_value == pytest.approx(exact.pvalue)
    large, small = ((50_000, 1_000_000), (5_300, 100_000)), ((5_000, 100_000), (530, 10_000))
    assert ShareOfRows().compare(*large).p_value < 1e-4 < ShareOfRows().compare(*small).p_value


def test_corrections_are_those_of_statsmodels() -> None:
    """Both corrections are those of statsmodels."""
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    values = RNG.random(30) ** 3
    for ours, theirs in (("holm", "holm"), ("benjamini-hochberg", "fdr_bh")):
        expected = multitest.multipletests(values, method=theirs)[1]
        assert adjust_p_values(values.tolist(), ours) == pytest.approx(expected)  # type: ignore[arg-type]
    assert adjust_p_values([], "holm").tolist() == []


@pytest.mark.parametrize("rows", [120, 1000])
@pytest.mark.parametrize("detector", [KolmogorovSmirnov(), PopulationStability(), Wasserstein()], ids=lambda d: d.name)
def test_false_alarms_of_number_detectors(
    detector: KolmogorovSmirnov | PopulationStability | Wasserstein, rows: int
) -> None:
    """Over 200 windows of the reference's distribution, the share of alarms at 0.05 is at most 0.05 plus chance."""
    count = 200 if detector.name != "wasserstein" else 60
    rng = np.random.default_rng(8)
    shares = histogram(RNG.normal(size=100_000)) / 100_000
    reference, windows = rng.multinomial(5000, shares, count), rng.multinomial(rows, shares, count)
    alarms = sum(
        detector.compare(before, now, LAYOUT.centres, LAYOUT.scale).p_value <= 0.05
        for before, now in zip(reference, windows, strict=True)
    )
    assert alarms <= stats.binom.ppf(0.999, count, 0.05)


@pytest.mark.parametrize("detector", [ChiSquare(), JensenShannon()], ids=lambda d: d.name)
def test_false_alarms_of_category_detectors(detector: ChiSquare | JensenShannon) -> None:
    """The same for categories, common and rare."""
    rng = np.random.default_rng(8)
    shares = rng.dirichlet(np.full(40, 0.5))
    reference, windows = rng.multinomial(5000, shares, 200), rng.multinomial(300, shares, 200)
    alarms = sum(detector.compare(before, now).p_value <= 0.05 for before, now in zip(reference, windows, strict=True))
    assert alarms <= stats.binom.ppf(0.999, 200, 0.05)


def test_constant_and_huge_counts_are_compared() -> None:
    """A constant column, a single category and a billion rows are compared without complaint."""
    one, many = np.array([0, 50, 0]), np.array([0, 2_000_000_000, 0])
    for detector in (KolmogorovSmirnov(), PopulationStability(), Wasserstein()):
        assert detector.compare(many, one, np.array([0.0, 1.0, 2.0]), 1.0).p_value == 1.0
        assert detector.compare(one, np.array([50, 0, 0]), np.array([0.0, 1.0, 2.0]), 1.0).p_value < 1e-6
    for test in (ChiSquare(), JensenShannon()):
        assert test.compare(np.array([50]), np.array([70])).p_value == 1.0
        assert test.compare(np.array([5, 0]), np.array([3, 1])).effect == 0.0
