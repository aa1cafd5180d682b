"""A prediction's page says where each cell of its input lies among the training rows of its version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.console.data.input_places import find_input_places
from tiltyard.drift.profiles import FILE, build_reference
from tiltyard.errors import UnavailableError
from tiltyard.monitoring.monitored_version import MonitoredVersion


class Carried(MonitoredVersion):
    """A version with a profile and no files."""

    content: bytes | None = None

    def attachment(self, name: str) -> bytes | None:
        """The profile."""
        return self.content if name == FILE else None


def carry(content: bytes | None) -> Carried:
    version = Carried("shop", "3", ("no", "yes"))
    object.__setattr__(version, "content", content)
    return version


@pytest.fixture(scope="module")
def version() -> Carried:
    """Amounts 0 to 999, with gaps in a tenth of them; rooms 1 to 4; shops, one of them in nine rows of ten."""
    amounts = np.where(np.arange(1000) % 10 == 3, np.nan, np.arange(1000.0))
    shops = ["north" if row % 10 else "south" for row in range(1000)]
    frame = pd.DataFrame({"amount": amounts, "rooms": np.arange(1000) % 4 + 1.0, "shop": shops})
    return carry(build_reference(frame).to_bytes())


@pytest.mark.parametrize(
    ("cell", "words", "is_new"),
    [
        (-5, "below all of training, the least is 0", True),
        (2000.0, "above all of training, the greatest is 999", True),
        (None, "missing, as in 10% of training", False),
        ("many", "not a number, as training had", True),
    ],
)
def test_numbers_outside_of_training_and_gaps_are_named(version: Carried, cell: Any, words: str, is_new: bool) -> None:
    found = find_input_places(lambda _: version, "3", {"amount": cell}).cells["amount"]
    assert (found.words, found.is_new) == (words, is_new)


@pytest.mark.parametrize("value", [50.0, 500.0, "900"])
def test_a_number_is_placed_by_the_share_of_training_below_it(version: Carried, value: Any) -> None:
    found = find_input_places(lambda _: version, "3", {"amount": value}).cells["amount"]
    assert found.below is not None
    assert found.share is not None
    assert found.below <= float(value) / 1000 + 0.01 <= found.below + found.share + 0.02
    assert found.words.startswith("above ")


def test_few_values_and_categories_are_counted_exactly(version: Carried) -> None:
    given = {"rooms": 3, "shop": "north", "unknown": 1}
    found = find_input_places(lambda _: version, "3", given).cells
    assert found["rooms"].words == "above 50% of training, below 25%"
    assert (found["shop"].words, found["shop"].share) == ("as in 90% of training", 0.9)
    assert "unknown" not in found
    fresh = find_input_places(lambda _: version, "3", {"shop": "west", "rooms": None}).cells
    assert (fresh["shop"].words, fresh["shop"].is_new) == ("new: training did not have it", True)
    assert (fresh["rooms"].words, fresh["rooms"].is_new) == ("missing, as never in training", True)


def test_what_is_not_known_of_the_training_is_said() -> None:
    def fail(_: str) -> Carried:
        raise UnavailableError("The registry is away.", next_step="Start it.")

    assert "Nothing is kept of the training rows of version 3" in find_input_places(lambda _: None, "3", {}).reason
    assert "Nothing is kept" in find_input_places(lambda _: carry(None), "3", {}).reason
    assert "The registry is away." in find_input_places(fail, "3", {}).reason
