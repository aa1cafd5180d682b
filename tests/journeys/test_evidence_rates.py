"""The promised rates hold in a smaller run of their simulations."""

from __future__ import annotations

import pytest
from benchmarks.evidence import TOPICS

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("topic", TOPICS)
def test_no_rate_contradicts_its_promise(topic: str) -> None:
    """The interval of every rate of this version reaches to the right side of what is promised."""
    broken = [
        row
        for row in TOPICS[topic](0.05)
        if row.build == "now" and row.promised is not None and not (row.low <= row.promised <= row.high)
        if (row.rate > row.promised) != (row.promised >= 0.5)
    ]
    assert not broken
