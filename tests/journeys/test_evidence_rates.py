"""The promised rates hold in a smaller run of their simulations."""

from __future__ import annotations

import pytest
from benchmarks.evidence import TOPICS
from benchmarks.evidence_rates.rows import Row
from scipy.stats import binom

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]

ALPHA = 0.05


@pytest.mark.parametrize("topic", TOPICS)
def test_no_rate_contradicts_its_promise(topic: str) -> None:
    """No rate of this version is off its promise by more than chance, with so many rates looked at (Bonferroni)."""
    rows = [row for row in TOPICS[topic](0.05) if row.build == "now" and row.promised is not None]
    assert not [row for row in rows if _chance(row) < ALPHA / len(rows)]


def _chance(row: Row) -> float:
    """How likely a rate so far off is, if the promise just holds."""
    assert row.promised is not None
    hits, runs, promised = round(row.rate * row.runs), row.runs, row.promised
    return float(binom.cdf(hits, runs, promised) if row.least else binom.sf(hits - 1, runs, promised))
