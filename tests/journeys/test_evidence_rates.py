"""The promised rates hold in a smaller run of their simulations."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from benchmarks.evidence import TOPICS
from benchmarks.evidence_rates.page import is_missed

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("topic", TOPICS)
def test_no_rate_contradicts_its_promise(topic: str) -> None:
    """The interval of every rate of this version reaches to the right side of what is promised."""
    assert not [row for row in TOPICS[topic](0.05) if row.build == "now" and is_missed(asdict(row))]
